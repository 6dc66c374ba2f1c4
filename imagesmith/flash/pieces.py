"""What is to be moved to and from one card, in order. Pure: a plan goes in, pieces come out."""

import functools
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from imagesmith.model.blockmap import BlockClass, Span
from imagesmith.model.card import CardPlan, Patch
from imagesmith.model.layout import HEAD_BYTES
from imagesmith.model.units import KIB, SECTOR_BYTES

MOST_PIECE_BYTES = 16 << 20
"""A piece is read back into one buffer: this bounds the memory of a lane."""


_TABLE_BYTES = 64 * KIB
"""More than a GPT with its 128 entries takes at either end."""


class Source(Enum):
    """Where a piece's bytes come from."""

    IMAGE = "image"
    ZERO = "zero"
    PATCH = "patch"


@dataclass(frozen=True, slots=True)
class Piece:
    """A byte range of the card, verified with one digest (sha256, hex)."""

    start: int
    end: int
    source: Source
    sha256: str
    content: bytes = b""
    """The bytes themselves, for a patch."""

    @property
    def length_bytes(self) -> int:
        """Bytes in it."""
        return self.end - self.start


@functools.lru_cache(maxsize=256)
def zero_digest(length_bytes: int) -> str:
    """Return sha256 of so many zeros, in hex."""
    return hashlib.sha256(bytes(length_bytes)).hexdigest()


def cleared_spans(size_bytes: int) -> tuple[Span, Span]:
    """Return what clearing overwrites: the first MiB and the last."""
    return Span(0, HEAD_BYTES), Span(size_bytes - HEAD_BYTES, size_bytes)


def clearing_pieces(size_bytes: int) -> tuple[Piece, ...]:
    """Return the zeros that make old partition tables invalid: the first MiB and the last.

    The last whole MiB, not only the backup GPT: md and zfs keep their labels there too. Whatever the plan
    wants in either is written afterwards. The tables are pieces of their own: a bad sector elsewhere in the
    MiB must not save them.
    """
    head, tail = cleared_spans(size_bytes)
    cuts = (
        Span(head.start, head.start + _TABLE_BYTES),
        Span(tail.end - _TABLE_BYTES, tail.end),
        Span(head.start + _TABLE_BYTES, head.end),
        Span(tail.start, tail.end - _TABLE_BYTES),
    )
    return tuple(Piece(*cut, Source.ZERO, zero_digest(cut.length)) for cut in cuts)


def body_pieces(plan: CardPlan) -> tuple[Piece, ...]:
    """Return chunks and body patches in the order of the card.

    Raises:
        ValueError: the size is no card's, or a piece is empty, too long, misaligned, off the card or
            overlaps another.
    """
    chunks = [
        Piece(c.start, c.end, Source.ZERO if c.kind is BlockClass.ZERO else Source.IMAGE, c.sha256)
        for c in plan.chunks
    ]
    body = sorted([*chunks, *map(_patch_piece, plan.body_patches)], key=lambda piece: piece.start)
    _check([*body, *head_pieces(plan)], plan.size_bytes)
    return tuple(body)


def head_pieces(plan: CardPlan) -> tuple[Piece, ...]:
    """Return the partition tables in the order of the plan: backup, then primary."""
    return tuple(map(_patch_piece, plan.head_patches))


def overlapping(pieces: Sequence[Piece], spans: Sequence[Span]) -> tuple[Piece, ...]:
    """Return the pieces that share a byte with one of the spans, in their order."""
    return tuple(
        piece for piece in pieces if any(span.start < piece.end and piece.start < span.end for span in spans)
    )


def _patch_piece(patch: Patch) -> Piece:
    return Piece(
        patch.offset,
        patch.offset + len(patch.content),
        Source.PATCH,
        hashlib.sha256(patch.content).hexdigest(),
        patch.content,
    )


def _check(pieces: Sequence[Piece], size_bytes: int) -> None:
    if size_bytes < 2 * HEAD_BYTES or size_bytes % SECTOR_BYTES:
        raise ValueError(f"no card has {size_bytes} bytes")
    for piece in pieces:
        if not 0 <= piece.start < piece.end <= size_bytes:
            raise ValueError(f"a piece of {piece.start} to {piece.end} on a card of {size_bytes} bytes")
        if piece.start % SECTOR_BYTES or piece.end % SECTOR_BYTES:
            raise ValueError(f"the piece at {piece.start} to {piece.end} is not made of whole sectors")
        if piece.length_bytes > MOST_PIECE_BYTES:
            raise ValueError(f"the piece at {piece.start} is longer than {MOST_PIECE_BYTES} bytes")
    for left, right in itertools.pairwise(sorted(pieces, key=lambda piece: piece.start)):
        if right.start < left.end:
            raise ValueError(f"the pieces at {left.start} and {right.start} overlap")
