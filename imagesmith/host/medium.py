"""What lies on a medium, in few words: partition table and file systems. Writes nothing, mounts nothing."""

import errno
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagesmith.errors import ImagesmithError
from imagesmith.host import blkid
from imagesmith.host.cardread import CardReader, open_for_reading
from imagesmith.host.programs import ProgramError, run
from imagesmith.model.inventory import FileSystem, Medium
from imagesmith.model.layout import APP_FIRST_SECTOR, Partition
from imagesmith.model.units import MIB, SECTOR_BYTES

_MOST_PARTS = 32
_SMALLEST_BYTES = 1 * MIB
"""A partition below this holds no file system that anybody asks for; the stock image has a dozen of them."""
_PARTX_S = 30.0
_ROW = re.compile(r'^NR="(\d+)" START="(\d+)" SECTORS="(\d+)" NAME="(.*)"$', re.MULTILINE)
_BLANK = (b"\0", b"\xff")
_DENIED = "permission denied (join group disk, or use sudo)"


def read_medium(path: Path) -> Medium:
    """Return what a disk or card file holds; why it cannot be read is a part of the answer."""
    try:
        with open_for_reading(path) as reader:
            is_blank = _is_blank(reader)
            size_bytes = reader.size_bytes
    except OSError as exc:
        return Medium(unreadable=_DENIED if exc.errno == errno.EACCES else exc.strerror or str(exc))
    try:
        return _recognised(path, is_blank=is_blank, size_bytes=size_bytes)
    except ImagesmithError as exc:
        return Medium(unreadable=exc.why or exc.what)


def _recognised(path: Path, *, is_blank: bool, size_bytes: int) -> Medium:
    found = blkid.probe(path)
    table = found.get("PTTYPE", "")
    if table:
        disk_guid = found.get("PTUUID", "") if table == "gpt" else ""
        return Medium(is_blank=is_blank, table=table, disk_guid=disk_guid, parts=tuple(_parts(path)))
    app_bytes = APP_FIRST_SECTOR * SECTOR_BYTES
    behind = blkid.probe(path, offset_bytes=app_bytes) if size_bytes > app_bytes else {}
    return Medium(is_blank=is_blank, whole=_file_system(found), behind_head=_file_system(behind))


def _parts(path: Path) -> Iterator[tuple[Partition, FileSystem]]:
    # libblkid reads the table from the medium: the kernel's own view may be older, or absent.
    try:
        said = run(["partx", "--pairs", "--output", "NR,START,SECTORS,NAME", path], timeout_s=_PARTX_S).stdout
    except ProgramError:
        return  # a table that names no partition
    for number, start, sectors, name in _ROW.findall(said)[:_MOST_PARTS]:
        part = Partition(int(number), name, int(start), int(start) + int(sectors) - 1)
        yield part, _file_system_of(path, part)


def _file_system_of(path: Path, part: Partition) -> FileSystem:
    if part.size_bytes < _SMALLEST_BYTES:
        return FileSystem()
    try:
        found = blkid.probe(path, offset_bytes=part.offset_bytes, size_bytes=part.size_bytes)
    except ProgramError:
        return FileSystem("unreadable")
    return _file_system(found)


def _file_system(found: Mapping[str, str]) -> FileSystem:
    return FileSystem(found.get("TYPE", ""), found.get("LABEL", ""))


def _is_blank(reader: CardReader) -> bool:
    ends = (0, max(0, reader.size_bytes - MIB))
    return all(_is_uniform(reader.read(start, MIB)) for start in ends)


def _is_uniform(content: bytes) -> bool:
    return any(content.count(value) == len(content) for value in _BLANK)
