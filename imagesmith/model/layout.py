"""The stock SD image's shape. Source: l4t facts 1.1 (NVIDIA's flash XML for p3448 SD, every release R32)."""

from dataclasses import dataclass

from imagesmith.model.units import MIB, SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class Partition:
    """One GPT entry, in 512-byte sectors; `last_sector` is inclusive."""

    number: int
    name: str
    first_sector: int
    last_sector: int

    @property
    def offset_bytes(self) -> int:
        """Byte where it begins."""
        return self.first_sector * SECTOR_BYTES

    @property
    def size_bytes(self) -> int:
        """Length in bytes."""
        return (self.last_sector - self.first_sector + 1) * SECTOR_BYTES


APP_NUMBER = 1
APP_NAME = "APP"
APP_FIRST_SECTOR = 28672
SWAP_NUMBER = 15
SWAP_NAME = "SWAP"

BOOT_PARTITIONS: tuple[Partition, ...] = (
    Partition(2, "TBC", 2048, 2303),
    Partition(3, "RP1", 4096, 4991),
    Partition(4, "EBT", 6144, 7295),
    Partition(5, "WB0", 8192, 8319),
    Partition(6, "BPF", 10240, 10623),
    Partition(7, "BPF-DTB", 12288, 13055),
    Partition(8, "FX", 14336, 14463),
    Partition(9, "TOS", 16384, 17279),
    Partition(10, "DTB", 18432, 19327),
    Partition(11, "LNX", 20480, 22015),
    Partition(12, "EKS", 22528, 22655),
    Partition(13, "BMP", 24576, 24959),
    Partition(14, "RP4", 26624, 26879),
)

HEAD_BYTES = 1 * MIB
"""What is cleared first and written last: everything before the first partition."""

GPT_PRIMARY_BYTES = 34 * SECTOR_BYTES
"""Protective MBR, header and 128 entries of 128 bytes (UEFI 2.10, 5.3)."""

GPT_BACKUP_BYTES = 33 * SECTOR_BYTES
"""The same 128 entries and the header, at the very end of the medium."""

SLOT_PATH = "/etc/imagesmith/node.json"
SLOT_BYTES = 64 * 1024
EMPTY_SLOT = b"{}" + b"\n" * (SLOT_BYTES - 2)
"""The identity slot of an image: valid JSON, no identity, and not zero (so its blocks are allocated)."""
