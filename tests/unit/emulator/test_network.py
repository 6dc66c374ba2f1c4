from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.emulator.network import network_for


def test_a_node_finds_its_own_subnet_and_gateway() -> None:
    netdev = network_for(IPv4Interface("192.168.0.10/24"), IPv4Address("192.168.0.1")).netdev(name="lan")

    assert netdev == (
        "user,id=lan,net=192.168.0.0/24,host=192.168.0.1,dns=192.168.0.2,dhcpstart=192.168.0.10,"
        "restrict=on,hostfwd=tcp:127.0.0.1:0-192.168.0.10:22"
    )


def test_a_node_without_an_address_is_given_one_and_its_ssh_is_reached_there() -> None:
    network = network_for(None, None)

    assert network.node in network.subnet
    assert f"dhcpstart={network.node}," in network.netdev(name="lan")
    assert network.netdev(name="lan").endswith(f"-{network.node}:22")


def test_the_outside_is_reached_only_on_request() -> None:
    assert ",restrict=on," in network_for(None, None).netdev(name="lan")
    assert ",restrict=off," in network_for(None, None, outside=True).netdev(name="lan")


@given(
    host=st.integers(min_value=1, max_value=6),
    gateway=st.one_of(st.none(), st.integers(min_value=0, max_value=7)),
    prefix=st.integers(min_value=8, max_value=29),
)
def test_node_gateway_and_name_server_are_three_hosts_of_the_subnet(
    host: int, gateway: int | None, prefix: int
) -> None:
    subnet = IPv4Network(("10.8.0.0", prefix), strict=False)
    address = IPv4Interface((int(subnet.network_address) + host, prefix))
    network = network_for(address, subnet[gateway] if gateway is not None else None)
    places = {network.node, network.gateway, network.name_server}

    assert len(places) == 3
    assert all(place in subnet for place in places)
    assert not places & {subnet.network_address, subnet.broadcast_address}
    assert network.node == address.ip


@pytest.mark.parametrize("address", ["10.0.0.1/30", "10.0.0.1/31", "10.0.0.1/32"])
def test_a_subnet_without_room_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"has no room for a node, a gateway and a name server"):
        network_for(IPv4Interface(address), None)
