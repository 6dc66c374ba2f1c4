"""Runs `imagesmith` as people do, with the few things changed that a test has to: a program of its own.

    python -m tests.rig.flight OPTIONS WORD…

OPTIONS is a JSON object: `stall_timeout_s`; `slots`, the labels of the cards in their order (loop devices
sit in no slot that udev could name); `short`, the place of a card of which each call moves half of what is
asked; and `gate`, a file: it is made when all questions are answered and before any card is opened, and the
run goes on once it is gone.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from imagesmith import cli
from imagesmith.app import flash
from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import flash_cards
from imagesmith.host.media import Medium
from imagesmith.model.outcome import FlashReport
from imagesmith.model.units import SECTOR_BYTES, round_up


@dataclass(frozen=True, slots=True)
class _HalfMedium:
    """Moves half of what is asked, as a short count from the kernel does."""

    medium: Medium

    @property
    def readback(self) -> str:
        return self.medium.readback

    def write(self, offset: int, content: memoryview) -> int:
        with content[: _half(content)] as part:
            return self.medium.write(offset, part)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        with buffer[: _half(buffer)] as part:
            return self.medium.read_into(offset, part)

    def flush(self) -> None:
        self.medium.flush()

    def reread_table(self) -> None:
        self.medium.reread_table()


def _half(buffer: memoryview) -> int:
    return round_up(len(buffer) // 2, SECTOR_BYTES)


@contextlib.contextmanager
def _halved(opens: AbstractContextManager[Medium]) -> Iterator[Medium]:
    with opens as medium:
        yield _HalfMedium(medium)


def fly(options: dict[str, Any], words: Sequence[str]) -> int:
    """Run a command line and return its exit code."""

    def changed(jobs: Sequence[LaneJob], **rest: Any) -> FlashReport:
        given = [replace(job, slot=slot) for job, slot in zip(jobs, options["slots"], strict=True)]
        if (short := options.get("short")) is not None:
            opens = given[short].open_medium
            given[short] = replace(given[short], open_medium=lambda: _halved(opens()))
        if gate := options.get("gate"):
            _wait_at(Path(gate))
        return flash_cards(given, **rest, stall_timeout_s=options["stall_timeout_s"])

    with mock.patch.object(flash, "flash_cards", changed):
        return cli.run(words)


def _wait_at(gate: Path) -> None:
    gate.touch()
    while gate.exists():
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(fly(json.loads(sys.argv[1]), sys.argv[2:]))
