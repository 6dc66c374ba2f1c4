"""When a zero piece is read before it is written: only where this card has shown that it pays."""

import pytest

from imagesmith.flash.image import Image
from imagesmith.flash.thrift import Thrift
from imagesmith.model.card import CardPlan
from imagesmith.model.outcome import Result
from imagesmith.model.units import MIB
from tests.rig.plans import card_after
from tests.rig.scripted import ScriptedMedium
from tests.unit.flash.test_lane_faults import fly


def learned(*, write_s: float, read_s: float, zeros: list[bool]) -> Thrift:
    thrift = Thrift()
    thrift.wrote(4 * MIB, write_s)
    for was_zero in zeros:
        thrift.read(4 * MIB, read_s, was_zero=was_zero)
    return thrift


def test_nothing_is_read_before_the_card_has_shown_how_fast_it_writes() -> None:
    assert not Thrift().is_worth_reading(4 * MIB)


def test_the_first_zero_piece_is_read_to_find_out() -> None:
    assert learned(write_s=0.4, read_s=0.1, zeros=[]).is_worth_reading(4 * MIB)


@pytest.mark.parametrize(
    ("read_s", "zeros", "pays"),
    [
        (0.1, [True], True),
        (0.1, [False] * 6, False),  # the chance has sunk below a quarter
        (0.1, [False] * 6 + [True] * 3, True),
        (0.39, [True], True),
        (0.41, [True], False),  # reading is dearer than writing
    ],
)
def test_it_pays_while_chance_times_writing_exceeds_reading(
    read_s: float, zeros: list[bool], *, pays: bool
) -> None:
    assert pays is learned(write_s=0.4, read_s=read_s, zeros=zeros).is_worth_reading(4 * MIB)


def test_a_card_that_was_not_worth_it_is_asked_again_after_a_while() -> None:
    thrift = learned(write_s=0.4, read_s=0.1, zeros=[False] * 6)

    asked = [thrift.is_worth_reading(4 * MIB) for _ in range(65)]

    assert [False] * 64 + [True] == asked


def test_short_pieces_are_written_unread() -> None:
    assert not learned(write_s=0.4, read_s=0.01, zeros=[True]).is_worth_reading(64 * 1024)


def test_what_is_spared_is_read_back_all_the_same(
    plan: CardPlan, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Thrift, "is_worth_reading", lambda _self, _count: True)
    fresh = bytes(plan.size_bytes)
    medium = ScriptedMedium(fresh)
    zeros = sum(c.end - c.start for c in plan.chunks if str(c.kind) == "zero")

    outcome = fly(plan, image, medium)

    assert card_after(plan, fresh) == medium.content
    assert (Result.DONE, zeros) == (outcome.result, outcome.kept_bytes)
    assert (plan.body_bytes - zeros, plan.body_bytes) == (outcome.written_bytes, outcome.verified_bytes)
