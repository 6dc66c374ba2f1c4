"""Work in a forked child that can be left behind.

A thread that waits for a dead device sleeps uninterruptibly, and a process with such a thread cannot be
reaped, not even after os._exit: its parent's wait() lasts until the kernel gives up on the device (seen with
a stopped nbdkit: for as long as it was stopped). So the devices are held by a child, which tells its result
and may then take as long to die as it likes.
"""

import contextlib
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_POLL_S = 0.1
_REAP_S = 1.0
_CLEAN_UP_S = 20.0
"""How long an interrupted parent lets the child put things in order."""


class WorkerDiedError(Exception):
    """The child ended without a result, or with an exception that cannot travel; the text says which."""


def run_in_worker(
    work: Callable[[Callable[[Any], None], threading.Event], T],
    *,
    on_message: Callable[[Any], None],
    cancel: threading.Event,
) -> T:
    """Run `work(send, cancel)` in a forked child and return its result as soon as that is known.

    The child stands apart: no terminal, no SIGINT; it is cancelled by `cancel`, by SIGTERM and by this
    process's death. Results, messages and exceptions are pickled. Call it while this process has one thread.

    Raises:
        WorkerDiedError: the child ended without a result.
        Exception: whatever `work` raised.
    """
    ours, theirs = Pipe()
    child = os.fork()
    if child == 0:
        ours.close()
        _serve(work, theirs)
    theirs.close()
    patience_s = _CLEAN_UP_S
    try:
        result: T = _listen(ours, on_message, cancel)
        patience_s = _REAP_S
        return result
    finally:
        ours.close()  # a child that still works takes this as a wish to stop
        _reap(child, patience_s)


def _listen(ours: Connection, on_message: Callable[[Any], None], cancel: threading.Event) -> Any:  # noqa: ANN401 -- what `work` returned
    told = False
    while True:
        if cancel.is_set() and not told:
            told = True
            with contextlib.suppress(OSError):
                ours.send("cancel")
        if not ours.poll(_POLL_S):
            continue
        try:
            kind, content = ours.recv()
        except (EOFError, ConnectionError) as exc:
            raise WorkerDiedError("the writing process ended without a result") from exc
        if kind == "message":
            on_message(content)
        elif kind == "result":
            return content
        else:
            raise content


def _reap(child: int, patience_s: float) -> None:
    deadline_s = time.monotonic() + patience_s
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _serve(
    work: Callable[[Callable[[Any], None], threading.Event], Any], theirs: Connection
) -> NoReturn:  # pragma: no cover -- runs in the child, whose measurements end with os._exit
    cancel = threading.Event()
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: cancel.set())
        _leave_terminal()
        threading.Thread(target=_await_cancel, args=(theirs, cancel), daemon=True).start()

        def send(message: object) -> None:
            try:
                theirs.send(("message", message))
            except OSError:  # nobody listens any more
                cancel.set()

        answer = ("result", work(send, cancel))
        _tell(theirs, answer)
    except BaseException as exc:  # noqa: BLE001 -- the parent raises it
        _tell(theirs, ("error", _portable(exc)))
    finally:
        os._exit(0)


def _leave_terminal() -> None:
    # A child left behind must not keep somebody's pipe open: `imagesmith flash … | tee log` would never end.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _await_cancel(theirs: Connection, cancel: threading.Event) -> None:
    with contextlib.suppress(EOFError, OSError):
        theirs.recv()
    cancel.set()


def _tell(theirs: Connection, answer: tuple[str, Any]) -> None:
    with contextlib.suppress(OSError):
        theirs.send(answer)


def _portable(exc: BaseException) -> BaseException:
    try:
        if isinstance(exc, Exception) and str(pickle.loads(pickle.dumps(exc))) == str(exc):  # noqa: S301 -- our own bytes
            return exc
    except Exception:  # noqa: BLE001, S110 -- whatever pickling dislikes: the text travels instead
        pass
    return WorkerDiedError("".join(traceback.format_exception(exc)))
