"""Whether a card is as large as it says: some twenty marked blocks, written, read back and put back.

A counterfeit answers for more than it has. Beyond its cells it drops what it is given, or drops address
bits, so that high addresses are low ones again (how fakes behave: the f3 project's notes on f3probe). The
wrap is at a power of two, or at an even part of the size that is told. So one block near the start is marked
first, then one block at each such distance from it: where the card wraps, they overwrite one another.
"""

import os
import struct
from collections.abc import Mapping

from imagesmith.flash.transfer import Transfer
from imagesmith.model.blockmap import Span
from imagesmith.model.units import KIB, MIB, format_size, round_down

BLOCK_BYTES = 4 * KIB
_ANCHOR = 512 * KIB
"""In the first MiB, which is cleared anyway, and behind any partition table."""
_LEAST_CAPACITY_BYTES = 2 * MIB
_EVEN_PARTS = (2, 3, 4, 5, 6, 8, 16)
_TAIL_BYTES = 16 * KIB
"""Whole blocks of the 33 sectors that a backup GPT takes."""
_RUN_BYTES = 16
_RECORD = struct.Struct(f"<{_RUN_BYTES}sQQ")


class CounterfeitError(Exception):
    """The card does not hold what it claims to hold. `offset` is a place where it does not."""

    def __init__(self, offset: int, cause: str) -> None:
        super().__init__(cause)
        self.offset = offset


def probe_points(size_bytes: int) -> tuple[Span, ...]:
    """Return the blocks to be marked for a while, in the order of writing: the anchor first."""
    distances = {size_bytes // parts for parts in _EVEN_PARTS}
    distances |= {
        1 << bits for bits in range(_LEAST_CAPACITY_BYTES.bit_length() - 1, size_bytes.bit_length())
    }
    starts = {
        _ANCHOR + round_down(distance, BLOCK_BYTES)
        for distance in distances
        if distance >= _LEAST_CAPACITY_BYTES
    }
    starts = {start for start in starts if start + BLOCK_BYTES <= size_bytes - _TAIL_BYTES}
    return tuple(_block(start) for start in (_ANCHOR, *sorted(starts)))


def tail_points(size_bytes: int) -> tuple[Span, ...]:
    """Return the last blocks, where the backup table will be: they stay marked until it is written."""
    return tuple(_block(start) for start in range(size_bytes - _TAIL_BYTES, size_bytes, BLOCK_BYTES))


class Probe:
    """The probe of one card, in two parts: before the body is written, and when it lies there."""

    def __init__(self, size_bytes: int) -> None:
        self.points = probe_points(size_bytes)
        self._tail = tail_points(size_bytes)
        self._run = os.urandom(_RUN_BYTES)

    def before_body(self, transfer: Transfer, buffer: memoryview) -> None:
        """Mark points and tail, read the marks back, and put back what was at the points.

        Raises:
            CounterfeitError: the card holds less than it says.
            MediumError, StoppedError: as of any operation; marks may then be left on the card.
        """
        marked = (*self.points, *self._tail)
        with buffer[:BLOCK_BYTES] as block:
            before = {point.start: _read(transfer, point.start, block) for point in self.points}
            _write_all(transfer, {point.start: _mark(self._run, point.start) for point in marked}, block)
            transfer.flush()
            judge(self._run, {point.start: _read(transfer, point.start, block) for point in marked})
            _write_all(transfer, before, block)

    def after_body(self, transfer: Transfer, buffer: memoryview) -> None:
        """Look whether the tail is still marked: else writing it would, in turn, overwrite the body.

        Raises:
            CounterfeitError: a part of the body lies where the backup table has to go.
            MediumError, StoppedError: as of any operation.
        """
        with buffer[:BLOCK_BYTES] as block:
            judge(self._run, {point.start: _read(transfer, point.start, block) for point in self._tail})


def judge(run: bytes, found: Mapping[int, bytes]) -> None:
    """Compare what came back with what was written.

    Raises:
        CounterfeitError: a mark is gone, or another one stands in its place.
    """
    wraps: list[tuple[int, int]] = []
    for start, content in found.items():
        if content == _mark(run, start):
            continue
        (its_run, written_at, _again) = _RECORD.unpack_from(content)
        if its_run != run or written_at == start:
            raise CounterfeitError(
                start,
                f"what is written there does not stay: the card may hold less than {format_size(start)}",
            )
        wraps.append((abs(written_at - start), start))
    if wraps:
        distance, start = min(wraps)
        raise CounterfeitError(
            start, f"the card wraps: it holds {format_size(distance)} or less, and says it holds more"
        )


def _block(start: int) -> Span:
    return Span(start, start + BLOCK_BYTES)


def _mark(run: bytes, start: int) -> bytes:
    return _RECORD.pack(run, start, ~start & (1 << 64) - 1) * (BLOCK_BYTES // _RECORD.size)


def _write_all(transfer: Transfer, contents: Mapping[int, bytes], block: memoryview) -> None:
    for start, content in contents.items():
        block[:] = content
        transfer.write(start, block)


def _read(transfer: Transfer, start: int, block: memoryview) -> bytes:
    transfer.read_into(start, block)
    return bytes(block)
