"""What a test may never do, as one audit hook: Python itself reports the act before it happens.

An audit hook sees `open` in any spelling (builtins, os, pathlib, io), every way of starting a program and
every way onto the network. A violation is a BaseException, so that no `except Exception` in the code under
test can swallow it.

In every lane: a block device other than a loop device is never opened for writing, nor named to a program.
In the unit lane also: no block device at all, no program, no network.
"""

import contextlib
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOOP_MAJOR = 7
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAM_EVENTS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
    }
)
_NETWORK_EVENTS = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
)


class ForbiddenActError(BaseException):
    """A test did what no test of its lane may do."""


class _Lane:
    is_pure = False


def install() -> None:
    """Watch this process from now on; audit hooks cannot be taken away again."""
    sys.addaudithook(_watch)


@contextlib.contextmanager
def pure() -> Iterator[None]:
    """Forbid programs, the network and every block device for the length of the block."""
    before, _Lane.is_pure = _Lane.is_pure, True
    try:
        yield
    finally:
        _Lane.is_pure = before


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _mode, flags = arguments
        if isinstance(flags, int) and flags & _WRITE_FLAGS:
            _refuse_block_device(path, "opened for writing")
    elif event in _PROGRAM_EVENTS:
        if _Lane.is_pure:
            raise ForbiddenActError(f"a unit test started a program: {event} {arguments[:2]}")
        if event == "subprocess.Popen":
            _refuse_named_devices(arguments[1])
    elif event in _NETWORK_EVENTS and _Lane.is_pure and not _is_local_socket(arguments[0]):
        raise ForbiddenActError(f"a unit test used the network: {event} {arguments[1:]}")


def _refuse_named_devices(words: object) -> None:
    for word in words if isinstance(words, list | tuple) else ():
        if str(word).startswith("/dev/"):
            _refuse_block_device(word, "named to a program")


def _refuse_block_device(path: object, how: str) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # an already open descriptor
    try:
        found = Path(os.fsdecode(path)).stat()
    except OSError:
        return  # there is no such device to harm
    if stat.S_ISBLK(found.st_mode) and (_Lane.is_pure or os.major(found.st_rdev) != _LOOP_MAJOR):
        raise ForbiddenActError(f"a test's block device was {how}: {os.fsdecode(path)}")


def _is_local_socket(channel: object) -> bool:
    return isinstance(channel, socket.socket) and channel.family == socket.AF_UNIX
