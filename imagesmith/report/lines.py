"""One line a state, for logs: no cursor movement, nothing that is repeated."""

from typing import TextIO

from imagesmith.model.events import (
    CardEnded,
    CardOpened,
    Event,
    ImageCheckStarted,
    OperationRetried,
    PhaseStarted,
)
from imagesmith.model.outcome import CardOutcome, Phase, Result
from imagesmith.model.units import format_size

_DOING = {
    Phase.COMPARE: "comparing",
    Phase.CLEAR: "removing the old partition table",
    Phase.PROBE: "asking for its true capacity",
    Phase.WRITE: "writing",
    Phase.VERIFY: "reading back",
    Phase.HEAD: "writing the partition table",
}


class Lines:
    """Writes a line a state to `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._names: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Show one event; counts of bytes are not shown."""
        match event:
            case ImageCheckStarted():
                self._line(f"image: checking {format_size(event.size_bytes)}")
            case CardOpened():
                who = ", ".join(filter(None, [event.node, event.slot]))
                self._names[event.card] = f"{event.card} ({who})" if who else event.card
            case PhaseStarted() if event.phase in _DOING:
                size = f" {format_size(event.size_bytes)}" if event.size_bytes else ""
                self._line(f"{self._name(event.card)}: {_DOING[event.phase]}{size}")
            case OperationRetried():
                self._line(f"{self._name(event.card)}: {event.cause}; trying again ({event.attempt})")
            case CardEnded():
                self._line(f"{self._name(event.card)}: {render_end(event.outcome)}")
            case _:
                pass

    def _name(self, card: str) -> str:
        return self._names.get(card, card)

    def _line(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def render_end(outcome: CardOutcome) -> str:
    """Return what became of a card, on one line."""
    if outcome.result is Result.DONE:
        return f"done and verified in {outcome.total_s:.0f} s"
    where = "" if outcome.offset is None else f" at byte {outcome.offset}"
    return f"{outcome.result} in {outcome.phase}{where}: {outcome.cause} (partition table: {outcome.table})"
