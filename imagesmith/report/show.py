"""Chooses how a run is shown: JSON lines when asked for, bars on a terminal, else one line a state.

Progress goes to stderr, JSON to stdout. No colour anywhere, so NO_COLOR has nothing to switch off.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from imagesmith.model.events import Event
from imagesmith.report.bars import Bars
from imagesmith.report.jsonl import JsonLines
from imagesmith.report.lines import Lines

Show = Callable[[Event], None]


@contextlib.contextmanager
def showing(*further: Show, as_json: bool, cards: Sequence[str] = ()) -> Iterator[Show]:
    """Give what shows events, for the length of the block; it is called by one thread.

    Args:
        further: told every event as well.
        as_json: whether a program reads along.
        cards: by the names they have in events, in the order to show them in.
    """
    with _shown(as_json=as_json, cards=cards) as first:

        def tell(event: Event) -> None:
            for show in (first, *further):
                show(event)

        yield tell


@contextlib.contextmanager
def _shown(*, as_json: bool, cards: Sequence[str]) -> Iterator[Show]:
    if as_json:
        jsonl = JsonLines(sys.stdout)
        try:
            yield jsonl
        finally:
            jsonl.close()
    elif sys.stderr.isatty():
        bars = Bars(sys.stderr, cards=cards)
        try:
            yield bars
        finally:
            bars.close()
    else:
        yield Lines(sys.stderr)
