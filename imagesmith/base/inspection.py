"""Whether an image is a stock Jetson Nano SD card image, and everything a build must know of it.

Changes nothing. A base that is not what NVIDIA's flasher made is refused here, before anything is built: the
boards that need partitions 2 to 14, or whose kernel cannot read the file system, show a black screen later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import UntrustedSourceError
from imagesmith.host import ext4, gpt, rawimage
from imagesmith.host.digests import cached_sha256
from imagesmith.host.programs import ProgramError
from imagesmith.model.blockmap import Span
from imagesmith.model.layout import APP_FIRST_SECTOR, APP_NAME, APP_NUMBER, BOOT_PARTITIONS, Partition
from imagesmith.model.manifest import Geometry
from imagesmith.model.units import SECTOR_BYTES, format_size

_FRESH = "take a freshly downloaded stock image, never a card that was in a board"

# Of what wraps an image: its first bytes, its name, and the command that takes the image out.
_WRAPPINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "unzip"),
    (b"\xfd7zXZ\x00", "an xz file", "unxz --keep"),
    (b"\x1f\x8b", "a gzip file", "gunzip --keep"),
    (b"BZh", "a bzip2 file", "bunzip2 --keep"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unzstd"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "unlz4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
    (b"QFI\xfb", "a qcow2 disk", "qemu-img convert -O raw"),
    (b"\x3a\xff\x26\xed", "an Android sparse image", "simg2img"),
)

# What Linux 4.9 and e2fsprogs 1.44.1, the board's own, both know. Whatever came later is refused by its name.
_READABLE_FEATURES = frozenset(
    {
        "64bit", "bigalloc", "dir_index", "dir_nlink", "ext_attr", "extent", "extra_isize", "filetype",
        "flex_bg", "has_journal", "huge_file", "inline_data", "large_file", "meta_bg", "metadata_csum", "mmp",
        "project", "quota", "resize_inode", "sparse_super", "sparse_super2", "uninit_bg",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AppFacts:
    """The root file system as its superblock tells it."""

    uuid: str
    features: tuple[str, ...]
    size_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """A base image that may be built on."""

    path: Path
    size_bytes: int
    sha256: str
    geometry: Geometry
    boot_partition_sha256: dict[int, str]
    """Of partitions 2 to 14."""
    app: AppFacts


def inspect_base(path: Path) -> BaseFacts:
    """Return the facts of a base image; the whole is hashed once and remembered.

    Raises:
        UntrustedSourceError: it is not a stock image, or not a whole one.
        HostNotReadyError: a tool is missing.
    """
    try:
        _refuse_other_files(path)
        table = _sound_table(path)
        _refuse_other_layouts(path, table.partitions)
        app = next(part for part in table.partitions if part.number == APP_NUMBER)
        app_facts = _ext4_facts(path, app)
        boot = [part for part in table.partitions if part.number != APP_NUMBER]
        spans = [Span(part.offset_bytes, part.offset_bytes + part.size_bytes) for part in boot]
        return BaseFacts(
            path=path,
            size_bytes=path.stat().st_size,
            sha256=cached_sha256(path),
            geometry=Geometry(table.disk_guid, table.partitions),
            boot_partition_sha256=dict(
                zip((part.number for part in boot), rawimage.digests(path, spans), strict=True)
            ),
            app=app_facts,
        )
    except OSError as exc:
        raise UntrustedSourceError(
            f"the base {path} cannot be read",
            why=exc.strerror or str(exc),
            remedy="see that the file is there and may be read by you",
        ) from exc


def _refuse_other_files(path: Path) -> None:
    if not path.exists():
        raise UntrustedSourceError(
            f"the base {path} does not exist", remedy="give the path of an unpacked SD card image by --base"
        )
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise UntrustedSourceError(
            f"the base {path} is {kind}", remedy="give the path of the image file itself by --base"
        )
    with path.open("rb") as source:
        start = source.read(8)
    for magic, kind, command in _WRAPPINGS:
        if start.startswith(magic):
            raise UntrustedSourceError(
                f"the base {path} is {kind}, not an image",
                why="a build reads the image in place",
                remedy=f"unpack it first: {command} {path}",
            )


def _sound_table(path: Path) -> gpt.Table:
    try:
        table = gpt.read_table(path)
    except (gpt.PartitionTableError, ProgramError) as exc:
        raise UntrustedSourceError(
            f"the base {path} is not an SD card image",
            why="it has no GPT partition table",
            remedy=_FRESH,
        ) from exc
    size_bytes = path.stat().st_size
    needed_bytes = max((part.last_sector + 1 for part in table.partitions), default=0) * SECTOR_BYTES
    if needed_bytes > size_bytes:
        raise UntrustedSourceError(
            f"the base {path} is truncated",
            why=f"its partitions reach to byte {needed_bytes}, the file ends at {size_bytes} "
            f"({format_size(needed_bytes - size_bytes)} are missing)",
            remedy="download or unpack it again, and see that the disk it is on has room",
        )
    if complaints := gpt.complaints_of(path):
        raise UntrustedSourceError(
            f"the base {path} has a damaged partition table: it was cut, enlarged or edited",
            why=f"sgdisk: {complaints}",
            remedy=f"download or unpack it again; {_FRESH}",
        )
    return table


def _refuse_other_layouts(path: Path, partitions: Sequence[Partition]) -> None:
    found = {part.number: part for part in partitions}
    gone = [part for part in BOOT_PARTITIONS if part.number not in found]
    if gone:
        raise UntrustedSourceError(
            f"the base {path} lacks boot partitions: {_names(gone)}",
            why="the first-boot wizard of a configured board deletes them from its card when it updates the "
            "board's boot flash; a board with its factory flash cannot start from such a card",
            remedy=_FRESH,
        )
    changed = [part for part in BOOT_PARTITIONS if found[part.number] != part]
    if changed:
        is_not = "; ".join(f"{_place(found[part.number])}, not {_place(part)}" for part in changed)
        raise UntrustedSourceError(
            f"the base {path} has changed boot partitions: {_names(changed)}",
            why=is_not,
            remedy=_FRESH,
        )
    _refuse_other_app(path, found)


def _refuse_other_app(path: Path, found: dict[int, Partition]) -> None:
    app = found.get(APP_NUMBER)
    if app is None or app.name != APP_NAME:
        raise UntrustedSourceError(
            f"the base {path} has no APP partition",
            why=f"partition {APP_NUMBER} is {app.name!r}" if app else f"there is no partition {APP_NUMBER}",
            remedy=_FRESH,
        )
    foreign = [part for number, part in found.items() if number > len(BOOT_PARTITIONS) + 1]
    if app.first_sector != APP_FIRST_SECTOR or foreign:
        raise UntrustedSourceError(
            f"the base {path} is not laid out as the stock image",
            why=f"foreign partitions: {_names(foreign)}"
            if foreign
            else f"APP begins at sector {app.first_sector}, not at {APP_FIRST_SECTOR}",
            remedy=_FRESH,
        )


def _names(partitions: Sequence[Partition]) -> str:
    return ", ".join(f"{part.number} {part.name}" for part in partitions)


def _place(part: Partition) -> str:
    return f"{part.number} {part.name!r} at sectors {part.first_sector}-{part.last_sector}"


def _ext4_facts(path: Path, app: Partition) -> AppFacts:
    try:
        said = ext4.superblock(path, app)
    except ProgramError as exc:
        raise UntrustedSourceError(
            f"the APP partition of {path} holds no ext4 file system", why=exc.why, remedy=_FRESH
        ) from exc
    features = said.get("Filesystem features", "").split()
    _refuse_other_file_systems(path, features, state=said.get("Filesystem state", "unknown"))
    block_bytes = int(said["Block size"])
    return AppFacts(
        uuid=said["Filesystem UUID"],
        features=tuple(features),
        size_bytes=int(said["Block count"]) * block_bytes,
        free_bytes=int(said["Free blocks"]) * block_bytes,
    )


def _refuse_other_file_systems(path: Path, features: Sequence[str], *, state: str) -> None:
    if "extent" not in features:
        raise UntrustedSourceError(
            f"the APP partition of {path} holds no ext4 file system",
            why="it is an ext2 or ext3 one: it has no extents",
            remedy=_FRESH,
        )
    if "needs_recovery" in features:
        raise UntrustedSourceError(
            f"the file system of {path} has an unfinished journal",
            why="it was copied while it was mounted, or its board lost power: writes are still pending in it",
            remedy=_FRESH,
        )
    if unreadable := sorted(set(features) - _READABLE_FEATURES):
        raise UntrustedSourceError(
            f"the board could not read the file system of {path}",
            why=f"its kernel 4.9 and e2fsprogs 1.44 do not know: {', '.join(unreadable)}",
            remedy=_FRESH,
        )
    if state != "clean":
        raise UntrustedSourceError(
            f"the file system of {path} is not clean",
            why=f"its superblock says {state!r}",
            remedy=_FRESH,
        )
