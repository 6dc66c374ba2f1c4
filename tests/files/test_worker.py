"""The child that holds the cards: what it tells arrives, and neither side waits for the other for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesmith.errors import UntrustedSourceError
from imagesmith.host.worker import WorkerDiedError, run_in_worker

Send = Callable[[Any], None]


def run(
    work: Callable[[Send, threading.Event], Any],
    told: list[Any] | None = None,
    cancel: threading.Event | None = None,
) -> Any:
    messages = told if told is not None else []
    return run_in_worker(work, on_message=messages.append, cancel=cancel or threading.Event())


def test_messages_and_the_result_come_back_in_order() -> None:
    told: list[Any] = []

    def work(send: Send, _cancel: threading.Event) -> int:
        for number in range(100):
            send(number)
        return os.getpid()

    assert os.getpid() != run(work, told)
    assert list(range(100)) == told


def test_an_expected_failure_keeps_its_class_and_its_parts() -> None:
    def work(_send: Send, _cancel: threading.Event) -> None:
        raise UntrustedSourceError("what", why="why", remedy="remedy")

    with pytest.raises(UntrustedSourceError) as caught:
        run(work)

    assert ["error: what", "  why: why", "  do:  remedy"] == caught.value.lines()


def test_an_exception_that_cannot_travel_arrives_as_its_traceback() -> None:
    class LocalError(Exception):
        pass

    def work(_send: Send, _cancel: threading.Event) -> None:
        raise LocalError("a bug")

    with pytest.raises(WorkerDiedError, match="LocalError: a bug"):
        run(work)


def test_a_worker_that_is_killed_is_an_error_and_not_a_wait() -> None:
    def work(_send: Send, _cancel: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerDiedError, match="ended without a result"):
        run(work)


def test_cancelling_reaches_the_worker() -> None:
    cancel = threading.Event()

    def work(send: Send, stop: threading.Event) -> str:
        send("ready")
        return "stopped" if stop.wait(20) else "never told"

    assert "stopped" == run_in_worker(work, on_message=lambda _ready: cancel.set(), cancel=cancel)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_in_good_order_on_sigterm_and_leaves_ctrl_c_to_its_parent(number: int) -> None:
    def work(_send: Send, stop: threading.Event) -> bool:
        os.kill(os.getpid(), number)
        return stop.wait(0.5)

    assert (number == signal.SIGTERM) == run(work)


def test_a_worker_whose_parent_stops_listening_is_cancelled_and_reaped(tmp_path: Path) -> None:
    children: list[int] = []

    def work(send: Send, stop: threading.Event) -> None:
        send(os.getpid())
        stop.wait(20)
        (tmp_path / "in order").touch()

    def leave(child: int) -> None:
        children.append(child)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_worker(work, on_message=leave, cancel=threading.Event())

    assert (tmp_path / "in order").exists()
    with pytest.raises(ChildProcessError):
        os.waitpid(children[0], os.WNOHANG)


_KILLED_PARENT = """
import sys, threading, pathlib
from imagesmith.host.worker import run_in_worker

def work(send, stop):
    send("ready")
    stop.wait(20)
    pathlib.Path(sys.argv[1]).touch()

run_in_worker(work, on_message=lambda m: print(m, flush=True), cancel=threading.Event())
"""


def test_a_worker_outlives_its_killed_parent_just_to_put_things_in_order(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _KILLED_PARENT, str(tmp_path / "in order")]
    checkout = str(Path(__file__).parents[2])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": checkout}) as parent:
        assert parent.stdout is not None
        assert b"ready\n" == parent.stdout.readline()
        parent.kill()
        assert b"" == parent.stdout.read(), "the worker does not keep the parent's output open"

    deadline_s = time.monotonic() + 10
    while not (tmp_path / "in order").exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_result_does_not_wait_for_threads_that_hang() -> None:
    def work(_send: Send, _cancel: threading.Event) -> str:
        threading.Thread(target=time.sleep, args=(60,), daemon=False).start()
        return "done"

    began_s = time.monotonic()

    assert "done" == run(work)
    assert time.monotonic() - began_s < 5
