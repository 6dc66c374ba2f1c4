"""Whether a card's partition table is one of ours: the image's own, or the image's fitted to the card."""

from pathlib import Path

from imagesmith.host import gpt
from imagesmith.model.layout import APP_NUMBER, GPT_BACKUP_BYTES, GPT_PRIMARY_BYTES, SWAP_NUMBER, Partition
from imagesmith.model.manifest import Geometry, Manifest
from imagesmith.verify.compare import Reader


def wrong_table(reader: Reader, device: Path, image: Path, manifest: Manifest) -> str:
    """Say what is wrong with a card's table; empty when the stock bootloader and the agent can work with it.

    Another flasher leaves the image's own table, backup copy at the image's end: the agent moves that.

    Raises:
        OSError: the card or the image cannot be read.
    """
    if _is_images_own(reader, image, manifest.size_bytes):
        return ""
    try:
        table = gpt.read_table(device)
    except gpt.PartitionTableError as exc:
        return exc.what
    return gpt.complaints_of(device) or wrong_fit(table.partitions, manifest.geometry)


def wrong_fit(found: tuple[Partition, ...], stock: Geometry) -> str:
    """Say where a fitted table is not the stock one with APP grown and, maybe, swap behind it."""
    by_number = {partition.number: partition for partition in found}
    for wanted in stock.partitions:
        partition = by_number.pop(wanted.number, None)
        if partition is None:
            return f"partition {wanted.number} ({wanted.name}) is gone"
        grown = wanted.number == APP_NUMBER and partition.last_sector > wanted.last_sector
        last_sector = wanted.last_sector if grown else partition.last_sector
        if Partition(wanted.number, partition.name, partition.first_sector, last_sector) != wanted:
            return f"partition {wanted.number} is {partition}, not {wanted}"
    strangers = sorted(by_number.keys() - {SWAP_NUMBER})
    return f"partition {strangers[0]} does not belong there" if strangers else ""


def _is_images_own(reader: Reader, image: Path, image_bytes: int) -> bool:
    backup_offset = image_bytes - GPT_BACKUP_BYTES
    with image.open("rb") as source:
        primary = source.read(GPT_PRIMARY_BYTES)
        source.seek(backup_offset)
        backup = source.read(GPT_BACKUP_BYTES)
    same_primary = reader.read(0, GPT_PRIMARY_BYTES) == primary
    return same_primary and reader.read(backup_offset, GPT_BACKUP_BYTES) == backup
