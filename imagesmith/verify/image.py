"""A published image against its manifest and the files beside it."""

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from imagesmith.host import ext4, gpt, rawimage
from imagesmith.host.files import sha256_of_file
from imagesmith.model.blockmap import Span, merged
from imagesmith.model.layout import APP_NUMBER, BOOT_PARTITIONS
from imagesmith.model.manifest import Geometry, Manifest
from imagesmith.verify.bmap import Bmap, parse_bmap
from imagesmith.verify.coverage import mapped_spans, wrong_chunks, wrong_classes
from imagesmith.verify.finding import Finding, judged

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all; maybe from several threads, never from two at once."""

_SUMS_NAME = "SHA256SUMS"
_SUMS_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/]+)")


def verify_image(image: Path, manifest: Manifest, *, on_progress: Progress) -> tuple[Finding, ...]:
    """Check an image and, where they lie beside it, its `.bmap` and `SHA256SUMS`.

    An image of the wrong size, or a manifest without an APP partition, has that one finding: nothing else
    could be told apart.

    Raises:
        OSError: the image cannot be read.
    """
    size_bytes = image.stat().st_size
    if size_bytes != manifest.size_bytes:
        return (Finding("size", ok=False, detail=f"{size_bytes} bytes, not {manifest.size_bytes}"),)
    if all(partition.number != APP_NUMBER for partition in manifest.geometry.partitions):
        return (Finding("geometry", ok=False, detail="the manifest has no APP partition"),)
    bmap, wrong_bmap = _bmap_beside(image, manifest)
    spans = (
        [Span(0, size_bytes)],
        [Span(min(c.start, size_bytes), min(c.end, size_bytes)) for c in manifest.chunks],
        [Span(p.offset_bytes, p.offset_bytes + p.size_bytes) for p in BOOT_PARTITIONS],
        [mapped.span for mapped in bmap.ranges] if bmap else [],
    )
    whole, chunks, boot, ranges = _digests(image, spans, on_progress)
    findings = [
        Finding("size", ok=True, detail=f"{size_bytes} bytes"),
        judged("digest", _wrong_digest(whole[0], manifest), good=f"sha256 {manifest.image_sha256}"),
        judged("chunks", _wrong_chunk(chunks, manifest), good=f"all {len(chunks)} digests"),
        judged("block classes", wrong_classes(manifest), good=f"{len(manifest.classes)} ranges, no gap"),
        judged("chunk coverage", wrong_chunks(manifest), good="the whole body"),
        judged("partition table", gpt.complaints_of(image), good="sgdisk finds no problem"),
        judged("geometry", wrong_geometry(image, manifest.geometry), good="as in the manifest"),
        judged("boot partitions", wrong_boot_partitions(boot, manifest), good="2 to 14 as in the base"),
        judged("file system", wrong_file_system(image, manifest), good="e2fsck finds it clean"),
    ]
    if bmap or wrong_bmap:
        wrong_bmap = wrong_bmap or _wrong_ranges(bmap, ranges)
        findings.append(judged("block map", wrong_bmap, good="bmaptool can copy the image with it"))
    if (sums := image.with_name(_SUMS_NAME)).exists():
        wrong = _wrong_sums(sums, image, manifest)
        findings.append(judged("checksums", wrong, good=f"{_SUMS_NAME} is right for every file"))
    return tuple(findings)


def _digests(image: Path, groups: Sequence[Sequence[Span]], on_progress: Progress) -> list[list[str]]:
    total_bytes = sum(span.length for spans in groups for span in spans)
    done_bytes = 0
    lock = threading.Lock()

    def count(more_bytes: int) -> None:
        nonlocal done_bytes
        with lock:
            done_bytes += more_bytes
            on_progress(done_bytes, total_bytes)

    found = iter(rawimage.digests(image, [span for spans in groups for span in spans], on_bytes=count))
    return [[next(found) for _ in spans] for spans in groups]


def _wrong_digest(sha256: str, manifest: Manifest) -> str:
    return "" if sha256 == manifest.image_sha256 else f"sha256 {sha256}, not {manifest.image_sha256}"


def _wrong_chunk(digests: Sequence[str], manifest: Manifest) -> str:
    bad = [c for c, sha256 in zip(manifest.chunks, digests, strict=True) if c.sha256 != sha256]
    if not bad:
        return ""
    return f"{len(bad)} of {len(digests)} differ, the first holds bytes {bad[0].start} to {bad[0].end}"


def wrong_geometry(medium: Path, expected: Geometry) -> str:
    """Say how a medium's partition table differs from the expected one; empty when it does not."""
    try:
        table = gpt.read_table(medium)
    except gpt.PartitionTableError as exc:
        return exc.what
    found = {partition.number: partition for partition in table.partitions}
    wanted = {partition.number: partition for partition in expected.partitions}
    for number in sorted(found.keys() | wanted.keys()):
        if found.get(number) != wanted.get(number):
            return f"partition {number} is {found.get(number)}, not {wanted.get(number)}"
    if table.disk_guid != expected.disk_guid:
        return f"disk GUID {table.disk_guid}, not {expected.disk_guid}"
    return ""


def wrong_boot_partitions(digests: Sequence[str], manifest: Manifest) -> str:
    """Say which of partitions 2 to 14 are not the base's; empty when all are."""
    bad = [
        f"{partition.number} ({partition.name})"
        for partition, sha256 in zip(BOOT_PARTITIONS, digests, strict=True)
        if manifest.boot_partition_sha256.get(partition.number) != sha256
    ]
    return f"not as in the base: {', '.join(bad)}" if bad else ""


def wrong_file_system(medium: Path, manifest: Manifest) -> str:
    """Say what e2fsck finds wrong with the root file system on an image or a card; empty for a clean one."""
    said = ext4.complaints_of(medium, manifest.geometry.partition(APP_NUMBER))
    lines = [line for line in said.splitlines() if line and not line.startswith(("e2fsck ", "Pass "))]
    return "; ".join(lines[:3]) or said


def _bmap_beside(image: Path, manifest: Manifest) -> tuple[Bmap | None, str]:
    """Return the map, or what is wrong with it; neither when there is none."""
    path = image.with_name(f"{image.name}.bmap")
    if not path.exists():
        return None, ""
    try:
        bmap = parse_bmap(path.read_text(errors="replace"))
    except ValueError as exc:
        return None, str(exc)
    if bmap.image_bytes != manifest.size_bytes:
        return None, f"for an image of {bmap.image_bytes} bytes"
    # The ranges may be cut finer than the classes; together they must be the same bytes, each once.
    spans = [mapped.span for mapped in bmap.ranges]
    mapped = mapped_spans(manifest)
    if merged(spans) != mapped or sum(s.length for s in spans) != sum(s.length for s in mapped):
        return None, "its ranges are not the data and zero blocks of the manifest"
    return bmap, ""


def _wrong_ranges(bmap: Bmap | None, digests: Sequence[str]) -> str:
    ranges = bmap.ranges if bmap else ()
    for mapped, sha256 in zip(ranges, digests, strict=True):
        if mapped.sha256 != sha256:
            return f"the range at byte {mapped.span.start} has another digest in the image"
    return ""


def _wrong_sums(sums: Path, image: Path, manifest: Manifest) -> str:
    # The image was hashed already, against the manifest: its line has to say the same.
    named: dict[str, str] = {}
    for line in sums.read_text(errors="replace").splitlines():
        fields = _SUMS_LINE.fullmatch(line)
        if fields is None:
            return f"not a line of sha256sum: {line[:80]!r}"
        named[fields[2]] = fields[1]
    if image.name not in named:
        return f"{image.name} is not listed"
    for name, sha256 in named.items():
        path = image.with_name(name)
        if path == image:
            actual = manifest.image_sha256
        elif path.is_file():
            actual = sha256_of_file(path)
        else:
            return f"{name} is listed and not there"
        if actual != sha256:
            return f"{name} has another digest"
    return ""
