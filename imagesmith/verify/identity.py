"""Whose card it is: the identity slot, read where the manifest says it lies."""

import json
from dataclasses import dataclass
from typing import Any

from imagesmith.model.manifest import Manifest
from imagesmith.model.node import SCHEMA
from imagesmith.verify.compare import Reader

_FIELDS = (("cluster", str), ("index", int), ("hostname", str))


@dataclass(frozen=True, slots=True)
class Owner:
    """The node a card belongs to; nothing secret."""

    cluster: str
    index: int
    hostname: str

    def __str__(self) -> str:
        return f"node {self.index} ({self.hostname}) of {self.cluster}"


class ForeignSlotError(ValueError):
    """Where the identity slot should be there is neither a node document nor an empty slot."""


def read_identity(reader: Reader, manifest: Manifest) -> dict[str, Any] | None:
    """Return the node document in a card's slot, secrets included; None for a card that is nobody's yet.

    Raises:
        ForeignSlotError: there is no such slot: not our card.
        OSError: the card cannot be read there.
    """
    return parse_slot(b"".join(reader.read(extent.start, extent.length) for extent in manifest.slot))


def parse_slot(content: bytes) -> dict[str, Any] | None:
    """Return the node document a slot holds; None for an empty one.

    Raises:
        ForeignSlotError: it holds neither.
    """
    try:
        document = json.loads(content)
    except ValueError as exc:
        raise ForeignSlotError("the identity slot holds no JSON") from exc
    if document == {}:
        return None
    if not isinstance(document, dict) or any(not isinstance(document.get(k), t) for k, t in _FIELDS):
        raise ForeignSlotError("the identity slot holds no node document")
    if document.get("schema") != SCHEMA:
        raise ForeignSlotError(f"the node document has schema {document.get('schema')!r}, not {SCHEMA}")
    return document


def owner_of(document: dict[str, Any] | None) -> Owner | None:
    """Return whom a node document names; None for none."""
    return Owner(document["cluster"], document["index"], document["hostname"]) if document else None
