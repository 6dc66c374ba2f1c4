"""The topmost layer becomes an image with its map and manifest, published whole or not at all."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesmith.build.bmap import render_bmap
from imagesmith.build.packages import parse_dpkg_status
from imagesmith.build.plan import BuildPlan
from imagesmith.errors import BuildError
from imagesmith.host import ext4, rawimage
from imagesmith.host.files import replace_folder, sha256_of_file, sync_file, write_durably
from imagesmith.host.programs import ProgramError, run
from imagesmith.host.scratch import scratch_folder
from imagesmith.model.blockmap import (
    BlockClass,
    Chunk,
    ClassedSpan,
    Span,
    classify,
    intersect,
    merged,
    pieces,
    subtract,
)
from imagesmith.model.layout import APP_NUMBER, HEAD_BYTES, SLOT_BYTES, SLOT_PATH
from imagesmith.model.manifest import Geometry, Manifest

CHUNK_BYTES = 4 << 20
_BRIDGE_BYTES = 64 << 10
"""A free gap up to this long is written along: a card takes longer for a second command than for 64 KiB."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The ground of a build: a raw image, and what was learnt of it when it was inspected."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    geometry: Geometry
    boot_partition_sha256: dict[int, str]


@dataclass(frozen=True, slots=True)
class Publication:
    """Where an image goes and what its manifest says of the recipe."""

    folder: Path
    """`build/<name>`; replaced as a whole."""
    name: str
    built_at_s: int
    recipe: dict[str, Any]
    recipe_digest: str


def publish(
    plan: BuildPlan,
    base: BaseImage,
    top: Path,
    publication: Publication,
    *,
    check: Callable[[Path, Manifest], Sequence[str]],
    say: Callable[[str], None],
) -> Manifest:
    """Publish the image that the topmost layer shows.

    Raises:
        BuildError: something failed or `check` found something wrong; what was published before stays.
    """
    parent = publication.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with _out_of_space_said(parent), scratch_folder(parent, prefix=f".{publication.name}-") as scratch:
        staging = scratch / "new"
        staging.mkdir(mode=0o755)
        image = staging / f"{publication.name}.img"
        say("image: flattening the layers")
        run(["qemu-img", "convert", "-O", "raw", "-S", "4k", top, image], timeout_s=3600)
        say("image: block classes and digests")
        manifest = _describe(image, plan, base, publication)
        _write_companions(image, manifest)
        say("image: checking it before it is published")
        if wrong := check(image, manifest):
            raise BuildError("the finished image is not right; it was not published", why="; ".join(wrong))
        for file in staging.iterdir():
            sync_file(file)
        replace_folder(staging, publication.folder)
    return manifest


@contextlib.contextmanager
def _out_of_space_said(where: Path) -> Iterator[None]:
    remedy = f"make room in {where}, or choose another folder with --out"
    try:
        yield
    except OSError as exc:
        raise BuildError(
            f"the image could not be written: {exc.strerror}", why=str(where), remedy=remedy
        ) from exc
    except ProgramError as exc:
        full = "No space left" in exc.why
        raise BuildError(
            "the image could not be written: no space left" if full else "the image could not be made",
            why=f"{exc.what}: {exc.why}",
            remedy=remedy if full else "see why; nothing was published",
        ) from exc


def _describe(image: Path, plan: BuildPlan, base: BaseImage, publication: Publication) -> Manifest:
    app = base.geometry.partition(APP_NUMBER)
    if complaints := ext4.complaints_of(image, app):
        raise BuildError("the root file system is not clean", why=complaints)
    free = ext4.free_spans(image, app)
    # What a deleted file left behind would otherwise travel in the published image.
    rawimage.punch_holes(image, free)
    classes = classify(base.size_bytes, free=free, stored=rawimage.stored_spans(image))
    slot = ext4.blocks_of(image, app, SLOT_PATH)
    if sum(span.length for span in slot) != SLOT_BYTES:
        raise BuildError("the identity slot is not where its blocks can be written", why=f"extents: {slot}")
    return Manifest(
        name=publication.name,
        size_bytes=base.size_bytes,
        built_at_s=publication.built_at_s,
        recipe_digest=publication.recipe_digest,
        recipe=publication.recipe,
        base=base.name,
        base_sha256=base.sha256,
        layers=plan.records,
        geometry=base.geometry,
        boot_partition_sha256=base.boot_partition_sha256,
        slot=slot,
        classes=classes,
        chunks=_chunks(image, classes, body=Span(HEAD_BYTES, app.offset_bytes + app.size_bytes), slot=slot),
        packages=parse_dpkg_status(ext4.read_file(image, app, "/var/lib/dpkg/status")),
        image_sha256=sha256_of_file(image),
    )


def _chunks(
    image: Path, classes: Sequence[ClassedSpan], *, body: Span, slot: Sequence[Span]
) -> tuple[Chunk, ...]:
    used = merged(Span(c.start, c.end) for c in classes if c.kind is not BlockClass.FREE)
    data = merged(Span(c.start, c.end) for c in classes if c.kind is BlockClass.DATA)
    gaps = [gap for gap in subtract([body], used) if gap.length <= _BRIDGE_BYTES]
    wanted = subtract(intersect([body], merged([*used, *gaps])), slot)
    spans = tuple(pieces(wanted, most_bytes=CHUNK_BYTES))
    written = _touching(spans, data)
    return tuple(
        Chunk(span.start, span.end, BlockClass.DATA if has_data else BlockClass.ZERO, digest)
        for span, has_data, digest in zip(spans, written, rawimage.digests(image, spans), strict=True)
    )


def _touching(spans: Sequence[Span], data: Sequence[Span]) -> list[bool]:
    # One walk over both sorted lists: a real image has some ten thousand of each.
    result: list[bool] = []
    position = 0
    for span in spans:
        while position < len(data) and data[position].end <= span.start:
            position += 1
        result.append(position < len(data) and data[position].start < span.end)
    return result


def _write_companions(image: Path, manifest: Manifest) -> None:
    mapped = merged(Span(c.start, c.end) for c in manifest.classes if c.kind is not BlockClass.FREE)
    bmap = render_bmap(manifest.size_bytes, list(zip(mapped, rawimage.digests(image, mapped), strict=True)))
    write_durably(image.with_name(f"{image.name}.bmap"), bmap.encode())
    write_durably(image.with_name(f"{manifest.name}.manifest.json"), manifest.to_json().encode())
    sums = [
        f"{sha256_of_file(path)}  {path.name}\n" for path in sorted(image.parent.iterdir()) if path != image
    ]
    sums.append(f"{manifest.image_sha256}  {image.name}\n")
    write_durably(image.with_name("SHA256SUMS"), "".join(sorted(sums, key=lambda s: s[66:])).encode())
