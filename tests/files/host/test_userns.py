"""Real namespaces: what runs inside is root and arm64, and nothing of it is left outside."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from imagesmith.host.programs import ProgramError
from imagesmith.host.userns import PLACE, run_in_arm64_namespace

BINFMT = Path("/proc/sys/fs/binfmt_misc")


def said_by(*argv: str) -> list[str]:
    lines: list[str] = []
    run_in_arm64_namespace(argv, say=lines.append)
    return lines


def outside() -> tuple[str, list[str], list[str]]:
    """Return what a leak would change: this machine's mounts, its binary formats and the place itself."""
    return (
        Path("/proc/self/mountinfo").read_text(),
        sorted(map(str, BINFMT.iterdir())) if BINFMT.is_dir() else [],
        sorted(map(str, PLACE.iterdir())),
    )


def test_it_is_root_in_an_empty_place_and_runs_arm64_programs() -> None:
    before = outside()

    lines = said_by("sh", "-euc", 'id -u; pwd; ls -A; touch mine; arch-test arm64; echo "$HOME"')

    assert ["0", str(PLACE), "arm64: ok", str(PLACE)] == lines
    assert before == outside()


def test_owners_of_many_ids_are_kept() -> None:
    assert ["33 42"] == said_by("sh", "-euc", "touch mine; chown 33:42 mine; stat -c '%u %g' mine")


def test_a_descriptor_is_handed_over_into_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o666)
    with file.open("r+b") as target:
        run_in_arm64_namespace(
            ["sh", "-euc", f"echo inside > /proc/self/fd/{target.fileno()}"],
            say=lambda _: None,
            pass_fds=[target.fileno()],
        )

    assert "inside\n" == file.read_text()


@pytest.mark.root
def test_roots_own_files_are_out_of_its_reach(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("roots\n")
    file.chmod(0o600)
    with file.open("r+b") as target, pytest.raises(ProgramError, match="ended with code") as caught:
        run_in_arm64_namespace(
            ["sh", "-euc", f"echo inside > /proc/self/fd/{target.fileno()}"],
            say=lambda _: None,
            pass_fds=[target.fileno()],
        )

    assert "Permission denied" in caught.value.why
    assert "roots\n" == file.read_text()


def test_a_failing_program_is_named_with_its_code_and_its_last_words() -> None:
    with pytest.raises(ProgramError) as caught:
        said_by("sh", "-euc", "echo some last words >&2; exit 7")

    assert "sh ended with code 7" == caught.value.what
    assert "some last words" == caught.value.why


def test_whatever_it_started_dies_with_an_interrupted_run() -> None:
    before = outside()
    mark = f"{os.getpid()}.{time.monotonic_ns()}"

    def interrupt(line: str) -> None:
        assert "started" == line
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        # A session of its own and deaf to SIGTERM: only the end of the process namespace reaches it.
        run_in_arm64_namespace(
            ["sh", "-euc", f"setsid sh -c 'trap \"\" TERM; echo started; sleep 600; : {mark}' & wait"],
            say=interrupt,
        )

    assert not _processes_with(mark)
    assert before == outside()


def test_whatever_it_started_dies_when_its_keeper_is_killed() -> None:
    mark = f"{os.getpid()}.{time.monotonic_ns()}"

    def end_it(_line: str) -> None:
        (leader, *_) = sorted(_processes_with(mark))
        threading.Timer(0.1, os.kill, (leader, signal.SIGKILL)).start()

    with pytest.raises(ProgramError, match="signal 9"):
        run_in_arm64_namespace(["sh", "-euc", f"echo started; sleep 600; : {mark}"], say=end_it)

    assert not _processes_with(mark)


def _processes_with(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(folder.name))
    return found
