"""A card: the facts about a target before anything is written, and the plan of what it shall hold."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from imagesmith.model.blockmap import Chunk
from imagesmith.model.manifest import Manifest
from imagesmith.model.node import Node


class TargetKind(StrEnum):
    """What a target path turned out to be."""

    WHOLE_DISK = "whole disk"
    PARTITION = "partition"
    REGULAR_FILE = "regular file"
    NEW_FILE = "new file"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Identity:
    """What must not change between the question and the write."""

    device_number: int
    """st_rdev of a device, st_ino of a file; 0 for a file not made yet."""
    size_bytes: int
    serial: str = ""
    disk_sequence: int = 0
    """The kernel's diskseq (5.15 and later); 0 where there is none."""
    file_system: int = 0
    """st_dev of a file: with st_ino it tells hard links from namesakes. 0 for a device."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything the guard judges, read once. A fact that could not be read is in `unknown`."""

    path: Path
    """As the user wrote it."""
    real_path: Path
    kind: TargetKind
    identity: Identity
    detail: str = ""
    """What `kind` leaves open: the disk of a partition; what an `other` is (folder, no such device…)."""
    is_symlink: bool = False
    transport: str = ""
    """`usb`, `mmc` (SD), `emmc` (soldered), `loop`, `nvme`, `ata`, `virtio`…; empty for a file."""
    removable: bool = False
    read_only: bool = False
    permitted: bool = True
    """Whether this user may open it for writing."""
    logical_block_bytes: int = 512
    model: str = ""
    slot_path: str = ""
    """udev's ID_PATH including the LUN; empty where udev does not say."""
    mounts: tuple[str, ...] = ()
    """Mount points of the device or of any partition on it."""
    swaps: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    """Names of block devices stacked on it or on a partition of it: dm-0, md0, bcache0…"""
    over_device: str = ""
    """The block device a loop stands on, where its backing is no file: writing to the loop writes there."""
    members: tuple[str, ...] = ()
    """Signatures of stacked storage on it or its partitions: LVM2_member, linux_raid_member, zfs_member…"""
    carries: tuple[str, ...] = ()
    """Of `/`, `/boot`, `/home`, the image, the cache: those that lie on this device."""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's word on one card: allowed when there is no reason against it."""

    facts: CardFacts
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the card may be written."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that differ per card. `offset` and the length are multiples of 512."""

    name: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class CardPlan:
    """What one card shall hold, to the byte: image body, patches in the body, and the head written last.

    Writing, verifying, resuming, delta and rehearsal all consume this one value.
    """

    node: Node | None
    """None: an unpersonalised card."""
    size_bytes: int
    image: Path
    manifest: Manifest
    chunks: tuple[Chunk, ...]
    body_patches: tuple[Patch, ...]
    """Identity slot and swap header."""
    head_patches: tuple[Patch, ...]
    """Backup GPT, then the primary GPT: written last, in this order."""

    @property
    def body_bytes(self) -> int:
        """Bytes written before the head."""
        return sum(c.end - c.start for c in self.chunks) + sum(len(p.content) for p in self.body_patches)
