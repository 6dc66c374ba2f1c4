"""Questions asked from inside the guest, without password, key, network or a byte on the card.

The guest's half is guest/probe.py, planted in RAM by the initramfs.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from imagesmith.emulator.lines import ChannelClosedError, JsonLines
from imagesmith.host.programs import Finished, ProgramTimeoutError

PORT_NAME = "imagesmith.probe"
_LOOK_EVERY_S = 0.5


class Probe:
    """Runs commands as root in the guest, one at a time.

    Args:
        lines: the channel to the guest.
        check: raises when the guest cannot answer any more; asked every half second while waiting.
        way_s: the guest times the command; the host gives it so much longer for the way there and back.
    """

    def __init__(self, lines: JsonLines, check: Callable[[], None], *, way_s: float = 30.0) -> None:
        self._way_s = way_s
        self._lines = lines
        self._check = check
        self._next_id = 0
        self._lock = threading.Lock()

    def run(self, argv: Sequence[str], *, timeout_s: float = 60.0) -> Finished:
        """Run a command to its end; a code other than 0 is an answer, not an error (127: no such program).

        Raises:
            BootError: the guest has ended or panicked.
            ProgramTimeoutError: no answer; if the command had started, it was killed.
        """
        deadline_s = time.monotonic() + timeout_s + self._way_s
        with self._lock:
            self._next_id += 1
            answer = self._ask(
                {"id": self._next_id, "argv": list(argv), "timeout_s": timeout_s}, deadline_s=deadline_s
            )
        if answer is None or answer.get("timed_out"):
            raise ProgramTimeoutError(argv, timeout_s)
        return Finished(answer["returncode"], answer["stdout"], answer["stderr"])

    def _ask(self, question: dict[str, Any], *, deadline_s: float) -> dict[str, Any] | None:
        with contextlib.suppress(ChannelClosedError):
            self._lines.send(question)
        while time.monotonic() < deadline_s:
            self._check()
            try:
                answer = self._lines.receive(timeout_s=_LOOK_EVERY_S)
            except ChannelClosedError:
                time.sleep(_LOOK_EVERY_S)  # QEMU closes its files some moments before it has ended
                continue
            # A late answer to a question we gave up on carries another id.
            if answer is not None and answer.get("id") == question["id"]:
                return answer
        return None
