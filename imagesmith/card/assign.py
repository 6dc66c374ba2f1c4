"""Which card becomes which node: `--nodes 0-3,5` and pairing in order. Pure."""

import re
from collections.abc import Iterator, Sequence

from imagesmith.errors import UsageError
from imagesmith.model.node import Node

_RANGE = re.compile(r"(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?")


def assign(nodes: Sequence[Node], card_count: int, range_text: str | None) -> tuple[Node, ...]:
    """Return one node for each card, in the order of the cards.

    Args:
        nodes: the recipe's nodes.
        card_count: how many cards were named.
        range_text: `0-3,5`: the nodes wanted, in that order; None: the first `card_count` nodes.

    Raises:
        UsageError: a malformed range, a node that is not in the recipe or named twice, or a number of
            nodes other than the number of cards.
    """
    if range_text is None:
        if card_count > len(nodes):
            raise UsageError(
                f"{_count(card_count, 'card')} for the recipe's {_count(len(nodes), 'node')}",
                remedy="name fewer cards, or raise nodes.count in the recipe",
            )
        return tuple(nodes[:card_count])
    by_index = {node.index: node for node in nodes}
    wanted: list[int] = []
    for index in _indices(range_text):
        if index not in by_index:
            raise UsageError(
                f"--nodes {range_text} names node {index}, which is not in the recipe",
                why=f"it has {_count(len(nodes), 'node')}, numbered {min(by_index)} to {max(by_index)}",
                remedy="name nodes of the recipe, or raise nodes.count in it",
            )
        if index in wanted:
            raise UsageError(f"--nodes {range_text} names node {index} twice", remedy="name each node once")
        wanted.append(index)
    if len(wanted) != card_count:
        raise UsageError(
            f"--nodes {range_text} is {_count(len(wanted), 'node')} for {_count(card_count, 'card')}",
            remedy="name as many nodes as cards",
        )
    return tuple(by_index[index] for index in wanted)


def _indices(text: str) -> Iterator[int]:
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first = int(match["first"]) if match else 0
        last = int(match["last"] or first) if match else -1
        if last < first:
            raise UsageError(
                f"--nodes {text} is not a list of nodes", why=f"{part.strip()!r} is not", remedy="write 0-3,5"
            )
        yield from range(first, last + 1)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
