"""An nbdkit plugin: a card kept in a file, with a fault.

    nbdkit python faulty_card.py backing=FILE fault=KIND at=OFFSET [times=N]

`eio-write`, `eio-read`: operations that touch OFFSET fail (the first N of them; all without `times`).
`flip`: writes that touch OFFSET store it with a bit flipped. `drop`: writes that touch OFFSET are accepted
and forgotten. `wrap`: the true capacity is OFFSET, and what lies beyond comes round again from the start.
`dead`: all operations fail.
"""

# ruff: noqa: ARG001 -- nbdkit calls these functions with what it has
import errno
import os

import nbdkit  # type: ignore[import-not-found]  # it exists inside nbdkit only

API_VERSION = 2

_options: dict[str, str] = {}
_spent = 0


def config(key: str, value: str) -> None:
    _options[key] = value


def open(readonly: bool) -> int:  # noqa: A001 -- nbdkit's name
    return os.open(_options["backing"], os.O_RDWR)


def close(handle: int) -> None:
    os.close(handle)


def get_size(handle: int) -> int:
    return os.fstat(handle).st_size


def flush(handle: int, flags: int) -> None:
    if _options["fault"] == "dead":
        _fail()


def pread(handle: int, buf: bytearray, offset: int, flags: int) -> None:
    if _is_struck("eio-read", offset, len(buf)):
        _fail()
    for place, start, end in _places(offset, len(buf)):
        buf[start:end] = os.pread(handle, end - start, place)


def pwrite(handle: int, buf: bytearray, offset: int, flags: int) -> None:
    if _is_struck("eio-write", offset, len(buf)):
        _fail()
    if _is_struck("drop", offset, len(buf)):
        return
    content = bytearray(buf)
    if _is_struck("flip", offset, len(buf)):
        content[int(_options["at"]) - offset] ^= 1
    for place, start, end in _places(offset, len(buf)):
        os.pwrite(handle, content[start:end], place)


def _is_struck(fault: str, offset: int, length: int) -> bool:
    global _spent  # noqa: PLW0603 -- a plugin's state
    if _options["fault"] == "dead":
        return fault.startswith("eio")
    if _options["fault"] != fault or not offset <= int(_options["at"]) < offset + length:
        return False
    _spent += 1
    return _spent <= int(_options.get("times", 1 << 30))


def _places(offset: int, length: int) -> list[tuple[int, int, int]]:
    """Return where in the backing file each part of a request lies: place, start and end in the request."""
    if _options["fault"] != "wrap":
        return [(offset, 0, length)]
    capacity = int(_options["at"])
    parts, start = [], 0
    while start < length:
        place = (offset + start) % capacity
        end = min(length, start + capacity - place)
        parts.append((place, start, end))
        start = end
    return parts


def _fail() -> None:
    nbdkit.set_error(errno.EIO)
    raise OSError(errno.EIO, "a fault")
