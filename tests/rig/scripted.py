"""A card in memory that follows a script, one letter an operation; after its end every operation works.

`.` works · `E` gives EIO · `R` is pulled out, for good · `S` moves a part, not of whole sectors ·
`L` lies: a write is dropped, a read flips a bit, a flush loses all that came since the last flush.
"""

import contextlib
import ctypes
import errno
import itertools
from collections.abc import Callable, Iterator

from imagesmith.host.media import MediumError
from imagesmith.model.units import SECTOR_BYTES


class ScriptedMedium:
    """Asserts that what it is given could be given to O_DIRECT; shows `watch` itself after each write."""

    readback = "scripted"

    def __init__(
        self, dirt: bytes, script: str = "", *, watch: Callable[[bytearray], None] | None = None
    ) -> None:
        self.content = bytearray(dirt)
        self.operations: list[str] = []
        self.tables_reread = 0
        self._durable = bytes(dirt)
        self._script = itertools.chain(script, itertools.repeat("."))
        self._is_out = False
        self._watch = watch or (lambda _content: None)

    def write(self, offset: int, content: memoryview) -> int:
        _require_direct(offset, content, len(self.content))
        fate = self._fate("write", offset)
        count = _part(content) if fate == "S" else len(content)
        if fate != "L":
            self.content[offset : offset + count] = content[:count]
            self._watch(self.content)
        return count

    def read_into(self, offset: int, buffer: memoryview) -> int:
        _require_direct(offset, buffer, len(self.content))
        fate = self._fate("read", offset)
        count = _part(buffer) if fate == "S" else len(buffer)
        buffer[:count] = self.content[offset : offset + count]
        if fate == "L":
            buffer[count // 2] ^= 0x10
        return count

    def flush(self) -> None:
        if self._fate("flush", None) == "L":
            self.content[:] = self._durable
        self._durable = bytes(self.content)

    def reread_table(self) -> None:
        self.tables_reread += 1

    def _fate(self, operation: str, offset: int | None) -> str:
        self.operations.append(operation)
        fate = next(self._script)
        self._is_out |= fate == "R"
        if self._is_out:
            raise MediumError(operation, offset, errno.ENODEV)
        if fate == "E":
            raise MediumError(operation, offset, errno.EIO)
        return fate


@contextlib.contextmanager
def holding(medium: ScriptedMedium) -> Iterator[ScriptedMedium]:
    """Give a medium as `LaneJob.open_medium` does."""
    yield medium


def _part(buffer: memoryview) -> int:
    return max(SECTOR_BYTES, len(buffer) // 2) + 7


def _require_direct(offset: int, buffer: memoryview, size_bytes: int) -> None:
    assert offset % SECTOR_BYTES == 0
    assert len(buffer) % SECTOR_BYTES == 0
    assert len(buffer) > 0
    assert offset + len(buffer) <= size_bytes
    assert _address(buffer) % SECTOR_BYTES == 0


class _Buffer(ctypes.Structure):
    """CPython's Py_buffer: the only way to the address of a read-only buffer."""

    _fields_ = [  # type: ignore[mutable-override]  # typeshed has it mutable, ctypes reads it once
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


def _address(buffer: memoryview) -> int:
    held = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(buffer), ctypes.byref(held), 0)
    try:
        return int(held.buf)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(held))
