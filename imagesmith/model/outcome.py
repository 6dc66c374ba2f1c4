"""What became of the cards: one outcome each, and the exit code computed from all of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any, NamedTuple

from imagesmith.errors import (
    AllCardsFailedError,
    InterruptedRunError,
    SomeCardsFailedError,
    UntrustedSourceError,
)
from imagesmith.model.units import MIB

SCHEMA = 1

_RATED_BYTES = 16 * MIB
"""Less than this fits into a card's own buffers: its rate says nothing."""
_FEWEST_SIBLINGS = 2
_USUAL_SHARE = 0.5


class Phase(StrEnum):
    """What a lane is doing, in this order."""

    OPEN = "open"
    COMPARE = "compare"
    """The card is read against its plan, to see what of it must be written."""
    CLEAR = "clear"
    """The old partition table is removed, and the removal is read back."""
    PROBE = "probe"
    """The card is asked whether it is as large as it says."""
    WRITE = "write"
    VERIFY = "verify"
    HEAD = "head"
    """The new partition table is written and read back."""
    CLOSE = "close"


class Approach(StrEnum):
    """How a card gets what its plan says."""

    WRITE = "write"
    """Everything is written."""
    DELTA = "delta"
    """The card is read first, and only what differs is written."""
    RESUME = "resume"
    """Like delta; where much in a row differs, an earlier run had come so far: the rest is written unread."""


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


class SlowOperation(NamedTuple):
    """One of the operations that a card took longest over."""

    operation: str
    offset: int | None
    seconds: float


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
    """Of the body: read back from the medium after writing, and right."""
    kept_bytes: int = 0
    """Of the body: found right on the medium already, and so not written."""
    seconds: Mapping[Phase, float] = field(default_factory=dict)
    retries: int = 0
    """Operations that were asked again after a transient error."""
    readback: str = ""
    """How read-back got past the page cache."""
    slowest: tuple[SlowOperation, ...] = ()
    """The operations that took longest, the longest first."""

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
            "kept_bytes": self.kept_bytes,
            "seconds": {str(phase): round(spent, 3) for phase, spent in self.seconds.items()},
            "write_bytes_per_s": round(self.write_bytes_per_s),
            "verify_bytes_per_s": round(self.verify_bytes_per_s),
            "retries": self.retries,
            "readback": self.readback,
            "slowest": [
                {"operation": slow.operation, "offset": slow.offset, "seconds": round(slow.seconds, 3)}
                for slow in self.slowest
            ],
        }


@dataclass(frozen=True, slots=True)
class FlashReport:
    """What became of a run: at least one card, in the order they were asked for."""

    outcomes: tuple[CardOutcome, ...]
    seconds: float
    image_fault: str = ""
    """What is wrong with the image, where that ended the run."""

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
        if self.image_fault:
            return UntrustedSourceError.exit_code
        if Result.UNFINISHED in results:
            return InterruptedRunError.exit_code
        return SomeCardsFailedError.exit_code if Result.DONE in results else AllCardsFailedError.exit_code

    @property
    def outliers(self) -> tuple[tuple[CardOutcome, float], ...]:
        """Cards that wrote at less than half their siblings' rate, with the share of it that they reached.

        Rates are of cards that wrote at least 16 MiB; two siblings are needed to say what is usual.
        """
        rates = {
            outcome.card: outcome.write_bytes_per_s
            for outcome in self.outcomes
            if outcome.written_bytes >= _RATED_BYTES
        }
        found = []
        for outcome in self.outcomes:
            others = [rate for card, rate in rates.items() if card != outcome.card]
            if outcome.card in rates and len(others) >= _FEWEST_SIBLINGS:
                share = rates[outcome.card] / median(others)
                if share < _USUAL_SHARE:
                    found.append((outcome, share))
        return tuple(found)

    def to_json(self) -> str:
        """Return the report as one JSON object on one line: the last of the lines that `--json` prints."""
        document = {
            "schema": SCHEMA,
            "event": "report",
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "image_fault": self.image_fault,
            "cards": [outcome.as_dict() for outcome in self.outcomes],
            "outliers": [
                {"card": outcome.card, "share_of_siblings_rate": round(share, 3)}
                for outcome, share in self.outliers
            ],
        }
        return json.dumps(document)


def _rate(count_bytes: int, spent_s: float) -> float:
    return count_bytes / spent_s if spent_s > 0 else 0.0
