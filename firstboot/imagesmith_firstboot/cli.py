"""The command line of the agent."""

import argparse
import fcntl
import sys
from typing import Optional, Sequence

from imagesmith_firstboot import state
from imagesmith_firstboot.board import Board
from imagesmith_firstboot.driver import Driver, result_of
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.root import Root
from imagesmith_firstboot.steps import STEPS

_LOCK_PATH = "/run/imagesmith-firstboot.lock"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the agent; return the exit code: 0 ready, 1 baking failed, 2 wrong call, 3 not ready."""
    parser = argparse.ArgumentParser(
        prog="imagesmith-firstboot", description="Make this freshly written card a node of its cluster."
    )
    parser.add_argument("--status", action="store_true", help="print how far first boot is, change nothing")
    parser.add_argument("--once", action="store_true", help="one attempt, no retry")
    parser.add_argument(
        "--bake",
        action="append",
        metavar="STEP",
        choices=[step.name for step in STEPS if step.bakeable],
        help="do a step ahead of time in an image that is not running; may be repeated",
    )
    parser.add_argument("--root", default="/", metavar="DIR", help="the root tree --status reads")
    options = parser.parse_args(argv)
    root = Root(options.root)
    if options.status:
        return _print_status(root)
    if options.root != "/":
        parser.error("--root goes with --status alone: steps act on the running system (bake in a chroot)")
    board = Board()
    driver = Driver(root, board, STEPS)
    if options.bake:
        try:
            return driver.bake(options.bake)
        except StepError as exc:
            sys.stderr.write(f"imagesmith-firstboot: {exc}\n")
            return 1
    with open(root.path(_LOCK_PATH), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error("already running: see --status")
        return driver.run(once=options.once)


def _print_status(root: Root) -> int:
    values = state.read_state(root)
    print("imagesmith: first boot has not begun" if values is None else state.report(values))
    return result_of(values)
