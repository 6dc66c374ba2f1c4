import json
from ipaddress import IPv4Address, IPv4Interface

import pytest

from imagesmith.model.layout import EMPTY_SLOT, SLOT_BYTES
from imagesmith.model.node import cluster_document, node_document, nodes_of, slot_bytes
from imagesmith.model.recipe import Mode, Nodes, Recipe, Secret, User

HASH = "$6$saltsalt$notarealhashnotarealhash"


def recipe(count: int = 8, first: str | None = "192.168.0.10/24") -> Recipe:
    return Recipe(
        name="mpi",
        base="standin",
        mode=Mode.MPI,
        nodes=Nodes(
            count=count,
            hostname="jetson{n}-node",
            interface="eth0",
            addresses=IPv4Interface(first) if first else None,
            gateway4=IPv4Address("192.168.0.1"),
            nameservers=(IPv4Address("192.168.0.1"),),
        ),
        users=(User("guest", 1000, ("sudo",), passwd=Secret(HASH)),),
    )


def test_addresses_count_up_from_the_first_node() -> None:
    nodes = nodes_of(recipe())

    assert ("jetson0-node", "192.168.0.10/24") == (nodes[0].hostname, str(nodes[0].address))
    assert ("jetson7-node", "192.168.0.17/24") == (nodes[7].hostname, str(nodes[7].address))


def test_without_addresses_nodes_ask_for_one() -> None:
    assert [None, None] == [node.address for node in nodes_of(recipe(2, None))]


def test_the_cluster_document_holds_no_secret_and_no_identity() -> None:
    text = json.dumps(cluster_document(recipe(), built_at_s=1))

    assert HASH not in text
    assert "jetson" not in text
    assert "192.168.0.10" not in text


def test_the_image_view_is_the_same_for_other_names_addresses_and_passwords() -> None:
    one, other = recipe(8), recipe(3, "10.0.0.5/24")

    assert one.digest() == other.digest()
    assert HASH not in json.dumps(one.image_view())
    assert "***" in repr(one)
    assert HASH not in repr(one)


def test_a_slot_is_always_64_kib_of_json() -> None:
    node = nodes_of(recipe())[3]
    content = slot_bytes(node_document(recipe(), node))

    assert SLOT_BYTES == len(content)
    assert "jetson3-node" == json.loads(content)["hostname"]
    assert HASH == json.loads(content)["passwords"]["guest"]
    assert {} == json.loads(EMPTY_SLOT)


def test_a_document_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="exceeds the slot's 65536"):
        slot_bytes({"padding": "x" * SLOT_BYTES})
