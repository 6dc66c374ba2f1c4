"""An nbdkit plugin: a card kept in a file, with a fault.

    nbdkit python faulty_card.py backing=FILE fault=KIND at=OFFSET [in=PHASE] [times=N] …

What it does: `eio-write`, `eio-read`: requests fail. `flip`, `flip-read`: a bit is flipped as it is stored,
or as it is read. `drop`: writes are accepted and forgotten. `wrap`, `limbo`: the true capacity is OFFSET;
what lies beyond comes round again from the start, or is forgotten and reads as zeros. `dead`: everything
fails. `hang`: no answer for `seconds`, or for ever. `yank`: the card is gone. `read-only`: the kernel learns
that it is. `crawl`: from now on it moves `rate` bytes a second. `shrink`: from now on it has `to` bytes.

When it does it: a request is struck that touches OFFSET (the first N of them; all without `times`), or with
`onward=yes` everything at OFFSET and behind. `in` narrows that to a phase of a run, told by what was asked
before: `compare` (OFFSET is read, and was not written yet), `body` (written), `verify` (read after that),
`clear` (the primary table is written before OFFSET is), `backup` and `table` (the backup or the primary
table is written after OFFSET was read back).

`log` names a file that gets a line for each request: direction, offset, length, and the fault that struck it.
`pause` is how many seconds each takes at least. `disk` is the file the loop device stands on.
"""

# ruff: noqa: ARG001 -- nbdkit calls these functions with what it has
import errno
import fcntl
import os
import signal
import struct
import threading
import time
from pathlib import Path

import nbdkit  # type: ignore[import-not-found]  # it exists inside nbdkit only

API_VERSION = 2

_SECTOR_BYTES = 512
_IN_HEADER = 88
"""Of a GPT header, whose sum covers it: the sum of the entries."""
_CHOOSY = {
    "eio-write": "write", "flip": "write", "drop": "write", "read-only": "write", "shrink": "write",
    "eio-read": "read", "flip-read": "read",
}  # fmt: skip
"""Faults of one direction; the others strike both."""
_BLKROSET = 0x125D
_LOOP_SET_STATUS64, _LOOP_GET_STATUS64 = 0x4C04, 0x4C05
_LOOP_INFO_BYTES, _SIZE_LIMIT_AT = 232, 32
"""linux/loop.h: struct loop_info64, and lo_sizelimit in it."""

_options: dict[str, str] = {}
_strikes = 0
_is_written = False
_is_read_back = False
_is_crawling = False


def config(key: str, value: str) -> None:
    _options[key] = value


def open(readonly: bool) -> int:  # noqa: A001 -- nbdkit's name
    return os.open(_options["backing"], os.O_RDWR)


def close(handle: int) -> None:
    os.close(handle)


def get_size(handle: int) -> int:
    return os.fstat(handle).st_size


def flush(handle: int, flags: int) -> None:
    if _options.get("fault") == "dead":
        _fail()


def pread(handle: int, buf: bytearray, offset: int, flags: int) -> None:
    fault = _suffer("read", offset, len(buf), get_size(handle))
    for place, start, end in _places(offset, len(buf)):
        buf[start:end] = bytes(end - start) if place is None else os.pread(handle, end - start, place)
    if fault == "flip-read":
        buf[_struck_byte(get_size(handle)) - offset] ^= 1


def pwrite(handle: int, buf: bytearray, offset: int, flags: int) -> None:
    fault = _suffer("write", offset, len(buf), get_size(handle))
    if fault == "drop":
        return
    content = bytearray(buf)
    if fault == "flip":
        content[_struck_byte(get_size(handle)) - offset] ^= 1
    for place, start, end in _places(offset, len(buf)):
        if place is not None:
            os.pwrite(handle, content[start:end], place)


def _suffer(direction: str, offset: int, length: int, size: int) -> str:
    """Let the fault do what does not depend on content; return it when it strikes this request."""
    global _is_crawling  # noqa: PLW0603 -- a plugin's state
    fault = _options.get("fault", "") if _is_struck(direction, offset, length, size) else ""
    _log(direction, offset, length, fault)
    _is_crawling |= fault == "crawl"
    time.sleep(length / float(_options["rate"]) if _is_crawling else float(_options.get("pause", 0)))
    if fault == "yank":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang" and "seconds" in _options:
        time.sleep(float(_options["seconds"]))
    elif fault == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif fault == "read-only":
        _make_read_only()
        _fail()
    elif fault == "shrink":
        # The loop device waits for its requests to end before it changes, this one too.
        threading.Thread(target=_shrink, daemon=True).start()
    elif fault in {"eio-write", "eio-read", "dead"}:
        _fail()
    return fault


def _is_struck(direction: str, offset: int, length: int, size: int) -> bool:
    global _strikes  # noqa: PLW0603 -- a plugin's state
    phase = _phase(direction, offset, length, size)
    fault = _options.get("fault", "")
    if fault == "dead":
        return True
    if "at" not in _options or _CHOOSY.get(fault, direction) != direction:
        return False
    at = int(_options["at"])
    if "in" in _options:
        is_hit = phase == _options["in"]
    elif "onward" in _options:
        is_hit = at < offset + length
    else:
        is_hit = offset <= at < offset + length
    _strikes += is_hit
    return is_hit and _strikes <= int(_options.get("times", 1 << 30))


def _phase(direction: str, offset: int, length: int, size: int) -> str:
    """Return the phase of a run that this request is the mark of; empty for any other request."""
    global _is_written, _is_read_back  # noqa: PLW0603 -- a plugin's state

    def touches(place: int) -> bool:
        return offset <= place < offset + length

    phase = ""
    at = int(_options.get("at", -1))
    if direction == "write" and touches(at):
        _is_written, phase = True, "body"
    elif touches(at):
        _is_read_back |= _is_written
        phase = "verify" if _is_written else "compare"
    elif direction == "write" and touches(_SECTOR_BYTES) and not _is_written:
        phase = "clear"
    elif direction == "write" and touches(_SECTOR_BYTES) and _is_read_back:
        phase = "table"
    elif direction == "write" and touches(size - _SECTOR_BYTES) and _is_read_back:
        phase = "backup"
    return phase


def _struck_byte(size: int) -> int:
    places = {"clear": _SECTOR_BYTES, "table": _SECTOR_BYTES, "backup": size - _SECTOR_BYTES}
    phase = _options.get("in", "")
    return places[phase] + _IN_HEADER if phase in places else int(_options["at"])


def _places(offset: int, length: int) -> list[tuple[int | None, int, int]]:
    """Return where in the backing file each part of a request lies: place, start and end in the request."""
    fault = _options.get("fault")
    if fault not in {"wrap", "limbo"}:
        return [(offset, 0, length)]
    capacity = int(_options["at"])
    parts: list[tuple[int | None, int, int]] = []
    start = 0
    while start < length:
        place = (offset + start) % capacity
        end = min(length, start + capacity - place)
        is_there = fault == "wrap" or offset + start < capacity
        parts.append((place if is_there else None, start, end))
        start = end
    return parts


def _log(direction: str, offset: int, length: int, fault: str) -> None:
    if "log" in _options:
        with Path(_options["log"]).open("a") as log:
            log.write(f"{direction} {offset} {length} {fault}\n")


def _loop_device() -> int:
    """Open the loop device that stands on our disk."""
    for told in Path("/sys/block").glob("loop*/loop/backing_file"):
        if told.read_text().strip() == _options["disk"]:
            return os.open(Path("/dev", told.parts[3]), os.O_RDONLY)
    raise FileNotFoundError(_options["disk"])


def _make_read_only() -> None:
    device = _loop_device()
    fcntl.ioctl(device, _BLKROSET, struct.pack("i", 1))
    os.close(device)


def _shrink() -> None:
    device = _loop_device()
    info = bytearray(fcntl.ioctl(device, _LOOP_GET_STATUS64, bytes(_LOOP_INFO_BYTES)))
    struct.pack_into("=Q", info, _SIZE_LIMIT_AT, int(_options["to"]))
    fcntl.ioctl(device, _LOOP_SET_STATUS64, bytes(info))
    os.close(device)


def _fail() -> None:
    nbdkit.set_error(errno.EIO)
    raise OSError(errno.EIO, "a fault")
