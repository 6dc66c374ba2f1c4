"""The only door through which cards are written: block devices and card image files.

What is opened here is the thing that was judged, or it is refused. Reads come from the medium, never from the
page cache: caches can fake a pass, never a failure, so a mismatch is final.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from imagesmith.errors import CardRefusedError, ImagesmithError
from imagesmith.host.files import sync_folder
from imagesmith.model.card import Identity
from imagesmith.model.units import SECTOR_BYTES, round_down, round_up

# linux/fs.h
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_BLKSSZGET = 0x1268
_BLKGETSIZE64 = 0x80081272
_BLKGETDISKSEQ = 0x80081280

_LOCK_PATIENCE_S = 5.0
"""udev holds a shared lock while it probes a card just plugged in."""


class ReadBack(StrEnum):
    """How reading gets past the page cache."""

    DIRECT = "direct"
    CACHE_DROPPED = "cache dropped"
    """The file system knows no direct I/O: synchronous writes, and POSIX_FADV_DONTNEED before each read."""


class MediumError(ImagesmithError):
    """A card did not do what it was asked. In a run this becomes that card's outcome."""

    exit_code = 9

    def __init__(self, operation: str, offset: int | None, code: int) -> None:
        self.operation = operation
        self.offset = offset
        self.code = code
        where = "" if offset is None else f" at byte {offset}"
        self.cause = f"{errno.errorcode.get(code, str(code))} ({os.strerror(code)})"
        super().__init__(f"{operation}{where} failed: {self.cause}")

    def __reduce__(self) -> tuple[type["MediumError"], tuple[str, int | None, int]]:
        """Rebuild from the parts: the message is made of them."""
        return type(self), (self.operation, self.offset, self.code)


class Medium(Protocol):
    """A card held open. Offsets, lengths and buffers are sector aligned; a call may move less than asked."""

    @property
    def readback(self) -> str:
        """How reading gets past the page cache."""

    def write(self, offset: int, content: memoryview) -> int:
        """Write, and return how many bytes were taken."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read from the medium itself, and return how many bytes came."""

    def flush(self) -> None:
        """Return when the medium says that everything written is durable."""

    def reread_table(self) -> None:
        """Tell the kernel that the partition table has changed; does nothing where it does not care."""


@contextlib.contextmanager
def open_medium(
    path: Path, *, size_bytes: int, expected: Identity, create: bool, keep: bool = False
) -> Iterator[Medium]:
    """Open a judged target for writing and hold it, locked, for the length of the block.

    A block device is opened exclusively and written in place. A card image file is always written whole
    under `.NAME.partial` beside it and takes its name only when the block ends without an exception: an
    existing file stays what it was until then, and a failed one never looks finished. Such a file is new,
    sparse and 0600 (a card holds password hashes).

    Args:
        path: block device or regular file, not a link; for `create`, a name that must not exist yet.
        size_bytes: size of the card; a device must have exactly this.
        expected: what was judged.
        create: whether the target is a new file.
        keep: whether a card file begins as a copy of what it is; otherwise it begins as zeros.

    Raises:
        CardRefusedError: it is in use, or no longer what was judged. Nothing was written.
        MediumError: it cannot be opened, or (on leaving) not be completed.
    """
    opened = (
        _card_file(path, size_bytes, expected, create=create, keep=keep)
        if create or path.is_file()
        else _device(path, size_bytes, expected)
    )
    with opened as medium:
        yield medium


class _OpenMedium:
    """An open descriptor as a `Medium`."""

    def __init__(self, handle: int, readback: ReadBack, *, is_device: bool) -> None:
        self._handle = handle
        self._readback = readback
        self._is_device = is_device

    @property
    def readback(self) -> str:
        return self._readback

    def write(self, offset: int, content: memoryview) -> int:
        with _naming("write", offset):
            return os.pwrite(self._handle, content, offset)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        with _naming("read", offset):
            if self._readback is ReadBack.CACHE_DROPPED:
                # Partial pages are not dropped (posix_fadvise(2)): widen to whole ones.
                start = round_down(offset, mmap.PAGESIZE)
                end = round_up(offset + len(buffer), mmap.PAGESIZE)
                os.posix_fadvise(self._handle, start, end - start, os.POSIX_FADV_DONTNEED)
            return os.preadv(self._handle, [buffer], offset)

    def flush(self) -> None:
        with _naming("flush", None):
            os.fsync(self._handle)
            if self._is_device:
                fcntl.ioctl(self._handle, _BLKFLSBUF)

    def reread_table(self) -> None:
        if self._is_device:
            # EINVAL on devices without partitions, EBUSY when something was faster: no harm to the card.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._handle, _BLKRRPART)


@contextlib.contextmanager
def _naming(operation: str, offset: int | None) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise MediumError(operation, offset, exc.errno or errno.EIO) from exc


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        with _naming("close", None):
            os.close(handle)


@contextlib.contextmanager
def _device(path: Path, size_bytes: int, expected: Identity) -> Iterator[Medium]:
    try:
        # O_EXCL on a block device: refused while a mount, a swap or a mapping holds it or a part of it.
        handle = os.open(path, os.O_RDWR | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            raise _refused(path, "it is in use: mounted, or held by another program", "unmount it") from exc
        raise MediumError("open", None, exc.errno or errno.EIO) from exc
    with _closing(handle):
        # systemd's BLOCK_DEVICE_LOCKING: keeps udev's probing and automounting away while we write.
        _lock(handle, path)
        _require_judged_device(handle, path, size_bytes, expected)
        yield _OpenMedium(handle, ReadBack.DIRECT, is_device=True)


def _require_judged_device(handle: int, path: Path, size_bytes: int, expected: Identity) -> None:
    with _naming("open", None):
        facts = os.fstat(handle)
        if not stat.S_ISBLK(facts.st_mode):
            raise _refused(path, "it is not a block device any more", "look at the list of cards again")
        found = Identity(
            device_number=facts.st_rdev,
            size_bytes=_ask(handle, _BLKGETSIZE64, "Q"),
            serial=expected.serial,
            disk_sequence=_disk_sequence(handle) if expected.disk_sequence else 0,
            file_system=expected.file_system,
        )
        sector_bytes = _ask(handle, _BLKSSZGET, "i")
    if found != expected or found.size_bytes != size_bytes:
        raise _refused(
            path,
            f"it is not the card that was judged: expected {expected}, found {found}",
            "the card was changed: look at the list of cards again",
        )
    if sector_bytes != SECTOR_BYTES:
        raise _refused(
            path, f"its sectors are {sector_bytes} bytes, the plan's are 512", "use another reader"
        )


def _ask(handle: int, request: int, layout: str) -> int:
    answer: int = struct.unpack(layout, fcntl.ioctl(handle, request, bytes(struct.calcsize(layout))))[0]
    return answer


def _disk_sequence(handle: int) -> int:
    try:
        return _ask(handle, _BLKGETDISKSEQ, "Q")
    except OSError as exc:
        if exc.errno == errno.ENOTTY:  # before Linux 5.15
            return 0
        raise


def _lock(handle: int, path: Path) -> None:
    deadline_s = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline_s:
                raise _refused(path, "another program holds a lock on it", "let that program end") from exc
            time.sleep(0.1)
        else:
            return


@contextlib.contextmanager
def _card_file(
    path: Path, size_bytes: int, expected: Identity, *, create: bool, keep: bool
) -> Iterator[Medium]:
    partial = path.with_name(f".{path.name}.partial")
    _require_judged_file(path, expected, create=create)
    with _naming("open", None):
        held = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with _closing(held):
        _lock(held, partial)
        _require_same_file(held, partial)
        try:
            with _naming("open", None):
                os.ftruncate(held, 0)  # what a killed run left there
                if keep and not create:
                    _copy_sparsely(path, held)
                os.ftruncate(held, size_bytes)
                handle, readback = _reopen_past_cache(held)
            with _closing(handle):
                yield _OpenMedium(handle, readback, is_device=False)
            _require_judged_file(path, expected, create=create)
            with _naming("publish", None):
                os.fsync(held)
                partial.replace(path)
                sync_folder(path.parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _require_judged_file(path: Path, expected: Identity, *, create: bool) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError as exc:
        if create:
            return
        raise _refused(path, "the file is gone", "name a new file to have one made") from exc
    if create:
        raise _refused(path, "a file of that name has appeared", "choose another name")
    judged = (expected.file_system, expected.device_number)
    if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != judged:
        raise _refused(path, "it is not the file that was judged", "run the command again")


def _require_same_file(held: int, partial: Path) -> None:
    # Between our open and our lock, another run may have given the file its final name.
    try:
        same = os.path.samestat(os.fstat(held), partial.lstat())
    except FileNotFoundError:
        same = False
    if not same:
        raise _refused(partial, "another run has just completed it", "run the command again")


def _copy_sparsely(source: Path, held: int) -> None:
    """Copy the data of a file, and leave its holes holes."""
    handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        position, size_bytes = 0, os.fstat(handle).st_size
        while position < size_bytes:
            try:
                start = os.lseek(handle, position, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno == errno.ENXIO:  # a hole to the end
                    return
                raise
            position = os.lseek(handle, start, os.SEEK_HOLE)
            while start < position:
                start += os.copy_file_range(handle, held, position - start, start, start)
    finally:
        os.close(handle)


def _reopen_past_cache(held: int) -> tuple[int, ReadBack]:
    """Return a second descriptor of the file: with direct I/O where that takes a single sector."""
    itself = f"/proc/self/fd/{held}"
    try:
        handle = os.open(itself, os.O_RDWR | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
    else:
        try:
            with (
                mmap.mmap(-1, mmap.PAGESIZE) as page,
                memoryview(page) as whole,
                whole[:SECTOR_BYTES] as sector,
            ):
                os.preadv(handle, [sector], 0)
        except OSError:
            os.close(handle)
        else:
            return handle, ReadBack.DIRECT
    return os.open(itself, os.O_RDWR | os.O_CLOEXEC | os.O_DSYNC), ReadBack.CACHE_DROPPED


def _refused(path: Path, why: str, remedy: str) -> CardRefusedError:
    return CardRefusedError(f"{path} is refused", why=why, remedy=remedy)
