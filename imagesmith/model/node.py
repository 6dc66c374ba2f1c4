"""Nodes and the two documents the agent reads on the board.

`cluster.json` is the same on every card and lies in the image: no identity, no secret.
`node.json` is the identity slot: who this card is. It differs per card and holds the secrets of that card.
firstboot/ is the reader; docs/reference.md documents both.
"""

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from imagesmith.model.layout import SLOT_BYTES
from imagesmith.model.recipe import Recipe

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One member of the cluster."""

    index: int
    hostname: str
    address: IPv4Interface | None


def nodes_of(recipe: Recipe) -> tuple[Node, ...]:
    """Return the recipe's nodes in order; addresses count up from the first node's."""
    plan = recipe.nodes
    first = plan.addresses
    return tuple(
        Node(
            index=n,
            hostname=plan.hostname.replace("{n}", str(n)),
            address=IPv4Interface((int(first.ip) + n, first.network.prefixlen)) if first else None,
        )
        for n in range(plan.count)
    )


def cluster_document(recipe: Recipe, *, built_at_s: int) -> dict[str, Any]:
    """Return `cluster.json`: what every node of this cluster shares. `built_at_s` is a Unix time."""
    return {
        "schema": SCHEMA,
        "name": recipe.name,
        "built_at_s": built_at_s,
        "mode": {"kind": str(recipe.mode), "options": recipe.mode_options},
        "licence": {"nvidia-l4t-eula": "accepted" if recipe.licence_accepted else "not accepted"},
        "locale": recipe.locale,
        "timezone": recipe.timezone,
        "keyboard": {
            "layout": recipe.keyboard.layout,
            "variant": recipe.keyboard.variant,
            "model": recipe.keyboard.model,
        },
        "interface": recipe.nodes.interface,
        "users": [
            {
                "name": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "shell": user.shell,
                "gecos": user.gecos,
                "ssh_authorized_keys": list(user.ssh_authorized_keys),
            }
            for user in recipe.users
        ],
        "swap": {"size_bytes": recipe.swap_bytes},
        "mounts": [
            {"from": mount.source, "to": mount.target, "options": list(mount.options)}
            for mount in recipe.mounts
        ],
    }


def node_document(recipe: Recipe, node: Node) -> dict[str, Any]:
    """Return `node.json` for one card: identity, peers, and the secrets that belong on this card alone."""
    plan = recipe.nodes
    return {
        "schema": SCHEMA,
        "cluster": recipe.name,
        "index": node.index,
        "hostname": node.hostname,
        "network": {
            "address": str(node.address) if node.address else None,
            "gateway4": str(plan.gateway4) if plan.gateway4 else None,
            "nameservers": [str(server) for server in plan.nameservers],
            "search": list(plan.search),
        },
        "passwords": {user.name: str(user.passwd) for user in recipe.users if user.passwd},
        "peers": [
            {"hostname": peer.hostname, "address": str(peer.address.ip) if peer.address else None}
            for peer in nodes_of(recipe)
        ],
    }


def slot_bytes(document: dict[str, Any]) -> bytes:
    """Return a node document as the 65536 bytes of the identity slot, padded with newlines.

    Raises:
        ValueError: the document does not fit; a cluster of several hundred nodes does.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    if len(text) > SLOT_BYTES:
        raise ValueError(f"node document of {len(text)} bytes exceeds the slot's {SLOT_BYTES}")
    return text.ljust(SLOT_BYTES, b"\n")
