"""Classes tell the whole image once; chunks hold the whole body and nothing of a patch's."""

import dataclasses

import pytest

from imagesmith.model.blockmap import BlockClass, Chunk, ClassedSpan, Span
from imagesmith.model.layout import APP_NAME, APP_NUMBER, HEAD_BYTES, Partition
from imagesmith.model.manifest import Geometry, Manifest
from imagesmith.model.units import MIB, SECTOR_BYTES
from imagesmith.verify.coverage import mapped_spans, wrong_chunks, wrong_classes

_APP = Partition(APP_NUMBER, APP_NAME, 2 * MIB // SECTOR_BYTES, 6 * MIB // SECTOR_BYTES - 1)
_SLOT = Span(3 * MIB, 3 * MIB + 65536)
_DATA, _ZERO, _FREE = BlockClass.DATA, BlockClass.ZERO, BlockClass.FREE
_CLASSES = (
    ClassedSpan(0, 4 * MIB, _DATA),
    ClassedSpan(4 * MIB, 5 * MIB, _FREE),
    ClassedSpan(5 * MIB, 6 * MIB, _ZERO),
    ClassedSpan(6 * MIB, 7 * MIB, _DATA),
)


def _chunk(start: int, end: int) -> Chunk:
    return Chunk(start, end, _DATA, "0" * 64)


_CHUNKS = (_chunk(HEAD_BYTES, _SLOT.start), _chunk(_SLOT.end, 4 * MIB), _chunk(5 * MIB, 6 * MIB))
_MANIFEST = Manifest(
    name="x",
    size_bytes=7 * MIB,
    built_at_s=0,
    recipe_digest="",
    recipe={},
    base="standin",
    base_sha256="",
    layers=(),
    geometry=Geometry("", (_APP,)),
    boot_partition_sha256={},
    slot=(_SLOT,),
    classes=_CLASSES,
    chunks=_CHUNKS,
    packages=(),
    image_sha256="",
)


def test_a_manifest_that_tells_all_is_good() -> None:
    assert wrong_classes(_MANIFEST) == ""
    assert wrong_chunks(_MANIFEST) == ""
    assert (Span(0, 4 * MIB), Span(5 * MIB, 7 * MIB)) == mapped_spans(_MANIFEST)


@pytest.mark.parametrize(
    ("classes", "wrong"),
    [
        ((), f"they end at byte 0, the image at {7 * MIB}"),
        (_CLASSES[:-1], f"they end at byte {6 * MIB}, the image at {7 * MIB}"),
        (_CLASSES[1:], "a gap at byte 0"),
        ((_CLASSES[0], *_CLASSES[2:]), f"a gap at byte {4 * MIB}"),
        ((_CLASSES[0], ClassedSpan(MIB, 5 * MIB, _ZERO)), f"an overlap at byte {MIB}"),
        ((ClassedSpan(0, 0, _ZERO), *_CLASSES), "an empty range at byte 0"),
    ],
)
def test_classes_with_a_gap_or_an_overlap_are_found(classes: tuple[ClassedSpan, ...], wrong: str) -> None:
    assert wrong == wrong_classes(dataclasses.replace(_MANIFEST, classes=classes))


@pytest.mark.parametrize(
    ("chunks", "wrong"),
    [
        (_CHUNKS[1:], f"no chunk holds bytes {HEAD_BYTES} to {_SLOT.start}"),
        (_CHUNKS[:2], f"no chunk holds bytes {5 * MIB} to {6 * MIB}"),
        ((_CHUNKS[0], *_CHUNKS), f"two chunks overlap at byte {HEAD_BYTES}"),
        ((_chunk(0, MIB), *_CHUNKS), f"a chunk holds bytes 0 to {MIB}, which are a patch's"),
        (
            (_chunk(HEAD_BYTES, 4 * MIB), _CHUNKS[2]),
            f"a chunk holds bytes {_SLOT.start} to {_SLOT.end}, which are a patch's",
        ),
        (
            (*_CHUNKS, _chunk(6 * MIB, 7 * MIB)),
            f"a chunk holds bytes {6 * MIB} to {7 * MIB}, which are a patch's",
        ),
    ],
)
def test_chunks_that_miss_or_overstep_are_found(chunks: tuple[Chunk, ...], wrong: str) -> None:
    assert wrong == wrong_chunks(dataclasses.replace(_MANIFEST, chunks=chunks))


def test_a_chunk_may_run_on_over_free_blocks() -> None:
    bridged = (_CHUNKS[0], _chunk(_SLOT.end, 6 * MIB))

    assert wrong_chunks(dataclasses.replace(_MANIFEST, chunks=bridged)) == ""
