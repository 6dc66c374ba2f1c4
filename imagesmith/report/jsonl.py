"""Events as JSON lines, for programs. Every line has `schema`, `event` and `time_s` (seconds from the start).

Counts of bytes are cumulative, of all cards in one `progress` line, and come at most five times a second; all
other events come as they happen. docs/reference.md lists them.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from imagesmith.model.events import (
    BytesCompared,
    BytesVerified,
    BytesWritten,
    CardEnded,
    Event,
    ImageBytesChecked,
)
from imagesmith.model.outcome import SCHEMA

_EVERY_S = 0.2


class JsonLines:
    """Writes a line an event to `out`."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._began_s = clock()
        self._told_s = -_EVERY_S
        self._checked_bytes = 0
        self._cards: dict[str, dict[str, int]] = {}
        self._is_told = True

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case ImageBytesChecked():
                self._checked_bytes += event.count_bytes
            case BytesWritten():
                self._counts(event.card)["written_bytes"] += event.count_bytes
            case BytesVerified():
                self._counts(event.card)["verified_bytes"] += event.count_bytes
            case BytesCompared():
                self._counts(event.card)["compared_bytes"] += event.count_bytes
            case _:
                self.close()  # counts of a phase come before what follows it
                self._line(_snake_case(type(event).__name__), _fields(event))
                return
        self._is_told = False
        if self._clock() - self._told_s >= _EVERY_S:
            self.close()

    def close(self) -> None:
        """Write the counts that have not been written."""
        if not self._is_told:
            self._line("progress", {"checked_bytes": self._checked_bytes, "cards": self._cards})
            self._is_told = True
            self._told_s = self._clock()

    def _counts(self, card: str) -> dict[str, int]:
        return self._cards.setdefault(card, {"compared_bytes": 0, "written_bytes": 0, "verified_bytes": 0})

    def _line(self, event: str, fields: dict[str, Any]) -> None:
        time_s = round(self._clock() - self._began_s, 3)
        print(
            json.dumps({"schema": SCHEMA, "event": event, "time_s": time_s, **fields}),
            file=self._out,
            flush=True,
        )


def _fields(event: Event) -> dict[str, Any]:
    return event.outcome.as_dict() if isinstance(event, CardEnded) else asdict(event)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
