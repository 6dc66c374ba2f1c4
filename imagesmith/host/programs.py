"""The only door to other programs. Every child is in its own process group and is dead when a call returns.

Arguments are lists, never shell text. Output is captured as bytes-safe text; a failing program becomes a
`ProgramError` that names the program, its exit code and the last lines it said.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagesmith.errors import HostNotReadyError, ImagesmithError
from imagesmith.host.prerequisites import ADMIN_FOLDERS

_TAIL_LINES = 12
_TERM_GRACE_S = 5.0


class ProgramError(ImagesmithError):
    """A program ended with a failure. `why` holds the last lines it printed."""

    exit_code = 6

    def __init__(self, argv: Sequence[str], returncode: int, said: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        tail = "\n       ".join(said.strip().splitlines()[-_TAIL_LINES:])
        how = f"was ended by signal {-returncode}" if returncode < 0 else f"ended with code {returncode}"
        super().__init__(f"{Path(argv[0]).name} {how}", why=tail or "it said nothing")


class ProgramTimeoutError(ImagesmithError):
    """A program did not end in time and was killed."""

    exit_code = 6

    def __init__(self, argv: Sequence[str], timeout_s: float) -> None:
        super().__init__(f"{Path(argv[0]).name} did not end within {timeout_s:.0f} s and was killed")


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended: its exit code and what it said."""

    returncode: int
    stdout: str
    stderr: str


def search_path() -> str:
    """Return PATH with the administrators' folders behind it."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])


def find_program(name: str) -> Path | None:
    """Return the full path of a program, or None."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def require_program(name: str) -> Path:
    """Return the full path of a program.

    Raises:
        HostNotReadyError: it is not installed.
    """
    found = find_program(name)
    if found is None:
        raise HostNotReadyError(
            f"the program {name!r} is not installed",
            remedy="run 'imagesmith doctor': it prints the command that installs what is missing",
        )
    return found


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    # C.UTF-8: messages are parsed and quoted; a translated sgdisk would be a different program.
    return {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", **(extra or {})}


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program and hold it for the length of the block; its whole group is dead afterwards."""
    words = [str(require_program(str(argv[0]))), *map(str, argv[1:])]
    child = subprocess.Popen(
        words,
        env=_environment(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _end_group(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _end_group(child: subprocess.Popen[bytes]) -> None:
    # The group outlives its leader when a grandchild hangs on: signal the group even after the leader ended.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        try:
            child.wait(timeout=_TERM_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        if number is signal.SIGTERM and not _group_lives(child.pid):
            return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def run(
    argv: Sequence[str | Path],
    *,
    input_text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    ok: Sequence[int] = (0,),
    pass_fds: Sequence[int] = (),
) -> Finished:
    """Run a program to its end.

    Args:
        argv: the words; the first is looked up in PATH and the administrators' folders.
        input_text: what it reads; nothing by default.
        env: variables on top of this process's.
        cwd: folder to run in.
        timeout_s: it is killed, with its children, after this long.
        ok: exit codes that count as success.
        pass_fds: open descriptors the child keeps.

    Raises:
        HostNotReadyError: the program is not installed.
        ProgramError: it ended with a code not in `ok`.
        ProgramTimeoutError: it did not end in time.
    """
    given = subprocess.PIPE if input_text is not None else subprocess.DEVNULL
    with running(argv, env=env, cwd=cwd, stdin=given, pass_fds=pass_fds) as child:
        try:
            out, err = child.communicate(
                input_text.encode() if input_text is not None else None, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as exc:
            raise ProgramTimeoutError([str(word) for word in argv], timeout_s) from exc
    finished = Finished(child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
    if finished.returncode not in ok:
        raise ProgramError(
            [str(word) for word in argv], finished.returncode, finished.stderr or finished.stdout
        )
    return finished
