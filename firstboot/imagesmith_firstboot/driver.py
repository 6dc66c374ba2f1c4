"""Runs the steps in order, once each, until all are done or this boot's attempts are used up.

A step is done when its marker says so for the inputs it has now. The first that fails ends the attempt: those
behind it, and so the cluster, are not reached. The result file is written last of all.
"""

import os
import sys
import traceback
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

from imagesmith_firstboot import share, state
from imagesmith_firstboot.board import Board
from imagesmith_firstboot.console import Console
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.documents import read_documents
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.identity import hostname_of
from imagesmith_firstboot.root import Root

MOST_ATTEMPTS = 5
FIRST_PAUSE_S = 5.0
EXIT_READY = 0
EXIT_FAILED = 3  # the unit does not restart on this one: the next boot tries again


class Step(NamedTuple):
    """One thing that shall be so.

    `inputs` returns, as a JSON value, everything of the documents the step depends on; `run` makes it so,
    any number of times, and returns what people should know. `bakeable`: worth doing in the image already.
    """

    name: str
    inputs: Callable[[Context], Any]
    run: Callable[[Context], str]
    bakeable: bool = False


class Failure(NamedTuple):
    """Which step failed, and why."""

    step: str
    message: str


class Driver:
    """One run of the agent."""

    def __init__(self, root: Root, board: Board, steps: Sequence[Step]) -> None:
        self._root = root
        self._board = board
        self._steps = steps
        self._console = Console(root)
        self._state = state.State(root, [step.name for step in steps])
        self._boot_id = (root.read_text("/proc/sys/kernel/random/boot_id") or "").strip()

    def run(self, *, once: bool = False) -> int:
        """Make the card a node; return the exit code.

        Args:
            once: one attempt instead of up to five.
        """
        attempt = self._first_attempt()
        while attempt <= MOST_ATTEMPTS:
            failure = self._attempt(attempt)
            if failure is None:
                return EXIT_READY
            last = once or attempt == MOST_ATTEMPTS
            self._state.end("failed" if last else "retrying", failure._asdict())
            share.copy_state(self._root, self._board)
            if last:
                break
            pause_s = FIRST_PAUSE_S * 2 ** (attempt - 1)
            self._console.say(f"attempt {attempt} of {MOST_ATTEMPTS} failed, next in {pause_s:.0f} s")
            self._board.notify(f"STATUS={failure.step} failed: {failure.message}")
            self._board.sleep(pause_s)
            attempt += 1
        self._console.say(
            "gave up for this boot; this node does not join the cluster. The next boot tries again"
        )
        return EXIT_FAILED

    def bake(self, names: Sequence[str]) -> int:
        """Make some steps so in an image that is not running, and mark them; return the exit code."""
        cluster, node = read_documents(self._root)
        context = Context(self._root, self._board, cluster, node, live=False)
        for step in self._steps:
            if step.name in names:
                marker = self._done(step, context, baked=True)
                self._console.say(f"baked {step.name}: {marker.detail}")
        return EXIT_READY

    def _first_attempt(self) -> int:
        # An attempt that was killed, or took the agent down, counts: the cap holds for crashes too.
        before = state.read_state(self._root) or {}
        if before.get("boot_id") != self._boot_id or before.get("status") not in ("running", "retrying"):
            return 1
        attempt = int(before.get("attempt", 0)) + 1
        if attempt > MOST_ATTEMPTS:
            self._state.values = before
            self._state.end("failed", before.get("error") or {"step": "", "message": "the agent kept dying"})
        return attempt

    def _attempt(self, attempt: int) -> Optional[Failure]:
        self._state.begin(attempt, self._boot_id)
        position, step = 1, self._steps[0]
        started_s = self._board.monotonic_s()
        try:
            context = self._context()
            for position, step in enumerate(self._steps, 1):
                started_s = self._board.monotonic_s()
                marker = self._done(step, context)
                if step is self._steps[-1]:
                    self._finish(step, marker)
                else:
                    self._state.settle(step.name, marker.status, marker.detail, marker.seconds)
                self._say(position, step, marker.status, marker.detail)
        except Exception as exc:  # noqa: BLE001 -- whatever goes wrong in a step is that step's failure
            message = _message_of(exc)
            self._state.settle(step.name, "failed", message, self._board.monotonic_s() - started_s)
            self._say(position, step, "failed", message)
            return Failure(step.name, message)
        return None

    def _context(self) -> Context:
        cluster, node = read_documents(self._root)
        context = Context(self._root, self._board, cluster, node)
        self._state.values.update(
            hostname=hostname_of(context), node_index=node.number, cluster=cluster.name, mode=cluster.mode
        )
        return context

    def _done(self, step: Step, context: Context, *, baked: bool = False) -> state.Marker:
        digest = state.digest_of(step.inputs(context))
        marker = state.read_marker(self._root, step.name)
        if marker is not None and marker.inputs_sha256 == digest:
            return marker
        started_s = self._board.monotonic_s()
        detail = step.run(context)
        marker = state.Marker(digest, detail, self._board.monotonic_s() - started_s, baked)
        self._board.sync()
        state.write_marker(self._root, step.name, marker)
        return marker

    def _finish(self, step: Step, marker: state.Marker) -> None:
        self._state.values["status"] = "ready"
        self._state.settle(step.name, marker.status, marker.detail, marker.seconds)
        share.copy_state(self._root, self._board)
        self._root.write(state.RESULT_PATH, state.whereabouts(self._state.values) + "\n")
        self._board.notify("READY=1")

    def _say(self, position: int, step: Step, status: str, detail: str) -> None:
        self._console.say(f"[{position}/{len(self._steps)}] {step.name}: {status} ({detail})")


def _message_of(exc: Exception) -> str:
    if isinstance(exc, StepError):
        return str(exc)
    if isinstance(exc, OSError):
        return f"{exc.filename or 'a file'}: {exc.strerror or type(exc).__name__}"
    # A bug. Its text may quote a value of the slot, so people see where it happened and not what it said.
    frames = traceback.extract_tb(exc.__traceback__)
    sys.stderr.write("".join(traceback.format_list(frames)))
    place = frames[-1]
    return f"a bug: {type(exc).__name__} at {os.path.basename(place.filename)}:{place.lineno}"


def result_of(values: Optional[Dict[str, Any]]) -> int:
    """Return the exit code a state stands for."""
    return EXIT_READY if values is not None and values["status"] == "ready" else EXIT_FAILED
