"""What the guest says on its serial console: kept in a file, and watched for its fatal lines."""

import os
import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

_REMEMBERED_LINES = 400
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[78=>cM]|[\x00-\x08\x0b-\x1f\x7f]")
_PANIC = re.compile(r"Kernel panic - not syncing: (?P<why>.*)")
_GIVEN_UP = re.compile(r"^imagesmith-init: (?P<why>.*)")


def clean_line(raw: bytes) -> str:
    """Return a console line as text without colours and cursor movements."""
    return _CONTROL.sub("", raw.decode("utf-8", errors="replace")).rstrip()


class Console:
    """Reads the console in a thread of its own, until the block ends and whoever writes is gone.

    Args:
        source_fd: the reading end of a pipe; closed with the block.
        log: file that gets every line.
        on_line: called with every line that is not empty, from the reading thread.
    """

    def __init__(self, source_fd: int, log: Path, on_line: Callable[[str], None] | None = None) -> None:
        self._source = os.fdopen(source_fd, "rb")
        self._log = log
        self._on_line = on_line
        self._recent: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self._reader = threading.Thread(target=self._read, name="console", daemon=True)
        self.panic: str | None = None
        """The kernel's last words, once it panicked."""
        self.given_up: str | None = None
        """Why the initramfs could not boot the card, once it said so."""

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._reader.join()
        self._source.close()

    def tail(self, count: int) -> list[str]:
        """Return the last lines, at most `count`."""
        return list(self._recent)[-count:]

    def wait_for_end(self, *, timeout_s: float) -> None:
        """Wait until the guest's last line is read; it ends when QEMU does."""
        self._reader.join(timeout_s)

    def _read(self) -> None:
        with self._log.open("w", encoding="utf-8") as log:
            for raw in self._source:
                line = clean_line(raw)
                if not line:
                    continue
                log.write(line + "\n")
                log.flush()
                self._recent.append(line)
                self._note_fatal(line)
                if self._on_line is not None:
                    self._on_line(line)

    def _note_fatal(self, line: str) -> None:
        if (panic := _PANIC.search(line)) is not None:
            self.panic = panic["why"]
        if (given_up := _GIVEN_UP.match(line)) is not None:
            self.given_up = given_up["why"]
