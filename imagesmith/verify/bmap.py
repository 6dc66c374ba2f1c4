"""A published block map, read the way bmaptool reads it. Pure.

Independent of the writer on purpose: what one room writes and another reads is checked, not assumed.
"""

import hashlib
import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from imagesmith.model.blockmap import Span

_CHECKSUM = re.compile(r"(<BmapFileChecksum>\s*)([0-9a-f]{64})(\s*</BmapFileChecksum>)")
_BLOCKS = re.compile(r"\s*(\d+)(?:-(\d+))?\s*")


@dataclass(frozen=True, slots=True)
class MappedRange:
    """Bytes a flasher copies, and their sha256."""

    span: Span
    sha256: str


@dataclass(frozen=True, slots=True)
class Bmap:
    """A block map: the image's length and what of it is mapped, in the order of the file."""

    image_bytes: int
    ranges: tuple[MappedRange, ...]


def parse_bmap(text: str) -> Bmap:
    """Return the map.

    Raises:
        ValueError: not a map of version 2, its own checksum is wrong, or its counts contradict its ranges.
    """
    checksum = _CHECKSUM.search(text)
    if checksum is None:
        raise ValueError("no sha256 of its own")
    unsigned = _CHECKSUM.sub(lambda found: found[1] + "0" * 64 + found[3], text, count=1)
    if hashlib.sha256(unsigned.encode()).hexdigest() != checksum[2]:
        raise ValueError("its own checksum is wrong")
    try:
        # A map may come from the network; expat 2.4.1 and later stops entities that blow up.
        root = ET.fromstring(text)  # noqa: S314 -- see above
    except ET.ParseError as exc:
        raise ValueError(f"not XML: {exc}") from exc
    version = root.get("version", "none")
    if root.tag != "bmap" or version.partition(".")[0] != "2":
        raise ValueError(f"version {version}, not 2")
    if (kind := root.findtext("ChecksumType", "").strip()) != "sha256":
        raise ValueError(f"checksums of type {kind!r}, not sha256")
    return _checked_ranges(root)


def _checked_ranges(root: ET.Element) -> Bmap:
    image_bytes, block_bytes = _number(root, "ImageSize"), _number(root, "BlockSize")
    if block_bytes == 0:
        raise ValueError("its blocks have no size")
    ranges: list[MappedRange] = []
    mapped_blocks = 0
    for element in root.iterfind("BlockMap/Range"):
        blocks = _BLOCKS.fullmatch(element.text or "")
        if blocks is None:
            raise ValueError(f"{element.text!r} is not a range")
        first, last = int(blocks[1]), int(blocks[2] or blocks[1])
        mapped_blocks += last - first + 1
        span = Span(first * block_bytes, min((last + 1) * block_bytes, image_bytes))
        if span.length <= 0:
            raise ValueError(f"its range {first}-{last} is no range of the image")
        ranges.append(MappedRange(span, element.get("chksum", "")))
    if _number(root, "BlocksCount") != -(-image_bytes // block_bytes):
        raise ValueError("its count of blocks does not fit the size")
    if _number(root, "MappedBlocksCount") != mapped_blocks:
        raise ValueError("its count of mapped blocks does not fit its ranges")
    return Bmap(image_bytes, tuple(ranges))


def _number(root: ET.Element, name: str) -> int:
    text = root.findtext(name, "").strip()
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}, not a number")
    return int(text)
