"""A card or card image opened for reading only, past the page cache where that can be done."""

import contextlib
import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from imagesmith.model.units import BLOCK_BYTES, round_down, round_up

_BUFFER_BYTES = 4 << 20


class CardReader:
    """A medium that is only read; safe for one thread."""

    def __init__(self, handle: int, buffer: mmap.mmap) -> None:
        self._handle = handle
        self._buffer = buffer
        self.size_bytes = os.lseek(handle, 0, os.SEEK_END)  # stat knows no size of a block device

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the medium itself; fewer only at its end.

        Raises:
            OSError: the medium cannot be read there.
        """
        pieces = []
        position, end = offset, min(offset + length, self.size_bytes)
        while position < end:
            start = round_down(position, BLOCK_BYTES)
            wanted = min(round_up(end, BLOCK_BYTES) - start, _BUFFER_BYTES)
            got = os.preadv(self._handle, [memoryview(self._buffer)[:wanted]], start)
            last = min(end, start + got)
            if last <= position:
                raise OSError(errno.EIO, "the medium ends early", None)
            pieces.append(self._buffer[position - start : last - start])
            position = last
        return b"".join(pieces)


@contextlib.contextmanager
def open_for_reading(path: Path) -> Iterator[CardReader]:
    """Open a block device or card file with O_DIRECT, or else with its cached pages dropped first.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # a file system without direct I/O, tmpfs for one
            raise
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with mmap.mmap(-1, _BUFFER_BYTES) as buffer:
            reader = CardReader(handle, buffer)
            yield reader
    finally:
        os.close(handle)
