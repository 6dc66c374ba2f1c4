"""A slot is empty, a node's, or foreign; there is no fourth."""

import json

import pytest

from imagesmith.model.layout import EMPTY_SLOT
from imagesmith.verify.identity import ForeignSlotError, Owner, owner_of, parse_slot

_DOCUMENT = {
    "schema": 1,
    "cluster": "mpi",
    "index": 3,
    "hostname": "jetson3-node",
    "passwords": {"guest": "$6$x"},
}


def test_an_empty_slot_is_nobodys() -> None:
    assert parse_slot(EMPTY_SLOT) is None
    assert owner_of(None) is None


def test_a_nodes_slot_names_its_owner_without_its_secrets() -> None:
    document = parse_slot(json.dumps(_DOCUMENT).encode().ljust(65536, b"\n"))

    assert _DOCUMENT == document
    assert Owner("mpi", 3, "jetson3-node") == owner_of(document)
    assert "$6$" not in repr(owner_of(document))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no JSON"),
        (bytes(65536), "holds no JSON"),
        (b"\xff" * 65536, "holds no JSON"),
        (b"[]", "holds no node document"),
        (b'{"hostname": "x"}', "holds no node document"),
        (json.dumps({**_DOCUMENT, "index": "3"}).encode(), "holds no node document"),
        (json.dumps({**_DOCUMENT, "schema": 2}).encode(), "the node document has schema 2, not 1"),
    ],
)
def test_anything_else_is_foreign(content: bytes, message: str) -> None:
    with pytest.raises(ForeignSlotError, match=message):
        parse_slot(content)
