"""A card's partition table as sgdisk prints it, and how it shall be fitted to the card. Pure.

Partition 1 is the first by number and the last on the medium (l4t facts 1.1); it grows up to the swap
partition, number 15, at the very end, or up to the end itself.
"""

import re
from typing import Dict, List, NamedTuple, Optional

from imagesmith_firstboot.errors import StepError

SECTOR_BYTES = 512
ALIGNMENT_SECTORS = 2048
BACKUP_SECTORS = 33
"""The backup table: 128 entries and the header."""
APP_NUMBER = 1
SWAP_NUMBER = 15
SWAP_NAME = "SWAP"


class Entry(NamedTuple):
    """A partition in sectors; `last` is inclusive."""

    first: int
    last: int


class Table(NamedTuple):
    """A partition table and the size of its disk."""

    sectors: int
    entries: Dict[int, Entry]


class Fit(NamedTuple):
    """Where partition 1 shall end, and where swap shall lie, in sectors, inclusive."""

    app_last: int
    swap: Optional[Entry]


class AppRecord(NamedTuple):
    """What partition 1 must keep when it is written anew."""

    type_guid: str
    unique_guid: str
    attributes: str
    name: str


def parse_table(text: str) -> Table:
    """Return the table `sgdisk --print` shows.

    Raises:
        StepError: it shows none.
    """
    size = re.search(r"^Disk .*: (\d+) sectors", text, re.MULTILINE)
    rows = re.findall(r"^ +(\d+) +(\d+) +(\d+) ", text, re.MULTILINE)
    if size is None or not rows:
        raise StepError("sgdisk shows no partition table")
    return Table(int(size.group(1)), {int(nr): Entry(int(first), int(last)) for nr, first, last in rows})


def parse_record(text: str) -> AppRecord:
    """Return what `sgdisk --info` says of a partition.

    Raises:
        StepError: a field is missing.
    """
    found = []
    for label in (
        r"GUID code: ([0-9A-F-]{36})",
        r"unique GUID: ([0-9A-F-]{36})",
        r"Attribute flags: ([0-9A-F]{16})",
    ):
        match = re.search(label, text)
        if match is None:
            raise StepError(f"sgdisk --info lacks '{label.split(':')[0]}'")
        found.append(match.group(1))
    name = re.search(r"Partition name: '(.*)'", text)
    return AppRecord(found[0], found[1], found[2], name.group(1) if name else "")


def plan_fit(table: Table, swap_bytes: int) -> Optional[Fit]:
    """Return how to fit the table to its card, or None: nothing to do.

    Raises:
        StepError: the card is too small for the swap the recipe wants.
    """
    app = table.entries.get(APP_NUMBER)
    if app is None or any(entry.first > app.first for entry in table.entries.values()):
        return None  # not the stock layout, or fitted already
    end = table.sectors - BACKUP_SECTORS
    if swap_bytes == 0:
        return Fit(end - 1, None) if end - 1 - app.last >= ALIGNMENT_SECTORS else None
    swap_sectors = swap_bytes // SECTOR_BYTES
    swap_first = (end - swap_sectors) // ALIGNMENT_SECTORS * ALIGNMENT_SECTORS
    if swap_first <= app.last:
        room_bytes = max(0, end - app.last - 1) * SECTOR_BYTES
        raise StepError(
            f"the card is too small: {room_bytes >> 20} MiB behind the root file system, "
            f"the recipe wants {swap_bytes >> 20} MiB of swap"
        )
    return Fit(swap_first - 1, Entry(swap_first, swap_first + swap_sectors - 1))


def sgdisk_words(table: Table, fit: Fit, record: AppRecord) -> List[str]:
    """Return the options of the one sgdisk call that makes the table fit; the rest of it stays."""
    app = table.entries[APP_NUMBER]
    words = [
        "--set-alignment=1",
        "--move-second-header",
        f"--delete={APP_NUMBER}",
        f"--new={APP_NUMBER}:{app.first}:{fit.app_last}",
        f"--change-name={APP_NUMBER}:{record.name}",
        f"--typecode={APP_NUMBER}:{record.type_guid}",
        f"--partition-guid={APP_NUMBER}:{record.unique_guid}",
        f"--attributes={APP_NUMBER}:=:{record.attributes}",
    ]
    if fit.swap is not None:
        words += [
            f"--new={SWAP_NUMBER}:{fit.swap.first}:{fit.swap.last}",
            f"--typecode={SWAP_NUMBER}:8200",
            f"--change-name={SWAP_NUMBER}:{SWAP_NAME}",
        ]
    return words
