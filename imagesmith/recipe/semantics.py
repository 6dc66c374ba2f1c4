"""Rules that join several keys. Pure: a recipe and the places of its keys in, problems out."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from imagesmith.model.node import nodes_of
from imagesmith.model.recipe import Mode, Mount, Recipe

JETPACK = "jetpack-"
_SYSTEM_FOLDERS = (
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var",
)
_HOSTNAME_LONGEST = 63


class Broken(NamedTuple):
    """A broken rule: the key it is about, what is wrong, what to do."""

    key: str
    message: str
    suggestion: str = ""


def broken_rules(recipe: Recipe) -> Iterator[Broken]:
    """Yield every rule the recipe breaks."""
    yield from _hostnames(recipe)
    yield from _addresses(recipe)
    yield from _users(recipe)
    yield from _mounts(recipe)
    if recipe.mode is Mode.K8S and recipe.swap_bytes:
        yield Broken("swap", "kubelet refuses to start with swap", "take swap out, or choose mode mpi")
    if recipe.base.startswith(JETPACK) and not recipe.licence_accepted:
        yield Broken(
            "licence",
            "NVIDIA's image comes with a licence that only you can accept",
            "write licence: {nvidia-l4t-eula: accepted}",
        )


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


def _hostnames(recipe: Recipe) -> Iterator[Broken]:
    pattern = recipe.nodes.hostname
    if recipe.nodes.count > 1 and "{n}" not in pattern:
        yield Broken("nodes.hostname", "all nodes would have one name", f"write {pattern}{{n}}")
    if len(pattern.replace("{n}", str(recipe.nodes.count - 1))) > _HOSTNAME_LONGEST:
        yield Broken("nodes.hostname", "a host name has at most 63 characters")


def _addresses(recipe: Recipe) -> Iterator[Broken]:
    plan = recipe.nodes
    if plan.addresses is None:
        if plan.gateway4:
            yield Broken("nodes.gateway4", "a gateway without addresses", "give nodes.addresses, or neither")
        return
    network = plan.addresses.network
    taken = {node.address.ip: node.hostname for node in nodes_of(recipe) if node.address}
    for ip, host in taken.items():
        if ip not in network or ip in {network.network_address, network.broadcast_address}:
            message = f"{host} would have {ip}, which is no host address of {network}"
            yield Broken("nodes.addresses", message, "start lower, or have fewer nodes")
            break
    if plan.gateway4 and plan.gateway4 not in network:
        yield Broken("nodes.gateway4", f"{plan.gateway4} is not in the nodes' network {network}")
    for key, ip in _others(recipe):
        if ip in taken:
            yield Broken(key, f"{ip} is also the address of {taken[ip]}", "choose another first address")


def _others(recipe: Recipe) -> Iterator[tuple[str, IPv4Address]]:
    if recipe.nodes.gateway4:
        yield "nodes.gateway4", recipe.nodes.gateway4
    for number, server in enumerate(recipe.nodes.nameservers):
        yield f"nodes.nameservers[{number}]", server
    for number, mount in enumerate(recipe.mounts):
        host = mount.source.partition(":")[0]
        if host.replace(".", "").isdigit() and host.count(".") == 3:  # noqa: PLR2004 -- dotted quad
            yield f"mounts[{number}].from", IPv4Address(host)


def _users(recipe: Recipe) -> Iterator[Broken]:
    for key, values in {
        "name": [user.name for user in recipe.users],
        "uid": [str(user.uid) for user in recipe.users],
    }.items():
        for value, times in Counter(values).items():
            if times > 1:
                last = len(values) - 1 - values[::-1].index(value)
                yield Broken(f"users[{last}].{key}", f"two users have the {key} {value}")
    for number, user in enumerate(recipe.users):
        if user.name == "root":
            yield Broken(f"users[{number}].name", "root stays locked, as in the stock image", "use sudo")


def _mounts(recipe: Recipe) -> Iterator[Broken]:
    targets = Counter(mount.target for mount in recipe.mounts)
    for number, mount in enumerate(recipe.mounts):
        if targets[mount.target] > 1:
            yield Broken(f"mounts[{number}].to", f"{mount.target} is mounted on twice")
        if mount.target in _SYSTEM_FOLDERS:
            yield Broken(f"mounts[{number}].to", f"{mount.target} belongs to the system")
        yield from _homes(recipe, number, mount)


def _homes(recipe: Recipe, number: int, mount: Mount) -> Iterator[Broken]:
    # A home that has one path on the server and another on the nodes breaks every absolute path in it.
    path = mount.source.partition(":")[2]
    for user in recipe.users:
        home = f"/home/{user.name}"
        if (mount.target == home or mount.target.startswith(f"{home}/")) and path != mount.target:
            yield Broken(
                f"mounts[{number}]",
                f"{mount.target} is in the home of {user.name} and is {path} on the server",
                f"export {mount.target} from the server, or mount it elsewhere",
            )
