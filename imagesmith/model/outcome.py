"""What became of the cards: one outcome each, and the exit code computed from all of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from imagesmith.errors import AllCardsFailedError, InterruptedRunError, SomeCardsFailedError

SCHEMA = 1


class Phase(StrEnum):
    """What a lane is doing, in this order."""

    OPEN = "open"
    CLEAR = "clear"
    """The old partition table is removed, and the removal is read back."""
    WRITE = "write"
    VERIFY = "verify"
    HEAD = "head"
    """The new partition table is written and read back."""
    CLOSE = "close"


class Result(StrEnum):
    """The word on one card."""

    DONE = "done"
    """Every planned byte was read back from the medium and was right."""
    FAILED = "failed"
    UNFINISHED = "unfinished"
    """The run was stopped first."""


class TableState(StrEnum):
    """Which partition table a card carries at the end."""

    UNTOUCHED = "untouched"
    """Nothing was written: the card is what it was."""
    ABSENT = "absent"
    """Cleared, and read back as zeros."""
    VALID = "valid"
    """The planned one, read back."""
    UNKNOWN = "unknown"
    """The card stopped answering, or lied, before its state could be established."""


@dataclass(frozen=True, slots=True)
class CardOutcome:
    """What became of one card."""

    card: str
    """As the user named it."""
    slot: str
    node: str
    """Hostname; empty for an unpersonalised card."""
    result: Result
    table: TableState
    phase: Phase
    """The last phase entered: where it failed, when it failed."""
    offset: int | None = None
    """Byte of the card the failure is about, where there is one."""
    cause: str = ""
    written_bytes: int = 0
    """Of the body: chunks, slot and swap header. Clearing and partition tables do not count."""
    verified_bytes: int = 0
    """Of the body: read back from the medium and right."""
    seconds: Mapping[Phase, float] = field(default_factory=dict)
    retries: int = 0
    """Operations that were asked again after a transient error."""
    readback: str = ""
    """How read-back got past the page cache."""

    @property
    def total_s(self) -> float:
        """Seconds in all phases."""
        return sum(self.seconds.values())

    @property
    def write_bytes_per_s(self) -> float:
        """Mean rate of writing the body."""
        return _rate(self.written_bytes, self.seconds.get(Phase.WRITE, 0.0))

    @property
    def verify_bytes_per_s(self) -> float:
        """Mean rate of reading the body back."""
        return _rate(self.verified_bytes, self.seconds.get(Phase.VERIFY, 0.0))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "card": self.card,
            "slot": self.slot,
            "node": self.node,
            "result": str(self.result),
            "table": str(self.table),
            "phase": str(self.phase),
            "offset": self.offset,
            "cause": self.cause,
            "written_bytes": self.written_bytes,
            "verified_bytes": self.verified_bytes,
            "seconds": {str(phase): round(spent, 3) for phase, spent in self.seconds.items()},
            "write_bytes_per_s": round(self.write_bytes_per_s),
            "verify_bytes_per_s": round(self.verify_bytes_per_s),
            "retries": self.retries,
            "readback": self.readback,
        }


@dataclass(frozen=True, slots=True)
class FlashReport:
    """What became of a run: at least one card, in the order they were asked for."""

    outcomes: tuple[CardOutcome, ...]
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a report on nothing: it would read as success."""
        if not self.outcomes:
            raise ValueError("a report needs at least one card")

    @property
    def exit_code(self) -> int:
        """The run's exit code: 0 exactly when every card is done."""
        results = [outcome.result for outcome in self.outcomes]
        if all(result is Result.DONE for result in results):
            return 0
        if Result.UNFINISHED in results:
            return InterruptedRunError.exit_code
        return SomeCardsFailedError.exit_code if Result.DONE in results else AllCardsFailedError.exit_code

    def to_json(self) -> str:
        """Return the report as one JSON object on one line: the last of the lines that `--json` prints."""
        document = {
            "schema": SCHEMA,
            "event": "report",
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "cards": [outcome.as_dict() for outcome in self.outcomes],
        }
        return json.dumps(document)


def _rate(count_bytes: int, spent_s: float) -> float:
    return count_bytes / spent_s if spent_s > 0 else 0.0
