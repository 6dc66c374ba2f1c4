"""One machine for the whole lane: booted once, its ports full when a test begins."""

import time
from collections.abc import Iterator

import pytest

from imagesmith.recipe.load import load_recipe
from tests.rig.guest_disk import ensure_guest_disk, ensure_guest_python
from tests.rig.images import Published, publish_small_image
from tests.rig.usb_bench import PLACES, Bench, bench, make_data_drive

RECIPE = """version: 1
name: rig
base: standin
nodes: {count: 8, hostname: "jetson{n}-node", interface: eth0, addresses: 192.168.0.10/24}
users: [{name: guest, uid: 1000, groups: [sudo]}]
mode: {mpi: {}}
"""


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    recipe = folder / "rig.yaml"
    recipe.write_text(RECIPE)
    return publish_small_image(folder, recipe=load_recipe(recipe).recipe)


@pytest.fixture(scope="session")
def machine(
    published: Published, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    say = request.config.pluginmanager.getplugin("terminalreporter").write_line
    folder = tmp_path_factory.mktemp("bench")
    data = folder / "data.img"
    make_data_drive(data, ensure_guest_python(say), published.image.parent, RECIPE)
    disk = ensure_guest_disk(say)
    began_s = time.monotonic()
    with bench(disk, data, folder) as made:
        say(f"the guest booted in {time.monotonic() - began_s:.0f} s")
        yield made
    # pytest keeps the folders of three sessions: a GiB each.
    for card in (*folder.glob("*.card"), data, *folder.glob("*.qcow2")):
        card.unlink()


@pytest.fixture
def full_bench(machine: Bench) -> Bench:
    machine.plug(*PLACES)
    for place in PLACES:
        machine.slow_down(place, 0)
    return machine
