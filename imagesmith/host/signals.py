"""Ctrl-C and SIGTERM as a wish to stop, for work that must end in good order."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def cancelled_by_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set while the block runs; the second of them interrupts for good.

    Main thread only.
    """
    cancel = threading.Event()

    def wish(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
