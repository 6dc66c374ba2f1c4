"""A manifest of a small image in the stock shape, for tests that need no real build."""

from imagesmith.model.blockmap import BlockClass, Chunk, ClassedSpan, Span
from imagesmith.model.layout import (
    APP_FIRST_SECTOR,
    APP_NAME,
    APP_NUMBER,
    BOOT_PARTITIONS,
    SLOT_BYTES,
    Partition,
)
from imagesmith.model.manifest import Geometry, LayerRecord, Manifest
from imagesmith.model.units import MIB, SECTOR_BYTES

APP_OFFSET_BYTES = APP_FIRST_SECTOR * SECTOR_BYTES
HALF_SLOT_BYTES = SLOT_BYTES // 2
SLOT = (
    Span(APP_OFFSET_BYTES + 4 * MIB, APP_OFFSET_BYTES + 4 * MIB + HALF_SLOT_BYTES),
    Span(APP_OFFSET_BYTES + 2 * MIB, APP_OFFSET_BYTES + 2 * MIB + HALF_SLOT_BYTES),
)
"""In two extents, the second before the first."""


def small_manifest(
    *, app_mib: int = 34, slot: tuple[Span, ...] = SLOT, chunks: tuple[Chunk, ...] | None = None
) -> Manifest:
    """Return a manifest whose APP is `app_mib` long, with 2 MiB behind it as on the stock image."""
    app_last = APP_FIRST_SECTOR + app_mib * MIB // SECTOR_BYTES - 1
    size_bytes = APP_OFFSET_BYTES + (app_mib + 2) * MIB
    return Manifest(
        name="small",
        size_bytes=size_bytes,
        built_at_s=1,
        recipe_digest="d" * 64,
        recipe={"name": "small"},
        base="standin",
        base_sha256="b" * 64,
        layers=(LayerRecord("system", "k" * 64, "why"),),
        geometry=Geometry(
            "A0000000-0000-4000-8000-000000000000",
            (Partition(APP_NUMBER, APP_NAME, APP_FIRST_SECTOR, app_last), *BOOT_PARTITIONS),
        ),
        boot_partition_sha256={},
        slot=slot,
        classes=(ClassedSpan(0, size_bytes, BlockClass.DATA),),
        chunks=chunks if chunks is not None else (Chunk(MIB, 2 * MIB, BlockClass.DATA, "c" * 64),),
        packages=(),
        image_sha256="e" * 64,
    )
