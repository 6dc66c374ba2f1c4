"""The image, opened once for all lanes.

Lanes write straight from a shared read-only mapping (no copy); whatever is hashed comes through pread. A read
error of the mapped file is a SIGBUS to whoever touches the page, but only EFAULT to a system call given it.
"""

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from imagesmith.errors import UntrustedSourceError
from imagesmith.model.units import round_down

_REMEDY = "build the image again, or fetch it again, and leave it alone while cards are written"


class Image:
    """A raw image: one descriptor and one mapping. Safe to use from any number of threads."""

    def __init__(self, path: Path, handle: int, mapping: mmap.mmap) -> None:
        self._path = path
        self._handle = handle
        self._mapping = mapping
        self._seen = _state(handle)

    @property
    def size_bytes(self) -> int:
        """Length of the file when it was opened."""
        return len(self._mapping)

    def view(self, start: int, end: int) -> memoryview:
        """Return a range of the mapping: to be given to the kernel, never to be looked at (SIGBUS)."""
        with memoryview(self._mapping) as whole:
            return whole[start:end]

    def release(self, start: int, end: int) -> None:
        """Let go of a range of the mapping: its pages stay in the page cache, this process stays small."""
        first = round_down(start, mmap.PAGESIZE)
        self._mapping.madvise(mmap.MADV_DONTNEED, first, end - first)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` on, without the mapping.

        Raises:
            UntrustedSourceError: the file cannot be read there.
        """
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self._handle, [buffer[done:]], offset + done)
            except OSError as exc:
                raise self.untrusted(f"it cannot be read at byte {offset + done}: {exc.strerror}") from exc
            if count == 0:
                raise self.untrusted(f"it ends at byte {offset + done}")
            done += count

    def require_unchanged(self) -> None:
        """Confirm that nobody has written to the file since it was opened.

        Raises:
            UntrustedSourceError: somebody has.
        """
        if _state(self._handle) != self._seen:
            raise self.untrusted("it was changed while cards were being written")

    def untrusted(self, why: str) -> UntrustedSourceError:
        """Return the error that says what is wrong with this image."""
        return UntrustedSourceError(f"the image {self._path.name} is not usable", why=why, remedy=_REMEDY)


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image]:
    """Open an image for the length of the block.

    Raises:
        UntrustedSourceError: it cannot be opened, or is empty.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise UntrustedSourceError(
            f"the image {path.name} cannot be opened", why=exc.strerror or str(exc), remedy=_REMEDY
        ) from exc
    try:
        size_bytes = os.fstat(handle).st_size
        if size_bytes == 0:
            raise UntrustedSourceError(f"the image {path.name} is empty", remedy=_REMEDY)
        mapping = mmap.mmap(handle, size_bytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        try:
            yield Image(path, handle, mapping)
        finally:
            # A lane that was abandoned in a system call still holds its range: the mapping then lives on.
            with contextlib.suppress(BufferError):
                mapping.close()
    finally:
        os.close(handle)


def _state(handle: int) -> tuple[int, int]:
    facts = os.fstat(handle)  # not the ctime: a second link or a chmod changes no content
    return facts.st_size, facts.st_mtime_ns
