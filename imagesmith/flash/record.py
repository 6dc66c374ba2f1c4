"""What a lane notes of itself as it goes: told as events, and at the end as the card's outcome."""

import heapq
import time
from collections.abc import Callable

from imagesmith.host.media import MediumError
from imagesmith.model.card import CardPlan
from imagesmith.model.events import (
    BytesCompared,
    BytesVerified,
    BytesWritten,
    CardOpened,
    Event,
    OperationRetried,
    PhaseStarted,
)
from imagesmith.model.outcome import CardOutcome, Phase, Result, SlowOperation, TableState

_TELL_EVERY_S = 0.2
_SLOWEST = 5


class Batch:
    """Adds up counts and passes them on at most five times a second."""

    def __init__(self, tell: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._untold = 0
        self._told_s = clock()

    def add(self, count: int) -> None:
        """Add to what is to be told."""
        self._untold += count
        if self._clock() - self._told_s >= _TELL_EVERY_S:
            self.settle()

    def settle(self) -> None:
        """Tell what has not been told."""
        if self._untold:
            self._tell(self._untold)
        self._untold = 0
        self._told_s = self._clock()


class LaneRecord:
    """One card's record. Written by its lane; the supervisor may ask for an outcome at any time."""

    def __init__(self, card: str, slot: str, plan: CardPlan, emit: Callable[[Event], None]) -> None:
        self.phase = Phase.OPEN
        self.table = TableState.UNTOUCHED
        self.readback = ""
        self._card = card
        self._slot = slot
        self._node = plan.node.hostname if plan.node else ""
        self._emit = emit
        self._entered_s = time.monotonic()
        self._seconds: dict[Phase, float] = {}
        self._written_bytes = 0
        self._verified_bytes = 0
        self._kept_bytes = 0
        self._retries = 0
        self._slowest: list[tuple[float, int, str]] = []
        self._writing = Batch(lambda count: emit(BytesWritten(card, count)))
        self._verifying = Batch(lambda count: emit(BytesVerified(card, count)))
        self._comparing = Batch(lambda count: emit(BytesCompared(card, count)))

    def opened(self) -> None:
        """Note that the card is open."""
        self._emit(CardOpened(self._card, self._slot, self._node))

    def enter(self, phase: Phase, size_bytes: int = 0) -> None:
        """Note that a phase begins, which ends the one before."""
        self._settle()
        self.phase = phase
        self._emit(PhaseStarted(self._card, phase, size_bytes))

    def wrote(self, count_bytes: int) -> None:
        """Note bytes of the body that the card has taken."""
        self._written_bytes += count_bytes
        self._writing.add(count_bytes)

    def verified(self, count_bytes: int) -> None:
        """Note bytes of the body that were read back and were right."""
        self._verified_bytes += count_bytes
        self._verifying.add(count_bytes)

    def compared(self, count_bytes: int) -> None:
        """Note bytes of the body that were looked at before anything is written."""
        self._comparing.add(count_bytes)

    def kept(self, count_bytes: int) -> None:
        """Note bytes of the body that are right already and are not written."""
        self._kept_bytes += count_bytes

    def spared(self, count_bytes: int) -> None:
        """Note bytes of the body that were looked at among the writing, and are kept."""
        self.kept(count_bytes)
        self.compared(count_bytes)

    def timed(self, operation: str, offset: int | None, seconds: float) -> None:
        """Note how long an operation took; the longest are remembered."""
        entry = (seconds, -1 if offset is None else offset, operation)
        if len(self._slowest) < _SLOWEST:
            heapq.heappush(self._slowest, entry)
        elif entry > self._slowest[0]:
            heapq.heapreplace(self._slowest, entry)

    def retried(self, error: MediumError, attempt: int) -> None:
        """Note that an operation is asked again."""
        self._retries += 1
        self._emit(OperationRetried(self._card, error.what, attempt))

    def close(self, result: Result, *, cause: str = "", offset: int | None = None) -> CardOutcome:
        """End the last phase and return the outcome."""
        self._settle()
        return self.outcome(result, cause=cause, offset=offset)

    def outcome(self, result: Result, *, cause: str = "", offset: int | None = None) -> CardOutcome:
        """Return the outcome as of now."""
        return CardOutcome(
            card=self._card,
            slot=self._slot,
            node=self._node,
            result=result,
            table=self.table,
            phase=self.phase,
            offset=offset,
            cause=cause,
            written_bytes=self._written_bytes,
            verified_bytes=self._verified_bytes,
            kept_bytes=self._kept_bytes,
            seconds=dict(self._seconds),
            retries=self._retries,
            readback=self.readback,
            slowest=tuple(
                SlowOperation(operation, None if offset < 0 else offset, seconds)
                for seconds, offset, operation in sorted(self._slowest, reverse=True)
            ),
        )

    def _settle(self) -> None:
        self._writing.settle()
        self._verifying.settle()
        self._comparing.settle()
        now_s = time.monotonic()
        self._seconds[self.phase] = self._seconds.get(self.phase, 0.0) + now_s - self._entered_s
        self._entered_s = now_s
