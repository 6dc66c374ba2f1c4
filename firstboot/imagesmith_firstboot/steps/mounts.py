"""The NFS shares, mounted when first looked at: a server that is down holds nothing back.

fstab with systemd's automount; the server is asked once, to tell people, not to decide.
"""

from typing import Any, List

from imagesmith_firstboot.blocks import with_block
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.documents import Mount
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.kernel_view import file_systems
from imagesmith_firstboot.share import NFS_PORT

_FSTAB = "/etc/fstab"
_OPTIONS = ("_netdev", "nofail", "x-systemd.automount", "x-systemd.mount-timeout=30")
_ANSWER_S = 3.0


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the shares."""
    return context.cluster.mounts


def run(context: Context) -> str:
    """Configure the shares and arm their automounts."""
    mounts = context.cluster.mounts
    if mounts and not context.root.exists("/sbin/mount.nfs"):
        raise StepError("NFS shares cannot be mounted: nfs-common is not installed")
    mounted = file_systems(context.root)
    for mount in mounts:
        if mount.target not in mounted:  # not looked into once armed: see share.py
            context.root.make_folder(mount.target)
    fstab = context.root.read_text(_FSTAB) or ""
    context.root.write(_FSTAB, with_block(fstab, "mounts", [_line(mount) for mount in mounts]))
    context.board.run(["systemctl", "daemon-reload"])
    for mount in mounts:
        words = ["systemd-escape", "--path", "--suffix=automount", mount.target]
        unit = context.board.run(words).stdout.strip()
        if mount.target not in mounted:
            context.board.run(["systemctl", "start", unit])
    return _detail(context, mounts)


def _line(mount: Mount) -> str:
    options: List[str] = [*_OPTIONS, *(option for option in mount.options if option not in _OPTIONS)]
    source, target = (
        text.replace("\\", "\\134").replace(" ", "\\040") for text in (mount.source, mount.target)
    )
    return f"{source} {target} nfs {','.join(options)} 0 0"


def _detail(context: Context, mounts: Any) -> str:  # noqa: ANN401 -- a tuple of mounts
    if not mounts:
        return "none"
    servers = sorted({mount.source.split(":", 1)[0] for mount in mounts})
    silent = [name for name in servers if not context.board.answers(name, NFS_PORT, timeout_s=_ANSWER_S)]
    shares = ", ".join(mount.target for mount in mounts)
    if silent:
        return f"{shares} configured, {', '.join(silent)} does not answer"
    return f"{shares} on first use"
