"""The guards themselves: each forbidden act is refused, before it happens, past any `except Exception`."""

import multiprocessing
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from imagesmith.host import programs
from tests import guards
from tests.guards import ForbiddenActError

_FORBIDDEN: dict[str, Callable[[], object]] = {
    "run": lambda: subprocess.run(["true"], check=False),
    "popen": lambda: subprocess.Popen(["true"]),
    "our own door": lambda: programs.run(["true"]),
    "system": lambda: os.system("true"),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "multiprocessing": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "tcp": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "udp": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    "names": lambda: socket.getaddrinfo("localhost", 80),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", _FORBIDDEN.values(), ids=_FORBIDDEN)
def test_a_unit_test_cannot_reach_outside_even_when_the_code_swallows_exceptions(
    act: Callable[[], object],
) -> None:
    with (
        pytest.raises(ForbiddenActError, match=r"a unit test (started a program|used the network)"),
        suppress(Exception),
    ):
        act()


def test_a_unit_test_may_speak_to_a_socket_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "socket"))
        server.listen()

        client.connect(str(tmp_path / "socket"))

        assert client.getpeername() == str(tmp_path / "socket")


def _make_all_paths_look_like_a_device(monkeypatch: pytest.MonkeyPatch, *, major: int) -> None:
    fields = [stat.S_IFBLK | 0o660, *[0] * 9]
    found = os.stat_result(fields, {"st_rdev": os.makedev(major, 0)})
    monkeypatch.setattr(os, "stat", lambda *_path, **_how: found)


_WRITERS: dict[str, Callable[[Path], object]] = {
    "builtin open": lambda path: open(path, "r+b"),  # noqa: PTH123, SIM115
    "pathlib": lambda path: path.write_bytes(b"x"),
    "os.open for writing": lambda path: os.open(path, os.O_WRONLY | os.O_EXCL),
    "os.open for both": lambda path: os.open(path, os.O_RDWR),
}


@pytest.mark.parametrize("write", _WRITERS.values(), ids=_WRITERS)
@pytest.mark.parametrize(("pure", "major"), [(True, 7), (True, 8), (False, 8), (False, 259)])
def test_a_block_device_is_never_opened_for_writing_and_in_no_lane_but_loop_devices(
    write: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    pure: bool,
    major: int,
) -> None:
    card = tmp_path / "sdz"
    card.write_bytes(b"precious")
    monkeypatch.setattr(guards._Lane, "is_pure", pure)
    _make_all_paths_look_like_a_device(monkeypatch, major=major)

    with pytest.raises(ForbiddenActError, match="opened for writing"):
        write(card)

    monkeypatch.undo()
    assert card.read_bytes() == b"precious"


def test_outside_the_unit_lane_a_loop_device_may_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(guards._Lane, "is_pure", False)
    card = tmp_path / "loop0"
    card.write_bytes(b"old")
    _make_all_paths_look_like_a_device(monkeypatch, major=7)

    handle = os.open(card, os.O_WRONLY)
    os.write(handle, b"new")
    os.close(handle)

    monkeypatch.undo()
    assert card.read_bytes() == b"new"


def test_reading_a_block_device_is_no_violation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    card = tmp_path / "sdz"
    card.write_bytes(b"facts")
    _make_all_paths_look_like_a_device(monkeypatch, major=8)

    assert card.read_bytes() == b"facts"


def test_outside_the_unit_lane_no_program_is_given_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards._Lane, "is_pure", False)
    _make_all_paths_look_like_a_device(monkeypatch, major=8)

    with pytest.raises(ForbiddenActError, match="named to a program: /dev/sdz"):
        subprocess.Popen(["true", "/dev/sdz"])


def test_a_unit_test_has_a_home_and_caches_of_its_own(tmp_path: Path) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        assert Path(os.environ[variable]).is_relative_to(tmp_path)
