"""Fits the image's GPT and a swap area to one card, by sgdisk and mkswap on sparse files of the card's size.

`sgdisk --pretend … --backup` edits in memory and saves the result in the file format its manual documents;
a plain sgdisk write would sleep for a second after each edit. Changes no image and no card.
"""

import re
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from imagesmith.card.geometry import CardGeometry
from imagesmith.card.guid import card_guid
from imagesmith.errors import HostNotReadyError, UntrustedSourceError
from imagesmith.host.gpt import complaints_of
from imagesmith.host.programs import run
from imagesmith.host.scratch import scratch_folder
from imagesmith.model.card import Patch
from imagesmith.model.layout import (
    APP_NAME,
    APP_NUMBER,
    GPT_BACKUP_BYTES,
    GPT_PRIMARY_BYTES,
    HEAD_BYTES,
    SWAP_NAME,
    SWAP_NUMBER,
)
from imagesmith.model.manifest import Manifest
from imagesmith.model.units import SECTOR_BYTES

SWAP_HEADER_BYTES = 4096
"""mkswap writes one page of the board's 4 KiB pages and nothing else."""

_SGDISK_S = 60.0


@dataclass(frozen=True, slots=True)
class FittedHead:
    """What fitting gives: the swap header (None without swap) and both copies of the GPT."""

    swap_header: Patch | None
    backup_gpt: Patch
    primary_gpt: Patch
    """The whole first MiB: protective MBR, header, entries, then zeros."""


@dataclass(frozen=True, slots=True)
class _AppEntry:
    type_guid: str
    attributes: str


@dataclass(frozen=True, slots=True)
class _SavedTable:
    """sgdisk's backup file: protective MBR, main header, backup header, one copy of the entries."""

    content: bytes

    @property
    def primary(self) -> bytes:
        """Return the first 34 sectors of the disk."""
        return self.content[: 2 * SECTOR_BYTES] + self._entries

    @property
    def backup(self) -> bytes:
        """Return the last 33 sectors of the disk."""
        return self._entries + self.content[2 * SECTOR_BYTES : 3 * SECTOR_BYTES]

    @property
    def _entries(self) -> bytes:
        return self.content[3 * SECTOR_BYTES :]


def fit_head(image: Path, manifest: Manifest, geometry: CardGeometry, hostname: str) -> FittedHead:
    """Return the partition table and swap header of one card.

    The same image, card size and hostname give the same bytes. Disk, APP and SWAP get GUIDs of their own
    per card; partitions 2 to 14 keep the image's.

    Args:
        image: the raw image; only read.
        manifest: its manifest.
        geometry: where things lie on this card.
        hostname: whose card it is; empty for an unpersonalised one.

    Raises:
        UntrustedSourceError: the image's partition table is not what its manifest says.
        ProgramError: sgdisk or mkswap failed.
        HostNotReadyError: the folder for temporary files takes no file of the card's size.
    """
    temporary = Path(tempfile.gettempdir())
    try:
        with scratch_folder(temporary, prefix="imagesmith-fit-") as folder:
            table = _fitted_table(image, manifest, geometry, hostname, folder)
            swap = _swap_header(manifest, geometry, hostname, folder) if geometry.swap_sectors else None
    except OSError as exc:
        raise HostNotReadyError(
            "a card's partition table could not be laid out",
            why=f"{temporary}: {exc.strerror or exc}",
            remedy="make room there, or point TMPDIR to a folder that takes sparse files of a card's size",
        ) from exc
    return FittedHead(
        swap_header=swap,
        backup_gpt=Patch("backup GPT", geometry.backup_offset_bytes, table.backup),
        primary_gpt=Patch("primary GPT", 0, table.primary.ljust(HEAD_BYTES, b"\0")),
    )


def _fitted_table(
    image: Path, manifest: Manifest, geometry: CardGeometry, hostname: str, folder: Path
) -> _SavedTable:
    stock, fitted, card = folder / "stock.gpt", folder / "fitted.gpt", folder / "card.img"
    app = _app_entry(image, manifest)
    run(["sgdisk", f"--backup={stock}", image], timeout_s=_SGDISK_S)
    _make_sparse(card, geometry.size_bytes)
    words = [
        f"--disk-guid={_guid(manifest, hostname, 'disk')}",
        f"--delete={APP_NUMBER}",
        f"--new={APP_NUMBER}:{geometry.app_first}:{geometry.app_last}",
        f"--change-name={APP_NUMBER}:{APP_NAME}",
        f"--typecode={APP_NUMBER}:{app.type_guid}",
        f"--attributes={APP_NUMBER}:=:{app.attributes}",
        f"--partition-guid={APP_NUMBER}:{_guid(manifest, hostname, APP_NAME)}",
    ]
    if geometry.swap_sectors:
        words += [
            f"--new={SWAP_NUMBER}:{geometry.swap_first}:{geometry.swap_last}",
            f"--change-name={SWAP_NUMBER}:{SWAP_NAME}",
            f"--typecode={SWAP_NUMBER}:8200",
            f"--partition-guid={SWAP_NUMBER}:{_guid(manifest, hostname, SWAP_NAME)}",
        ]
    run(
        [
            "sgdisk",
            "--pretend",
            f"--load-backup={stock}",
            "--move-second-header",
            *words,
            f"--backup={fitted}",
            card,
        ],
        timeout_s=_SGDISK_S,
    )
    table = _SavedTable(fitted.read_bytes())
    _prove(table, card, geometry, image)
    return table


def _app_entry(image: Path, manifest: Manifest) -> _AppEntry:
    """Return what a recreated APP must keep of the image's own entry."""
    said = run(["sgdisk", f"--info={APP_NUMBER}", image], timeout_s=_SGDISK_S).stdout
    expected = manifest.geometry.partition(APP_NUMBER)
    found = {
        key: re.search(pattern, said, re.MULTILINE)
        for key, pattern in {
            "type": r"^Partition GUID code: ([0-9A-F-]{36})",
            "first": r"^First sector: (\d+)",
            "last": r"^Last sector: (\d+)",
            "attributes": r"^Attribute flags: ([0-9A-F]{16})",
            "name": r"^Partition name: '(.*)'",
        }.items()
    }
    values = {key: match[1] for key, match in found.items() if match}
    wanted = {"first": str(expected.first_sector), "last": str(expected.last_sector), "name": expected.name}
    if len(values) < len(found) or not wanted.items() <= values.items():
        raise UntrustedSourceError(
            f"partition {APP_NUMBER} of {image} is not what the image's manifest says",
            why=f"manifest: {wanted}; image: {values or said.strip()}",
            remedy="build the image again",
        )
    return _AppEntry(values["type"], values["attributes"])


def _prove(table: _SavedTable, card: Path, geometry: CardGeometry, image: Path) -> None:
    """Lay the table on the sparse card and let sgdisk check it as a whole."""
    if (len(table.primary), len(table.backup)) != (GPT_PRIMARY_BYTES, GPT_BACKUP_BYTES):
        raise UntrustedSourceError(
            f"the partition table of {image} does not have 128 entries", remedy="build the image again"
        )
    with card.open("r+b") as out:
        out.write(table.primary)
        out.seek(geometry.backup_offset_bytes)
        out.write(table.backup)
    complaints = complaints_of(card)
    if complaints:
        raise UntrustedSourceError(
            f"the partition table of {image}, fitted to a card, is not sound",
            why=complaints,
            remedy="check the image with 'imagesmith verify'",
        )


def _swap_header(manifest: Manifest, geometry: CardGeometry, hostname: str, folder: Path) -> Patch:
    area = folder / "swap.img"
    _make_sparse(area, geometry.swap_sectors * SECTOR_BYTES)
    guid = _guid(manifest, hostname, "swap area")
    run(
        ["mkswap", f"--label={SWAP_NAME}", f"--uuid={guid}", f"--pagesize={SWAP_HEADER_BYTES}", area],
        timeout_s=60,
    )
    with area.open("rb") as made:
        return Patch("swap header", geometry.swap_first * SECTOR_BYTES, made.read(SWAP_HEADER_BYTES))


def _guid(manifest: Manifest, hostname: str, what: str) -> uuid.UUID:
    return card_guid(manifest.image_sha256, hostname, what)


def _make_sparse(path: Path, size_bytes: int) -> None:
    with path.open("xb") as out:
        path.chmod(0o600)  # mkswap warns about anything wider
        out.truncate(size_bytes)
