"""What the emulator's tests share: the kernel and the stand-in, both dear to make and kept in the cache."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesmith.base.standin import ensure_standin
from imagesmith.emulator.kernel import KernelFiles, ensure_kernel
from imagesmith.emulator.machine import Machine

APP_OFFSET_BYTES = 28672 * 512


@pytest.fixture(scope="session")
def kernel() -> KernelFiles:
    return ensure_kernel(print)


@pytest.fixture(scope="session")
def standin() -> Path:
    return ensure_standin(print)


@pytest.fixture(scope="session")
def customised(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in with the one switch turned: default.target, as l4t facts 2.4 have it."""
    image = tmp_path_factory.mktemp("customised") / "card.img"
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", standin, image], check=True)
    link = "/etc/systemd/system/default.target"
    for request in (f"rm {link}", f"symlink {link} /lib/systemd/system/multi-user.target"):
        debugfs(image, request)
    return image


def debugfs(image: Path, request: str) -> None:
    """Change the root file system of a card; debugfs ends with 0 whatever went wrong, so its words decide."""
    program = shutil.which("debugfs", path="/usr/sbin:/sbin:/usr/bin")
    assert program is not None
    done = subprocess.run(
        [program, "-w", "-R", request, f"{image}?offset={APP_OFFSET_BYTES}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert [] == done.stderr.splitlines()[1:], done.stderr


def until(machine: Machine, argv: list[str], accept: Callable[[str], bool]) -> str:
    """Ask a guest until its answer is accepted; how long that takes is the lane's timeout's affair."""
    while not accept(answer := machine.probe.run(argv, timeout_s=120).stdout.strip()):
        time.sleep(2)
    return answer


def qemus_using(folder: Path) -> list[str]:
    """Return the command lines of the processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found
