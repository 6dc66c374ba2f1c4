"""One line a step: to the journal, and to whatever screen or serial line the board has."""

import contextlib
import os
import sys

from imagesmith_firstboot.root import Root


class Console:
    """Where the agent speaks. Never blocks and never fails: a board without a screen boots the same."""

    def __init__(self, root: Root) -> None:
        self._path = root.path("/dev/console")

    def say(self, text: str) -> None:
        """Print a line."""
        line = f"imagesmith: {text}\n"
        with contextlib.suppress(OSError):
            sys.stdout.write(line)
            sys.stdout.flush()
        # A serial line nobody reads would hold a blocking writer back for ever.
        with contextlib.suppress(OSError):
            handle = os.open(self._path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_APPEND)
            try:
                os.write(handle, line.replace("\n", "\r\n").encode())
            finally:
                os.close(handle)
