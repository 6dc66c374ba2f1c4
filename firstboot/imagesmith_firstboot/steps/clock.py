"""The clock is not before the image was built. The kit has no battery: it starts years ago.

TLS, apt and kubeadm refuse certificates "from the future". NTP then does the rest; a node without a network
is late, not broken.
"""

import time
from typing import Any

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import CommandError

_SYNC_S = 20.0


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the build time and the boot: every boot starts in the past again."""
    boot_id = (context.root.read_text("/proc/sys/kernel/random/boot_id") or "").strip()
    return [context.cluster.built_at_s, boot_id]


def run(context: Context) -> str:
    """Set the clock to the build time if it is before it; then wait a little for NTP if there is a route."""
    before_s = context.board.now_s()
    notes = []
    if before_s < context.cluster.built_at_s:
        context.board.run(["date", "--utc", f"--set=@{context.cluster.built_at_s}"])
        notes.append(f"was {_day(before_s)}, set to the build's {_day(context.cluster.built_at_s)}")
    if not _has_default_route(context):
        notes.append("no route yet, not synchronised")
    elif context.board.wait_until(lambda: _is_synchronised(context), timeout_s=_SYNC_S):
        notes.append("synchronised")
    else:
        notes.append("not synchronised yet")
    return ", ".join(notes)


def _has_default_route(context: Context) -> bool:
    rows = (context.root.read_text("/proc/net/route") or "").splitlines()[1:]
    return any(row.split("\t")[1] == "00000000" for row in rows)


def _is_synchronised(context: Context) -> bool:
    # `timedatectl show` came with systemd 239; the board has 237.
    try:
        return "clock synchronized: yes" in context.board.run(["timedatectl", "status"], timeout_s=10).stdout
    except CommandError:
        return False


def _day(time_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time_s))
