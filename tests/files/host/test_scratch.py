"""Scratch folders: gone with their owner, killed or not; the living keep theirs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.host.scratch import scratch_folder, sweep

_OWNER = """
import sys
from pathlib import Path
from imagesmith.host.scratch import scratch_folder

with scratch_folder(Path(sys.argv[1]), prefix=".work-") as folder:
    (folder / "half").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_it_is_private_and_gone_at_the_end_even_of_a_failure(tmp_path: Path) -> None:
    modes = []

    def work() -> None:
        with scratch_folder(tmp_path, prefix=".work-") as folder:
            (folder / "file").touch()
            modes.append(folder.stat().st_mode & 0o777)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert ([0o700], []) == (modes, list(tmp_path.iterdir()))


def test_what_a_killed_owner_left_goes_with_the_next_work(
    owner: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, abandoned = owner
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (abandoned / "half").exists()

    with scratch_folder(tmp_path, prefix=".work-") as folder:
        assert [folder] == list(tmp_path.iterdir())


def test_a_living_owner_keeps_its_folder(owner: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> None:
    _process, alive = owner

    sweep(tmp_path, prefix=".work-")

    assert b"half" == (alive / "half").read_bytes()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/")])
def test_what_only_has_the_name_is_not_ours(make: object, tmp_path: Path) -> None:
    other = tmp_path / ".work-notes"
    make(other)  # type: ignore[operator]  # one of the three above

    sweep(tmp_path, prefix=".work-")

    assert os.path.lexists(other)


def test_another_kind_of_work_is_left_alone(
    owner: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, abandoned = owner
    process.kill()
    process.wait()

    sweep(tmp_path, prefix=".other-")

    assert abandoned.exists()
