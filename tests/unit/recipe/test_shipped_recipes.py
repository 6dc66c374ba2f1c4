"""The two recipes that travel with imagesmith: eight nodes, as in the document that imagesmith replaces."""

from ipaddress import IPv4Address, IPv4Interface

import pytest

from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.model.node import nodes_of
from imagesmith.model.recipe import Keyboard, Mode, Mount, Nodes, Recipe, User
from imagesmith.model.units import GIB
from imagesmith.recipe.load import find_recipe, load_recipe, shipped_recipes


def shipped(name: str) -> Recipe:
    return load_recipe(find_recipe(name), bases=BASE_NAMES).recipe


both = pytest.mark.parametrize("name", ["mpi", "k8s"])


def test_two_recipes_are_shipped() -> None:
    assert ["k8s", "mpi"] == list(shipped_recipes())


@both
def test_a_shipped_recipe_is_found_by_its_name_and_has_it(name: str) -> None:
    assert name == shipped(name).name
    assert name == shipped(name).mode


@both
def test_its_eight_nodes_are_behind_the_storage_server(name: str) -> None:
    gateway = IPv4Address("192.168.0.1")

    assert (
        Nodes(
            count=8,
            hostname="jetson{n}-node",
            interface="eth0",
            addresses=IPv4Interface("192.168.0.10/24"),
            gateway4=gateway,
            nameservers=(gateway,),
        )
        == shipped(name).nodes
    )


@both
def test_each_node_has_a_name_and_an_address_of_its_own(name: str) -> None:
    nodes = [(node.hostname, str(node.address)) for node in nodes_of(shipped(name))]

    assert [(f"jetson{n}-node", f"192.168.0.{10 + n}/24") for n in range(8)] == nodes


@both
def test_guest_may_administrate_and_use_the_gpu_and_has_no_secret(name: str) -> None:
    groups = ("sudo", "adm", "audio", "video", "gpio", "i2c", "docker")
    guest = User("guest", 1000, groups, gecos="Cluster user", passwd=None, ssh_authorized_keys=())

    assert (guest,) == shipped(name).users


@both
def test_training_data_and_homes_are_mounted(name: str) -> None:
    assert (
        Mount("192.168.0.1:/media/nfs", "/media/share"),
        Mount("192.168.0.1:/home/guest", "/home/guest"),
    ) == shipped(name).mounts


@both
def test_it_is_for_the_last_stock_image_and_accepts_its_licence(name: str) -> None:
    recipe = shipped(name)

    assert ("jetpack-4.6.1-nano", True) == (recipe.base, recipe.licence_accepted)


@both
def test_the_wizard_has_nothing_left_to_ask(name: str) -> None:
    recipe = shipped(name)

    assert ("en_US.UTF-8", "Europe/Paris") == (recipe.locale, recipe.timezone)
    assert Keyboard(layout="us", variant="", model="pc105") == recipe.keyboard


def test_mpi_has_swap_and_the_last_versions_for_python_3_6() -> None:
    recipe = shipped("mpi")

    assert (Mode.MPI, 4 * GIB) == (recipe.mode, recipe.swap_bytes)
    assert {
        "pytorch": "1.10.0",
        "torchvision": "0.11.1",
        "tensorflow": "2.7.0",
        "horovod": "0.28.1",
    } == recipe.mode_options


def test_k8s_has_no_swap_and_a_pod_network_without_host_bits() -> None:
    recipe = shipped("k8s")

    assert (Mode.K8S, 0) == (recipe.mode, recipe.swap_bytes)
    assert {"engine": "kubeadm", "version": "1.31", "pod_cidr": "10.244.0.0/16"} == recipe.mode_options


@both
def test_the_only_thing_odd_about_it_is_that_nobody_has_a_key_yet(name: str) -> None:
    warnings = load_recipe(find_recipe(name)).warnings

    assert ["guest can log in neither by password nor by key"] == [odd.message for odd in warnings]
