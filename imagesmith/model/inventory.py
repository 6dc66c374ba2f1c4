"""What is plugged in: what a medium holds, and a row for each card as `imagesmith cards` shows it."""

from dataclasses import dataclass, field
from enum import StrEnum

from imagesmith.model.layout import Partition


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system as its superblock names it; empty texts where there is none."""

    kind: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Medium:
    """What was read of a medium; at most one of `table` and `whole` says something."""

    unreadable: str = ""
    """Why nothing could be read; then the rest is empty."""
    is_blank: bool = False
    """Whether its first and last MiB hold nothing but 00 or FF."""
    table: str = ""
    """Kind of the partition table: `gpt`, `dos`…"""
    disk_guid: str = ""
    whole: FileSystem = field(default_factory=FileSystem)
    """The file system on the medium itself."""
    parts: tuple[tuple[Partition, FileSystem], ...] = ()
    behind_head: FileSystem = field(default_factory=FileSystem)
    """Without a table: the file system where the stock image has APP."""

    def part(self, number: int) -> tuple[Partition, FileSystem] | None:
        """Return the partition of that number and its file system; None where there is none."""
        return next((part for part in self.parts if part[0].number == number), None)


class Carries(StrEnum):
    """What is in a slot."""

    NODE = "node"
    """A card of ours that is some node's."""
    UNPERSONALISED = "unpersonalised"
    """A card of ours without identity."""
    UNFINISHED = "unfinished"
    """No partition table, and our root file system behind: its writing did not come to an end."""
    FOREIGN = "foreign"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    NO_CARD = "no card"
    NO_READER = "no reader"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a card carries. A text is empty where it does not apply."""

    kind: Carries
    """`node`, `unpersonalised`, `unfinished` (no partition table, our root file system behind it), `foreign`,
    `empty`, `unreadable`, `no card` (the slot is empty), `no reader` (the slot map's slot is not there)."""
    detail: str = ""
    """In few words what a foreign card holds, or why a card is unreadable."""
    cluster: str = ""
    """The recipe of the node."""
    node_index: int | None = None
    """Number of the node, or null."""
    node: str = ""
    """Hostname of the node."""
    image_sha256: str = ""
    """Digest of the image it was written from, where the ledger or the last build knows it."""
    written_at: str = ""
    """When it was written, in UTC, where the ledger knows it."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """One slot, or one disk of this machine."""

    slot: str
    """The slot's label; empty where the slot map has none."""
    slot_path: str
    """udev's ID_PATH of the slot, LUN included."""
    device: str
    """The path to name it by; empty for a slot without a reader."""
    contents: Contents
    """What it carries."""
    transport: str = ""
    """How it hangs on the machine: `usb`, `mmc`, `loop`, `nvme`…; empty for a card file."""
    model: str = ""
    """What the reader, or the card in an SD slot, calls itself."""
    serial: str = ""
    """The card's own serial in an SD slot, the reader's behind USB."""
    size_bytes: int = 0
    """Size of the card; 0 for none."""
    writable: bool = False
    """Whether `imagesmith flash` would write it."""
    reasons: tuple[str, ...] = ()
    """Every reason against writing it."""
    warnings: tuple[str, ...] = ()
    """What to think of before writing it."""
