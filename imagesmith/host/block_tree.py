"""The kernel's block devices as /sys shows them; needs no udev. Reads only.

A device is named by its number, `os.makedev(major, minor)`: unlike a path it cannot be swapped or misspelt.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagesmith.model.units import SECTOR_BYTES

_LOOP_MAJOR = 7  # Documentation/admin-guide/devices.txt
_SCSI_OPTICAL = "5"  # include/scsi/scsi_proto.h, TYPE_ROM
_BUSES = ("usb", "mmc", "nvme", "virtio", "scsi")
"""In order: a disk behind USB is also a SCSI disk to the kernel."""


@dataclass(frozen=True, slots=True)
class BlockTree:
    """Disks, partitions, and what is stacked on what."""

    root: Path = Path("/sys")

    def folder(self, number: int) -> Path | None:
        """Return the device's folder in /sys, links resolved; None when the kernel knows no such device."""
        entry = self.root / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
        return entry.resolve() if entry.exists() else None

    def name(self, number: int) -> str:
        """Return the kernel's name, with device-mapper's own behind it: `sda1`, `dm-0 (cryptroot)`."""
        folder = self.folder(number)
        if folder is None:
            return f"{os.major(number)}:{os.minor(number)}"
        mapped = _text(folder / "dm/name")
        return f"{folder.name} ({mapped})" if mapped else folder.name

    def named(self, name: str) -> int | None:
        """Return the number of the device of that kernel name."""
        return _number(self.root / "class/block" / name)

    def attribute(self, number: int, name: str) -> str | None:
        """Return an attribute of the device, stripped; None when it is not there or cannot be read."""
        folder = self.folder(number)
        return _text(folder / name) if folder else None

    def integer(self, number: int, name: str) -> int | None:
        """Return an attribute that is a whole number; None when it is not."""
        text = self.attribute(number, name)
        return int(text) if text and text.isdecimal() else None

    def size_bytes(self, number: int) -> int | None:
        """Return the size; the kernel counts in 512-byte sectors whatever the medium's are."""
        sectors = self.integer(number, "size")
        return None if sectors is None else sectors * SECTOR_BYTES

    def disks(self) -> tuple[int, ...]:
        """Return the whole disks, by name: hardware but optical drives, and loops that may be written."""
        entries = sorted(
            (self.root / "class/block").glob("*"), key=lambda entry: (len(entry.name), entry.name)
        )
        numbers = (_number(entry) for entry in entries)
        return tuple(number for number in numbers if number is not None and self._may_be_card(number))

    def is_partition(self, number: int) -> bool:
        """Return whether it is a part of a disk."""
        return self.attribute(number, "partition") is not None

    def whole_disk(self, number: int) -> int:
        """Return the disk a partition is on, or the disk itself."""
        folder = self.folder(number)
        parent = _number(folder.parent) if folder and self.is_partition(number) else None
        return number if parent is None else parent

    def partitions(self, disk: int) -> tuple[int, ...]:
        """Return the partitions the kernel knows on a disk, by number."""
        folder = self.folder(disk)
        found = (_number(entry.parent) for entry in folder.glob("*/partition")) if folder else ()
        return tuple(sorted(number for number in found if number is not None))

    def family(self, number: int) -> frozenset[int]:
        """Return the device and its partitions: what writing to it overwrites."""
        return frozenset((number, *self.partitions(number)))

    def slaves(self, number: int) -> tuple[int, ...]:
        """Return the devices that a stacked one (dm, md, bcache) stands on directly."""
        return self._linked(number, "slaves")

    def holders(self, number: int) -> tuple[int, ...]:
        """Return the stacked devices that stand on this one directly. Loop devices are not among them."""
        return self._linked(number, "holders")

    def is_loop(self, number: int) -> bool:
        """Return whether it is a loop device or a partition of one."""
        return os.major(self.whole_disk(number)) == _LOOP_MAJOR

    def loop_backing(self, loop: int) -> Path | None:
        """Return the file or device behind a loop; None when it is none or nothing is attached."""
        text = self.attribute(loop, "loop/backing_file")
        return Path(text) if text else None

    def loops(self) -> Iterator[tuple[int, Path]]:
        """Give each attached loop device and what is behind it."""
        for entry in sorted((self.root / "class/block").glob("loop*/loop/backing_file")):
            number, text = _number(entry.parent.parent), _text(entry)
            if number is not None and text:
                yield number, Path(text)

    def transport(self, number: int) -> str:
        """Return how the disk hangs on the machine, from the buses above it; empty when no bus tells."""
        disk = self.whole_disk(number)
        if self.is_loop(disk):
            return "loop"
        buses = {_link_name(folder / "subsystem") for folder in self._above(disk)}
        bus = next((bus for bus in _BUSES if bus in buses), "")
        if bus == "scsi" and any(folder.name.startswith("ata") for folder in self._above(disk)):
            return "ata"
        # Soldered chips and SD cards share the mmc bus; the kernel calls the former MMC, the latter SD.
        return "emmc" if bus == "mmc" and self.attribute(disk, "device/type") == "MMC" else bus

    def model(self, number: int) -> str:
        """Return what the disk calls itself; empty when it does not say."""
        disk = self.whole_disk(number)
        words = (self.attribute(disk, f"device/{name}") for name in ("vendor", "model", "name"))
        return " ".join(word for word in words if word and not word.startswith("0x"))

    def serial(self, number: int) -> str:
        """Return the disk's serial, or that of the USB reader above it; empty when there is none."""
        disk = self.whole_disk(number)
        own = (self.attribute(disk, name) for name in ("device/cid", "device/serial", "serial"))
        above = (
            _text(folder / "serial")
            for folder in self._above(disk)
            if _link_name(folder / "subsystem") == "usb"
        )
        return next((serial for serial in (*own, *above) if serial), "")

    def _may_be_card(self, number: int) -> bool:
        folder = self.folder(number)
        if folder is None or self.is_partition(number):
            return False
        if self.is_loop(number):
            return self.loop_backing(number) is not None and self.integer(number, "ro") == 0
        return (folder / "device").exists() and self.attribute(number, "device/type") != _SCSI_OPTICAL

    def _linked(self, number: int, name: str) -> tuple[int, ...]:
        folder = self.folder(number)
        entries = sorted((folder / name).glob("*")) if folder else []
        found = (_number(entry) for entry in entries)
        return tuple(number for number in found if number is not None)

    def _above(self, disk: int) -> tuple[Path, ...]:
        folder = self.folder(disk)
        device = (folder / "device").resolve() if folder and (folder / "device").exists() else None
        return (device, *device.parents) if device else ()


def _text(path: Path) -> str | None:
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return None


def _number(folder: Path) -> int | None:
    major, _, minor = (_text(folder / "dev") or "").partition(":")
    return os.makedev(int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _link_name(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""
