"""A card's bytes against what they should be: patches byte by byte, chunks by digest, then byte by byte."""

import bisect
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imagesmith.errors import UntrustedSourceError
from imagesmith.model.blockmap import Chunk, Span, intersect
from imagesmith.model.card import Patch


class Reader(Protocol):
    """A card or card image, read past the page cache."""

    @property
    def size_bytes(self) -> int:
        """Length of the medium."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the medium itself; fewer only at its end.

        Raises:
            OSError: the medium cannot be read there.
        """


@dataclass(frozen=True, slots=True)
class Fault:
    """One region that is not as it should be, and its first bad byte."""

    region: str
    offset: int
    why: str

    def __str__(self) -> str:
        return f"{self.region} {self.why} at byte {self.offset}"


def first_difference(found: bytes, expected: bytes) -> int | None:
    """Return the index of the first byte that differs, counting a missing one; None when there is none."""
    if found == expected:
        return None
    low, high = 0, min(len(found), len(expected))
    left, right = memoryview(found), memoryview(expected)
    # The first difference lies in [low, high]; each step compares the lower half in one go.
    while low < high:
        middle = (low + high) // 2
        if left[low : middle + 1] == right[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


def patch_faults(reader: Reader, patches: Iterable[Patch]) -> Iterator[Fault]:
    """Yield a fault for each patch that is not on the card byte for byte."""
    for patch in patches:
        try:
            found = reader.read(patch.offset, len(patch.content))
        except OSError as exc:
            yield Fault(patch.name, patch.offset, _unreadable(exc))
            continue
        index = first_difference(found, patch.content)
        if index is not None:
            yield Fault(patch.name, patch.offset + index, "differs")


@dataclass(frozen=True, slots=True)
class Body:
    """What the body of a card is held against.

    `relevant` are the byte ranges that count, sorted and disjoint, each with its region's name (see `cut`).
    """

    image: Path
    chunks: tuple[Chunk, ...]
    relevant: tuple[tuple[str, Span], ...]

    def faults(self, reader: Reader, on_bytes: Callable[[int], None]) -> Iterator[Fault]:
        """Yield every fault, in order of offset.

        Raises:
            OSError: the image (not the card) cannot be read.
            UntrustedSourceError: where the card differs, the image is not what its manifest says.
        """
        handle = os.open(self.image, os.O_RDONLY)
        try:
            for chunk in self.chunks:
                yield from self._chunk_faults(reader, chunk, handle)
                on_bytes(chunk.end - chunk.start)
        finally:
            os.close(handle)

    def _chunk_faults(self, reader: Reader, chunk: Chunk, image: int) -> Iterator[Fault]:
        try:
            found = reader.read(chunk.start, chunk.end - chunk.start)
        except OSError as exc:
            for name, span in self._parts(chunk):
                yield Fault(name, span.start, _unreadable(exc))
            return
        if hashlib.sha256(found).hexdigest() == chunk.sha256:
            return
        expected = _pread(image, Span(chunk.start, chunk.end))
        if hashlib.sha256(expected).hexdigest() != chunk.sha256:
            raise UntrustedSourceError(
                f"{self.image} is not what its manifest says, so no card can be held against it",
                why=f"bytes {chunk.start} to {chunk.end} differ",
                remedy="build the image again",
            )
        for name, span in self._parts(chunk):
            part = slice(span.start - chunk.start, span.end - chunk.start)
            index = first_difference(found[part], expected[part])
            if index is not None:
                yield Fault(name, span.start + index, "differs")

    def _parts(self, chunk: Chunk) -> Iterator[tuple[str, Span]]:
        first = bisect.bisect_right(self.relevant, chunk.start, key=lambda part: part[1].end)
        for name, span in itertools.islice(self.relevant, first, None):
            if span.start >= chunk.end:
                return
            yield name, Span(max(span.start, chunk.start), min(span.end, chunk.end))


def cut(regions: Sequence[tuple[str, Span]], spans: Iterable[Span]) -> tuple[tuple[str, Span], ...]:
    """Return what of `spans` lies in each region, with the region's name; regions sorted and disjoint."""
    spans = tuple(spans)
    return tuple((name, part) for name, region in regions for part in intersect(spans, [region]))


def _pread(handle: int, span: Span) -> bytes:
    content = bytearray()
    while len(content) < span.length:
        more = os.pread(handle, span.length - len(content), span.start + len(content))
        if not more:
            break
        content += more
    return bytes(content)


def _unreadable(exc: OSError) -> str:
    return f"cannot be read ({exc.strerror or exc})"
