"""Nodes and cards in pairs."""

from ipaddress import IPv4Interface

import pytest

from imagesmith.card.assign import assign
from imagesmith.errors import UsageError
from imagesmith.model.node import Node

NODES = tuple(Node(n, f"node{n}", IPv4Interface(f"192.168.0.{10 + n}/24")) for n in range(8))


@pytest.mark.parametrize(
    ("count", "text", "indices"),
    [
        (8, None, [0, 1, 2, 3, 4, 5, 6, 7]),
        (4, None, [0, 1, 2, 3]),
        (5, "0-3,5", [0, 1, 2, 3, 5]),
        (2, "7,1", [7, 1]),
        (1, "4-4", [4]),
        (3, " 1 , 3-4 ", [1, 3, 4]),
        (0, None, []),
    ],
)
def test_cards_get_nodes_in_order(count: int, text: str | None, indices: list[int]) -> None:
    assert indices == [node.index for node in assign(NODES, count, text)]


@pytest.mark.parametrize(
    ("count", "text", "message"),
    [
        (9, None, "9 cards for the recipe's 8 nodes"),
        (4, "0-2", "--nodes 0-2 is 3 nodes for 4 cards"),
        (1, "0-2", "--nodes 0-2 is 3 nodes for 1 card"),
        (2, "0,8", "--nodes 0,8 names node 8, which is not in the recipe"),
        (2, "0-999999999999", "--nodes 0-999999999999 names node 8, which is not in the recipe"),
        (2, "0,0", "--nodes 0,0 names node 0 twice"),
        (3, "0-1,1", "--nodes 0-1,1 names node 1 twice"),
        (2, "3-1", "--nodes 3-1 is not a list of nodes"),
        (2, "", "--nodes  is not a list of nodes"),
        (2, "0,", "--nodes 0, is not a list of nodes"),
        (2, "node0", "--nodes node0 is not a list of nodes"),
        (2, "-1", "--nodes -1 is not a list of nodes"),
    ],
)
def test_what_does_not_pair_is_refused(count: int, text: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        assign(NODES, count, text)

    assert 2 == caught.value.exit_code
    assert message == caught.value.what
    assert caught.value.remedy
