"""One bar for all cards and one a card, on a terminal. A bar goes through writing and reading back once."""

import math
from collections.abc import MutableMapping, Sequence
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

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
from imagesmith.model.outcome import CardOutcome, Phase, Result
from imagesmith.report.columns import printable, wrapped
from imagesmith.report.lines import render_end
from imagesmith.report.names import clipped, short_names
from imagesmith.report.table import rate_text

_BAR = "{desc} {percentage:3.0f}%|{bar}|"
_FORMAT = _BAR + " {rate_fmt:>10} {remaining:>6}"
_TIMES = {Phase.COMPARE: 1, Phase.WRITE: 2, Phase.VERIFY: 1}
"""How often the bytes of a phase are counted until the card is done: what is written is read back as well."""
_NAME_CHARACTERS = 25
_STATE_CHARACTERS = 10


class _Bar(tqdm):  # type: ignore[type-arg]  # it iterates over nothing
    monitor_interval = 0
    """No monitor thread: this process forks, and events come often enough."""

    def lengthen(self, by_bytes: float) -> None:
        """Add to what there is to do."""
        self.total = (self.total or 0) + by_bytes

    @property
    def left_bytes(self) -> float:
        """What there is to do."""
        return (self.total or 0) - self.n

    @property
    def remaining_s(self) -> float | None:
        """How long that takes at the rate shown; None where none is."""
        rate = self.format_dict["rate"]
        return self.left_bytes / rate if rate else None


class _BarOfAll(_Bar):
    """Its end is that of the slowest card, whatever the rate of all."""

    awaited: Sequence[_Bar] = ()

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        """What is drawn, as of now."""
        known = super().format_dict
        if self.awaited:
            longest_s = max(bar.remaining_s or 0.0 for bar in self.awaited)
            known["bar_format"] = _BAR + " {rate_fmt:>10}" + f" {self._time_text(longest_s):>6}"
        return known

    def _time_text(self, seconds: float) -> str:
        return self.format_interval(math.ceil(seconds)) if seconds else "?"


_AnyBar = TypeVar("_AnyBar", bound=_Bar)


class Bars:
    """Draws on `out`, at most five times a second a bar.

    Args:
        out: a terminal.
        cards: in the order of their bars; others follow as they are opened.
        columns: of the terminal; None to ask it.
    """

    def __init__(self, out: TextIO, *, cards: Sequence[str] = (), columns: int | None = None) -> None:
        self._out = out
        self._columns = columns
        self._total: _BarOfAll | None = None
        self._names = dict.fromkeys(cards, "")
        self._bars: dict[str, _Bar] = {}
        self._ended: dict[str, CardOutcome] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case CardOpened():
                self._names[event.card] = event.node
            case PhaseStarted():
                self._enter(event)
            case BytesWritten() | BytesVerified() | BytesCompared():
                self._advance(event.card, event.count_bytes)
            case OperationRetried():
                self._say(f"{event.card}: {event.cause}; trying again ({event.attempt})")
            case CardEnded():
                self._end(event)
            case _:
                pass

    def close(self) -> None:
        """Leave the bars as they are and the cursor below them."""
        for bar in (self._total, *self._bars.values()):
            if bar is not None:
                bar.close()

    def _enter(self, event: PhaseStarted) -> None:
        if self._total is None:
            self._draw_all()
        bar = self._bars.get(event.card)
        if bar is None:
            return
        self._expect(event.card, _TIMES.get(event.phase, 0) * event.size_bytes)
        self._describe(bar, self._name(event.card), str(event.phase))

    def _draw_all(self) -> None:
        # The first: where there are more cards than lines, the last bars are not seen.
        self._total = self._bar(_BarOfAll, "all cards", position=0)
        names = short_names(self._names)
        for position, (card, node) in enumerate(self._names.items(), start=1):
            self._names[card] = f"{names[card]} {node}".strip()
            self._bars[card] = self._bar(_Bar, self._names[card], position=position)
        self._total.awaited = list(self._bars.values())
        for card in self._ended:  # those that could not be opened
            self._finish(card)

    def _expect(self, card: str, left_bytes: float) -> None:
        """Set what a card has still to do, as it enters a phase."""
        bars = self._with_total(card)
        by_bytes = left_bytes - bars[0].left_bytes
        for bar in bars:
            bar.lengthen(by_bytes)

    def _advance(self, card: str, count_bytes: int) -> None:
        for bar in self._with_total(card):
            bar.update(count_bytes)

    def _with_total(self, card: str) -> list[_Bar]:
        # An empty tqdm bar is false: ask for None.
        return [bar for bar in (self._bars.get(card), self._total) if bar is not None]

    def _end(self, event: CardEnded) -> None:
        outcome = event.outcome
        if outcome.result is not Result.DONE:
            self._say(f"{event.card}: {render_end(outcome)}")
        self._ended[event.card] = outcome
        if self._total is None:
            self._names[event.card] = outcome.node
        self._finish(event.card)

    def _finish(self, card: str) -> None:
        bar, outcome = self._bars.get(card), self._ended[card]
        if bar is None or self._total is None:
            return
        self._total.awaited = [self._bars[card] for card in self._bars if card not in self._ended]
        self._total.lengthen(-bar.left_bytes)  # what it will not do is not waited for
        bar.bar_format = _BAR + _ending(outcome)
        word = str(outcome.result).upper() if outcome.result is Result.FAILED else str(outcome.result)
        self._describe(bar, self._name(card), word)
        self._describe(self._total, "all cards", f"{len(self._ended)} of {len(self._bars)}")

    def _name(self, card: str) -> str:
        return self._names.get(card, card)

    def _say(self, text: str) -> None:
        _Bar.write("\n".join(wrapped(printable(text), indent=0, hanging=2)), file=self._out)

    def _bar(self, kind: type[_AnyBar], name: str, *, position: int) -> _AnyBar:
        return kind(
            desc=_description(name, ""),
            total=0,
            position=position,
            leave=True,
            file=self._out,
            ncols=self._columns,
            dynamic_ncols=self._columns is None,
            mininterval=0.2,
            unit="B",
            unit_scale=True,
            bar_format=_FORMAT,
        )

    @staticmethod
    def _describe(bar: _Bar, name: str, state: str) -> None:
        bar.set_description_str(_description(name, state))


def _ending(outcome: CardOutcome) -> str:
    """Return what stands behind the bar of a card that has ended: its own mean rate, and how long it took."""
    if outcome.result is not Result.DONE:
        return " " * 18
    return f" {rate_text(outcome.write_bytes_per_s).replace(' ', ''):>10} {outcome.total_s:>4.0f} s"


def _description(name: str, state: str) -> str:
    return f"{clipped(name, _NAME_CHARACTERS):<{_NAME_CHARACTERS}} {state:<{_STATE_CHARACTERS}}"
