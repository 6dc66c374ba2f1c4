"""Which partition tables of a card a kernel would take: by their own sums, not by what sgdisk makes of them.

`sgdisk -v` finds no problem in a header with a wrong sum: it reads the other copy instead.
"""

import struct
import zlib

from imagesmith.model.units import SECTOR_BYTES

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_SUM_AT = 16


def valid_tables(card: bytes | bytearray) -> tuple[str, ...]:
    """Return which of `primary` and `backup` are whole: signature, own place, sums of header and entries."""
    last = len(card) // SECTOR_BYTES - 1
    return tuple(name for name, place in (("primary", 1), ("backup", last)) if _is_valid(card, place))


def _is_valid(card: bytes | bytearray, place: int) -> bool:
    sector = bytes(card[place * SECTOR_BYTES : (place + 1) * SECTOR_BYTES])
    (
        signature, _revision, header_bytes, header_sum, _reserved, own_place, _alternate, _first, _last,
        _guid, entries_at, entry_count, entry_bytes, entries_sum,
    ) = _HEADER.unpack_from(sector)  # fmt: skip
    if signature != b"EFI PART" or own_place != place or not _HEADER.size <= header_bytes <= SECTOR_BYTES:
        return False
    unsummed = bytearray(sector[:header_bytes])
    unsummed[_SUM_AT : _SUM_AT + 4] = bytes(4)
    start = entries_at * SECTOR_BYTES
    entries = card[start : start + entry_count * entry_bytes]
    return (zlib.crc32(unsummed), zlib.crc32(entries)) == (header_sum, entries_sum)
