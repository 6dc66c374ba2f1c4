"""Rules that join several keys. Pure: a recipe in, broken rules out; the caller knows the keys' places."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import NamedTuple

from imagesmith.model.node import nodes_of
from imagesmith.model.recipe import Mode, Recipe
from imagesmith.recipe.fields import closest

JETPACK = "jetpack-"
_HOSTNAME_LONGEST = 63
_ON_EVERY_BOARD = {
    IPv4Network("192.168.55.0/24"): "the USB bridge l4tbr0",
    IPv4Network("172.17.0.0/16"): "docker0",
}
"""Networks that each stock board has for itself, with the same address (l4t facts 4)."""
_SERVICES = {"kubeadm": IPv4Network("10.96.0.0/12"), "k3s": IPv4Network("10.43.0.0/16")}
"""The engines' defaults for cluster IPs."""


class Broken(NamedTuple):
    """A broken rule: the key it is about, what is wrong, what to do."""

    key: str
    message: str
    suggestion: str = ""


def broken_rules(recipe: Recipe, faulty: Collection[str], overlays: Collection[str]) -> Iterator[Broken]:
    """Yield every rule the recipe breaks.

    Args:
        recipe: with stand-ins where a value was wrong.
        faulty: the keys with a problem already. What would judge a stand-in is left out.
        overlays: the names of all overlays there are.
    """
    values = {re.sub(r"\[\d+\]", "", key) for key in faulty if key}
    for rule, keys in _RULES.items():
        if not any(_overlap(fault, key) for fault in values for key in keys):
            yield from (broken for broken in rule(recipe) if broken.key not in faulty)
    if not any(_overlap(fault, key) for fault in values for key in ("overlays", "mode")):
        yield from _overlays(recipe, overlays)


def warnings(recipe: Recipe) -> Iterator[Broken]:
    """Yield what is allowed and probably not meant."""
    for number, user in enumerate(recipe.users):
        if not user.passwd and not user.ssh_authorized_keys:
            yield Broken(
                f"users[{number}]",
                f"{user.name} can log in neither by password nor by key",
                "give passwd or ssh_authorized_keys in a recipe that extends this one",
            )
    if not recipe.users:
        yield Broken("users", "nobody can log in: there is no user")
    if recipe.mode is Mode.MPI and not recipe.swap_bytes:
        yield Broken(
            "mode", "no swap: training runs out of the Nano's memory", "for example swap: {size: 4GiB}"
        )


def _overlap(one: str, other: str) -> bool:
    """Whether two keys are the same, or one is inside the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _hostnames(recipe: Recipe) -> Iterator[Broken]:
    pattern = recipe.nodes.hostname
    if recipe.nodes.count > 1 and "{n}" not in pattern:
        message = f"all {recipe.nodes.count} nodes would have the name {pattern}"
        yield Broken("nodes.hostname", message, f'for example "{pattern}{{n}}"')
    longest = len(pattern.replace("{n}", str(recipe.nodes.count - 1)))
    if longest > _HOSTNAME_LONGEST:
        yield Broken("nodes.hostname", f"a host name has at most 63 characters, this one {longest}")


def _addresses(recipe: Recipe) -> Iterator[Broken]:
    first = recipe.nodes.addresses
    if first is None:
        return
    network = first.network
    last = int(first.ip) + recipe.nodes.count - 1
    if first.ip == network.network_address:
        yield Broken("nodes.addresses", f"{first.ip} is the address of the network {network} itself")
    elif last >= int(network.broadcast_address):
        room = max(0, int(network.broadcast_address) - int(first.ip))
        yield Broken(
            "nodes.addresses",
            f"{network} has room for {room} of {recipe.nodes.count} nodes from {first.ip} on",
            "start lower, have fewer nodes, or take a wider prefix",
        )
    for taken, owner in _ON_EVERY_BOARD.items():
        if network.overlaps(taken):
            yield Broken("nodes.addresses", f"{network} overlaps {taken}, which {owner} has on every board")


def _gateway(recipe: Recipe) -> Iterator[Broken]:
    gateway, first = recipe.nodes.gateway4, recipe.nodes.addresses
    if gateway is None:
        return
    if first is None:
        yield Broken("nodes.gateway4", "a gateway without addresses", "give nodes.addresses too, or neither")
    elif gateway not in first.network:
        yield Broken("nodes.gateway4", f"{gateway} is not in the nodes' network {first.network}")
    elif gateway in {first.network.network_address, first.network.broadcast_address}:
        yield Broken("nodes.gateway4", f"{gateway} is no host of the nodes' network {first.network}")


def _collisions(recipe: Recipe) -> Iterator[Broken]:
    taken = {node.address.ip: node.index for node in nodes_of(recipe) if node.address}
    for key, address in _others(recipe):
        if address in taken:
            message = f"{address} is also the address of node {taken[address]}"
            yield Broken(key, message, "choose another first address for the nodes")


def _others(recipe: Recipe) -> Iterator[tuple[str, IPv4Address]]:
    if recipe.nodes.gateway4:
        yield "nodes.gateway4", recipe.nodes.gateway4
    for number, server in enumerate(recipe.nodes.nameservers):
        yield f"nodes.nameservers[{number}]", server
    for number, mount in enumerate(recipe.mounts):
        try:
            yield f"mounts[{number}].from", IPv4Address(mount.source.partition(":")[0])
        except AddressValueError:
            continue  # a server by name


def _users(recipe: Recipe) -> Iterator[Broken]:
    names = [user.name for user in recipe.users]
    for number in _repeated(names):
        yield Broken(f"users[{number}].name", f"there is a user {names[number]} already")


def _groups(recipe: Recipe) -> Iterator[Broken]:
    for number, user in enumerate(recipe.users):
        for again in _repeated(user.groups):
            yield Broken(f"users[{number}].groups[{again}]", f"{user.groups[again]} is there already")


def _uids(recipe: Recipe) -> Iterator[Broken]:
    uids = [user.uid for user in recipe.users]
    for number in _repeated(uids):
        yield Broken(f"users[{number}].uid", f"there is a user with uid {uids[number]} already")


def _mounts(recipe: Recipe) -> Iterator[Broken]:
    for number in _repeated([mount.target for mount in recipe.mounts]):
        yield Broken(
            f"mounts[{number}].to", f"something is mounted on {recipe.mounts[number].target} already"
        )


def _homes(recipe: Recipe) -> Iterator[Broken]:
    # Launchers hand absolute paths from node to node: a home must have one path everywhere (l4t facts 6.4).
    for number, mount in enumerate(recipe.mounts):
        path = mount.source.partition(":")[2]
        if path and mount.target.startswith("/home/") and path != mount.target:
            yield Broken(
                f"mounts[{number}].to",
                f"{mount.target} is {path} on the server: paths in a home must be the same everywhere",
                f"export {mount.target} on the server, or mount outside /home",
            )


def _swap(recipe: Recipe) -> Iterator[Broken]:
    if recipe.mode is Mode.K8S and recipe.swap_bytes:
        yield Broken(
            "swap", "kubelet refuses to start with swap", "take swap out: swap: null where it is inherited"
        )


def _pod_network(recipe: Recipe) -> Iterator[Broken]:
    if recipe.mode is not Mode.K8S:
        return
    key, pods = "mode.k8s.pod_cidr", IPv4Network(recipe.mode_options["pod_cidr"])
    engine = recipe.mode_options["engine"]
    others = {"the services' network of " + engine: _SERVICES[engine]}
    if recipe.nodes.addresses:
        others["the nodes' network"] = recipe.nodes.addresses.network
    for owner, network in others.items():
        if pods.overlaps(network):
            yield Broken(key, f"{pods} overlaps {network}, {owner}", "for example 10.244.0.0/16")
    if recipe.nodes.addresses is None and recipe.nodes.count > 1:
        yield Broken(
            "nodes", "the workers must know where node 0 is", "give nodes.addresses: DHCP is not enough"
        )


def _mpi_packages(recipe: Recipe) -> Iterator[Broken]:
    versions = recipe.mode_options if recipe.mode is Mode.MPI else {}
    torch, vision = versions.get("pytorch"), versions.get("torchvision")
    if vision and not torch:
        yield Broken("mode.mpi.torchvision", "torchvision without pytorch", "give pytorch too")
    elif vision and torch:
        # torchvision 0.(n+1) belongs to torch 1.n (l4t facts 6.1); NVIDIA's 1.11 is a pre-release and odd.
        match = re.match(r"1\.([4-9]|10)(?:\.|$)", torch)
        if match and not re.match(rf"0\.{int(match[1]) + 1}(?:\.|$)", vision):
            message = f"torchvision {vision} does not go with pytorch {torch}"
            yield Broken("mode.mpi.torchvision", message, f"0.{int(match[1]) + 1}.x does")
    if "horovod" in versions and not torch and "tensorflow" not in versions:
        yield Broken("mode.mpi.horovod", "horovod without a framework", "give pytorch or tensorflow too")


def _licence(recipe: Recipe) -> Iterator[Broken]:
    if recipe.base.startswith(JETPACK) and not recipe.licence_accepted:
        yield Broken(
            "licence",
            f"{recipe.base} is NVIDIA's image, under a licence that only you can accept",
            "read it, then write licence: {nvidia-l4t-eula: accepted}",
        )


def _overlays(recipe: Recipe, known: Collection[str]) -> Iterator[Broken]:
    for number, name in enumerate(recipe.overlays):
        if name in {"base", str(recipe.mode)}:
            yield Broken(
                f"overlays[{number}]", f"{name} is laid over every image of this mode anyway", "remove it"
            )
        elif name not in known:
            hint = closest(name, known) or f"there are: {', '.join(sorted(known))}"
            yield Broken(f"overlays[{number}]", f"no overlay named {name!r}", hint)
    for number in _repeated(recipe.overlays):
        yield Broken(f"overlays[{number}]", f"{recipe.overlays[number]} is there already")


def _repeated(values: Iterable[object]) -> Iterator[int]:
    """Yield the positions of values that were there before."""
    seen: set[object] = set()
    for number, value in enumerate(values):
        if value in seen:
            yield number
        seen.add(value)


_RULES: dict[Callable[[Recipe], Iterator[Broken]], tuple[str, ...]] = {
    _hostnames: ("nodes.count", "nodes.hostname"),
    _addresses: ("nodes.count", "nodes.addresses"),
    _gateway: ("nodes.addresses", "nodes.gateway4"),
    _collisions: ("nodes.count", "nodes.addresses", "nodes.gateway4", "nodes.nameservers"),
    _users: (),
    _groups: ("users.groups",),
    _uids: (),
    _mounts: (),
    _homes: (),
    _swap: ("swap", "mode"),
    _pod_network: ("mode", "nodes.addresses", "nodes.count"),
    _mpi_packages: ("mode",),
    _licence: ("base", "licence"),
}
"""Each rule with the keys it reads as a whole. A stand-in in a user or mount is empty or 0: that breaks no
rule but the one against repetition, and then only for a key that has its problem already."""
