"""The network QEMU plays to a single node, shaped so that its own static address works. Does no I/O."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

SSH_PORT = 22
_DEFAULT_NETWORK = IPv4Network("10.0.2.0/24")
_HOSTS_NEEDED = 4


@dataclass(frozen=True, slots=True)
class UserNetwork:
    """A private network with a gateway, a name server and DHCP, played in user space.

    Args:
        subnet: the node's subnet.
        gateway: where the node sends what is not for the subnet.
        node: where its sshd is reached from the host; the address DHCP gives if the node has none of its own.
        name_server: QEMU insists on one that is not the gateway.
        outside: whether the node reaches the host's network.
    """

    subnet: IPv4Network
    gateway: IPv4Address
    node: IPv4Address
    name_server: IPv4Address
    outside: bool = False

    def netdev(self, *, name: str) -> str:
        """Return the value of `-netdev`; the host's port for ssh is chosen by the host's kernel."""
        return ",".join(
            [
                f"user,id={name}",
                f"net={self.subnet}",
                f"host={self.gateway}",
                f"dns={self.name_server}",
                f"dhcpstart={self.node}",
                f"restrict={'off' if self.outside else 'on'}",
                f"hostfwd=tcp:127.0.0.1:0-{self.node}:{SSH_PORT}",
            ]
        )


def network_for(
    address: IPv4Interface | None, gateway: IPv4Address | None, *, outside: bool = False
) -> UserNetwork:
    """Return the network a node of this address expects.

    Args:
        address: the node's; None: it asks by DHCP and gets one.
        gateway: the node's default route; None or no host of the subnet: any free address plays it.
        outside: whether the node reaches the host's network.

    Raises:
        ValueError: the subnet is too small to hold node, gateway and name server.
    """
    subnet = address.network if address else _DEFAULT_NETWORK
    if subnet.num_addresses < _HOSTS_NEEDED + 1:
        raise ValueError(f"{subnet} has no room for a node, a gateway and a name server")
    taken = {address.ip} if address else set()
    if gateway is None or not _is_free_host(gateway, subnet, taken):
        gateway = _free(subnet, taken)
    taken.add(gateway)
    name_server = _free(subnet, taken)
    taken.add(name_server)
    node = address.ip if address else _free(subnet, taken)
    return UserNetwork(subnet=subnet, gateway=gateway, node=node, name_server=name_server, outside=outside)


def _is_free_host(address: IPv4Address, subnet: IPv4Network, taken: set[IPv4Address]) -> bool:
    edges = {subnet.network_address, subnet.broadcast_address}
    return address in subnet and address not in edges | taken


def _free(subnet: IPv4Network, taken: set[IPv4Address]) -> IPv4Address:
    return next(host for host in subnet.hosts() if host not in taken)
