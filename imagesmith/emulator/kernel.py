"""The kernel the emulator brings from outside: Debian's, and an initramfs that loads its modules from RAM.

A Nano's own kernel has no drivers for the emulated board, and the card is not to be changed for the emulator.
Works as an ordinary user. Kept in the cache under the hash of everything it is made from.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagesmith.emulator import modules
from imagesmith.emulator.debian import unpack_packages
from imagesmith.host import programs
from imagesmith.host.files import sync_file
from imagesmith.host.folders import cache_folder
from imagesmith.host.scratch import scratch_folder

SUITE = "bookworm"
ARCHITECTURE = "arm64"
# Not the cloud flavour: that one has no SD host controller.
PACKAGES = ("linux-image-arm64", "busybox-static")

_GUEST = Path(__file__).parent / "guest"
_FORMAT = "1"
"""Counts changes of the code below that change its result."""


@dataclass(frozen=True, slots=True)
class KernelFiles:
    """What `qemu -kernel … -initrd …` gets."""

    kernel: Path
    initramfs: Path


def ensure_kernel(progress: Callable[[str], None]) -> KernelFiles:
    """Return the kernel, fetching and assembling it the first time (60 MB, some ten seconds).

    Args:
        progress: told what is being done; not called when the cache has it.

    Raises:
        HostNotReadyError: a program is missing or the packages cannot be fetched; nothing is cached.
    """
    home = cache_folder() / "emulator" / f"kernel-{_key()}"
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(home.parent, prefix=".kernel-") as scratch:
            _assemble(scratch, progress)
            _publish(scratch / "ready", home)
    return KernelFiles(kernel=home / "vmlinuz", initramfs=home / "initramfs.cpio")


def _key() -> str:
    inputs = [_FORMAT, SUITE, ARCHITECTURE, *PACKAGES, *modules.BOOT, *modules.LATER, *modules.LATER_FOLDERS]
    digest = hashlib.sha256("\n".join(inputs).encode())
    for path in _guest_files():
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _guest_files() -> list[Path]:
    return sorted(path for path in _GUEST.iterdir() if path.is_file())


def _publish(ready: Path, home: Path) -> None:
    for path in ready.iterdir():
        sync_file(path)  # after a power cut the name must not stand for half a file
    try:
        ready.rename(home)
    except OSError:
        # Another run was quicker; what it made is the same.
        if not home.is_dir():
            raise


def _assemble(scratch: Path, progress: Callable[[str], None]) -> None:
    progress(f"fetching the emulator's kernel ({SUITE} {ARCHITECTURE})")
    unpacked = scratch / "unpacked"
    packages = unpack_packages(
        PACKAGES, suite=SUITE, architecture=ARCHITECTURE, scratch=scratch, into=unpacked
    )
    progress("assembling the emulator's initramfs")
    (version,) = (folder.name for folder in (unpacked / "lib/modules").iterdir())
    ready = scratch / "ready"
    ready.mkdir()
    shutil.copyfile(unpacked / "boot" / f"vmlinuz-{version}", ready / "vmlinuz")
    (ready / "packages").write_text("\n".join(packages) + "\n")
    tree = scratch / "tree"
    _copy_modules(unpacked, tree, version)
    _copy_guest(unpacked / "bin/busybox", tree)
    _archive(tree, ready / "initramfs.cpio")


def _copy_modules(unpacked: Path, tree: Path, version: str) -> None:
    """Copy the chosen modules and index them; the package itself has no index, its scripts would make it."""
    programs.run(["depmod", "--basedir", unpacked, version])
    source, target = (root / "lib/modules" / version for root in (unpacked, tree))
    chosen = modules.chosen_files(
        modules.parse_dependencies((source / "modules.dep").read_text()),
        built_in=(source / "modules.builtin").read_text().splitlines(),
        names=(*modules.BOOT, *modules.LATER),
        folders=modules.LATER_FOLDERS,
    )
    for name in (*chosen, "modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    programs.run(["depmod", "--basedir", tree, version])


def _copy_guest(busybox: Path, tree: Path) -> None:
    for folder in ("bin", "etc", "probe"):
        (tree / folder).mkdir()
    shutil.copyfile(busybox, tree / "bin/busybox")
    (tree / "bin/busybox").chmod(0o755)
    (tree / "etc/boot-modules").write_text("\n".join(modules.BOOT) + "\n")
    for path in _guest_files():
        shutil.copyfile(path, tree / ("init" if path.name == "init" else f"probe/{path.name}"))
    (tree / "init").chmod(0o755)


def _archive(tree: Path, archive: Path) -> None:
    """Pack a tree as the kernel reads it, the same bytes for the same tree.

    Not compressed: the guest's software-emulated processor would have to undo it.
    """
    entries = sorted(tree.rglob("*"))
    for entry in entries:
        entry.chmod(0o755 if entry.stat().st_mode & 0o100 else 0o644)
        os.utime(entry, (0, 0))
    names = "".join(f"{entry.relative_to(tree)}\0" for entry in entries)
    programs.run(
        ["cpio", "--create", "--null", "--quiet", "--format=newc", "--reproducible", "--owner=0:0",
         "--directory", tree, "--file", archive],
        input_text=names,
    )  # fmt: skip
