"""Counterfeits of every kind, and a genuine card: told apart by a few blocks."""

import itertools
import threading

import pytest

from imagesmith.flash.image import Image
from imagesmith.flash.pieces import cleared_spans
from imagesmith.flash.probe import BLOCK_BYTES, CounterfeitError, Probe, probe_points, tail_points
from imagesmith.flash.transfer import Patience, Pulse, Transfer
from imagesmith.model.card import CardPlan
from imagesmith.model.outcome import Phase, Result, TableState
from imagesmith.model.units import GIB, MIB
from tests.rig.plans import has_table
from tests.rig.scripted import ScriptedMedium
from tests.unit.flash.test_lane_faults import fly

SIZE_BYTES = 60 * MIB


class Sparse:
    """A card in memory of any size: only what was written is kept."""

    readback = "sparse"

    def __init__(self, *, wraps_at: int | None = None, ends_at: int | None = None) -> None:
        self.blocks: dict[int, bytes] = {}
        self.operations = 0
        self._wraps_at = wraps_at
        self._ends_at = ends_at

    def write(self, offset: int, content: memoryview) -> int:
        self.operations += 1
        for start in range(0, len(content), 512):
            self._put(offset + start, bytes(content[start : start + 512]))
        return len(content)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        self.operations += 1
        for start in range(0, len(buffer), 512):
            buffer[start : start + 512] = self.blocks.get(self._real(offset + start), bytes(512))
        return len(buffer)

    def flush(self) -> None:
        self.operations += 1

    def reread_table(self) -> None:
        raise AssertionError("a probe has nothing to do with tables")

    def _put(self, offset: int, sector: bytes) -> None:
        if self._ends_at is None or offset < self._ends_at:
            self.blocks[self._real(offset)] = sector

    def _real(self, offset: int) -> int:
        return offset % self._wraps_at if self._wraps_at else offset


def ask(card: Sparse, size_bytes: int) -> None:
    transfer = Transfer(card, Pulse(), Patience(threading.Event(), (), lambda _error, _attempt: None))
    Probe(size_bytes).before_body(transfer, memoryview(bytearray(BLOCK_BYTES)))


@pytest.mark.parametrize("size_bytes", [4 * MIB, 128 * MIB, 15_931_539_456, 64 * 10**9, 2**40])
def test_a_genuine_card_passes_and_keeps_what_it_held(size_bytes: int) -> None:
    card = Sparse()
    held = {512 * 1024: b"a" * 512, 512 * 1024 + size_bytes // 2 // 4096 * 4096: b"b" * 512}
    card.blocks |= held

    ask(card, size_bytes)

    assert held.items() <= card.blocks.items()
    tail = size_bytes - 16 * 1024
    assert {bytes(512)} == {card.blocks[at] for at in card.blocks if at < tail and at not in held}
    assert card.operations < 150


@pytest.mark.parametrize(
    "real_bytes", [2 * MIB, 8 * MIB, GIB, 8 * GIB, 32 * GIB, 64 * 10**9 // 4, 64 * 10**9 // 8]
)
def test_a_card_that_wraps_is_found_with_its_true_size(real_bytes: int) -> None:
    with pytest.raises(CounterfeitError, match=r"^the card wraps: it holds "):
        ask(Sparse(wraps_at=real_bytes), 64 * 10**9 // 512 * 512)


@pytest.mark.parametrize("real_bytes", [3 * MIB, 7 * 10**9, 63 * 10**9])
def test_a_card_that_drops_what_is_beyond_its_end_is_found(real_bytes: int) -> None:
    with pytest.raises(CounterfeitError, match="what is written there does not stay") as caught:
        ask(Sparse(ends_at=real_bytes), 64 * 10**9 // 512 * 512)

    assert caught.value.offset >= real_bytes - 4096


def test_a_tail_that_lies_over_the_body_is_found_before_the_table_is_written(
    plan: CardPlan, image: Image, dirt: bytes
) -> None:
    # It wraps at no even part: only the body itself can tell.
    wraps_at = plan.size_bytes - plan.chunks[1].start - 64 * 1024

    class Wrapping(ScriptedMedium):
        def write(self, offset: int, content: memoryview) -> int:
            count = super().write(offset, content)
            if offset + count > wraps_at + MIB:
                over = bytes(content)
                place = offset - wraps_at
                self.content[place : place + count] = over
            elif offset <= plan.size_bytes - 16384 - wraps_at < offset + count:
                place = offset + wraps_at
                self.content[place : place + count] = bytes(content)[: plan.size_bytes - place]
                del self.content[plan.size_bytes :]
            return count

    medium = Wrapping(dirt)

    outcome = fly(plan, image, medium)

    assert Result.FAILED is outcome.result
    assert TableState.VALID is not outcome.table
    assert not has_table(medium.content)


def test_a_counterfeit_is_a_failed_card_without_a_table(plan: CardPlan, image: Image, dirt: bytes) -> None:
    class Dropping(ScriptedMedium):
        def write(self, offset: int, content: memoryview) -> int:
            if offset >= 5 * MIB // 2 and any(content):
                self.operations.append("write")
                return len(content)
            return super().write(offset, content)

    medium = Dropping(dirt)

    outcome = fly(plan, image, medium)

    assert (Result.FAILED, Phase.PROBE, TableState.ABSENT) == (outcome.result, outcome.phase, outcome.table)
    assert outcome.offset == 5 * MIB // 2
    assert "does not stay" in outcome.cause
    assert not has_table(medium.content)


@pytest.mark.parametrize("size_bytes", [4 * MIB, 64 * 10**9, 15_931_539_456 + 512])
def test_points_are_whole_sectors_on_the_card_and_apart(size_bytes: int) -> None:
    points = sorted((*probe_points(size_bytes), *tail_points(size_bytes)))

    assert all(point.start % 512 == 0 and point.length == BLOCK_BYTES for point in points)
    assert all(left.end <= right.start for left, right in itertools.pairwise(points))
    assert (points[0].start > 64 * 1024, points[-1].end) == (True, size_bytes)
    assert all(point.start >= cleared_spans(size_bytes)[1].start for point in tail_points(size_bytes))
