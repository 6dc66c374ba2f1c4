"""A recipe: what should exist on the cards, after every key was checked."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from typing import Any


class Mode(StrEnum):
    """What kind of cluster the nodes form."""

    MPI = "mpi"
    K8S = "k8s"
    NONE = "none"


class Secret(str):
    """A text that must not be shown: its repr is ***."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of the cluster: how many, how they are called, where they are on the network."""

    count: int
    hostname: str
    """Pattern with `{n}`, the node's number from 0."""
    interface: str
    addresses: IPv4Interface | None
    """The first node's address and prefix; the rest follow one by one. None: DHCP."""
    gateway4: IPv4Address | None
    nameservers: tuple[IPv4Address, ...]
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A login user."""

    name: str
    uid: int
    groups: tuple[str, ...]
    shell: str = "/bin/bash"
    gecos: str = ""
    passwd: Secret | None = None
    """A `$6$` hash; None: no password login."""
    ssh_authorized_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """An NFS share: `source` is `server:/path`, `target` the folder on the node."""

    source: str
    target: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Console keyboard, in the words of keyboard-configuration."""

    layout: str = "us"
    variant: str = ""
    model: str = "pc105"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe, checked."""

    name: str
    base: str
    nodes: Nodes
    mode: Mode
    mode_options: dict[str, Any] = field(default_factory=dict)
    """What the recipe says under the mode: package versions for mpi, engine and CIDR for k8s. JSON values."""
    licence_accepted: bool = False
    locale: str = "en_US.UTF-8"
    timezone: str = "Etc/UTC"
    keyboard: Keyboard = field(default_factory=Keyboard)
    users: tuple[User, ...] = ()
    swap_bytes: int = 0
    mounts: tuple[Mount, ...] = ()
    overlays: tuple[str, ...] = ()
    """Overlay trees laid over the root, in order, behind `base` and the mode's own."""

    def image_view(self) -> dict[str, Any]:
        """Return the values an image depends on, as JSON: no secret, nothing that differs per node.

        Host names, addresses and passwords are not in it: they reach a card through its identity slot, so
        changing them needs no build. The manifest and the digest are made of this view.
        """
        view = asdict(self)
        view["nodes"] = {"interface": self.nodes.interface}
        for user in view["users"]:
            del user["passwd"]
        return json.loads(json.dumps(view, default=str))  # type: ignore[no-any-return]  # a dict goes in

    def digest(self) -> str:
        """Return sha256 of the image view, 64 hex digits."""
        text = json.dumps(self.image_view(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
