"""Where things lie on a card of a given size: APP grown, swap behind it, backup GPT at the end. Pure.

    | GPT | 2 … 14 | APP (number 1) → → → | SWAP (number 15) | tail < 2 MiB | backup GPT |

APP ends just before the swap partition or, without swap, at the last whole MiB before the backup GPT.
"""

from dataclasses import dataclass

from imagesmith.errors import CardRefusedError
from imagesmith.model.layout import APP_NUMBER, GPT_BACKUP_BYTES
from imagesmith.model.manifest import Manifest
from imagesmith.model.units import MIB, SECTOR_BYTES, format_size, round_down, round_up

_ALIGNMENT_SECTORS = MIB // SECTOR_BYTES
_BACKUP_SECTORS = GPT_BACKUP_BYTES // SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class CardGeometry:
    """The sectors of 512 bytes that differ between cards; `last` ones are inclusive."""

    sectors: int
    app_first: int
    app_last: int
    swap_first: int
    swap_sectors: int
    """0: no swap partition, and `swap_first` is the end of APP."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the card that are addressed: whole sectors."""
        return self.sectors * SECTOR_BYTES

    @property
    def swap_last(self) -> int:
        """Last sector of the swap partition."""
        return self.swap_first + self.swap_sectors - 1

    @property
    def backup_offset_bytes(self) -> int:
        """Where the backup GPT begins."""
        return self.size_bytes - GPT_BACKUP_BYTES


def required_bytes(manifest: Manifest, swap_bytes: int) -> int:
    """Return the size of the smallest card that holds the image and the swap partition."""
    app = manifest.geometry.partition(APP_NUMBER)
    app_end = round_up(app.last_sector + 1, _ALIGNMENT_SECTORS)
    return (app_end + _swap_sectors(swap_bytes) + _BACKUP_SECTORS) * SECTOR_BYTES


def card_geometry(manifest: Manifest, size_bytes: int, swap_bytes: int) -> CardGeometry:
    """Return the geometry of a card of `size_bytes`; swap is rounded up to whole MiB.

    Raises:
        CardRefusedError: the image and the swap partition do not fit.
    """
    needed = required_bytes(manifest, swap_bytes)
    if size_bytes < needed:
        raise CardRefusedError(
            f"a card of {format_size(size_bytes)} is too small",
            why=f"image and swap need {format_size(needed)} ({needed} bytes), it has {size_bytes}",
            remedy="take a larger card, or less swap in the recipe",
        )
    app = manifest.geometry.partition(APP_NUMBER)
    sectors = size_bytes // SECTOR_BYTES
    swap = _swap_sectors(swap_bytes)
    swap_first = round_down(sectors - _BACKUP_SECTORS - swap, _ALIGNMENT_SECTORS)
    return CardGeometry(sectors, app.first_sector, swap_first - 1, swap_first, swap)


def _swap_sectors(swap_bytes: int) -> int:
    return round_up(swap_bytes, MIB) // SECTOR_BYTES
