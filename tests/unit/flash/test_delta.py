"""Delta and resume: what is right stays untouched, whatever happens no table is over an incomplete body."""

import itertools

import pytest

from imagesmith.flash import lane, passes
from imagesmith.flash.image import Image
from imagesmith.flash.pieces import body_pieces
from imagesmith.model.card import CardPlan
from imagesmith.model.outcome import Approach, Phase, Result, TableState
from imagesmith.model.units import KIB, MIB
from tests.rig.plans import card_after, has_table
from tests.rig.scripted import ScriptedMedium
from tests.unit.flash.test_lane_faults import Guard, fly


@pytest.fixture
def right(plan: CardPlan, dirt: bytes) -> bytes:
    return card_after(plan, dirt)


def damaged(right: bytes, *offsets: int) -> bytes:
    card = bytearray(right)
    for offset in offsets:
        card[offset] ^= 1
    return bytes(card)


@pytest.mark.parametrize("approach", [Approach.DELTA, Approach.RESUME])
def test_a_right_card_is_only_read(plan: CardPlan, image: Image, right: bytes, approach: Approach) -> None:
    medium = ScriptedMedium(right)

    outcome = fly(plan, image, medium, approach=approach)

    assert {"read"} == set(medium.operations)
    assert (Result.DONE, TableState.VALID) == (outcome.result, outcome.table)
    assert (plan.body_bytes, 0, 0) == (outcome.kept_bytes, outcome.written_bytes, outcome.verified_bytes)
    assert {Phase.OPEN, Phase.COMPARE, Phase.CLOSE} == set(outcome.seconds)


def test_one_wrong_bit_costs_one_chunk(plan: CardPlan, image: Image, right: bytes) -> None:
    chunk = plan.chunks[3]
    start = damaged(right, chunk.start + 5)
    medium = ScriptedMedium(start, watch=Guard(plan, start))

    outcome = fly(plan, image, medium, approach=Approach.DELTA, is_probed=False)

    assert right == medium.content
    assert (Result.DONE, chunk.end - chunk.start) == (outcome.result, outcome.written_bytes)
    assert plan.body_bytes == outcome.kept_bytes + outcome.written_bytes


@pytest.mark.parametrize("place", ["primary GPT", "backup GPT"])
def test_a_lost_table_is_written_again_over_a_right_body(
    plan: CardPlan, image: Image, right: bytes, place: str
) -> None:
    patch = next(patch for patch in plan.head_patches if patch.name == place)
    medium = ScriptedMedium(damaged(right, patch.offset + 520))

    outcome = fly(plan, image, medium, approach=Approach.DELTA, is_probed=False)

    assert right == medium.content
    assert (Result.DONE, 0, plan.body_bytes) == (outcome.result, outcome.written_bytes, outcome.kept_bytes)


def test_a_foreign_card_is_written_whole(plan: CardPlan, image: Image, dirt: bytes, right: bytes) -> None:
    medium = ScriptedMedium(dirt)

    outcome = fly(plan, image, medium, approach=Approach.DELTA)

    assert right == medium.content
    assert (Result.DONE, plan.body_bytes) == (outcome.result, outcome.written_bytes)


def test_what_the_probe_has_touched_is_read_back(plan: CardPlan, image: Image, right: bytes) -> None:
    # The point at 2.5 MiB lies in no piece of this plan; a longer card's points do.
    medium = ScriptedMedium(damaged(right, plan.chunks[0].start))

    outcome = fly(plan, image, medium, approach=Approach.DELTA)

    assert right == medium.content
    assert outcome.verified_bytes >= outcome.written_bytes > 0


def test_resuming_reads_no_further_than_the_earlier_run_had_come(
    plan: CardPlan, image: Image, dirt: bytes, right: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "_UNREAD_AFTER_BYTES", 256 * KIB)
    came_to = plan.chunks[2].start
    begun = bytearray(dirt)
    begun[:came_to] = right[:came_to]
    begun[:MIB] = bytes(MIB)
    medium = ScriptedMedium(bytes(begun), watch=Guard(plan, bytes(begun)))

    outcome = fly(plan, image, medium, approach=Approach.RESUME, is_probed=False)

    assert right == medium.content
    before = [piece for piece in body_pieces(plan) if piece.start < came_to]
    assert sum(piece.length_bytes for piece in before) == outcome.kept_bytes
    assert medium.operations.index("write") < len(body_pieces(plan)), (
        "the rest was not read before it was written"
    )


@pytest.mark.parametrize("fault", "ERLS")
def test_no_single_fault_of_a_delta_passes_in_silence(
    plan: CardPlan, image: Image, right: bytes, fault: str
) -> None:
    start = damaged(right, plan.chunks[0].start, plan.chunks[-1].start + 9)
    clean = ScriptedMedium(start)
    fly(plan, image, clean, approach=Approach.DELTA)
    for position in range(len(clean.operations)):
        medium = ScriptedMedium(start, "." * position + fault, watch=Guard(plan, start))

        outcome = fly(plan, image, medium, approach=Approach.DELTA)

        guard = Guard(plan, start)
        assert guard.is_whole(medium.content) or outcome.result is not Result.DONE, position
        assert (outcome.result is Result.DONE) == (outcome.table is TableState.VALID), position
        if outcome.table is TableState.ABSENT:
            assert not has_table(medium.content), position


def test_a_place_that_cannot_be_read_is_written(plan: CardPlan, image: Image, right: bytes) -> None:
    medium = ScriptedMedium(right, "..E")

    outcome = fly(plan, image, medium, approach=Approach.DELTA, is_probed=False)

    assert (Result.DONE, right) == (outcome.result, bytes(medium.content))
    assert outcome.written_bytes > 0


def test_a_card_that_cannot_be_read_at_all_fails_and_is_not_asked_for_ever(
    plan: CardPlan, image: Image, dirt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_MOST_UNREADABLE", 2)
    medium = ScriptedMedium(dirt, "E" * 500)

    outcome = fly(plan, image, medium, approach=Approach.DELTA)

    assert (Result.FAILED, Phase.COMPARE) == (outcome.result, outcome.phase)
    assert "read failed: EIO" in outcome.cause
    assert len(medium.operations) < 30


def test_pulled_while_it_is_compared_it_is_the_card_it_was(
    plan: CardPlan, image: Image, right: bytes
) -> None:
    for position in itertools.islice(itertools.count(), 0, len(plan.chunks), 3):
        medium = ScriptedMedium(right, "." * position + "R")

        outcome = fly(plan, image, medium, approach=Approach.DELTA)

        assert (Result.FAILED, Phase.COMPARE) == (outcome.result, outcome.phase)
        assert right == medium.content
