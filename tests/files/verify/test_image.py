"""Each check of a published image, shown to fail: one thing is spoilt, and what rests on it is found."""

import hashlib
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesmith.host import ext4
from imagesmith.host.files import sha256_of_file
from imagesmith.model.blockmap import BlockClass
from imagesmith.model.layout import BOOT_PARTITIONS, GPT_BACKUP_BYTES, GPT_PRIMARY_BYTES, Partition
from imagesmith.model.manifest import Manifest
from imagesmith.model.units import SECTOR_BYTES
from imagesmith.verify.finding import Finding
from imagesmith.verify.image import verify_image
from tests.rig.images import APP, IMAGE_BYTES, Published, edit_root, flip_bit, overwrite

_BYTES = {"digest", "block map"}
"""What any changed byte of a mapped block breaks; in the body also `chunks`."""


def _verified(published: Published) -> dict[str, Finding]:
    findings = verify_image(published.image, published.manifest, on_progress=lambda _done, _total: None)
    return {finding.check: finding for finding in findings}


def _failed(published: Published) -> set[str]:
    return {check for check, finding in _verified(published).items() if not finding.ok}


def _file_offset(image: Path, path: str) -> int:
    return ext4.blocks_of(image, APP, path)[0].start


def _first_free(manifest: Manifest) -> int:
    chunks = [range(chunk.start, chunk.end) for chunk in manifest.chunks]
    free = [piece.start for piece in manifest.classes if piece.kind is BlockClass.FREE]
    return next(start for start in free if not any(start in chunk for chunk in chunks))


def test_a_published_image_has_nothing_wrong(small_image: Published) -> None:
    found = _verified(small_image)

    assert set() == {check for check, finding in found.items() if not finding.ok}
    assert [
        "size", "digest", "chunks", "block classes", "chunk coverage", "partition table", "geometry",
        "boot partitions", "file system", "block map", "checksums",
    ] == list(found)  # fmt: skip


def test_progress_ends_at_the_total_and_never_goes_back(small_image: Published) -> None:
    told: list[tuple[int, int]] = []

    verify_image(small_image.image, small_image.manifest, on_progress=lambda *t: told.append(t))

    assert sorted(told) == told
    assert told[-1][0] == told[-1][1]
    assert told[-1][1] > small_image.manifest.size_bytes


SPOILT_IMAGES: dict[str, tuple[Callable[[Published], object], set[str]]] = {
    "a bit of a file": (
        lambda p: flip_bit(p.image, _file_offset(p.image, "/var/lib/dpkg/status")),
        _BYTES | {"chunks"},
    ),
    "a bit between the partitions": (lambda p: flip_bit(p.image, 3000 * SECTOR_BYTES), _BYTES | {"chunks"}),
    "a bit of a free block": (lambda p: flip_bit(p.image, _first_free(p.manifest)), {"digest"}),
    "a bit of the primary table's header": (
        lambda p: flip_bit(p.image, SECTOR_BYTES + 16),
        _BYTES | {"partition table"},
    ),
    "a bit of the backup table's entries": (
        lambda p: flip_bit(p.image, IMAGE_BYTES - 33 * SECTOR_BYTES),
        _BYTES | {"partition table"},
    ),
    "no table at all": (
        lambda p: _erase_tables(p.image),
        _BYTES | {"partition table", "geometry"},
    ),
    "an inode's count of links": (
        lambda p: edit_root(p.image, "sif /etc/hosts links_count 7"),
        _BYTES | {"chunks", "file system"},
    ),
    "an identity in the slot": (
        lambda p: overwrite(p.image, p.manifest.slot[0].start, b'{"hostname": "jetson0-node"}'),
        _BYTES,
    ),
    "a file cut short": (lambda p: _resize(p.image, IMAGE_BYTES - 4096), {"size"}),
    "a file too long": (lambda p: _resize(p.image, IMAGE_BYTES + 1), {"size"}),
    "a sum that is another's": (lambda p: _edit_sums(p, "rig.manifest.json", "0" * 64), {"checksums"}),
    "a sum of another image": (lambda p: _edit_sums(p, "rig.img", "0" * 64), {"checksums"}),
    "a file that is listed and not there": (
        lambda p: p.image.with_name("rig.manifest.json").unlink(),
        {"checksums"},
    ),
    "sums without the image": (lambda p: _edit_sums(p, "rig.img", ""), {"checksums"}),
    "sums that are none": (
        lambda p: p.image.with_name("SHA256SUMS").write_text("../../etc/passwd\n"),
        {"checksums"},
    ),
    "a map whose own checksum is wrong": (
        lambda p: _edit_map(p, "<BlockSize> 4096", "<BlockSize> 8192", signed=False),
        {"block map", "checksums"},
    ),
    "a map with a digest of other bytes": (
        lambda p: _edit_map(p, 'chksum="', 'chksum="0', signed=True),
        {"block map", "checksums"},
    ),
    "a map that leaves something out": (
        lambda p: _leave_out_range(p.image.with_name("rig.img.bmap")),
        {"block map", "checksums"},
    ),
    "a map of another image": (
        lambda p: _edit_map(p, f"<ImageSize> {IMAGE_BYTES}", f"<ImageSize> {IMAGE_BYTES - 1}", signed=True),
        {"block map", "checksums"},
    ),
}  # fmt: skip


def _resize(image: Path, size_bytes: int) -> None:
    with image.open("r+b") as out:
        out.truncate(size_bytes)


def _edit_sums(published: Published, name: str, sha256: str) -> None:
    sums = published.image.with_name("SHA256SUMS")
    kept = [line for line in sums.read_text().splitlines() if not line.endswith(f"  {name}")]
    sums.write_text("\n".join([*kept, *([f"{sha256}  {name}"] if sha256 else [])]) + "\n")


def _edit_map(published: Published, old: str, new: str, *, signed: bool) -> None:
    path = published.image.with_name("rig.img.bmap")
    text = path.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    path.write_text(_signed(text) if signed else text)


def _erase_tables(image: Path) -> None:
    overwrite(image, 0, bytes(GPT_PRIMARY_BYTES))
    overwrite(image, IMAGE_BYTES - GPT_BACKUP_BYTES, bytes(GPT_BACKUP_BYTES))


def _leave_out_range(bmap: Path) -> None:
    # The map stays a good one: its counts and its own checksum are put right.
    text = bmap.read_text()
    last = re.findall(r"        <Range .*> (\d+)-(\d+) </Range>\n", text)[-1]
    left_out = int(last[1]) - int(last[0]) + 1
    text = re.sub(rf"        <Range .*> {last[0]}-{last[1]} </Range>\n", "", text)
    text = re.sub(r"(?<=<MappedBlocksCount> )\d+", lambda m: str(int(m[0]) - left_out), text)
    bmap.write_text(_signed(text))


def _signed(text: str) -> str:
    before, tag, after = text.partition("<BmapFileChecksum> ")
    unsigned = before + tag + "0" * 64 + after[64:]
    return before + tag + hashlib.sha256(unsigned.encode()).hexdigest() + after[64:]


@pytest.mark.parametrize("name", SPOILT_IMAGES)
def test_what_is_spoilt_is_found_and_nothing_else(spoilt: Published, name: str) -> None:
    spoil, expected = SPOILT_IMAGES[name]
    spoil(spoilt)

    assert expected == _failed(spoilt)


SPOILT_MANIFESTS: dict[str, tuple[Callable[[Manifest], dict[str, Any]], set[str]]] = {
    "another digest of the whole": (lambda _: {"image_sha256": "0" * 64}, {"digest", "checksums"}),
    "another digest of a chunk": (
        lambda m: {"chunks": (*m.chunks[:-1], replace(m.chunks[-1], sha256="0" * 64))},
        {"chunks"},
    ),
    "a chunk missing": (lambda m: {"chunks": m.chunks[1:]}, {"chunk coverage"}),
    "a chunk behind the end": (
        lambda m: {"chunks": (*m.chunks, replace(m.chunks[0], start=IMAGE_BYTES, end=IMAGE_BYTES + 9))},
        {"chunks", "chunk coverage"},
    ),
    "a gap in the classes": (
        lambda m: {"classes": (m.classes[0], *m.classes[2:])},
        {"block classes", "block map"},
    ),
    "another end of a partition": (
        lambda m: {
            "geometry": replace(
                m.geometry,
                partitions=(
                    *m.geometry.partitions[:-1],
                    replace(m.geometry.partitions[-1], last_sector=26880),
                ),
            )
        },
        {"geometry"},
    ),
    "another disk": (
        lambda m: {"geometry": replace(m.geometry, disk_guid=str(uuid.UUID(int=0)))},
        {"geometry"},
    ),
    "no APP": (
        lambda m: {"geometry": replace(m.geometry, partitions=m.geometry.partitions[1:])},
        {"geometry"},
    ),
    "another base": (
        lambda m: {"boot_partition_sha256": {**m.boot_partition_sha256, 14: "0" * 64}},
        {"boot partitions"},
    ),
    "no digest of a boot partition": (
        lambda m: {"boot_partition_sha256": {n: s for n, s in m.boot_partition_sha256.items() if n != 7}},
        {"boot partitions"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT_MANIFESTS)
def test_a_manifest_that_is_not_the_images_is_found(small_image: Published, name: str) -> None:
    change, expected = SPOILT_MANIFESTS[name]
    manifest = replace(small_image.manifest, **change(small_image.manifest))

    assert expected == _failed(Published(small_image.image, manifest))


@pytest.mark.parametrize("partition", BOOT_PARTITIONS, ids=lambda p: p.name)
@pytest.mark.parametrize("end", ["first", "last"])
def test_every_boot_partition_is_held_to_the_base_from_first_to_last_byte(
    spoilt: Published, partition: Partition, end: str
) -> None:
    flip_bit(spoilt.image, partition.offset_bytes + (0 if end == "first" else partition.size_bytes - 1))

    finding = _verified(spoilt)["boot partitions"]

    assert (
        Finding(
            "boot partitions", ok=False, detail=f"not as in the base: {partition.number} ({partition.name})"
        )
        == finding
    )


def test_the_first_bad_chunk_is_named(spoilt: Published) -> None:
    bad = spoilt.manifest.chunks[2:4]
    for chunk in bad:
        flip_bit(spoilt.image, chunk.start + 5)

    detail = _verified(spoilt)["chunks"].detail

    total = len(spoilt.manifest.chunks)
    assert f"2 of {total} differ, the first holds bytes {bad[0].start} to {bad[0].end}" == detail


def test_an_image_without_its_companions_is_checked_against_its_manifest_alone(spoilt: Published) -> None:
    spoilt.image.with_name("rig.img.bmap").unlink()
    spoilt.image.with_name("SHA256SUMS").unlink()

    found = _verified(spoilt)

    assert all(finding.ok for finding in found.values())
    assert not {"block map", "checksums"} & set(found)


def test_verifying_changes_nothing(spoilt: Published) -> None:
    before = {path.name: sha256_of_file(path) for path in spoilt.image.parent.iterdir()}

    _verified(spoilt)

    assert before == {path.name: sha256_of_file(path) for path in spoilt.image.parent.iterdir()}
