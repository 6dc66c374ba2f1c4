"""Rules that join several keys. Pure: a recipe in, broken rules out; the caller knows the keys' places."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
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


def broken_rules(
    recipe: Recipe, faulty: Collection[str], *, overlays: Collection[str], bases: Collection[str]
) -> Iterator[Broken]:
    """Yield every rule the recipe breaks.

    Args:
        recipe: with stand-ins where a value was wrong.
        faulty: the keys with a problem already. What would judge a stand-in is left out.
        overlays: the names of all overlays there are.
        bases: the names of all bases there are; none: the recipe's is not judged.
    """
    faults = [key for key in faulty if key]
    named: _Rules = {partial(_overlays, known=overlays): (), partial(_base, known=bases): ()}
    for rule, keys in (_RULES | named).items():
        if not any(_is_within(fault, key) or _is_within(key, fault) for fault in faults for key in keys):
            for broken in rule(recipe):
                if not any(_is_within(broken.key, fault) for fault in faults):
                    yield broken


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
        yield Broken("users", "nobody can log in: there is no user", "for example [{name: guest, uid: 1000}]")
    if recipe.mode is Mode.MPI and not recipe.swap_bytes:
        yield Broken(
            "mode", "no swap: training runs out of the Nano's memory", "for example swap: {size: 4GiB}"
        )


def _is_within(key: str, other: str) -> bool:
    """Whether a key is another one, or a part of it: `users[0].name` of `users[0]`, and that of `users`."""
    return key == other or key.startswith((f"{other}.", f"{other}["))


def _hostnames(recipe: Recipe) -> Iterator[Broken]:
    pattern = recipe.nodes.hostname
    if recipe.nodes.count > 1 and "{n}" not in pattern:
        message = f"all {recipe.nodes.count} nodes would have the name {pattern}"
        yield Broken("nodes.hostname", message, f'for example "{pattern}{{n}}"')
    longest = len(pattern.replace("{n}", str(recipe.nodes.count - 1)))
    if longest > _HOSTNAME_LONGEST:
        yield Broken(
            "nodes.hostname", f"a host name has at most 63 characters, this one {longest}", "shorten it"
        )


def _addresses(recipe: Recipe) -> Iterator[Broken]:
    first = recipe.nodes.addresses
    if first is None:
        return
    network = first.network
    last = int(first.ip) + recipe.nodes.count - 1
    if first.ip == network.network_address:
        message = f"{first.ip} is the address of the network {network} itself"
        yield Broken("nodes.addresses", message, f"its hosts begin at {first.ip + 1}")
    elif last >= int(network.broadcast_address):
        room = max(0, int(network.broadcast_address) - int(first.ip))
        yield Broken(
            "nodes.addresses",
            f"{network} has room for {room} of {recipe.nodes.count} nodes from {first.ip} on",
            "start lower, have fewer nodes, or take a wider prefix",
        )
    for taken, owner in _ON_EVERY_BOARD.items():
        if network.overlaps(taken):
            message = f"{network} overlaps {taken}, which {owner} has on every board"
            yield Broken("nodes.addresses", message, "for example 192.168.0.10/24")


def _gateway(recipe: Recipe) -> Iterator[Broken]:
    gateway, first = recipe.nodes.gateway4, recipe.nodes.addresses
    if gateway is None:
        return
    if first is None:
        yield Broken("nodes.gateway4", "a gateway without addresses", "give nodes.addresses too, or neither")
        return
    hint = "give a host of that network which is no node"
    if gateway not in first.network:
        yield Broken("nodes.gateway4", f"{gateway} is not in the nodes' network {first.network}", hint)
    elif gateway in {first.network.network_address, first.network.broadcast_address}:
        yield Broken("nodes.gateway4", f"{gateway} is no host of the nodes' network {first.network}", hint)


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
        yield Broken(
            f"users[{number}].name", f"there is a user {names[number]} already", "choose another name"
        )


def _uids(recipe: Recipe) -> Iterator[Broken]:
    uids = [user.uid for user in recipe.users]
    for number in _repeated(uids):
        yield Broken(
            f"users[{number}].uid", f"there is a user with uid {uids[number]} already", "choose another uid"
        )


def _mounts(recipe: Recipe) -> Iterator[Broken]:
    for number in _repeated([mount.target for mount in recipe.mounts]):
        message = f"something is mounted on {recipe.mounts[number].target} already"
        yield Broken(f"mounts[{number}].to", message, "choose another folder")


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


def _networks(recipe: Recipe) -> Iterator[Broken]:
    if recipe.mode is not Mode.K8S:
        return
    engine, first = recipe.mode_options["engine"], recipe.nodes.addresses
    pods, services = IPv4Network(recipe.mode_options["pod_cidr"]), _SERVICES[engine]
    others = {network: f"{owner} of every board" for network, owner in _ON_EVERY_BOARD.items()}
    others |= {services: f"the services' network of {engine}"}
    if first:
        if first.network.overlaps(services):
            message = f"{first.network} overlaps {services}, {others[services]}"
            yield Broken("nodes.addresses", message, "for example 192.168.0.10/24")
    elif recipe.nodes.count > 1:
        yield Broken(
            "nodes", "the workers must know where node 0 is", "give nodes.addresses: DHCP is not enough"
        )
    if first:
        others[first.network] = "the nodes' network"
    for network, owner in others.items():
        if pods.overlaps(network):
            message = f"{pods} overlaps {network}, {owner}"
            yield Broken("mode.k8s.pod_cidr", message, "for example 10.244.0.0/16")


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
        if name in known and name in {"base", str(recipe.mode)}:
            yield Broken(
                f"overlays[{number}]", f"{name} is laid over every image of this mode anyway", "remove it"
            )
        elif name not in known:
            hint = closest(name, known) or f"there are: {', '.join(sorted(known))}"
            yield Broken(f"overlays[{number}]", f"no overlay named {name!r}", hint)


def _base(recipe: Recipe, known: Collection[str]) -> Iterator[Broken]:
    if known and recipe.base not in known:
        hint = closest(recipe.base, known) or f"there are: {', '.join(known)}"
        yield Broken("base", f"no base named {recipe.base!r}", hint)


def _repeated(values: Iterable[object]) -> Iterator[int]:
    """Yield the positions of values that were there before."""
    seen: set[object] = set()
    for number, value in enumerate(values):
        if value in seen:
            yield number
        seen.add(value)


_Rules = dict[Callable[[Recipe], Iterator[Broken]], tuple[str, ...]]
_RULES: _Rules = {
    _hostnames: (),
    _addresses: (),
    _gateway: ("nodes.addresses",),
    _collisions: (),
    _users: (),
    _uids: (),
    _mounts: (),
    _homes: (),
    _swap: (),
    _networks: ("nodes.addresses", "mode.k8s.engine"),
    _mpi_packages: ("mode.mpi.pytorch", "mode.mpi.tensorflow"),
    _licence: ("licence",),
}
"""Each rule with the keys whose stand-in would break it. The other stand-ins are the least there can be (one
node, an empty text, 0, no mode): they break a rule only under a key that has its problem already."""
