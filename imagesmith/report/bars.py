"""One bar a card and one for all, on a terminal. A card's bar goes through writing and reading back once."""

from typing import TextIO

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
from imagesmith.model.outcome import Phase, Result
from imagesmith.report.lines import render_end
from imagesmith.report.names import clipped, short_names

_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt:>10} {remaining:>6}"
_NAME_CHARACTERS = 25
_STATE_CHARACTERS = 10


class _Bar(tqdm):  # type: ignore[type-arg]  # it iterates over nothing
    monitor_interval = 0
    """No monitor thread: this process forks, and events come often enough."""

    def lengthen(self, by_bytes: float) -> None:
        """Add to what there is to do."""
        self.total = (self.total or 0) + by_bytes


class Bars:
    """Draws on `out`, at most five times a second a bar."""

    def __init__(self, out: TextIO, *, columns: int | None = None) -> None:
        self._out = out
        self._columns = columns
        self._total: _Bar | None = None
        self._names: dict[str, str] = {}
        self._bars: dict[str, _Bar] = {}
        self._ended = 0

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
        for bar in (*self._bars.values(), self._total):
            if bar is not None:
                bar.close()

    def _enter(self, event: PhaseStarted) -> None:
        if self._total is None:
            self._draw_all()
        bar = self._bars.get(event.card)
        if bar is None:
            return
        if event.phase in {Phase.COMPARE, Phase.WRITE}:
            # What is written will be read back as well.
            times = 2 if event.phase is Phase.WRITE else 1
            for longer in self._with_total(event.card):
                longer.lengthen(times * event.size_bytes)
        self._describe(bar, self._name(event.card), str(event.phase))

    def _draw_all(self) -> None:
        names = short_names(self._names)
        for position, (card, node) in enumerate(self._names.items()):
            self._names[card] = f"{names[card]} {node}".strip()
            self._bars[card] = self._bar(self._names[card], 0, position=position, leave=True)
        self._total = self._bar("all cards", 0, position=len(self._bars), leave=True)

    def _advance(self, card: str, count_bytes: int) -> None:
        for bar in self._with_total(card):
            bar.update(count_bytes)

    def _with_total(self, card: str) -> list[_Bar]:
        # An empty tqdm bar is false: ask for None.
        return [bar for bar in (self._bars.get(card), self._total) if bar is not None]

    def _end(self, event: CardEnded) -> None:
        outcome = event.outcome
        bar = self._bars.get(event.card)
        if outcome.result is not Result.DONE:
            self._say(f"{event.card}: {render_end(outcome)}")
        if bar is None:
            return
        word = str(outcome.result).upper() if outcome.result is Result.FAILED else str(outcome.result)
        self._describe(bar, self._name(event.card), word)
        self._ended += 1
        if self._total is not None:
            if outcome.result is not Result.DONE:  # what it will not do is not waited for
                self._total.lengthen(bar.n - (bar.total or 0))
            self._describe(self._total, "all cards", f"{self._ended} of {len(self._bars)}")

    def _name(self, card: str) -> str:
        return self._names.get(card, card)

    def _say(self, text: str) -> None:
        _Bar.write(text, file=self._out)

    def _bar(self, name: str, size_bytes: int, *, position: int, leave: bool) -> _Bar:
        return _Bar(
            desc=_description(name, ""),
            total=size_bytes,
            position=position,
            leave=leave,
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


def _description(name: str, state: str) -> str:
    return f"{clipped(name, _NAME_CHARACTERS):<{_NAME_CHARACTERS}} {state:<{_STATE_CHARACTERS}}"
