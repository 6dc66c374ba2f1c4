"""Writes rig cards as a program of its own, to be interrupted and killed: prints events, then the report.

python -m tests.rig.fly IMAGE STALL_TIMEOUT_S DEVICE...
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import flash_cards
from imagesmith.host.media import open_medium
from imagesmith.host.signals import cancelled_by_signals
from imagesmith.report.jsonl import JsonLines
from tests.rig.cards import gpt_heads, identity_of
from tests.rig.plans import plan_for


def fly(image: Path, stall_timeout_s: float, devices: list[Path]) -> int:
    """Write the devices and return the exit code."""
    card_bytes = identity_of(devices[0]).size_bytes
    with tempfile.TemporaryDirectory() as folder:
        heads = gpt_heads(Path(folder), card_bytes)
    plan = plan_for(image, card_bytes=card_bytes, heads=heads)
    jobs = [
        LaneJob(
            str(device),
            plan,
            partial(open_medium, device, size_bytes=card_bytes, expected=identity_of(device), create=False),
            lambda: None,
        )
        for device in devices
    ]
    with cancelled_by_signals() as cancel:
        report = flash_cards(
            jobs, on_event=JsonLines(sys.stdout), cancel=cancel, stall_timeout_s=stall_timeout_s
        )
    print(report.to_json(), flush=True)  # noqa: T201 -- it is a program
    return report.exit_code


if __name__ == "__main__":
    sys.exit(fly(Path(sys.argv[1]), float(sys.argv[2]), [Path(word) for word in sys.argv[3:]]))
