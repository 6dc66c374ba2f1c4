"""Cards side by side: each has its own fate, none is waited for beyond the watchdog."""

import contextlib
import errno
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from imagesmith.errors import CardRefusedError
from imagesmith.flash import lanes
from imagesmith.flash.image import Image
from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import run_lanes
from imagesmith.host.media import Medium, MediumError
from imagesmith.model.card import CardPlan
from imagesmith.model.events import BytesVerified, BytesWritten, CardEnded, Event, PhaseStarted
from imagesmith.model.outcome import FlashReport, Phase, Result, TableState
from tests.rig.plans import card_after, has_table
from tests.rig.scripted import ScriptedMedium, holding


class HangingMedium(ScriptedMedium):
    """Does not return from its n-th operation until it is freed."""

    def __init__(self, dirt: bytes, *, at: int) -> None:
        super().__init__(dirt)
        self.free = threading.Event()
        self._at = at

    def write(self, offset: int, content: memoryview) -> int:
        if len(self.operations) == self._at:
            self.free.wait()
        return super().write(offset, content)


class Refusing(contextlib.AbstractContextManager[Medium]):
    """A card that cannot be opened."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __enter__(self) -> Medium:
        raise self._error

    def __exit__(self, *_exc: object) -> None:
        raise AssertionError("it was never open")


def job(
    plan: CardPlan, name: str, medium: ScriptedMedium | Callable[[], AbstractContextManager[Medium]]
) -> LaneJob:
    opens = (lambda: holding(medium)) if isinstance(medium, ScriptedMedium) else medium
    return LaneJob(name, plan, opens, lambda: None, is_probed=False)


def fly(
    jobs: list[LaneJob],
    image: Image,
    *,
    on_event: Callable[[Event], None] = lambda _event: None,
    cancel: threading.Event | None = None,
    stall_timeout_s: float = 5.0,
) -> FlashReport:
    return run_lanes(
        jobs,
        image=image,
        on_event=on_event,
        cancel=cancel or threading.Event(),
        stall_timeout_s=stall_timeout_s,
        retry_pauses_s=(),
    )


def test_one_dead_card_among_three_costs_the_others_nothing(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    media = [ScriptedMedium(dirt), ScriptedMedium(dirt, "." * 12 + "R"), ScriptedMedium(dirt)]

    report = fly([job(plan, f"card{n}", medium) for n, medium in enumerate(media)], image)

    assert [Result.DONE, Result.FAILED, Result.DONE] == [o.result for o in report.outcomes]
    assert 8 == report.exit_code
    assert card_after(plan, dirt) == media[0].content == media[2].content
    assert not has_table(media[1].content)


def test_a_card_that_cannot_be_opened_fails_alone(plan: CardPlan, image: Image, dirt: bytes) -> None:
    dead = job(plan, "dead", lambda: Refusing(MediumError("open", None, errno.ENOMEDIUM)))

    report = fly([dead, job(plan, "good", ScriptedMedium(dirt))], image)

    assert [Result.FAILED, Result.DONE] == [o.result for o in report.outcomes]
    assert (Phase.OPEN, TableState.UNTOUCHED) == (report.outcomes[0].phase, report.outcomes[0].table)
    assert "ENOMEDIUM" in report.outcomes[0].cause


def test_one_refused_card_and_nothing_is_written_to_any(plan: CardPlan, image: Image, dirt: bytes) -> None:
    good = ScriptedMedium(dirt)
    error = CardRefusedError("sdx is refused", why="it is mounted", remedy="unmount it")

    with pytest.raises(CardRefusedError, match="sdx is refused") as caught:
        fly([job(plan, "good", good), job(plan, "sdx", lambda: Refusing(error))], image)

    assert ("it is mounted", "unmount it") == (caught.value.why, caught.value.remedy)
    assert [] == good.operations
    assert dirt == good.content


def test_a_hanging_card_is_given_up_and_the_others_are_done(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    hanging = HangingMedium(dirt, at=12)
    began_s = time.monotonic()

    report = fly(
        [job(plan, "hangs", hanging), job(plan, "good", ScriptedMedium(dirt))], image, stall_timeout_s=0.6
    )

    assert time.monotonic() - began_s < 3
    lost = report.outcomes[0]
    assert [Result.FAILED, Result.DONE] == [o.result for o in report.outcomes]
    assert (Phase.WRITE, TableState.ABSENT, "no answer for 1 s to: write") == (
        lost.phase,
        lost.table,
        lost.cause,
    )
    assert lost.offset is not None
    hanging.free.set()


def test_a_card_that_wakes_after_it_was_given_up_writes_no_table(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    hanging = HangingMedium(dirt, at=12)
    told: list[Event] = []
    before = set(threading.enumerate())
    slow = job(plan, "slow", hanging)

    report = fly([slow], image, stall_timeout_s=0.3, on_event=told.append)
    hanging.free.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)

    assert 9 == report.exit_code
    assert isinstance(told[-1], CardEnded)
    assert not has_table(hanging.content)
    assert "flush" in hanging.operations[13:], "the late lane clears the table"


class WatchedMedium(ScriptedMedium):
    """Is busy, but never silent, until it is freed."""

    def __init__(self, dirt: bytes, *, until: Callable[[], bool]) -> None:
        super().__init__(dirt)
        self._until = until

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if not self._until():
            time.sleep(0.01)
            buffer[:512] = self.content[offset : offset + 512]
            return 512
        return super().read_into(offset, buffer)


def test_what_a_card_says_after_it_was_given_up_changes_nothing(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    late = HangingMedium(dirt, at=12)
    told: list[Event] = []
    before = set(threading.enumerate())

    def is_late_lane_gone() -> bool:
        return not any(t.name == "lane late" for t in set(threading.enumerate()) - before)

    def on_event(event: Event) -> None:
        told.append(event)
        if isinstance(event, CardEnded) and event.card == "late":
            late.free.set()

    busy = WatchedMedium(dirt, until=is_late_lane_gone)
    report = fly(
        [job(plan, "late", late), job(plan, "busy", busy)], image, on_event=on_event, stall_timeout_s=0.3
    )

    assert [Result.FAILED, Result.DONE] == [o.result for o in report.outcomes]
    assert ["late", "busy"] == [event.card for event in told if isinstance(event, CardEnded)]


def test_cancelling_stops_every_card_and_takes_its_table(plan: CardPlan, image: Image, dirt: bytes) -> None:
    cancel = threading.Event()
    media = [ScriptedMedium(dirt), HangingMedium(dirt, at=12)]
    assert isinstance(media[1], HangingMedium)

    def on_event(event: Event) -> None:
        if isinstance(event, CardEnded):
            cancel.set()
            hanging.free.set()

    hanging = media[1]
    report = fly(
        [job(plan, "first", media[0]), job(plan, "second", hanging)], image, on_event=on_event, cancel=cancel
    )

    assert [Result.DONE, Result.UNFINISHED] == [o.result for o in report.outcomes]
    assert (130, "stopped") == (report.exit_code, report.outcomes[1].cause)
    assert (TableState.ABSENT, False) == (report.outcomes[1].table, has_table(hanging.content))


def test_cancelled_before_the_first_write_a_card_stays_what_it_was(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    cancel = threading.Event()
    cancel.set()
    medium = ScriptedMedium(dirt)

    report = fly([job(plan, "card", medium)], image, cancel=cancel)

    assert (130, TableState.UNTOUCHED) == (report.exit_code, report.outcomes[0].table)
    assert [] == medium.operations


def test_a_cancelled_card_that_hangs_is_not_waited_for(
    plan: CardPlan, image: Image, dirt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_STOP_GRACE_S", 0.2)
    cancel = threading.Event()
    hanging = HangingMedium(dirt, at=12)
    threading.Timer(0.2, cancel.set).start()
    began_s = time.monotonic()

    report = fly([job(plan, "hangs", hanging)], image, cancel=cancel, stall_timeout_s=60)

    assert time.monotonic() - began_s < 3
    assert 130 == report.exit_code
    assert report.outcomes[0].cause.startswith("no answer for")
    hanging.free.set()


def test_events_add_up_to_the_plan_and_end_with_the_outcome(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    told: list[Event] = []

    report = fly([job(plan, "card", ScriptedMedium(dirt))], image, on_event=told.append)

    assert plan.body_bytes == sum(event.count_bytes for event in told if isinstance(event, BytesWritten))
    assert plan.body_bytes == sum(event.count_bytes for event in told if isinstance(event, BytesVerified))
    assert [phase for phase in Phase if phase not in {Phase.OPEN, Phase.COMPARE, Phase.PROBE}] == [
        event.phase for event in told if isinstance(event, PhaseStarted)
    ]
    assert CardEnded("card", report.outcomes[0]) == told[-1]


def test_events_are_told_in_the_callers_thread(plan: CardPlan, image: Image, dirt: bytes) -> None:
    threads = set[int]()

    fly(
        [job(plan, f"card{n}", ScriptedMedium(dirt)) for n in range(4)],
        image,
        on_event=lambda _event: threads.add(threading.get_ident()),
    )

    assert {threading.get_ident()} == threads
