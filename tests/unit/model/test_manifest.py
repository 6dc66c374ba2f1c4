import pytest

from imagesmith.model.blockmap import BlockClass, Chunk, ClassedSpan, Span
from imagesmith.model.layout import BOOT_PARTITIONS, Partition
from imagesmith.model.manifest import Geometry, LayerRecord, Manifest, Package


def manifest() -> Manifest:
    return Manifest(
        name="mpi",
        size_bytes=1 << 30,
        built_at_s=1,
        recipe_digest="d" * 64,
        recipe={"name": "mpi"},
        base="standin",
        base_sha256="b" * 64,
        layers=(LayerRecord("system", "k" * 64, "why"),),
        geometry=Geometry("GUID", (Partition(1, "APP", 28672, 99999), *BOOT_PARTITIONS)),
        boot_partition_sha256={2: "2" * 64},
        slot=(Span(4096, 69632),),
        classes=(ClassedSpan(0, 1 << 30, BlockClass.DATA),),
        chunks=(Chunk(1 << 20, 2 << 20, BlockClass.ZERO, "c" * 64),),
        packages=(Package("bash", "5.1", "arm64"),),
        image_sha256="i" * 64,
    )


def test_a_manifest_survives_the_way_to_json_and_back() -> None:
    assert manifest() == Manifest.from_json(manifest().to_json())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "name": "x"}', "null"])
def test_other_json_is_no_manifest(text: str) -> None:
    with pytest.raises(ValueError, match=r"manifest|Expecting value"):
        Manifest.from_json(text)
