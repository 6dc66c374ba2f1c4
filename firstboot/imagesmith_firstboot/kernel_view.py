"""What the kernel says about mounts and disks, read from /proc and /sys. Changes nothing."""

import os
from typing import Dict, NamedTuple, Optional

from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.root import Root

_SECTOR_BYTES = 512  # the unit of /sys/block/*/size, whatever the medium's blocks are


class RootDisk(NamedTuple):
    """The disk the root file system lies on."""

    disk: str
    """Kernel name, `mmcblk0`."""
    partition: str
    """Kernel name of the root's partition, `mmcblk0p1`."""
    number: int
    """Its number in the table."""
    sizes_bytes: Dict[int, int]
    """Size of every partition the kernel knows, by number."""

    def device(self, number: int) -> str:
        """Return the device node of a partition of this disk."""
        return f"/dev/{self.disk}{'p' if self.disk[-1].isdigit() else ''}{number}"


def file_systems(root: Root) -> Dict[str, str]:
    """Return mount point → file system type; the last mount on a point wins, as for any program."""
    found = {}
    for line in (root.read_text("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        found[_unescaped(left.split(" ")[4])] = right.split(" ")[0]
    return found


def active_swaps(root: Root) -> Dict[str, int]:
    """Return swap in use: path → bytes."""
    rows = (root.read_text("/proc/swaps") or "").splitlines()[1:]
    return {_unescaped(row.split()[0]): int(row.split()[2]) * 1024 for row in rows}


def root_disk(root: Root) -> Optional[RootDisk]:
    """Return the disk of `/`, or None when `/` is not a partition.

    Raises:
        StepError: /proc names no root at all.
    """
    number = _root_device_number(root)
    here = os.path.realpath(root.path(f"/sys/dev/block/{number}"))
    if not os.path.exists(os.path.join(here, "partition")):
        return None
    disk = os.path.dirname(here)
    sizes = {}
    for name in os.listdir(disk):
        if os.path.exists(os.path.join(disk, name, "partition")):
            sizes[_number(disk, name, "partition")] = _number(disk, name, "size") * _SECTOR_BYTES
    return RootDisk(os.path.basename(disk), os.path.basename(here), _number(here, "partition"), sizes)


def _root_device_number(root: Root) -> str:
    for line in (root.read_text("/proc/self/mountinfo") or "").splitlines():
        fields = line.split(" ")
        if fields[4] == "/":
            return fields[2]
    raise StepError("/proc/self/mountinfo names no root file system")


def _number(*parts: str) -> int:
    with open(os.path.join(*parts)) as source:
        return int(source.read())


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
