"""What the tool writes is what the agent on the board reads: both sides of the two documents meet here."""

import json
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from imagesmith_firstboot.documents import read_documents
from imagesmith_firstboot.root import Root
from imagesmith_firstboot.steps.mode import MODES

from imagesmith.model.layout import EMPTY_SLOT
from imagesmith.model.node import cluster_document, node_document, nodes_of, slot_bytes
from imagesmith.model.recipe import Mode, Mount, Nodes, Recipe, Secret, User

_RECIPE = Recipe(
    name="mpi",
    base="standin",
    mode=Mode.MPI,
    licence_accepted=True,
    timezone="Europe/Paris",
    swap_bytes=4 << 30,
    nodes=Nodes(
        count=8,
        hostname="jetson{n}-node",
        interface="eth0",
        addresses=IPv4Interface("192.168.0.10/24"),
        gateway4=IPv4Address("192.168.0.1"),
        nameservers=(IPv4Address("192.168.0.1"),),
    ),
    users=(
        User("guest", 1000, ("sudo",), passwd=Secret("$6$salt$hash"), ssh_authorized_keys=("ssh-rsa A",)),
    ),
    mounts=(Mount("192.168.0.1:/media/nfs", "/media/share", ("ro",)),),
)


def _card(folder: Path, slot: bytes) -> Root:
    place = folder / "etc/imagesmith"
    place.mkdir(parents=True)
    (place / "cluster.json").write_text(json.dumps(cluster_document(_RECIPE, built_at_s=1780000000)))
    (place / "node.json").write_bytes(slot)
    return Root(str(folder))


def test_the_agent_reads_a_personalised_card_as_the_recipe_means_it(tmp_path: Path) -> None:
    node = nodes_of(_RECIPE)[3]

    cluster, mine = read_documents(_card(tmp_path, slot_bytes(node_document(_RECIPE, node))))

    assert (3, "jetson3-node", "192.168.0.13/24") == (mine.number, mine.hostname, mine.address)
    assert (("guest", "$6$salt$hash"),) == mine.passwords
    assert len(mine.peers) == 8
    assert ("mpi", "mpi", 4 << 30, True) == (
        cluster.name,
        cluster.mode,
        cluster.swap_bytes,
        cluster.licence_accepted,
    )
    assert [("192.168.0.1:/media/nfs", "/media/share", ("ro",))] == [tuple(m) for m in cluster.mounts]


def test_the_agent_reads_an_image_without_identity(tmp_path: Path) -> None:
    _, mine = read_documents(_card(tmp_path, EMPTY_SLOT))

    assert (mine.number, mine.hostname, mine.address, mine.passwords) == (None, None, None, ())


def test_the_agent_knows_every_mode_a_recipe_may_name() -> None:
    assert {str(mode) for mode in Mode} == set(MODES)
