"""What a run looked like over time, kept from its events: what the report draws.

Events carry no time: they are stamped as they arrive, 0.2 s late at most. However long a run takes, a card's
curve has at most `_MOST_BINS` bins: when time runs over, all bins are merged two by two.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from imagesmith.model.events import (
    BytesCompared,
    BytesVerified,
    BytesWritten,
    CardEnded,
    CardOpened,
    Event,
    OperationRetried,
    PhaseStarted,
)
from imagesmith.model.outcome import Phase

_FIRST_BIN_S = 0.125
_MOST_BINS = 512
_LEAST_SHARE = 0.25
"""A bin in which less of its time was counted has no rate: it would be that of a single operation."""
_MOST_RETRIES = 20
"""So many are told one by one; a card that gives more is no better understood."""


class PhaseSpan(NamedTuple):
    """When a card was in a phase: seconds from the start of the recording."""

    phase: Phase
    began_s: float
    ended_s: float


class Retry(NamedTuple):
    """When and why a card was asked again."""

    at_s: float
    cause: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One card over time."""

    phases: tuple[PhaseSpan, ...]
    """In order and without gaps."""
    bytes_per_s: tuple[float | None, ...]
    """Mean rate in each bin, written, compared and read back together; None where nothing is counted."""
    retries: tuple[Retry, ...]
    """The first twenty."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A run over time."""

    began_at: datetime
    """UTC."""
    seconds: float
    """From the start to the last event."""
    bin_s: float
    """Length of a bin; bin n begins n times this after the start."""
    traces: Mapping[str, Trace]
    """By the card's name in events, in order of opening."""


class Recorder:
    """Takes events as they come; `recording` tells what has been so far. Call it from one thread."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._began_at = now()
        self._began_s = clock()
        self._last_s = 0.0
        self._bin_s = _FIRST_BIN_S
        self._cards: dict[str, _Card] = {}

    def __call__(self, event: Event) -> None:
        """Note one event."""
        at_s = self._last_s = self._clock() - self._began_s
        while at_s >= _MOST_BINS * self._bin_s:
            self._bin_s *= 2
            for card in self._cards.values():
                card.merge_bins()
        match event:
            case CardOpened():
                self._card(event.card)
            case PhaseStarted():
                card = self._card(event.card)
                card.enter(event.phase, at_s, self._bin_s, is_counted=event.size_bytes > 0)
            case BytesWritten() | BytesVerified() | BytesCompared():
                self._card(event.card).count(event.count_bytes, at_s, self._bin_s)
            case OperationRetried():
                self._card(event.card).retry(Retry(at_s, event.cause, event.attempt))
            case CardEnded():
                self._card(event.card).enter(None, at_s, self._bin_s, is_counted=False)
            case _:
                pass

    def recording(self) -> Recording:
        """Return what has been up to the last event."""
        traces = {name: card.trace(self._last_s, self._bin_s) for name, card in self._cards.items()}
        return Recording(self._began_at, self._last_s, self._bin_s, traces)

    def _card(self, name: str) -> "_Card":
        return self._cards.setdefault(name, _Card())


@dataclass(slots=True)
class _Bin:
    count_bytes: float = 0.0
    spent_s: float = 0.0

    def rate(self, bin_s: float) -> float | None:
        return self.count_bytes / self.spent_s if self.spent_s >= _LEAST_SHARE * bin_s else None


@dataclass(slots=True)
class _Card:
    """A card's trace in the making."""

    phase: Phase | None = Phase.OPEN
    entered_s: float = 0.0
    is_counted: bool = False
    """Whether the phase it is in moves bytes: then silence is a rate of 0."""
    counted_s: float = 0.0
    """Up to when the bins are full."""
    phases: list[PhaseSpan] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    bins: list[_Bin] = field(default_factory=list)

    def enter(self, phase: Phase | None, at_s: float, bin_s: float, *, is_counted: bool) -> None:
        """Begin a phase, which ends the one before; None at the card's end."""
        if self.is_counted:
            self.count(0, at_s, bin_s)
        if self.phase is not None:
            self.phases.append(PhaseSpan(self.phase, self.entered_s, at_s))
        self.phase, self.is_counted, self.entered_s, self.counted_s = phase, is_counted, at_s, at_s

    def count(self, count_bytes: int, at_s: float, bin_s: float) -> None:
        """Spread bytes evenly over the time since the last ones."""
        began_s, self.counted_s = self.counted_s, at_s
        spent_s = at_s - began_s
        if spent_s <= 0:  # the clock stood still: the bytes belong to that moment
            if count_bytes:
                self._bin(at_s, bin_s).count_bytes += count_bytes
            return
        for index in range(int(began_s / bin_s), math.ceil(at_s / bin_s)):
            share_s = min(at_s, (index + 1) * bin_s) - max(began_s, index * bin_s)
            found = self._bin((index + 0.5) * bin_s, bin_s)
            found.count_bytes += count_bytes * share_s / spent_s
            found.spent_s += share_s

    def retry(self, retry: Retry) -> None:
        """Note that it was asked again."""
        if len(self.retries) < _MOST_RETRIES:
            self.retries.append(retry)

    def merge_bins(self) -> None:
        """Make each two bins one."""
        if len(self.bins) % 2:
            self.bins.append(_Bin())
        self.bins = [
            _Bin(left.count_bytes + right.count_bytes, left.spent_s + right.spent_s)
            for left, right in zip(self.bins[::2], self.bins[1::2], strict=True)
        ]

    def trace(self, last_s: float, bin_s: float) -> Trace:
        """Return it as it stands."""
        going = (PhaseSpan(self.phase, self.entered_s, last_s),) if self.phase else ()
        rates = tuple(found.rate(bin_s) for found in self.bins)
        return Trace((*self.phases, *going), rates, tuple(self.retries))

    def _bin(self, at_s: float, bin_s: float) -> _Bin:
        index = int(at_s / bin_s)
        self.bins.extend(_Bin() for _ in range(index + 1 - len(self.bins)))
        return self.bins[index]
