"""Everything outside the root file tree: programs, time, the network, systemd.

The only module that starts programs or sleeps; tests replace the whole of it.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import Callable, NamedTuple, Optional, Sequence

from imagesmith_firstboot.errors import CommandError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GIVE_UP_S = 2.0


class Finished(NamedTuple):
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str


class Board:
    """The machine the agent runs on."""

    def run(
        self,
        argv: Sequence[str],
        *,
        input_text: Optional[str] = None,
        timeout_s: float = 120.0,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        """Run a program to its end. Secrets go through `input_text`, never through `argv`.

        Raises:
            CommandError: not installed, ended with a code not in `ok`, or not within `timeout_s`.
        """
        try:
            child = subprocess.Popen(
                argv,
                env={"PATH": _PATH, "LC_ALL": "C", "HOME": "/root"},
                stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            # The file may be another than the program: a chroot without /dev/null.
            why = os.strerror(exc.errno or 0)
            raise CommandError(f"{argv[0]} cannot be started: {exc.filename}: {why}") from exc
        try:
            out, err = child.communicate(
                None if input_text is None else input_text.encode(), timeout=timeout_s
            )
        except subprocess.TimeoutExpired as exc:
            _abandon(child)
            raise CommandError(f"{' '.join(argv)}: no end after {timeout_s:.0f} s") from exc
        finished = Finished(child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
        if finished.returncode not in ok:
            words = (finished.stderr or finished.stdout).strip().splitlines() or ["no message"]
            raise CommandError(f"{' '.join(argv)}: {words[-1].strip()} (exit code {finished.returncode})")
        return finished

    def has(self, program: str) -> bool:
        """Return whether a program is installed."""
        return shutil.which(program, path=_PATH) is not None

    def now_s(self) -> float:
        """Return the wall clock as Unix time."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return a clock that nobody sets."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float) -> bool:
        """Ask every second until it is so; return False when time is up."""
        deadline_s = self.monotonic_s() + timeout_s
        while not is_so():
            if self.monotonic_s() >= deadline_s:
                return False
            self.sleep(1.0)
        return True

    def answers(self, host: str, port: int, *, timeout_s: float) -> bool:
        """Return whether a TCP port takes connections."""
        try:
            socket.create_connection((host, port), timeout=timeout_s).close()
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Make what programs wrote durable; they do not all fsync."""
        os.sync()

    def notify(self, text: str) -> None:
        """Tell systemd how it goes (sd_notify(3)); nothing when it did not start us."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        if not address:
            return
        if address.startswith("@"):
            address = "\0" + address[1:]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.sendto(text.encode(), address)


def _abandon(child: "subprocess.Popen[bytes]") -> None:
    # A program stuck in an NFS call cannot be killed until the server is back: do not wait for it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GIVE_UP_S)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
