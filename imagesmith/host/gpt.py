"""The door to sgdisk for reading: what partition table a file or device carries. Writes nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import ImagesmithError
from imagesmith.host.programs import run
from imagesmith.model.layout import Partition

_GUID = re.compile(r"^Disk identifier \(GUID\): (\S+)$", re.MULTILINE)
_ROW = re.compile(r"^ +(\d+) +(\d+) +(\d+) +[\d.]+ \w+ +[0-9A-F]{4} *(.*)$", re.MULTILINE)
# sgdisk shows and even verifies an empty table of its own making where it finds none, and ends with 0.
_NO_TABLE = "Creating new GPT entries"
_SOUND = "No problems found"
# "Caution" is about alignment: the stock image's own partitions end where no 2048-sector boundary is.
_PROBLEM = re.compile(r"^Problem: (.+(?:\n\S.*)*)", re.MULTILINE)


class PartitionTableError(ImagesmithError):
    """There is no GPT to be read, neither the primary nor the backup."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table as it is on a medium, entries by number."""

    disk_guid: str
    partitions: tuple[Partition, ...]


def read_table(medium: Path) -> Table:
    """Return the partition table; where only one of its two copies is readable, that one.

    Raises:
        PartitionTableError: there is no GPT.
    """
    done = run(["sgdisk", "-p", medium], ok=(0, 2, 3))
    guid = _GUID.search(done.stdout)
    if done.returncode or guid is None or _NO_TABLE in done.stdout:
        raise PartitionTableError(f"{medium} has no GPT", why=(done.stderr or done.stdout).strip())
    rows = (
        Partition(int(number), name.strip(), int(first), int(last))
        for number, first, last, name in _ROW.findall(done.stdout)
    )
    return Table(guid[1], tuple(sorted(rows, key=lambda row: row.number)))


def complaints_of(medium: Path) -> str:
    """Return what `sgdisk -v` finds wrong with the table; empty for a sound one."""
    done = run(["sgdisk", "-v", medium], ok=(0, 2, 3))
    if _NO_TABLE in done.stdout:
        return "there is no partition table"
    # On a header with a wrong CRC it loads the other copy, warns on stderr, and finds no problem in that.
    if done.returncode == 0 and _SOUND in done.stdout and not done.stderr.strip():
        return ""
    found = _PROBLEM.findall(done.stdout) or [line for line in done.stderr.splitlines() if "ERROR" in line]
    return "; ".join(" ".join(text.split()) for text in found) or (done.stderr + done.stdout).strip()
