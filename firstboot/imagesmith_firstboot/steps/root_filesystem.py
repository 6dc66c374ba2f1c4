"""The root file system fills its card, but for the swap partition behind it.

A card written by `imagesmith flash` has a fitted table already; any other card gets it here. Growing a
mounted ext4 is safe; nothing is ever moved or shrunk.
"""

from typing import Any, Dict

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.kernel_view import root_disk
from imagesmith_firstboot.partition_table import (
    APP_NUMBER,
    SECTOR_BYTES,
    SWAP_NUMBER,
    parse_record,
    parse_table,
    plan_fit,
    sgdisk_words,
)

_RESIZE_S = 1800.0


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return how much must stay free for swap."""
    return context.cluster.swap_bytes


def run(context: Context) -> str:
    """Fit the table if it is not, tell the kernel, grow the file system."""
    disk = root_disk(context.root)
    if disk is None or disk.number != APP_NUMBER:
        return "root is not partition 1 of a disk: left as it is"
    device = f"/dev/{disk.disk}"
    done = "fitted already"
    table = parse_table(context.board.run(["sgdisk", "--print", device]).stdout)
    fit = plan_fit(table, context.cluster.swap_bytes)
    if fit is not None:
        record = parse_record(context.board.run(["sgdisk", f"--info={APP_NUMBER}", device]).stdout)
        context.board.run(["sgdisk", *sgdisk_words(table, fit, record), device])
        table = parse_table(context.board.run(["sgdisk", "--print", device]).stdout)
        done = "grown"
    sizes_bytes = {nr: (entry.last - entry.first + 1) * SECTOR_BYTES for nr, entry in table.entries.items()}
    # Asked for on its own: a power cut, or a restart, may lie between the table and the kernel's view of it.
    if sizes_bytes != disk.sizes_bytes:
        # The range is named: partx stops at the count of partitions, and a card may lack 2 to 14 (l4t 1.2).
        context.board.run(["partx", "--update", "--nr", f"{APP_NUMBER}:{SWAP_NUMBER}", device])
        _require_seen(context, sizes_bytes)
    context.board.run(["resize2fs", disk.device(APP_NUMBER)], timeout_s=_RESIZE_S)
    return f"{done}, {sizes_bytes[APP_NUMBER] / 2**30:.1f} GiB on {disk.device(APP_NUMBER)}"


def _require_seen(context: Context, sizes_bytes: Dict[int, int]) -> None:
    seen = root_disk(context.root)
    if seen is None or seen.sizes_bytes != sizes_bytes:
        raise StepError("the kernel still uses the old partition table")
