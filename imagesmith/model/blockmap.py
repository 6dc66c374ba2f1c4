"""Block classes of an image, and the chunks a card is written and verified in.

A file's holes mean "zero here", not "don't care" (peers study 0.3). So there are three classes:
data (write it), zero (must read as zero on the card: written too), free (a known file system's free block:
left alone). Grain 4 KiB. All ranges are bytes, half open, sorted and disjoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Span(NamedTuple):
    """A byte range `[start, end)`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Bytes in it."""
        return self.end - self.start


class BlockClass(StrEnum):
    """What a card must hold in a range."""

    DATA = "data"
    ZERO = "zero"
    FREE = "free"


class ClassedSpan(NamedTuple):
    """A byte range and its class."""

    start: int
    end: int
    kind: BlockClass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece written with one call and verified with one digest (sha256, hex)."""

    start: int
    end: int
    kind: BlockClass
    sha256: str


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of spans: sorted, disjoint, touching ones joined; empty ones dropped."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.end > span.start):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(Span(span.start, span.end))
    return tuple(result)


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """Return what of `spans` lies in none of `holes`."""
    cuts = merged(holes)
    result: list[Span] = []
    position = 0
    for span in merged(spans):
        start = span.start
        while position and cuts[position - 1].end > start:
            position -= 1
        while position < len(cuts) and cuts[position].start < span.end:
            cut = cuts[position]
            position += 1
            if cut.end <= start:
                continue
            if cut.start > start:
                result.append(Span(start, cut.start))
            start = cut.end
        if start < span.end:
            result.append(Span(start, span.end))
    return tuple(result)


def intersect(spans: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """Return what lies in both."""
    first = merged(spans)
    return subtract(first, subtract(first, others))


def classify(size_bytes: int, *, free: Sequence[Span], stored: Sequence[Span]) -> tuple[ClassedSpan, ...]:
    """Return the classes of a whole image.

    Args:
        size_bytes: length of the image.
        free: free blocks of known file systems.
        stored: ranges that hold something but zeros.
    """
    whole = (Span(0, size_bytes),)
    used = subtract(whole, free)
    data = intersect(used, stored)
    zero = subtract(used, data)
    return tuple(
        sorted(
            [ClassedSpan(*span, BlockClass.DATA) for span in data]
            + [ClassedSpan(*span, BlockClass.ZERO) for span in zero]
            + [ClassedSpan(*span, BlockClass.FREE) for span in intersect(whole, free)]
        )
    )


def pieces(spans: Iterable[Span], *, most_bytes: int) -> Iterator[Span]:
    """Cut spans at multiples of `most_bytes` (of the offset, so that a changed file moves no other cut)."""
    for span in spans:
        start = span.start
        while start < span.end:
            end = min(span.end, (start // most_bytes + 1) * most_bytes)
            yield Span(start, end)
            start = end
