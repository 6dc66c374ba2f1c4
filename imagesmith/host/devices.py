"""The door to udev, /sys and /proc: everything the guard judges about one card. Writes nothing.

Every fact the guard needs comes from the kernel itself; udev only adds names for people (it may be absent,
and its database lags behind a card that was just put in).
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from imagesmith.host import blkid, udev
from imagesmith.host.block_tree import BlockTree
from imagesmith.host.programs import ProgramError, ProgramTimeoutError
from imagesmith.host.storage import StorageMap, is_same_file, status_of
from imagesmith.model.card import CardFacts, Identity, TargetKind
from imagesmith.model.units import SECTOR_BYTES

SYSTEM_FOLDERS = ("/", "/boot", "/home")
"""A disk that carries one of these is never a card, whoever asks."""

_DEV = Path("/dev")
_STACKED_USAGES = frozenset({"raid", "crypto"})
_STACKED_TYPES = frozenset({"zfs_member", "bcache", "ceph_bluestore"})


class Extent(NamedTuple):
    """A part of a disk to be probed: its name, and where it lies; a length of 0 is up to the end."""

    name: str
    offset_bytes: int
    size_bytes: int


class Signatures(NamedTuple):
    """Marks of stacked storage, and the parts that could not be probed."""

    members: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


Prober = Callable[[Path, Sequence[Extent]], Signatures]


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """What is asked about, and where the answers come from."""

    path: Path
    real_path: Path
    precious: Mapping[str, Path]
    storage: StorageMap
    prober: Prober


def read_card_facts(
    path: Path,
    *,
    precious: Mapping[str, Path],
    new_file_bytes: int = 0,
    storage: StorageMap | None = None,
    prober: Prober | None = None,
) -> CardFacts:
    """Return everything the guard judges about a target: a disk, a partition, a file, or what is not there.

    Args:
        path: the target as the user wrote it.
        precious: what must survive, by name: the image, the cache. `SYSTEM_FOLDERS` always count.
        new_file_bytes: the size a file not made yet is to get.
        storage: what stands on what; read now by default.
        prober: finds signatures of stacked storage; `blkid` by default.
    """
    try:
        real_path = path.resolve()
    except (OSError, RuntimeError):  # RuntimeError: before Python 3.13
        return _other_facts(path, path, "its links go round in a circle")
    inquiry = _Inquiry(path, real_path, precious, storage or StorageMap.read(), prober or probe_signatures)
    try:
        found = real_path.stat()
    except FileNotFoundError:
        return _absent_facts(inquiry, new_file_bytes)
    except OSError as exc:
        return _other_facts(path, real_path, f"it cannot be looked at ({exc.strerror})")
    if stat.S_ISBLK(found.st_mode):
        return _device_facts(inquiry, found.st_rdev)
    if stat.S_ISREG(found.st_mode) and not _is_on_dev(real_path):
        return _file_facts(inquiry, found)
    return _other_facts(path, real_path, _kind_of(found.st_mode))


def disks() -> tuple[Path, ...]:
    """Return the disks of this machine that somebody might take for a card, system disks among them.

    Left out: what only stands on other disks (dm, md, zram, read-only loops), and optical drives.
    """
    tree = BlockTree()
    return tuple(_DEV / tree.name(number).replace("!", "/") for number in tree.disks())


def media_by_slot() -> dict[str, int]:
    """Return the bytes of the medium in each slot, by udev's ID_PATH; 0 for an empty slot of a reader.

    A disk without an ID_PATH is there under its name: `/dev/loop3`.
    """
    tree = BlockTree()
    return {
        udev.properties(number).get("ID_PATH") or f"{_DEV}/{tree.name(number)}": tree.size_bytes(number) or 0
        for number in tree.disks()
    }


def probe_signatures(medium: Path, extents: Sequence[Extent]) -> Signatures:
    """Return the marks of LVM, md, LUKS, ZFS, bcache and their like on parts of a disk or file.

    A part with marks of two kinds, or one that cannot be read, is unknown.
    """
    if not os.access(medium, os.R_OK):
        return Signatures(unknown=(f"what is on {medium} (not readable)",))
    members, unknown = [], []
    for extent in extents:
        try:
            mark = _mark_of(medium, extent)
        except (ProgramError, ProgramTimeoutError) as exc:
            unknown.append(f"what is on {extent.name} ({exc.why or exc.what})")
        else:
            members += [f"{mark} on {extent.name}"] if mark else []
    return Signatures(tuple(members), tuple(unknown))


def _mark_of(medium: Path, extent: Extent) -> str:
    found = blkid.probe(medium, offset_bytes=extent.offset_bytes, size_bytes=extent.size_bytes)
    mark = found.get("TYPE", "")
    return mark if found.get("USAGE") in _STACKED_USAGES or mark in _STACKED_TYPES else ""


def _device_facts(inquiry: _Inquiry, number: int) -> CardFacts:
    storage, tree = inquiry.storage, inquiry.storage.tree
    disk = tree.whole_disk(number)
    size_bytes = tree.size_bytes(number)
    removable = tree.integer(disk, "removable")
    read_only = tree.integer(number, "ro")
    logical_block_bytes = tree.integer(disk, "queue/logical_block_size")
    unread = {
        "its size": size_bytes,
        "whether it is removable": removable,
        "whether it is read-only": read_only,
        "the size of its sectors": logical_block_bytes,
    }
    overwritten = storage.overwritten(number)
    carries, untraced = _carried(inquiry, number, overwritten)
    signatures = inquiry.prober(inquiry.real_path, _extents(tree, number)) if size_bytes else Signatures()
    names = udev.properties(number)
    return CardFacts(
        path=inquiry.path,
        real_path=inquiry.real_path,
        kind=TargetKind.WHOLE_DISK if disk == number else TargetKind.PARTITION,
        detail="" if disk == number else tree.name(disk),
        identity=Identity(number, size_bytes or 0, tree.serial(number), tree.integer(disk, "diskseq") or 0),
        is_symlink=inquiry.path.is_symlink(),
        transport=tree.transport(number),
        removable=bool(removable),
        read_only=bool(read_only),
        permitted=_may_write(inquiry.real_path),
        logical_block_bytes=logical_block_bytes or SECTOR_BYTES,
        model=tree.model(number) or names.get("ID_MODEL", ""),
        slot_path=names.get("ID_PATH", ""),
        mounts=tuple(dict.fromkeys(storage.mounts_on(overwritten))),
        swaps=tuple(storage.swaps_on(overwritten)),
        holders=tuple(_holders(storage, number, overwritten)),
        over_device=storage.over_device(number),
        members=signatures.members,
        carries=carries,
        unknown=(*(what for what, value in unread.items() if value is None), *untraced, *signatures.unknown),
    )


def _holders(storage: StorageMap, number: int, overwritten: frozenset[int]) -> Iterator[str]:
    yield from storage.holders_on(overwritten)
    backing = storage.tree.loop_backing(number)
    for loop in storage.loops_over_file(backing) if backing else ():
        if loop not in overwritten:
            yield f"{storage.tree.name(loop)}, over the same file"


def _extents(tree: BlockTree, number: int) -> list[Extent]:
    """Return the device itself and its partitions, all as parts of it: partition nodes may be missing."""
    extents = [Extent(tree.name(number), 0, 0)]
    for partition in tree.partitions(number):
        start, size = tree.integer(partition, "start"), tree.size_bytes(partition)
        if start is not None and size:
            extents.append(Extent(tree.name(partition), start * SECTOR_BYTES, size))
    return extents


def _carried(
    inquiry: _Inquiry, number: int, overwritten: frozenset[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what lies on the devices, and what could not be traced to any device."""
    backing = inquiry.storage.tree.loop_backing(number)
    carried = _files_carried(backing, inquiry.precious) if backing else []
    untraced = []
    for label, path in ({label: Path(label) for label in SYSTEM_FOLDERS} | dict(inquiry.precious)).items():
        trace = inquiry.storage.below_path(_nearest_existing(path))
        if trace.numbers & overwritten:
            carried.append(label)
        elif trace.gaps:
            untraced.append(f"where {label} lies ({'; '.join(trace.gaps)})")
    return tuple(dict.fromkeys(carried)), tuple(untraced)


def _files_carried(target: Path, precious: Mapping[str, Path]) -> list[str]:
    """Return what of `precious` a file is, or lies inside."""
    folders = [target.resolve(), *target.resolve().parents]
    return [
        label
        for label, path in precious.items()
        if label not in SYSTEM_FOLDERS and any(is_same_file(folder, path) for folder in folders)
    ]


def _file_facts(inquiry: _Inquiry, found: os.stat_result) -> CardFacts:
    storage, real_path = inquiry.storage, inquiry.real_path
    whole = [Extent(real_path.name, 0, 0)]
    signatures = inquiry.prober(real_path, whole) if found.st_size else Signatures()
    return CardFacts(
        path=inquiry.path,
        real_path=real_path,
        kind=TargetKind.REGULAR_FILE,
        identity=Identity(found.st_ino, found.st_size, file_system=found.st_dev),
        is_symlink=inquiry.path.is_symlink(),
        read_only=_is_on_read_only(real_path),
        permitted=_may_write(real_path),
        swaps=storage.swaps_in_file(real_path),
        holders=tuple(storage.tree.name(loop) for loop in storage.loops_over_file(real_path)),
        members=signatures.members,
        carries=tuple(_files_carried(real_path, inquiry.precious)),
        unknown=signatures.unknown,
    )


def _absent_facts(inquiry: _Inquiry, new_file_bytes: int) -> CardFacts:
    real_path = inquiry.real_path
    if not real_path.parent.is_dir():
        return _other_facts(inquiry.path, real_path, f"there is no folder {real_path.parent}")
    if _is_on_dev(real_path):
        return _other_facts(inquiry.path, real_path, "there is no such device")
    return CardFacts(
        path=inquiry.path,
        real_path=real_path,
        kind=TargetKind.NEW_FILE,
        identity=Identity(0, new_file_bytes),
        is_symlink=inquiry.path.is_symlink(),
        read_only=_is_on_read_only(real_path.parent),
        permitted=_may_write(real_path.parent),
        carries=tuple(_files_carried(real_path, inquiry.precious)),
    )


def _other_facts(path: Path, real_path: Path, detail: str) -> CardFacts:
    return CardFacts(
        path=path,
        real_path=real_path,
        kind=TargetKind.OTHER,
        detail=detail,
        identity=Identity(device_number=0, size_bytes=0),
        is_symlink=path.is_symlink(),
    )


def _kind_of(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a plain file where devices are",
        stat.S_IFDIR: "a folder",
        stat.S_IFCHR: "a character device",
        stat.S_IFIFO: "a pipe",
    }
    return kinds.get(stat.S_IFMT(mode), "a socket")


def _is_on_dev(path: Path) -> bool:
    """Return whether a file is in the folder of devices itself, not on /dev/shm: it would lie in memory."""
    return path.is_relative_to(_DEV) and path.parent.stat().st_dev == _DEV.stat().st_dev


def _is_on_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _nearest_existing(path: Path) -> Path:
    """Return the path, or the folder it would be made in."""
    resolved = path.resolve()
    return next(place for place in (resolved, *resolved.parents) if status_of(place))
