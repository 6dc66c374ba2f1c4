"""Real block devices, with faults and without: most flashers exit 0 on these bad cards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import flash_cards
from imagesmith.host.media import Medium, open_medium
from imagesmith.host.programs import run
from imagesmith.model.card import CardPlan, Identity
from imagesmith.model.events import BytesWritten, Event, PhaseStarted
from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, TableState
from imagesmith.model.units import MIB
from tests.rig.cards import RigCard, gpt_heads, rig_card
from tests.rig.plans import card_after, has_table, plan_for, write_image

IMAGE_BYTES = 12 * MIB
CARD_BYTES = 24 * MIB
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CardPlan:
    folder = tmp_path_factory.mktemp("image")
    write_image(folder / "rig.img", IMAGE_BYTES)
    return plan_for(folder / "rig.img", card_bytes=CARD_BYTES, heads=gpt_heads(folder, CARD_BYTES))


@pytest.fixture
def insert(tmp_path: Path) -> Iterator[Callable[..., RigCard]]:
    """Put cards into readers for the length of the test."""
    with contextlib.ExitStack() as readers:

        def one(name: str, fault: str = "", rate_bytes_per_s: int = 0) -> RigCard:
            return readers.enter_context(
                rig_card(
                    tmp_path, name, size_bytes=CARD_BYTES, fault=fault, rate_bytes_per_s=rate_bytes_per_s
                )
            )

        yield one


def fly(
    jobs: Sequence[LaneJob],
    *,
    on_event: Callable[[Event], None] = lambda _event: None,
    stall_timeout_s: float = 30.0,
) -> FlashReport:
    return flash_cards(jobs, on_event=on_event, cancel=threading.Event(), stall_timeout_s=stall_timeout_s)


def assert_good(card: RigCard, plan: CardPlan, before: bytes, outcome: CardOutcome) -> None:
    assert (Result.DONE, TableState.VALID, "direct") == (outcome.result, outcome.table, outcome.readback)
    assert plan.body_bytes == outcome.written_bytes == outcome.verified_bytes
    assert card_after(plan, before) == card.backing.read_bytes()


def assert_no_table(card: RigCard, outcome: CardOutcome) -> None:
    assert TableState.ABSENT is outcome.table
    assert not has_table(card.backing.read_bytes())


def test_a_clean_card_is_right_to_the_byte_and_sgdisk_agrees(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    card = insert("a")
    before = card.backing.read_bytes()

    report = fly([card.job(plan, slot="left")])

    assert 0 == report.exit_code
    assert_good(card, plan, before, report.outcomes[0])
    assert "No problems found" in run(["sgdisk", "--verify", card.device]).stdout


SLOW_BYTES_PER_S = 3 * MIB
"""nbdkit's bucket holds two seconds' worth: a body of 9 MiB is still under way after its first chunk."""

BODY_AT = 10 * MIB + 12_345

FAULTS = {
    "a write error": (f"eio-write at={BODY_AT}", Phase.WRITE, "write failed: EIO"),
    "a read error": (f"eio-read at={BODY_AT}", Phase.VERIFY, "read failed: EIO"),
    "a flipped bit": (f"flip at={BODY_AT}", Phase.VERIFY, "read back wrong"),
    "a dropped write": (f"drop at={BODY_AT}", Phase.VERIFY, "read back wrong"),
    "a flipped bit in the table": ("flip at=600", Phase.CLEAR, "read back wrong"),
}


@pytest.mark.parametrize(("fault", "phase", "cause"), FAULTS.values(), ids=FAULTS)
def test_a_bad_card_among_good_ones_is_named_and_has_no_table(
    plan: CardPlan, insert: Callable[..., RigCard], fault: str, phase: Phase, cause: str
) -> None:
    good, bad = insert("good"), insert("bad", fault)
    before = good.backing.read_bytes()

    report = fly([bad.job(plan, slot="left"), good.job(plan, slot="right")])

    outcome = report.outcomes[0]
    assert 8 == report.exit_code
    assert_good(good, plan, before, report.outcomes[1])
    assert (Result.FAILED, phase) == (outcome.result, outcome.phase)
    assert cause in outcome.cause
    assert ("left", "jetson0-node") == (outcome.slot, outcome.node)
    at = int(fault.partition("at=")[2])
    assert outcome.offset is not None
    assert at - 4 * MIB < outcome.offset <= at
    assert not has_table(bad.backing.read_bytes())


def test_a_flipped_bit_is_located_to_the_byte(plan: CardPlan, insert: Callable[..., RigCard]) -> None:
    report = fly([insert("bad", f"flip at={BODY_AT}").job(plan)])

    assert (9, BODY_AT) == (report.exit_code, report.outcomes[0].offset)


def test_a_counterfeit_that_wraps_round_is_found(plan: CardPlan, insert: Callable[..., RigCard]) -> None:
    card = insert("bad", f"wrap at={8 * MIB}")

    report = fly([card.job(plan)])

    assert (9, Phase.PROBE) == (report.exit_code, report.outcomes[0].phase)
    assert "the card wraps: it holds 8 MiB or less, and says it holds more" == report.outcomes[0].cause
    assert_no_table(card, report.outcomes[0])


def test_a_counterfeit_is_found_by_the_body_too(plan: CardPlan, insert: Callable[..., RigCard]) -> None:
    card = insert("bad", f"wrap at={8 * MIB}")

    report = fly([replace(card.job(plan), is_probed=False)])

    assert (9, Phase.VERIFY) == (report.exit_code, report.outcomes[0].phase)
    assert "read back wrong" in report.outcomes[0].cause
    assert_no_table(card, report.outcomes[0])


def test_a_transient_error_is_survived_counted_and_told(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    card = insert("a", f"eio-write at={BODY_AT} times=1")
    before = card.backing.read_bytes()
    told: list[Event] = []

    report = fly([card.job(plan)], on_event=told.append)

    assert (0, 1) == (report.exit_code, report.outcomes[0].retries)
    assert_good(card, plan, before, report.outcomes[0])
    assert any("EIO" in getattr(event, "cause", "") for event in told)


def test_a_dead_card_among_three_good_ones_fails_alone(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    cards = [insert("a"), insert("dead", "dead"), insert("b"), insert("c")]
    before = [card.backing.read_bytes() for card in cards]

    report = fly([card.job(plan) for card in cards])

    assert 8 == report.exit_code
    for place in (0, 2, 3):
        assert_good(cards[place], plan, before[place], report.outcomes[place])
    dead = report.outcomes[1]
    assert (Result.FAILED, Phase.CLEAR, TableState.UNKNOWN) == (dead.result, dead.phase, dead.table)
    assert before[1] == cards[1].backing.read_bytes()


def test_a_card_pulled_in_mid_write_fails_alone(plan: CardPlan, insert: Callable[..., RigCard]) -> None:
    good, pulled = insert("good"), insert("pulled", rate_bytes_per_s=SLOW_BYTES_PER_S)
    before = good.backing.read_bytes()

    def pull(event: Event) -> None:
        if isinstance(event, BytesWritten) and event.card == str(pulled.device):
            with contextlib.suppress(ProcessLookupError):
                pulled.pull()

    report = fly([pulled.job(plan), good.job(plan)], on_event=pull)

    assert 8 == report.exit_code
    assert_good(good, plan, before, report.outcomes[1])
    assert (Result.FAILED, Phase.WRITE) == (report.outcomes[0].result, report.outcomes[0].phase)
    assert_no_table(pulled, report.outcomes[0])


def test_a_card_that_hangs_is_given_up_and_the_others_are_good(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    good, hanging = insert("good"), insert("hanging", rate_bytes_per_s=SLOW_BYTES_PER_S)
    before = good.backing.read_bytes()

    def hang(event: Event) -> None:
        if isinstance(event, BytesWritten) and event.card == str(hanging.device):
            hanging.hang()

    began_s = time.monotonic()
    report = fly([hanging.job(plan), good.job(plan)], on_event=hang, stall_timeout_s=3)

    assert time.monotonic() - began_s < 15
    assert 8 == report.exit_code
    assert_good(good, plan, before, report.outcomes[1])
    lost = report.outcomes[0]
    assert (Result.FAILED, Phase.WRITE) == (lost.result, lost.phase)
    assert lost.cause.startswith("no answer for 3 s to: write")
    assert lost.offset is not None
    assert_no_table(hanging, lost)


class Flight:
    """`tests.rig.fly` as a process, followed until a card has entered a phase."""

    def __init__(self, plan: CardPlan, cards: Sequence[RigCard], *, stall_timeout_s: float = 30.0) -> None:
        devices = [str(card.device) for card in cards]
        argv = [sys.executable, "-m", "tests.rig.fly", str(plan.image), str(stall_timeout_s), *devices]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True, start_new_session=True
        )

    def until_written(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if any(counts["written_bytes"] for counts in _counts(line)):
                return
        raise AssertionError("it ended first")

    def ended(self) -> tuple[int, dict[str, Any]]:
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(out.splitlines()[-1])


def _counts(line: str) -> list[dict[str, int]]:
    document = json.loads(line)
    return list(document["cards"].values()) if document["event"] == "progress" else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_lists_what_is_unfinished_and_leaves_no_table(
    plan: CardPlan, insert: Callable[..., RigCard], number: int
) -> None:
    cards = [insert("a", rate_bytes_per_s=SLOW_BYTES_PER_S), insert("b", rate_bytes_per_s=SLOW_BYTES_PER_S)]
    flight = Flight(plan, cards)
    flight.until_written()

    os.killpg(flight.process.pid, number)  # as a terminal does it: to every process of the group
    code, report = flight.ended()

    assert 130 == code == report["exit_code"]
    assert ["unfinished", "unfinished"] == [card["result"] for card in report["cards"]]
    assert ["absent", "absent"] == [card["table"] for card in report["cards"]]
    assert not any(has_table(card.backing.read_bytes()) for card in cards)


def test_killed_outright_it_leaves_no_table_over_an_incomplete_body(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    card = insert("a", rate_bytes_per_s=SLOW_BYTES_PER_S)
    flight = Flight(plan, [card])
    flight.until_written()

    os.killpg(flight.process.pid, signal.SIGKILL)
    flight.process.wait(timeout=10)
    flight.process.communicate()

    assert not has_table(card.backing.read_bytes())


def test_the_process_ends_although_a_card_never_answers(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    card = insert("a", rate_bytes_per_s=SLOW_BYTES_PER_S)
    flight = Flight(plan, [card], stall_timeout_s=2)
    flight.until_written()

    card.hang()
    began_s = time.monotonic()
    code, report = flight.ended()

    assert time.monotonic() - began_s < 12
    assert 9 == code
    assert "no answer for 2 s" in report["cards"][0]["cause"]


def test_a_run_begun_on_a_whole_table_clears_it_before_the_first_chunk(
    plan: CardPlan, insert: Callable[..., RigCard]
) -> None:
    card = insert("a")
    assert 0 == fly([card.job(plan)]).exit_code
    seen: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase is Phase.WRITE:
            seen.append(has_table(card.backing.read_bytes()))

    assert 0 == fly([card.job(plan)], on_event=look).exit_code
    assert [False] == seen


def test_a_full_disk_fails_the_card_file_on_it_and_leaves_no_part_of_it(
    plan: CardPlan, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small])
    try:
        jobs = [
            LaneJob(str(path), plan, partial(open_new, path), lambda: None)
            for path in (small / "card.img", tmp_path / "card.img")
        ]

        report = fly(jobs)

        assert [] == list(small.iterdir())
    finally:
        run(["umount", small])
    full, good = report.outcomes
    assert (8, Result.DONE) == (report.exit_code, good.result)
    assert (Result.FAILED, Phase.WRITE) == (full.result, full.phase)
    assert "write failed: ENOSPC" in full.cause
    assert card_after(plan, bytes(CARD_BYTES)) == (tmp_path / "card.img").read_bytes()


def open_new(path: Path) -> AbstractContextManager[Medium]:
    return open_medium(path, size_bytes=CARD_BYTES, expected=Identity(0, CARD_BYTES), create=True)
