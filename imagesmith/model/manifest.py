"""The manifest: everything a program must know of a published image, without opening it.

It holds no secret, no path of this machine and no wall clock time.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from imagesmith.model.blockmap import BlockClass, Chunk, ClassedSpan, Span
from imagesmith.model.layout import Partition

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One layer of the build: what it is, why it exists, and the hash of its inputs."""

    name: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where things lie in the image."""

    disk_guid: str
    partitions: tuple[Partition, ...]

    def partition(self, number: int) -> Partition:
        """Return the partition of that number.

        Raises:
            KeyError: there is none.
        """
        for partition in self.partitions:
            if partition.number == number:
                return partition
        raise KeyError(number)


@dataclass(frozen=True, slots=True)
class Package:
    """A package installed in the image."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a published image is."""

    name: str
    size_bytes: int
    built_at_s: int
    """Unix time the build claims (SOURCE_DATE_EPOCH): a fact of the inputs, not of the clock."""
    recipe_digest: str
    recipe: dict[str, Any]
    base: str
    base_sha256: str
    layers: tuple[LayerRecord, ...]
    geometry: Geometry
    boot_partition_sha256: dict[int, str]
    """sha256 of partitions 2 to 14 as they are in the base."""
    slot: tuple[Span, ...]
    """Where `/etc/imagesmith/node.json` lies, in file order: byte ranges of the image."""
    classes: tuple[ClassedSpan, ...]
    chunks: tuple[Chunk, ...]
    """What a card's body is: everything but GPT, slot and free blocks."""
    packages: tuple[Package, ...]
    image_sha256: str

    def to_json(self) -> str:
        """Return the manifest as JSON text: sorted keys, one value a line only where people read it."""
        document = {"schema": SCHEMA, **asdict(self)}
        document["slot"] = [list(span) for span in self.slot]
        document["classes"] = [[span.start, span.end, str(span.kind)] for span in self.classes]
        document["chunks"] = [
            [chunk.start, chunk.end, str(chunk.kind), chunk.sha256] for chunk in self.chunks
        ]
        document["packages"] = [[p.name, p.version, p.architecture] for p in self.packages]
        lines = [f"  {json.dumps(key)}: {_value_text(document[key])}" for key in sorted(document)]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Return the manifest a JSON text holds.

        Raises:
            ValueError: not a manifest of this schema; the message says what is wrong.
        """
        try:
            raw = json.loads(text)
            if raw.pop("schema") != SCHEMA:
                raise ValueError("the manifest has another schema")
            geometry = raw.pop("geometry")
            return cls(
                **{
                    **raw,
                    "layers": tuple(LayerRecord(**layer) for layer in raw["layers"]),
                    "geometry": Geometry(
                        disk_guid=geometry["disk_guid"],
                        partitions=tuple(Partition(**p) for p in geometry["partitions"]),
                    ),
                    "boot_partition_sha256": {int(k): v for k, v in raw["boot_partition_sha256"].items()},
                    "slot": tuple(Span(*span) for span in raw["slot"]),
                    "classes": tuple(ClassedSpan(s, e, BlockClass(k)) for s, e, k in raw["classes"]),
                    "chunks": tuple(Chunk(s, e, BlockClass(k), h) for s, e, k, h in raw["chunks"]),
                    "packages": tuple(Package(*package) for package in raw["packages"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"not an imagesmith manifest: {exc!r}") from exc


def _value_text(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        rows = ",\n    ".join(json.dumps(row, sort_keys=True) for row in value)
        return f"[\n    {rows}\n  ]"
    return json.dumps(value, sort_keys=True)
