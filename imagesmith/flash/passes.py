"""The two passes over a card: writing pieces, and reading them back from the medium."""

import hashlib
import mmap
from collections.abc import Callable, Iterable

from imagesmith.flash.image import Image
from imagesmith.flash.pieces import MOST_PIECE_BYTES, Piece, Source
from imagesmith.flash.transfer import Transfer
from imagesmith.model.units import SECTOR_BYTES

_ZEROS = mmap.mmap(-1, MOST_PIECE_BYTES, prot=mmap.PROT_READ)
"""All zero pieces of all lanes are written from here. Never touched: the kernel's one zero page backs it."""


class MismatchError(Exception):
    """What came back from the medium is not what belongs there. `offset` is the first wrong byte."""

    def __init__(self, offset: int, cause: str) -> None:
        super().__init__(cause)
        self.offset = offset


def write_pieces(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    image: Image,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
) -> None:
    """Write pieces one after another; image pieces straight from the shared mapping.

    Args:
        pieces: what to write.
        transfer: the card.
        image: where image pieces come from.
        buffer: page-aligned, as long as the longest patch: direct I/O takes no bytes object.
        on_bytes: told the length of each piece written.
    """
    for piece in pieces:
        with _aligned(piece, image, buffer) as content:
            transfer.write(piece.start, content)
        on_bytes(piece.length_bytes)


def read_back(
    pieces: Iterable[Piece],
    *,
    transfer: Transfer,
    image: Image,
    buffer: memoryview,
    on_bytes: Callable[[int], None],
) -> None:
    """Read pieces from the medium and compare each with its digest.

    Args:
        pieces: what must be there.
        transfer: the card.
        image: tells where a wrong image piece first differs.
        buffer: page-aligned, as long as the longest piece.
        on_bytes: told the length of each right piece.

    Raises:
        MismatchError: the card holds something else.
        UntrustedSourceError: it is the image that is not what it was.
    """
    for piece in pieces:
        with buffer[: piece.length_bytes] as found:
            transfer.read_into(piece.start, found)
            if hashlib.sha256(found).hexdigest() != piece.sha256:
                raise _mismatch(piece, _expected(piece, image), found)
        on_bytes(piece.length_bytes)


def _aligned(piece: Piece, image: Image, buffer: memoryview) -> memoryview:
    if piece.source is Source.IMAGE:
        return image.view(piece.start, piece.end)
    if piece.source is Source.ZERO:
        with memoryview(_ZEROS) as zeros:
            return zeros[: piece.length_bytes]
    buffer[: piece.length_bytes] = piece.content
    return buffer[: piece.length_bytes]


def _expected(piece: Piece, image: Image) -> bytes:
    if piece.source is Source.PATCH:
        return piece.content
    if piece.source is Source.ZERO:
        return bytes(piece.length_bytes)
    content = bytearray(piece.length_bytes)
    image.read_into(piece.start, memoryview(content))
    if hashlib.sha256(content).hexdigest() != piece.sha256:
        raise image.untrusted(f"it was changed at byte {piece.start} while cards were being written")
    return bytes(content)


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
    raise AssertionError("two equal contents with two digests")
