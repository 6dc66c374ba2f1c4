"""Trees shaped like /sys and /proc, for hardware that is not here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagesmith.host.storage import StorageMap

USB = (("pci0000:00", "pci"), ("usb1", "usb"), ("1-4", "usb"), ("host6", "scsi"), ("6:0:0:0", "scsi"))
SD_SLOT = (("pci0000:00", "pci"), ("mmc_host", ""), ("mmc0", "mmc_host"), ("mmc0:aaaa", "mmc"))
SATA = (("pci0000:00", "pci"), ("ata1", ""), ("host0", "scsi"), ("0:0:0:0", "scsi"))
NVME = (("pci0000:00", "pci"), ("nvme", ""), ("nvme0", "nvme"))
VIRTUAL = (("virtual", ""),)


@dataclass(frozen=True, slots=True)
class FakeSys:
    """A machine made of files below `root`; `storage` reads it as it would the real one."""

    root: Path

    def disk(
        self,
        name: str,
        number: tuple[int, int],
        above: Sequence[tuple[str, str]] = VIRTUAL,
        *,
        device: Mapping[str, str] | None = None,
        **attributes: str,
    ) -> Path:
        """Add a disk below buses given as (folder, subsystem); return its folder."""
        parent = self.root / "sys/devices"
        for bus, subsystem in above:
            parent /= bus
            parent.mkdir(parents=True, exist_ok=True)
            if subsystem and not (parent / "subsystem").is_symlink():
                (parent / "subsystem").symlink_to(f"/sys/bus/{subsystem}")
        self._write(parent, device or {})
        folder = self._block(parent / "block" / name, number, {"removable": "0", "ro": "0"} | attributes)
        if above is not VIRTUAL:
            (folder / "device").symlink_to("../..")
        return folder

    def partition(self, disk: Path, index: int, number: tuple[int, int], **attributes: str) -> Path:
        """Add a partition to a disk; return its folder."""
        separator = "p" if disk.name[-1].isdigit() else ""
        name = f"{disk.name}{separator}{index}"
        return self._block(disk / name, number, {"partition": str(index)} | attributes)

    def stack(self, upper: Path, *lower: Path) -> None:
        """Put a stacked device on others, as the kernel shows it from both sides."""
        for folder in lower:
            (upper / "slaves" / folder.name).symlink_to(folder)
            (folder / "holders" / upper.name).symlink_to(upper)

    def usb_serial(self, serial: str) -> None:
        """Give the USB reader a serial."""
        self._write(self.root / "sys/devices/pci0000:00/usb1/1-4", {"serial": serial})

    def proc(self, *mounts: str, swaps: Sequence[str] = ()) -> None:
        """Write mountinfo's and swaps' rows."""
        folder = self.root / "proc"
        self._write(folder / "self", {"mountinfo": "".join(f"{row}\n" for row in mounts)})
        self._write(
            folder, {"swaps": "".join(f"{row}\n" for row in ("Filename Type Size Used Priority", *swaps))}
        )

    def storage(self) -> StorageMap:
        """Read this machine."""
        if not (self.root / "proc").exists():
            self.proc()
        return StorageMap.read(sys_root=self.root / "sys", proc_root=self.root / "proc")

    def _block(self, folder: Path, number: tuple[int, int], attributes: Mapping[str, str]) -> Path:
        shown = f"{number[0]}:{number[1]}"
        self._write(folder, {"dev": shown, "size": "204800", **attributes})
        for name in ("slaves", "holders"):
            (folder / name).mkdir()
        for link in (self.root / "sys/dev/block" / shown, self.root / "sys/class/block" / folder.name):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder)
        return folder

    def _write(self, folder: Path, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        folder.mkdir(parents=True, exist_ok=True)


def number(major: int, minor: int) -> int:
    """Return a device number."""
    return os.makedev(major, minor)
