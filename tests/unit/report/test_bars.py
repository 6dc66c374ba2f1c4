"""The bars of a run: in the cards' order, in 80 columns, and never promising more than there is to do."""

import io
import re

import pytest

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
from imagesmith.report.bars import Bars
from tests.unit.report import story

ONE, OTHER = story.CARDS[:2]


def drawn(*events: Event, cards: tuple[str, ...] = (), close: bool = True) -> dict[str, str]:
    """Return the last state of each line by its first word."""
    out = io.StringIO()
    bars = Bars(out, cards=cards, columns=80)
    for event in events:
        bars(event)
    if close:
        bars.close()
    lines = [line for line in re.split(r"[\r\n]|\x1b\[A", out.getvalue()) if "%|" in line]
    assert all(len(line) <= 80 for line in lines)
    last = {line.split(" ")[0]: line for line in lines}
    if not close:
        bars.close()
    return last


def opened(*cards: str) -> list[Event]:
    return [CardOpened(card, "", "") for card in cards]


def percent(line: str) -> int:
    found = re.search(r"(\d+)%\|", line)
    assert found
    return int(found[1])


def test_the_bar_of_all_is_the_first_and_cards_follow_as_they_were_named() -> None:
    last = drawn(*opened(OTHER, ONE), PhaseStarted(ONE, Phase.CLEAR, 0), cards=(ONE, OTHER))

    assert ["all", "sdb", "sdc"] == list(last)


@pytest.mark.parametrize("cards", [(ONE, OTHER), ()], ids=["named before", "not named before"])
def test_a_card_that_could_not_be_opened_has_its_bar_and_is_not_waited_for(cards: tuple[str, ...]) -> None:
    last = drawn(
        *opened(OTHER),
        CardEnded(ONE, story.outcome(2)),
        PhaseStarted(OTHER, Phase.WRITE, 100),
        BytesWritten(OTHER, 100),
        PhaseStarted(OTHER, Phase.VERIFY, 100),
        BytesVerified(OTHER, 100),
        CardEnded(OTHER, story.outcome(0)),
        cards=cards,
    )

    assert re.match(r"sdb jetson2-node +FAILED ", last["sdb"])
    assert "all cards                 2 of 2     100%|" in last["all"]


@pytest.mark.parametrize(
    ("compared", "written", "verified"),
    [(100, 100, 100), (100, 10, 30), (60, 100, 100), (0, 100, 120)],
    ids=["all differs", "probed pieces are read back too", "compared in part", "no delta"],
)
def test_a_bar_is_full_when_the_card_is_done_and_never_before(
    compared: int, written: int, verified: int
) -> None:
    mega = 1_000_000
    before: list[Event] = [
        *opened(ONE),
        PhaseStarted(ONE, Phase.COMPARE, 100 * mega),
        BytesCompared(ONE, compared * mega),
        PhaseStarted(ONE, Phase.CLEAR, 0),
        PhaseStarted(ONE, Phase.WRITE, written * mega),
        BytesWritten(ONE, written * mega),
    ]
    after: list[Event] = [
        PhaseStarted(ONE, Phase.VERIFY, verified * mega),
        BytesVerified(ONE, verified * mega),
        PhaseStarted(ONE, Phase.HEAD, 0),
        CardEnded(ONE, story.outcome(0)),
    ]

    assert 100 > percent(drawn(*before)["sdb"]) == percent(drawn(*before)["all"])
    assert 100 == percent(drawn(*before, *after)["sdb"]) == percent(drawn(*before, *after)["all"])


def test_a_card_that_ended_shows_its_own_rate_and_time_and_a_failed_one_neither() -> None:
    last = drawn(*story.events())

    assert last["sdb"].endswith("|   20.0MB/s   75 s")
    assert last["sdd"].endswith("|" + " " * 18)


def test_the_end_of_all_is_that_of_the_slowest_card(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("tqdm.std.time", lambda: now_s)
    out = io.StringIO()
    bars = Bars(out, columns=80)
    for event in (*opened(ONE, OTHER), *(PhaseStarted(card, Phase.WRITE, 100) for card in (ONE, OTHER))):
        bars(event)
    for _ in range(10):
        now_s += 1
        bars(BytesWritten(ONE, 10))
        bars(BytesWritten(OTHER, 1))

    line = [line for line in re.split(r"[\r\n]|\x1b\[A", out.getvalue()) if line.startswith("all")][-1]

    bars.close()
    assert line.rstrip().endswith("03:11")  # 191 bytes at 1 a second; 291 at the 11 of both would be 00:27


def test_what_is_said_between_bars_fits_80_columns_and_moves_no_cursor() -> None:
    out = io.StringIO()
    bars = Bars(out, columns=80)
    cause = "write at byte 4096 failed:\x1b[2J EIO (Input/output error) " + "again and " * 9

    bars(OperationRetried(ONE, cause, 1))

    said = out.getvalue()
    bars.close()
    assert "\x1b" not in said
    assert all(len(line) <= 80 for line in said.splitlines())
    assert said.splitlines()[1].startswith("  ")
