"""The guest's system disk and its Python packages: made once, kept under the hash of their sources.

`guest/` is what the disk is made of: a small Debian amd64 with systemd, udev and a kernel that knows USB.
"""

import hashlib
import io
import os
import platform
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import HostNotReadyError
from imagesmith.host import programs
from imagesmith.host.apt_mirror import debian_keyring, debian_mirror
from imagesmith.host.folders import cache_folder
from imagesmith.host.scratch import scratch_folder
from imagesmith.host.trees import read_tree
from imagesmith.host.userns import run_in_arm64_namespace
from imagesmith.model.units import KIB, MIB, SECTOR_BYTES

CHECKOUT = Path(__file__).parents[2]
ARCHITECTURE = "x86_64"
"""Of the guest. Its packages are installed by its own programs, so it must be the host's too."""

_SOURCE = Path(__file__).with_name("guest")
_PYTHON = "3.11"
"""The guest's, bookworm's."""
_ROOT_OFFSET = MIB
_ROOT_BYTES = 1400 * MIB
_SWAP_BYTES = 64 * MIB
_TAIL_BYTES = MIB


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A system disk, partitioned, with a root file system and a swap area; and what QEMU boots it by."""

    disk: Path
    kernel: Path
    initramfs: Path


def ensure_guest_disk(say: Callable[[str], None]) -> GuestDisk:
    """Return the system disk, making it the first time: a minute, 600 MB. Not to be written to."""
    if platform.machine() != ARCHITECTURE:
        raise HostNotReadyError(f"the USB guest can be made on {ARCHITECTURE} alone")
    files = read_tree(_SOURCE)
    layout = (_ROOT_OFFSET, _ROOT_BYTES, _SWAP_BYTES, _TAIL_BYTES)
    home = _ensure("guest", repr((files, layout)), lambda folder: _make_disk(folder, say))
    return GuestDisk(home / "disk.img", home / "vmlinuz", home / "initramfs")


def ensure_guest_python(say: Callable[[str], None]) -> Path:
    """Return a folder with imagesmith's dependencies, at their pinned versions, for the guest's Python."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    def install(folder: Path) -> None:
        say("fetching the guest's Python packages")
        words: list[str | Path] = [
            "--quiet",
            "--target",
            folder,
            "--python-version",
            _PYTHON,
            "--only-binary=:all:",
        ]
        words += [f"--platform={tag}_x86_64" for tag in ("manylinux2014", "manylinux_2_28")]
        programs.run([sys.executable, "-m", "pip", "install", *words, *project["dependencies"]])

    return _ensure("guest-python", repr((_PYTHON, project["dependencies"])), install)


def _ensure(name: str, key: str, make: Callable[[Path], None]) -> Path:
    home = cache_folder() / "tests" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not home.is_dir():
        with scratch_folder(home.parent, prefix=f".{name}-") as scratch:
            made = scratch / "made"
            made.mkdir()
            make(made)
            try:
                made.rename(home)
            except OSError:
                if not home.is_dir():  # another run was quicker; what it made is the same
                    raise
    return home


def _make_disk(folder: Path, say: Callable[[str], None]) -> None:
    say("making the USB guest's system disk (once; about a minute)")
    disk = folder / "disk.img"
    swap_offset = _ROOT_OFFSET + _ROOT_BYTES
    with disk.open("wb") as out:
        out.truncate(swap_offset + _SWAP_BYTES + _TAIL_BYTES)
    _make_root(disk, say)
    ends = ((_ROOT_OFFSET, swap_offset), (swap_offset, swap_offset + _SWAP_BYTES))
    words = [
        f"--new={number}:{start // SECTOR_BYTES}:{end // SECTOR_BYTES - 1}"
        for number, (start, end) in enumerate(ends, 1)
    ]
    programs.run(["sgdisk", *words, disk])
    _make_swap(disk, swap_offset)
    for name in ("vmlinuz", "initramfs"):
        programs.run(["debugfs", "-R", f"dump /boot/{name} {folder / name}", f"{disk}?offset={_ROOT_OFFSET}"])
        assert (folder / name).stat().st_size, f"the guest has no /boot/{name}"


def _make_root(disk: Path, say: Callable[[str], None]) -> None:
    # Inside, even root is a stranger to this user's folders: it gets the files themselves, open.
    disk.chmod(0o666)
    with tempfile.TemporaryFile() as source, disk.open("r+b") as target:
        source.write(_source_archive())
        source.flush()
        os.fchmod(source.fileno(), 0o644)
        # No more descriptors than these: mmdebstrap's apt passes on its own, and dash knows none above 9.
        run_in_arm64_namespace(
            ["sh", "-euc", f"tar -xf /proc/self/fd/{source.fileno()}; exec ./make.sh"],
            env={
                "MIRROR": debian_mirror(),
                "KEYRING": str(debian_keyring()),
                "DISK": f"/proc/self/fd/{target.fileno()}",
                "ROOT_OFFSET": str(_ROOT_OFFSET),
                "ROOT_KIB": str(_ROOT_BYTES // KIB),
            },
            pass_fds=(source.fileno(), target.fileno()),
            say=lambda line: say(line) if line.startswith(("I: ", "W: ")) else None,
        )
    disk.chmod(0o644)


def _make_swap(disk: Path, offset: int) -> None:
    with tempfile.NamedTemporaryFile(dir=disk.parent) as area, disk.open("r+b") as out:
        area.truncate(_SWAP_BYTES)
        programs.run(["mkswap", "--label", "guest-swap", area.name])
        out.seek(offset)
        out.write(area.read(MIB))


def _source_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in read_tree(_SOURCE):
            entry = tarfile.TarInfo(file.path[1:])
            entry.mode, entry.size = file.mode, len(file.content)
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
