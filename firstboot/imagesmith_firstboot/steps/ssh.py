"""Who may log in, and how this node proves itself: authorized keys, host keys, known hosts.

Authorized keys are root's files outside the homes: a home may lie on NFS, where sshd would not trust its
owner and could not read it while the server is down.
"""

from typing import Any, Set

from imagesmith_firstboot.blocks import with_block
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import CommandError, StepError

_FOLDER = "/etc/ssh"
_KEYS_FOLDER = _FOLDER + "/authorized_keys.d"
_CONFIG = _FOLDER + "/sshd_config"
_CANDIDATE = _FOLDER + "/sshd_config.imagesmith"
_KINDS = ("ed25519", "ecdsa", "rsa")
_DIRECTIVE = f"AuthorizedKeysFile {_KEYS_FOLDER}/%u .ssh/authorized_keys"


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return users' keys, host keys and known hosts."""
    keys = [[user.name, user.ssh_authorized_keys] for user in context.cluster.users]
    return [keys, context.node.ssh_host_keys, context.node.known_hosts]


def run(context: Context) -> str:
    """Put all keys in place, then have sshd read them."""
    given = _place_host_keys(context)
    for kind in _KINDS:
        if kind not in given:
            _make_host_key(context, kind)
    count = _place_authorized_keys(context)
    if context.node.known_hosts:
        lines = "".join(f"{line}\n" for line in context.node.known_hosts)
        context.root.write(f"{_FOLDER}/ssh_known_hosts", lines)
    _configure(context)
    context.board.run(["systemctl", "reload-or-restart", "ssh.service"])
    origin = "from the card" if given else "of this board"
    return f"{count} authorized key{'s' if count != 1 else ''}, host keys {origin}"


def _place_host_keys(context: Context) -> Set[str]:
    for key in context.node.ssh_host_keys:
        path = f"{_FOLDER}/ssh_host_{key.kind}_key"
        context.root.write(path, key.private, 0o600)
        context.root.write(f"{path}.pub", key.public)
    return {key.kind for key in context.node.ssh_host_keys}


def _make_host_key(context: Context, kind: str) -> None:
    path = f"{_FOLDER}/ssh_host_{kind}_key"
    if context.root.exists(f"{path}.pub"):
        try:
            context.board.run(["ssh-keygen", "-y", "-P", "", "-f", context.root.path(path)])
        except CommandError:
            context.root.remove(path)  # cut short by a power cut
        else:
            return
    # Under another name first: ssh-keygen does not replace in one go. The public half goes last, as the mark.
    draft = f"{_FOLDER}/.ssh_host_{kind}_key.imagesmith"
    for name in (draft, f"{draft}.pub"):
        context.root.remove(name)
    words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@imagesmith", "-f"]
    context.board.run([*words, context.root.path(draft)], timeout_s=300)
    context.root.rename(draft, path)
    context.root.rename(f"{draft}.pub", f"{path}.pub")


def _place_authorized_keys(context: Context) -> int:
    count = 0
    for user in context.cluster.users:
        path = f"{_KEYS_FOLDER}/{user.name}"
        if user.ssh_authorized_keys:
            context.root.write(path, "".join(f"{key}\n" for key in user.ssh_authorized_keys))
            count += len(user.ssh_authorized_keys)
        else:
            context.root.remove(path)
    return count


def _configure(context: Context) -> None:
    # OpenSSH 7.6 knows no Include; it takes the first value it meets, so ours stands at the top.
    text = context.root.read_text(_CONFIG)
    if text is None:
        raise StepError(f"{_CONFIG} is missing: openssh-server is not installed")
    context.root.remove(_CANDIDATE)  # a power cut may have left it
    wanted = with_block(text, "keys", [_DIRECTIVE], first=True)
    if wanted == text:
        return
    context.root.make_folder("/run/sshd")  # sshd -t wants it; the service makes it only when it starts
    context.root.write(_CANDIDATE, wanted)
    try:
        context.board.run(["/usr/sbin/sshd", "-t", "-f", context.root.path(_CANDIDATE)])
        context.root.write(_CONFIG, wanted)
    finally:
        context.root.remove(_CANDIDATE)
