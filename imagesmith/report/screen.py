"""A terminal whose content is replaced in place: no blank moment in between, so nothing flickers."""

import shutil
from collections.abc import Sequence
from typing import TextIO

_HOME, _CLEAR_LINE, _CLEAR_BELOW, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"


class Screen:
    """Draws whole screens on a terminal; the last one stays when the program ends."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begin = _CLEAR + _HOME

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines from the top; what does not fit is counted on the last one."""
        columns, rows = shutil.get_terminal_size()
        room = max(1, rows - 1)
        shown = list(lines)
        if len(shown) > room:
            shown = [*shown[: room - 1], f"({len(shown) - room + 1} more lines)"]
        text = "".join(f"{line[:columns]}{_CLEAR_LINE}\n" for line in shown)
        self._out.write(f"{self._begin}{text}{_CLEAR_BELOW}")
        self._out.flush()
        self._begin = _HOME
