"""Swap as the recipe wants it: a partition, and zram left on; or, for Kubernetes, none at all.

Open MPI jobs need the room; kubelet refuses to start with any swap, zram included (l4t facts 7.6).
"""

from typing import Any, List

from imagesmith_firstboot.blocks import with_block
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.kernel_view import active_swaps, root_disk
from imagesmith_firstboot.partition_table import SWAP_NAME, SWAP_NUMBER

_FSTAB = "/etc/fstab"
_ZRAM_UNIT = "nvzramconfig.service"
_NO_SIGNATURE = 2  # blkid(8): nothing found


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return size and mode."""
    return [context.cluster.swap_bytes, context.cluster.mode]


def run(context: Context) -> str:
    """Switch swap on, or off for good."""
    if context.cluster.swap_bytes == 0 or context.cluster.mode == "k8s":
        return _off(context)
    return _on(context)


def _on(context: Context) -> str:
    disk = root_disk(context.root)
    if disk is None or SWAP_NUMBER not in disk.sizes_bytes:
        raise StepError(f"no partition {SWAP_NUMBER} for swap on the root's disk")
    device = disk.device(SWAP_NUMBER)
    if device not in active_swaps(context.root):
        kind = _signature(context, device)
        if kind not in ("", "swap"):
            raise StepError(f"{device} holds {kind}: not overwritten")
        if kind == "":
            context.board.run(["mkswap", "--label", SWAP_NAME, device])
        context.board.run(["swapon", device])
    # By the partition's own name: it is there whoever made the header. nofail: swap is no reason not to boot.
    line = f"PARTLABEL={SWAP_NAME} none swap sw,nofail 0 0"
    context.root.write(_FSTAB, with_block(_fstab(context), "swap", [line]))
    return f"{disk.sizes_bytes[SWAP_NUMBER] / 2**30:.1f} GiB on {device}"


def _signature(context: Context, device: str) -> str:
    words = ["blkid", "-p", "-o", "value", "-s", "TYPE", device]  # 2.31 has no long options
    return context.board.run(words, ok=(0, _NO_SIGNATURE)).stdout.strip()


def _off(context: Context) -> str:
    kept: List[str] = []
    for line in with_block(_fstab(context), "swap", []).splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[2] != "swap" or line.startswith("#"):  # noqa: PLR2004 -- fstab(5), field 3
            kept.append(line)
    context.root.write(_FSTAB, "".join(f"{line}\n" for line in kept))
    context.board.run(["systemctl", "stop", _ZRAM_UNIT], ok=(0, 5))  # 5: no such unit
    # A link of our own: `systemctl mask` refuses where NVIDIA put the unit itself in /etc.
    context.root.link(f"/etc/systemd/system/{_ZRAM_UNIT}", "/dev/null")
    context.board.run(["systemctl", "daemon-reload"])
    context.board.run(["swapoff", "--all"])
    left = active_swaps(context.root)
    if left:
        raise StepError("still in use as swap: " + ", ".join(sorted(left)))
    return "off, zram too"


def _fstab(context: Context) -> str:
    return context.root.read_text(_FSTAB) or ""
