"""Recipes that are right, and what they come to."""

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.model.recipe import Keyboard, Mode, Mount, Nodes, Recipe, User
from imagesmith.model.units import GIB
from imagesmith.recipe.load import LoadedRecipe, find_recipe, load_recipe

GOOD = Path(__file__).parents[2] / "data/recipes/good"
GUEST_GROUPS = ("sudo", "adm", "audio", "video", "gpio", "i2c", "docker")
GUEST_KEY = (GOOD / "keys/guest.pub").read_text().strip()
GUEST_HASH = (GOOD / "keys/guest.passwd").read_text().strip()


def load(name: str) -> LoadedRecipe:
    return load_recipe(GOOD / f"{name}.yaml", bases=BASE_NAMES)


def test_the_least_a_recipe_says_leaves_the_rest_at_its_default() -> None:
    assert (
        Recipe(
            name="lab",
            base="standin",
            nodes=Nodes(1, "lab", "eth0", addresses=None, gateway4=None, nameservers=(), search=()),
            mode=Mode.NONE,
            mode_options={},
            licence_accepted=False,
            locale="en_US.UTF-8",
            timezone="Etc/UTC",
            keyboard=Keyboard("us", "", "pc105"),
            users=(),
            swap_bytes=0,
            mounts=(),
            overlays=(),
        )
        == load("minimal").recipe
    )


def test_a_recipe_with_every_key_keeps_every_value() -> None:
    assert (
        Recipe(
            name="lab",
            base="jetpack-4.4.1-nano",
            nodes=Nodes(
                count=3,
                hostname="lab-{n}",
                interface="eth1",
                addresses=IPv4Interface("172.20.0.10/22"),
                gateway4=IPv4Address("172.20.3.254"),
                nameservers=(IPv4Address("9.9.9.9"), IPv4Address("172.20.3.253")),
                search=("lab.example", "example"),
            ),
            mode=Mode.K8S,
            mode_options={"engine": "k3s", "version": "1.29.12", "pod_cidr": "10.42.0.0/16"},
            licence_accepted=True,
            locale="de_DE.UTF-8",
            timezone="America/Argentina/Buenos_Aires",
            keyboard=Keyboard("de", "nodeadkeys", "pc104"),
            users=(
                User("ada", 1001, ("sudo", "video"), "/bin/dash", "Ada Lovelace", None, (GUEST_KEY,)),
                User("bob", 59999, ()),
            ),
            swap_bytes=0,
            mounts=(
                Mount("nas.lab.example:/export/data", "/media/data", ("ro", "nfsvers=4.1")),
                Mount("172.20.3.253:/", "/srv/all"),
            ),
            overlays=("mpi",),
        )
        == load("every-key").recipe
    )


def test_what_other_readers_of_yaml_turn_into_something_else_stays_as_it_is_written() -> None:
    recipe = load("traps").recipe

    assert ("no", "on{n}", ("yes", "null.example")) == (
        recipe.name,
        recipe.nodes.hostname,
        recipe.nodes.search,
    )
    assert User("off", 1000, ("y", "n"), gecos="0644") == recipe.users[0]
    assert {"pytorch": "1.10", "torchvision": "0.11"} == recipe.mode_options


def test_a_site_lays_its_own_values_over_a_shipped_recipe() -> None:
    loaded = load("site")
    recipe = loaded.recipe

    assert [GOOD / "site.yaml", find_recipe("mpi")] == list(loaded.files)
    assert ("lab", 2 * GIB, Mode.MPI) == (recipe.name, recipe.swap_bytes, recipe.mode)
    assert (
        Nodes(
            count=4,
            hostname="jetson{n}-node",
            interface="eth0",
            addresses=IPv4Interface("10.1.0.20/16"),
            gateway4=IPv4Address("10.1.0.1"),
            nameservers=(IPv4Address("10.1.0.1"), IPv4Address("10.1.0.2")),
        )
        == recipe.nodes
    )
    assert () == loaded.warnings


def test_users_merge_by_name_the_inherited_ones_first() -> None:
    guest, ada = load("site").recipe.users

    assert ("guest", 1000, GUEST_GROUPS, (GUEST_KEY,)) == (
        guest.name,
        guest.uid,
        guest.groups,
        guest.ssh_authorized_keys,
    )
    assert GUEST_HASH == guest.passwd
    assert ("ada", 1001, ("sudo",), None) == (ada.name, ada.uid, ada.groups, ada.passwd)


def test_a_file_of_keys_gives_all_its_keys_and_no_comment() -> None:
    kinds = [key.split()[0] for key in load("site").recipe.users[1].ssh_authorized_keys]

    assert ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"] == kinds


def test_a_recipe_over_a_recipe_takes_another_mode_and_leaves_out_what_it_was_given() -> None:
    loaded = load("site-k8s")
    recipe = loaded.recipe

    assert ["site-k8s.yaml", "site.yaml", "mpi.yaml"] == [path.name for path in loaded.files]
    assert (Mode.K8S, 0, ()) == (recipe.mode, recipe.swap_bytes, recipe.mounts)
    assert {"engine": "k3s", "version": "1.31", "pod_cidr": "10.244.0.0/16"} == recipe.mode_options
    assert ["guest", "ada"] == [user.name for user in recipe.users]


def test_nothing_written_out_takes_away_what_is_inherited() -> None:
    nodes = load("dhcp").recipe.nodes

    assert Nodes(8, "jetson{n}-node", "eth0", addresses=None, gateway4=None, nameservers=()) == nodes


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("minimal", ["minimal.yaml:1: users: nobody can log in: there is no user"]),
        ("site", []),
        (
            "traps",
            [
                "traps.yaml:10: users[0]: off can log in neither by password nor by key",
                "traps.yaml:11: mode: no swap: training runs out of the Nano's memory",
            ],
        ),
    ],
)
def test_what_is_odd_about_a_recipe_is_said_and_does_not_stop_it(name: str, odd: list[str]) -> None:
    warnings = load(name).warnings

    assert odd == [f"{Path(w.file).name}:{w.line}: {w.key}: {w.message}" for w in warnings]
    assert all(warning.suggestion for warning in warnings)


def test_a_recipe_saved_on_windows_is_read_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (GOOD / "minimal.yaml").read_bytes().replace(b"\n", b"\r\n"))

    assert load("minimal").recipe == load_recipe(path).recipe


def test_a_home_folder_in_a_file_name_is_that_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "me.pub").write_text(GUEST_KEY)
    path = tmp_path / "elsewhere/lab.yaml"
    path.parent.mkdir()
    users = "users: [{name: ada, uid: 1000, ssh_authorized_keys: [file: ~/me.pub]}]\n"
    path.write_text((GOOD / "minimal.yaml").read_text() + users)

    assert (GUEST_KEY,) == load_recipe(path).recipe.users[0].ssh_authorized_keys


def test_a_password_is_in_no_print_of_a_recipe_and_in_no_image() -> None:
    recipe = load("site").recipe

    assert GUEST_HASH not in repr(recipe)
    assert GUEST_HASH not in str(recipe.image_view())
