"""A small base image, of the stock shape or of another: made by real sgdisk and real mke2fs."""

from collections.abc import Sequence
from pathlib import Path

from imagesmith.host.programs import run
from imagesmith.model.layout import APP_FIRST_SECTOR, APP_NAME, APP_NUMBER, BOOT_PARTITIONS, Partition
from imagesmith.model.units import MIB, SECTOR_BYTES

APP_BYTES = 16 * MIB
APP = Partition(APP_NUMBER, APP_NAME, APP_FIRST_SECTOR, APP_FIRST_SECTOR + APP_BYTES // SECTOR_BYTES - 1)
STOCK = (APP, *BOOT_PARTITIONS)
SIZE_BYTES = APP_BYTES + 16 * MIB
DISK_GUID = "11111111-2222-4333-8444-555555555555"
READABLE = "none,has_journal,extent,filetype,sparse_super,large_file,dir_index,extra_isize,metadata_csum"


def make_base(image: Path, partitions: Sequence[Partition] = STOCK, *, features: str = READABLE) -> Path:
    """Make a base image; `features` empty leaves APP without a file system."""
    with image.open("xb") as out:
        out.truncate(SIZE_BYTES)
        for partition in BOOT_PARTITIONS:
            out.seek(partition.offset_bytes)
            out.write(boot_content(partition))
    if features:
        make_app(image, features)
    words = [f"--disk-guid={DISK_GUID}", "--set-alignment=1"]
    for each in partitions:
        words += [f"--new={each.number}:{each.first_sector}:{each.last_sector}"]
        words += [f"--change-name={each.number}:{each.name}"]
    run(["sgdisk", *words, image])
    return image


def make_app(image: Path, features: str) -> None:
    """Make the file system of APP, with the named features and no other."""
    encoding = ",encoding=utf8" if "casefold" in features else ""
    options = f"offset={APP.offset_bytes}{encoding}"
    words = ["-q", "-F", "-t", "ext4", "-O", features, "-b", "4096", "-E", options]
    # Without its own configuration mke2fs adds nothing to what is named.
    run(["mke2fs", *words, image, str(APP_BYTES // 4096)], env={"MKE2FS_CONFIG": "/dev/null"})


def change_app(image: Path, request: str) -> None:
    """Let debugfs change the file system of APP."""
    run(["debugfs", "-w", "-R", request, f"{image}?offset={APP.offset_bytes}"])


def boot_content(partition: Partition) -> bytes:
    """Return what a boot partition of the small base holds."""
    return partition.name.encode().ljust(SECTOR_BYTES, b".") * (partition.size_bytes // SECTOR_BYTES)
