"""What imagesmith needs from this machine, as one table: the only place that names Debian packages.

Runs as a script under a bare machine's own Python, before anything of ours is installed, so it imports the
standard library alone:

    /usr/bin/python3 -I imagesmith/host/prerequisites.py --apt --for build,flash,boot
"""

import argparse
import os
import platform
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

# Administrator's tools (sgdisk, mkfs…) live where an ordinary user's PATH on Debian does not look.
ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Need(Enum):
    """What stops working when a prerequisite is missing."""

    BUILD = "build"
    FLASH = "flash"
    VERIFY = "verify"
    BOOT = "boot"
    SETUP = "setup"
    TEST = "test"


# What the program itself does; the others concern a checkout.
RUN_TIME = frozenset({Need.BUILD, Need.FLASH, Need.VERIFY, Need.BOOT})


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One row: a program or file that must be there, and the package that brings it.

    Args:
        look_for: the name of a program, or a glob that begins with `/`.
        package: Debian's name; `{arch}` and `{qemu}` stand for this machine's names.
        purpose: what it is for, to be read after "for".
        needs: what is impossible without it.
    """

    look_for: str
    package: str
    purpose: str
    needs: frozenset[Need]


def _row(look_for: str, package: str, purpose: str, *needs: Need) -> Prerequisite:
    return Prerequisite(look_for, package, purpose, frozenset(needs))


PREREQUISITES: tuple[Prerequisite, ...] = (
    _row("/usr/lib/python3*/ensurepip/__init__.py", "python3-venv", "making .venv", Need.SETUP, Need.TEST),
    _row("/usr/lib/python3/dist-packages/guestfs.py", "python3-guestfs", "editing images", Need.BUILD),
    _row("/boot/vmlinuz-*", "linux-image-cloud-{arch}", "the appliance's kernel", Need.BUILD),
    _row("qemu-system-{machine}", "qemu-system-{qemu}", "running the appliance", Need.BUILD),
    _row("qemu-img", "qemu-utils", "layers", Need.BUILD, Need.BOOT),
    _row("qemu-aarch64-static", "qemu-user-static", "running the board's programs here", Need.BUILD),
    _row("mmdebstrap", "mmdebstrap", "the stand-in base", Need.BUILD),
    _row("arch-test", "arch-test", "mmdebstrap's check that arm64 programs run", Need.BUILD),
    _row("newuidmap", "uidmap", "building a root file system without root", Need.BUILD),
    _row(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
        "checking Debian's signatures",
        Need.BUILD,
        Need.BOOT,
    ),
    _row("sgdisk", "gdisk", "partition tables", Need.BUILD, Need.FLASH, Need.VERIFY),
    _row("e2fsck", "e2fsprogs", "ext4", Need.BUILD, Need.VERIFY),
    _row("mkswap", "util-linux", "the swap header", Need.FLASH),
    _row("qemu-system-aarch64", "qemu-system-arm", "the emulator", Need.BOOT),
    _row("/usr/lib/ipxe/qemu/efi-virtio.rom", "ipxe-qemu", "the emulator's network card", Need.BOOT),
    _row("cpio", "cpio", "the emulator's initramfs", Need.BOOT),
    _row("depmod", "kmod", "the emulator's modules", Need.BOOT),
    _row("zstd", "zstd", "unpacking kernels", Need.BOOT),
    _row("git", "git", "the list of files to check", Need.TEST),
    _row("shellcheck", "shellcheck", "checking shell scripts", Need.TEST),
    _row("nbdkit", "nbdkit", "cards that fail", Need.TEST),
    _row(
        "/usr/lib/*/nbdkit/plugins/nbdkit-python-plugin.so",
        "nbdkit-plugin-python",
        "cards that lie",
        Need.TEST,
    ),
    _row("nbdfuse", "libnbd-bin", "cards that fail", Need.TEST),
    _row("fusermount3", "fuse3", "taking failing cards away again", Need.TEST),
    _row("losetup", "mount", "loop devices as cards", Need.TEST),
    _row("bmaptool", "bmap-tools", "writing an image as other flashers do", Need.TEST),
)

_DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_QEMU_PACKAGE = {"x86_64": "x86", "aarch64": "arm"}
# Ubuntu has no "cloud" kernel; `virtual` is its small one, by the same name on every architecture.
_UBUNTU_KERNEL = "linux-image-virtual"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look: this machine, or in tests a folder that is laid out like one."""

    root: Path = Path("/")
    architecture: str = field(default_factory=platform.machine)
    path: str = field(default_factory=lambda: os.environ.get("PATH", os.defpath))

    def below(self, absolute: str) -> Path:
        """Return the place of an absolute path under this machine's root."""
        return self.root / absolute.lstrip("/")

    def text(self, absolute: str) -> str:
        """Return a file's stripped content, or an empty string when it cannot be read."""
        try:
            return self.below(absolute).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def is_ubuntu(self) -> bool:
        """Return whether /etc/os-release says so."""
        return "ID=ubuntu" in self.text("/etc/os-release").splitlines()

    def look_for(self, row: Prerequisite) -> str:
        """Return what to look for on this architecture."""
        return row.look_for.format(machine=self.architecture)

    def package(self, row: Prerequisite) -> str:
        """Return the package's name on this distribution and architecture."""
        if self.is_ubuntu() and row.package.startswith("linux-image-"):
            return _UBUNTU_KERNEL
        return row.package.format(
            arch=_DEBIAN_ARCH.get(self.architecture, self.architecture),
            qemu=_QEMU_PACKAGE.get(self.architecture, "misc"),
        )

    def find(self, row: Prerequisite) -> Path | None:
        """Return where a prerequisite is, or None."""
        wanted = self.look_for(row)
        if wanted.startswith("/"):
            return next(iter(sorted(self.root.glob(wanted.lstrip("/")))), None)
        for folder in [*self.path.split(os.pathsep), *ADMIN_FOLDERS]:
            candidate = self.below(folder) / wanted
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return candidate
        return None


def missing(machine: Machine, needs: Collection[Need]) -> list[Prerequisite]:
    """Return the rows that any of `needs` wants and this machine does not have."""
    return [row for row in PREREQUISITES if row.needs.intersection(needs) and machine.find(row) is None]


def packages(machine: Machine, rows: Iterable[Prerequisite]) -> list[str]:
    """Return the packages of some rows, each once, in the table's order."""
    return list(dict.fromkeys(machine.package(row) for row in rows))


def apt_command(names: Collection[str]) -> str:
    """Return the command that installs packages, as a user would paste it."""
    return f"sudo apt-get install --no-install-recommends {' '.join(names)}"


def _needs(text: str) -> frozenset[Need]:
    return frozenset(Need(word) for word in text.split(","))


def main(arguments: list[str]) -> int:
    """Print what is missing on this machine; nothing when all is there."""
    parser = argparse.ArgumentParser(description="Print what is missing on this machine.")
    parser.add_argument("--apt", action="store_true", help="print package names alone, on one line")
    parser.add_argument("--for", dest="needs", type=_needs, default=frozenset(Need), metavar="NEED,…")
    chosen = parser.parse_args(arguments)
    machine = Machine()
    rows = missing(machine, chosen.needs)
    if chosen.apt:
        sys.stdout.write(" ".join(packages(machine, rows)))
    else:
        sys.stdout.writelines(f"{machine.look_for(row)}: for {row.purpose}\n" for row in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
