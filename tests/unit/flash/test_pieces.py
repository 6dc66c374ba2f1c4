"""From a plan to pieces: what cannot be written safely is refused before any card is touched."""

from dataclasses import replace

import pytest

from imagesmith.flash.pieces import Source, body_pieces, clearing_pieces, head_pieces
from imagesmith.model.blockmap import BlockClass, Chunk
from imagesmith.model.card import CardPlan, Patch
from imagesmith.model.units import MIB


def test_body_pieces_run_up_the_card_and_hold_every_chunk_and_patch(plan: CardPlan) -> None:
    pieces = body_pieces(plan)

    assert sorted(pieces, key=lambda piece: piece.start) == list(pieces)
    assert plan.body_bytes == sum(piece.length_bytes for piece in pieces)
    assert set(Source) == {piece.source for piece in pieces}


def test_the_backup_table_comes_before_the_primary(plan: CardPlan) -> None:
    backup, primary = head_pieces(plan)

    assert plan.size_bytes == backup.end
    assert 0 == primary.start


def test_clearing_covers_the_first_and_the_last_mebibyte_tables_first() -> None:
    pieces = clearing_pieces(8 * MIB)

    assert {0, 8 * MIB - 65536} == {piece.start for piece in pieces[:2]}
    covered = sorted((piece.start, piece.end) for piece in pieces)
    assert [(0, 65536), (65536, MIB), (7 * MIB, 8 * MIB - 65536), (8 * MIB - 65536, 8 * MIB)] == covered


@pytest.mark.parametrize(
    ("chunk", "complaint"),
    [
        (Chunk(MIB + 100, MIB + 612, BlockClass.DATA, ""), "not made of whole sectors"),
        (Chunk(MIB, MIB, BlockClass.DATA, ""), "a piece of 1048576 to 1048576"),
        (Chunk(3 * MIB, 5 * MIB, BlockClass.DATA, ""), "on a card of 4194304 bytes"),
        (Chunk(0, 512, BlockClass.DATA, ""), "overlap"),
    ],
)
def test_a_chunk_that_cannot_be_written_safely_is_refused(
    plan: CardPlan, chunk: Chunk, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        body_pieces(replace(plan, chunks=(chunk,), body_patches=()))


def test_a_chunk_longer_than_a_lanes_buffer_is_refused(plan: CardPlan) -> None:
    chunk = Chunk(MIB, 18 * MIB, BlockClass.DATA, "")

    with pytest.raises(ValueError, match="longer than 16777216 bytes"):
        body_pieces(replace(plan, size_bytes=32 * MIB, chunks=(chunk,), body_patches=(), head_patches=()))


def test_patches_that_overlap_are_refused(plan: CardPlan) -> None:
    patches = (Patch("one", 2 * MIB, bytes(1024)), Patch("two", 2 * MIB + 512, bytes(512)))

    with pytest.raises(ValueError, match="the pieces at 2097152 and 2097664 overlap"):
        body_pieces(replace(plan, body_patches=patches))


def test_what_is_smaller_than_its_two_tables_is_no_card(plan: CardPlan) -> None:
    with pytest.raises(ValueError, match="no card has 1048576 bytes"):
        body_pieces(replace(plan, size_bytes=MIB))
