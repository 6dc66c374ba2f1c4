"""What is mounted and what is swapped on, as /proc tells. Reads only."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(rb"\\([0-7]{3})")
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Mount:
    """One row of mountinfo (proc_pid_mountinfo(5))."""

    number: int
    """st_dev of the file system: a block device's number, or an anonymous one of major 0."""
    point: Path
    kind: str
    source: str
    options: str
    """The file system's own options."""

    def option(self, name: str) -> str | None:
        """Return the value of `name=…` among the options."""
        found = re.search(rf"(?:^|,){re.escape(name)}=((?:\\.|[^,])*)", self.options)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Swap:
    """One row of /proc/swaps."""

    path: Path
    is_file: bool


def read_mounts(proc_root: Path = Path("/proc")) -> tuple[Mount, ...]:
    """Return this process's mount table, in the kernel's order.

    Raises:
        OSError: /proc is not there.
    """
    rows = (proc_root / "self/mountinfo").read_bytes().splitlines()
    return tuple(_mount(row.split(b" ")) for row in rows)


def _mount(fields: list[bytes]) -> Mount:
    # Between the sixth field and the lone "-" stand any number of optional ones.
    tail = fields[fields.index(b"-", 6) + 1 :]
    major, minor = fields[2].split(b":")
    return Mount(
        number=os.makedev(int(major), int(minor)),
        point=Path(_plain(fields[4])),
        kind=tail[0].decode(),
        source=_plain(tail[1]),
        options=_plain(tail[2]),
    )


def read_swaps(proc_root: Path = Path("/proc")) -> tuple[Swap, ...]:
    """Return what this machine swaps on.

    Raises:
        OSError: /proc is not there.
    """
    rows = (proc_root / "swaps").read_bytes().splitlines()[1:]
    return tuple(
        Swap(Path(_plain(fields[0]).removesuffix(_DELETED)), is_file=fields[1] == b"file")
        for fields in (row.split() for row in rows)
    )


def mount_of(path: Path, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount a resolved path lies on: the deepest point above it, the last one mounted there."""
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    return max(enumerate(above), key=lambda row: (len(row[1].point.parts), row[0]))[1] if above else None


def _plain(field: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))
