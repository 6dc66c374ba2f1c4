"""What stands on what: from a file system down to the disks that carry it, and from a disk up to its users.

Goes through partitions, device-mapper, md, bcache, loop devices and their backing files, btrfs of several
disks, and overlays. ZFS keeps no trace of its disks in /sys; those carry the signature `zfs_member` instead.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagesmith.host.block_tree import BlockTree
from imagesmith.host.mounts import Mount, Swap, mount_of, read_mounts, read_swaps


@dataclass(slots=True)
class Trace:
    """What a search downwards found: device numbers, and where the trail was lost."""

    numbers: set[int] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StorageMap:
    """A snapshot of this machine's mounts and swaps over its block devices."""

    tree: BlockTree
    mounts: tuple[Mount, ...]
    swaps: tuple[Swap, ...]

    @classmethod
    def read(cls, *, sys_root: Path = Path("/sys"), proc_root: Path = Path("/proc")) -> "StorageMap":
        """Read the machine's state as it is now."""
        return cls(BlockTree(sys_root), read_mounts(proc_root), read_swaps(proc_root))

    def overwritten(self, number: int) -> frozenset[int]:
        """Return every device whose content writing to this one replaces."""
        backing = self._loop_device(number)
        return self.tree.family(number) | (self.overwritten(backing) if backing is not None else frozenset())

    def over_device(self, number: int) -> str:
        """Return the name of the block device a loop stands on; empty where its backing is a file."""
        backing = self._loop_device(number)
        return "" if backing is None else self.tree.name(backing)

    def below_path(self, path: Path) -> Trace:
        """Return every device that carries the file system an existing path lies on."""
        trace = Trace()
        self._descend_path(path, trace, frozenset())
        return trace

    def below_device(self, number: int) -> Trace:
        """Return the device and every device it stands on."""
        trace = Trace()
        self._descend(number, trace)
        return trace

    def mounts_on(self, numbers: frozenset[int]) -> Iterator[str]:
        """Give the mount points of file systems that stand on any of the devices, however indirectly."""
        for mount in self.mounts:
            if mount.kind == "overlay":
                continue  # what it lies on is mounted itself
            trace = Trace()
            self._descend_mount(mount, trace, frozenset())
            if trace.numbers & numbers:
                yield str(mount.point)

    def swaps_on(self, numbers: frozenset[int]) -> Iterator[str]:
        """Give the swap areas, partitions and files, that stand on any of the devices."""
        for swap in self.swaps:
            trace = Trace()
            if not swap.is_file:
                self._descend_node(str(swap.path), trace)
            elif status_of(swap.path):
                self._descend_path(swap.path, trace, frozenset())
            if trace.numbers & numbers:
                yield str(swap.path)

    def holders_on(self, numbers: Iterable[int]) -> Iterator[str]:
        """Give the names of block devices stacked on any of the devices: dm, md, bcache, loop."""
        todo, seen = sorted(numbers, reverse=True), set(numbers)
        while todo:
            number = todo.pop()
            for holder in (*self.tree.holders(number), *self._loops_over_device(number)):
                if holder not in seen:
                    seen.add(holder)
                    todo.append(holder)
                    yield self.tree.name(holder)
            # A registered bcache backing device has this folder even before its cache is attached.
            folder = self.tree.folder(number)
            if folder and (folder / "bcache").is_dir():
                yield f"bcache on {folder.name}"

    def loops_over_file(self, path: Path) -> tuple[int, ...]:
        """Return the loop devices whose backing is this very file, under whatever name."""
        return tuple(loop for loop, backing in self.tree.loops() if is_same_file(backing, path))

    def swaps_in_file(self, path: Path) -> tuple[str, ...]:
        """Return the swap areas that are this very file."""
        return tuple(str(s.path) for s in self.swaps if s.is_file and is_same_file(s.path, path))

    def _loops_over_device(self, number: int) -> tuple[int, ...]:
        return tuple(loop for loop, backing in self.tree.loops() if _device_number(backing) == number)

    def _loop_device(self, number: int) -> int | None:
        backing = self.tree.loop_backing(number)
        return None if backing is None else _device_number(backing)

    def _descend(self, number: int, trace: Trace) -> None:
        if number in trace.numbers:
            return
        trace.numbers.add(number)
        disk = self.tree.whole_disk(number)
        if disk != number:
            self._descend(disk, trace)
        for slave in self.tree.slaves(number):
            self._descend(slave, trace)
        backing = self.tree.loop_backing(number)
        if backing is not None:
            self._descend_backing(number, backing, trace)

    def _descend_backing(self, loop: int, backing: Path, trace: Trace) -> None:
        device = _device_number(backing)
        if device is not None:
            self._descend(device, trace)
        elif status_of(backing):
            self._descend_path(backing, trace, frozenset())
        else:
            trace.gaps.append(f"{backing}, behind {self.tree.name(loop)}, is not visible here")

    def _descend_path(self, path: Path, trace: Trace, overlays: frozenset[int]) -> None:
        status = status_of(path)
        if status and os.major(status.st_dev):
            self._descend(status.st_dev, trace)
            return
        # An anonymous number (btrfs, overlay, tmpfs…) says nothing; the mount table does.
        mount = mount_of(path.resolve(), self.mounts)
        if mount is None:
            trace.gaps.append(f"{path} lies on no mount visible here")
        else:
            self._descend_mount(mount, trace, overlays)

    def _descend_mount(self, mount: Mount, trace: Trace, overlays: frozenset[int]) -> None:
        if os.major(mount.number):
            self._descend(mount.number, trace)
        elif mount.kind == "overlay":
            self._descend_overlay(mount, trace, overlays)
        elif mount.source.startswith("/dev/"):
            for source in mount.source.split(":"):  # bcachefs lists its devices so
                self._descend_node(source, trace)
            for number in self._btrfs_siblings(trace.numbers):
                self._descend(number, trace)

    def _descend_overlay(self, mount: Mount, trace: Trace, overlays: frozenset[int]) -> None:
        layers = [mount.option("upperdir"), *(mount.option("lowerdir") or "").split(":")]
        for layer in filter(None, layers):
            # In a container the layers' paths are the host's: not there, or on the overlay again.
            path = Path(layer)
            here = mount_of(path.resolve(), self.mounts) if status_of(path) else None
            if here is None or here.number in overlays | {mount.number}:
                trace.gaps.append(f"{layer}, a layer of {mount.point}, is not visible here")
            else:
                self._descend_path(path, trace, overlays | {mount.number})

    def _descend_node(self, node: str, trace: Trace) -> None:
        resolved = Path(node).resolve()
        number = self.tree.named(resolved.name) if resolved.parent == Path("/dev") else None
        if number is None:
            number = _device_number(resolved)
        if number is None:
            trace.gaps.append(f"the device {node} is not visible here")
        else:
            self._descend(number, trace)

    def _btrfs_siblings(self, numbers: set[int]) -> Iterator[int]:
        """Give the other disks of the btrfs file systems that these are disks of."""
        for devices in sorted(self.tree.root.glob("fs/btrfs/*/devices")):
            members = {self.tree.named(entry.name) for entry in devices.iterdir()} - {None}
            if members & numbers:
                yield from (number for number in members if number is not None)


def status_of(path: Path) -> os.stat_result | None:
    """Return what stat says; None when it is not there or this user may not look."""
    try:
        return path.stat()
    except OSError:
        return None


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two names are of one file (device and inode); False when either is not there."""
    first, second = status_of(one), status_of(other)
    return first is not None and second is not None and os.path.samestat(first, second)


def _device_number(path: Path) -> int | None:
    status = status_of(path)
    return status.st_rdev if status and stat.S_ISBLK(status.st_mode) else None
