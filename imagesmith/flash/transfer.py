"""One card's operations: made whole from what the medium takes at a time, retried within bounds, stoppable.

Between any two calls to the medium the lane can be stopped; each call leaves a timestamp for the watchdog.
"""

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from imagesmith.host.media import Medium, MediumError
from imagesmith.model.units import MIB, SECTOR_BYTES, round_down

T = TypeVar("T")

OPERATION_BYTES = 4 * MIB
"""Most bytes in one call: beyond it cards gain nothing, and a stall would be noticed later."""

TRANSIENT = frozenset(
    {errno.EIO, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOLINK, errno.ENODATA, errno.EILSEQ, errno.EAGAIN}
)
"""What the block layer says of a failed request that may succeed when repeated (blk_errors in blk-core.c)."""


class StoppedError(Exception):
    """The lane was asked to stop."""


class Pulse:
    """What a card was last asked, and when: written by its lane, read by the watchdog."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, str, int | None] = (clock(), "open", None)

    def beat(self, operation: str, offset: int | None = None) -> None:
        """Note that an operation begins, so that the one before has ended."""
        self._last = (self._clock(), operation, offset)  # one assignment: never half seen by the watchdog

    def silence(self) -> tuple[float, str, int | None]:
        """Return for how many seconds which operation has been under way, and its offset."""
        since_s, operation, offset = self._last
        return self._clock() - since_s, operation, offset


@dataclass(frozen=True, slots=True)
class Patience:
    """What a lane bears with: the pauses before each repetition of an operation, and who may stop it."""

    stop: threading.Event
    retry_pauses_s: tuple[float, ...]
    on_retry: Callable[[MediumError, int], None]
    on_time: Callable[[str, int | None, float], None] = lambda _operation, _offset, _seconds: None
    """Told how long each operation took, whether or not it succeeded."""


class Transfer:
    """Moves whole ranges to and from one open medium."""

    def __init__(self, medium: Medium, pulse: Pulse, patience: Patience) -> None:
        self._medium = medium
        self._pulse = pulse
        self._patience = patience

    def write(self, offset: int, content: memoryview) -> None:
        """Write all of `content`.

        Raises:
            MediumError: the card failed, and repeating did not help.
            StoppedError: the lane was asked to stop.
        """
        self._whole("write", offset, content, self._medium.write)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from the medium.

        Raises:
            MediumError: the card failed, and repeating did not help.
            StoppedError: the lane was asked to stop.
        """
        self._whole("read", offset, buffer, self._medium.read_into)

    def await_image(self) -> None:
        """Note that it is the image that is waited for, not the card.

        Raises:
            StoppedError: the lane was asked to stop.
        """
        self._checkpoint("wait for the image to be checked", None)

    def flush(self) -> None:
        """Make everything written durable. Not repeated: a second fsync succeeds on data the first one lost.

        Raises:
            MediumError: the card failed.
            StoppedError: the lane was asked to stop.
        """
        self._checkpoint("flush", None)
        self._timed("flush", None, self._medium.flush)

    def _whole(
        self, operation: str, offset: int, buffer: memoryview, move: Callable[[int, memoryview], int]
    ) -> None:
        done = 0
        while done < len(buffer):
            with buffer[done : done + OPERATION_BYTES] as part:
                moved = self._persistently(operation, offset + done, part, move)
            # The next call must be aligned again: what came of a sector in part is moved once more.
            moved = round_down(moved, SECTOR_BYTES)
            if moved <= 0:
                raise MediumError(
                    operation, offset + done, errno.ENOSPC if operation == "write" else errno.EIO
                )
            done += moved

    def _persistently(
        self, operation: str, offset: int, part: memoryview, move: Callable[[int, memoryview], int]
    ) -> int:
        pauses_s = self._patience.retry_pauses_s
        for attempt, pause_s in enumerate(pauses_s, start=1):
            self._checkpoint(operation, offset)
            try:
                return self._timed(operation, offset, lambda: move(offset, part))
            except MediumError as error:
                if error.code not in TRANSIENT:
                    raise
                self._patience.on_retry(error, attempt)
                self._patience.stop.wait(pause_s)
        self._checkpoint(operation, offset)
        return self._timed(operation, offset, lambda: move(offset, part))

    def _timed(self, operation: str, offset: int | None, work: Callable[[], T]) -> T:
        began_s = time.monotonic()
        try:
            return work()
        finally:
            self._patience.on_time(operation, offset, time.monotonic() - began_s)

    def _checkpoint(self, operation: str, offset: int | None) -> None:
        if self._patience.stop.is_set():
            raise StoppedError
        self._pulse.beat(operation, offset)
