"""A raw image file on this machine: its holes, and digests of its parts."""

import ctypes
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagesmith.model.blockmap import Span

_BUFFER_BYTES = 1 << 20
_LANES = 2
_FALLOC_FL_KEEP_SIZE = 0x01
_FALLOC_FL_PUNCH_HOLE = 0x02  # linux/falloc.h


def stored_spans(image: Path) -> tuple[Span, ...]:
    """Return the ranges that are not holes (SEEK_DATA, SEEK_HOLE); everything else reads as zero."""
    handle = os.open(image, os.O_RDONLY)
    try:
        return tuple(_stored(handle, os.fstat(handle).st_size))
    finally:
        os.close(handle)


def _stored(handle: int, size_bytes: int) -> Iterator[Span]:
    position = 0
    while position < size_bytes:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # nothing but a hole from here to the end
                return
            raise
        position = os.lseek(handle, start, os.SEEK_HOLE)
        yield Span(start, position)


def punch_holes(image: Path, spans: Iterable[Span]) -> None:
    """Turn ranges into holes: they read as zero and take no space.

    Raises:
        OSError: the file system cannot punch holes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    mode = ctypes.c_int(_FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE)
    handle = os.open(image, os.O_RDWR)
    try:
        for span in spans:
            offset, length = ctypes.c_int64(span.start), ctypes.c_int64(span.length)
            if libc.fallocate64(handle, mode, offset, length) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(image))
    finally:
        os.close(handle)


def digests(
    image: Path, spans: Sequence[Span], *, on_bytes: Callable[[int], None] | None = None
) -> list[str]:
    """Return the sha256 of each range, in order, as 64 hex digits.

    Read with pread and never through a mapping: there a read error is a SIGBUS, here an OSError.
    `on_bytes` is told of every buffer that is done, from whichever lane's thread did it.
    """
    handle = os.open(image, os.O_RDONLY)
    try:
        with ThreadPoolExecutor(_LANES) as pool:
            return list(pool.map(lambda span: _digest(handle, span, on_bytes), spans))
    finally:
        os.close(handle)


def _digest(handle: int, span: Span, on_bytes: Callable[[int], None] | None) -> str:
    total = hashlib.sha256()
    buffer = bytearray(min(_BUFFER_BYTES, span.length))
    view = memoryview(buffer)
    position = span.start
    while position < span.end:
        count = os.preadv(handle, [view[: span.end - position]], position)
        if count == 0:
            raise OSError(errno.EIO, f"the image ends at {position}, before {span.end}")
        total.update(view[:count])
        position += count
        if on_bytes is not None:
            on_bytes(count)
    return total.hexdigest()
