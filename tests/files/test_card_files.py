"""Cards that are regular files, through the whole of `flash_cards`: worker, lanes, door."""

import os
import threading
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from imagesmith.errors import CardRefusedError, UntrustedSourceError
from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import flash_cards
from imagesmith.host.media import Medium, open_medium
from imagesmith.model.card import CardPlan, Identity
from imagesmith.model.events import Event
from imagesmith.model.outcome import Approach, FlashReport, Result, TableState
from imagesmith.model.units import MIB
from tests.rig.plans import card_after, plan_for, write_image

CARD_BYTES = 16 * MIB


@pytest.fixture
def plan(tmp_path: Path) -> CardPlan:
    write_image(tmp_path / "rig.img", 8 * MIB)
    return plan_for(tmp_path / "rig.img", card_bytes=CARD_BYTES)


def open_new(path: Path) -> AbstractContextManager[Medium]:
    return open_medium(path, size_bytes=CARD_BYTES, expected=Identity(0, CARD_BYTES), create=True)


def job(plan: CardPlan, path: Path) -> LaneJob:
    return LaneJob(str(path), plan, partial(open_new, path), lambda: None)


def fly(*jobs: LaneJob, told: list[Event] | None = None) -> FlashReport:
    messages: list[Event] = [] if told is None else told
    return flash_cards(jobs, on_event=messages.append, cancel=threading.Event())


def test_card_files_are_written_side_by_side_and_hold_their_plan(plan: CardPlan, tmp_path: Path) -> None:
    paths = [tmp_path / f"card{number}.img" for number in range(3)]

    report = fly(*(job(plan, path) for path in paths))

    assert 0 == report.exit_code
    for path in paths:
        assert card_after(plan, bytes(CARD_BYTES)) == path.read_bytes()


def test_an_untrusted_image_ends_the_run_before_any_card_is_done(plan: CardPlan, tmp_path: Path) -> None:
    with plan.image.open("r+b") as out:
        out.seek(5 * MIB)
        out.write(bytes(512))

    report = fly(job(plan, tmp_path / "card0.img"), job(plan, tmp_path / "card1.img"))

    assert 5 == report.exit_code
    assert "are not what the manifest says" in report.image_fault
    assert Result.DONE not in {outcome.result for outcome in report.outcomes}
    assert [plan.image] == list(tmp_path.iterdir())


def test_an_image_of_another_size_is_refused_before_any_card_is_opened(
    plan: CardPlan, tmp_path: Path
) -> None:
    os.truncate(plan.image, 5 * MIB)

    with pytest.raises(UntrustedSourceError, match=r"the image rig\.img is not usable"):
        fly(job(plan, tmp_path / "card.img"))

    assert [plan.image] == list(tmp_path.iterdir())


def test_one_refused_file_and_no_file_is_made(plan: CardPlan, tmp_path: Path) -> None:
    taken = tmp_path / "taken.img"
    taken.write_bytes(b"precious")

    with pytest.raises(CardRefusedError, match=r"taken\.img is refused"):
        fly(job(plan, tmp_path / "card.img"), job(plan, taken))

    assert b"precious" == taken.read_bytes()
    assert {plan.image, taken} == set(tmp_path.iterdir())


def test_an_image_cut_off_during_the_run_fails_the_cards_and_kills_no_process(
    plan: CardPlan, tmp_path: Path
) -> None:
    """Touching a mapping behind the end of its file is a SIGBUS; a system call given it says EFAULT."""

    def cut_and_open() -> AbstractContextManager[Medium]:
        os.truncate(plan.image, 2 * MIB)
        return open_new(tmp_path / "card.img")

    report = fly(LaneJob("card.img", plan, cut_and_open, lambda: None))

    (outcome,) = report.outcomes
    assert (5, Result.FAILED) == (report.exit_code, outcome.result)
    assert "the image" in outcome.cause
    assert report.image_fault
    assert [plan.image] == list(tmp_path.iterdir())


def test_one_image_and_distinct_cards_are_asked_for(plan: CardPlan, tmp_path: Path) -> None:
    twice = [job(plan, tmp_path / "card.img")] * 2

    with pytest.raises(ValueError, match="one image and distinct cards"):
        fly(*twice)
    with pytest.raises(ValueError, match="one image and distinct cards"):
        fly()


def test_a_table_state_is_absent_when_the_file_could_not_be_completed(plan: CardPlan, tmp_path: Path) -> None:
    def fail() -> None:
        raise CardRefusedError("card.img is refused", why="changed")

    (outcome,) = fly(LaneJob("card.img", plan, partial(open_new, tmp_path / "card.img"), fail)).outcomes

    assert (Result.FAILED, TableState.ABSENT) == (outcome.result, outcome.table)
    assert [plan.image] == list(tmp_path.iterdir())


def test_a_delta_of_a_card_file_writes_what_differs_and_replaces_the_file_at_the_end(
    plan: CardPlan, tmp_path: Path
) -> None:
    path = tmp_path / "card.img"
    fly(job(plan, path))
    with path.open("r+b") as out:
        out.seek(plan.chunks[0].start)
        out.write(b"damage")
    found = path.stat()
    kept = partial(
        open_medium,
        path,
        size_bytes=CARD_BYTES,
        expected=Identity(found.st_ino, CARD_BYTES, file_system=found.st_dev),
        create=False,
        keep=True,
    )

    report = fly(LaneJob(str(path), plan, kept, lambda: None, approach=Approach.DELTA, is_probed=False))

    (outcome,) = report.outcomes
    assert (Result.DONE, plan.chunks[0].end - plan.chunks[0].start) == (outcome.result, outcome.written_bytes)
    assert card_after(plan, bytes(CARD_BYTES)) == path.read_bytes()
    assert path.stat().st_blocks * 512 < CARD_BYTES, "holes stay holes"
    assert found.st_ino != path.stat().st_ino
