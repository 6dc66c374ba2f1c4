"""The passes over a card: comparing pieces, writing them, and reading them back from the medium."""

import errno
import mmap
import time
from collections.abc import Callable, Iterable

import xxhash

from imagesmith.flash.pieces import MOST_PIECE_BYTES, Piece, Source
from imagesmith.flash.reference import Reference
from imagesmith.flash.thrift import Thrift
from imagesmith.flash.transfer import Transfer
from imagesmith.host.media import MediumError
from imagesmith.model.units import SECTOR_BYTES

_ZEROS = mmap.mmap(-1, MOST_PIECE_BYTES, prot=mmap.PROT_READ)
"""All zero pieces of all lanes are written from here. Never touched: the kernel's one zero page backs it."""

_MOST_UNREADABLE = 8
"""So many pieces that cannot be read may be bad places, which writing can mend; more are a bad card."""


class MismatchError(Exception):
    """What came back from the medium is not what belongs there. `offset` is the first wrong byte."""

    def __init__(self, offset: int, cause: str) -> None:
        super().__init__(cause)
        self.offset = offset


def write_pieces(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    reference: Reference,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
) -> None:
    """Write pieces one after another; image pieces straight from the shared mapping.

    Args:
        pieces: what to write.
        transfer: the card.
        reference: where image pieces come from.
        buffer: page-aligned, as long as the longest patch: direct I/O takes no bytes object.
        on_bytes: told the length of each piece written.
    """
    for piece in pieces:
        with _aligned(piece, reference, buffer) as content:
            transfer.write(piece.start, content)
        if piece.source is Source.IMAGE:
            reference.image.release(piece.start, piece.end)
        on_bytes(piece.length_bytes)


def write_thriftily(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    reference: Reference,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
    on_kept: Callable[[int], None],
) -> None:
    """Write pieces, but no zeros where zeros are already and finding that out is cheaper than writing.

    Args:
        pieces: what to write.
        transfer: the card.
        reference: where image pieces come from.
        buffer: page-aligned, as long as the longest piece.
        on_bytes: told the length of each piece written.
        on_kept: told the length of each piece that was right already.
    """
    thrift = Thrift()
    for piece in pieces:
        if piece.source is Source.ZERO and thrift.is_worth_reading(piece.length_bytes):
            began_s = time.monotonic()
            was_zero = _holds(piece, transfer, reference, buffer)
            thrift.read(piece.length_bytes, time.monotonic() - began_s, was_zero=was_zero)
            if was_zero:
                on_kept(piece.length_bytes)
                continue
        began_s = time.monotonic()
        write_pieces([piece], transfer=transfer, reference=reference, buffer=buffer, on_bytes=on_bytes)
        thrift.wrote(piece.length_bytes, time.monotonic() - began_s)


def read_back(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    reference: Reference,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
) -> None:
    """Read pieces from the medium and compare each with what belongs there.

    Args:
        pieces: what must be there.
        transfer: the card.
        reference: tells what that is.
        buffer: page-aligned, as long as the longest piece.
        on_bytes: told the length of each right piece.

    Raises:
        MismatchError: the card holds something else.
        UntrustedSourceError: it is the image that is not what it was.
    """
    for piece in pieces:
        with buffer[: piece.length_bytes] as found:
            if not _is_right(piece, transfer, reference, found):
                raise _mismatch(piece, reference.content(piece), found)
        on_bytes(piece.length_bytes)


def differing(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    reference: Reference,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
    most_in_a_row_bytes: int | None = None,
) -> tuple[Piece, ...]:
    """Return the pieces that the card does not hold, or cannot give.

    Args:
        pieces: what should be there, in order.
        transfer: the card.
        reference: tells what that is.
        buffer: page-aligned, as long as the longest piece.
        on_bytes: told the length of each piece looked at.
        most_in_a_row_bytes: when so much in a row is wrong, the rest is taken for wrong unread: an
            interrupted run had come so far.

    Raises:
        MediumError: the card is gone, or too much of it cannot be read.
    """
    wrong: list[Piece] = []
    in_a_row_bytes = unreadable = 0
    for piece in pieces:
        if most_in_a_row_bytes is None or in_a_row_bytes < most_in_a_row_bytes:
            try:
                with buffer[: piece.length_bytes] as found:
                    right = _is_right(piece, transfer, reference, found)
            except MediumError as error:
                unreadable += 1
                if error.code != errno.EIO or unreadable > _MOST_UNREADABLE:
                    raise
                right = False
            in_a_row_bytes = 0 if right else in_a_row_bytes + piece.length_bytes
            if not right:
                wrong.append(piece)
        else:
            wrong.append(piece)
        on_bytes(piece.length_bytes)
    return tuple(wrong)


def _holds(piece: Piece, transfer: Transfer, reference: Reference, buffer: memoryview) -> bool:
    with buffer[: piece.length_bytes] as found:
        try:
            return _is_right(piece, transfer, reference, found)
        except MediumError:  # writing may mend it; if not, it will say so
            return False


def _is_right(piece: Piece, transfer: Transfer, reference: Reference, found: memoryview) -> bool:
    transfer.read_into(piece.start, found)
    wanted = reference.fingerprint(piece, waiting=transfer.await_image)
    return xxhash.xxh3_128_digest(found) == wanted


def _aligned(piece: Piece, reference: Reference, buffer: memoryview) -> memoryview:
    if piece.source is Source.IMAGE:
        return reference.image.view(piece.start, piece.end)
    if piece.source is Source.ZERO:
        with memoryview(_ZEROS) as zeros:
            return zeros[: piece.length_bytes]
    buffer[: piece.length_bytes] = piece.content
    return buffer[: piece.length_bytes]


def _mismatch(piece: Piece, expected: bytes, found: memoryview) -> MismatchError:
    for sector in range(0, piece.length_bytes, SECTOR_BYTES):
        right, wrong = expected[sector : sector + SECTOR_BYTES], bytes(found[sector : sector + SECTOR_BYTES])
        if right != wrong:
            place = next(i for i, (a, b) in enumerate(zip(right, wrong, strict=True)) if a != b)
            reads = {bytes(SECTOR_BYTES): "zeros", b"\xff" * SECTOR_BYTES: "0xFF only"}.get(
                wrong, "other data"
            )
            return MismatchError(
                piece.start + sector + place, f"read back wrong: the sector there holds {reads}"
            )
    raise AssertionError("two equal contents with two fingerprints")
