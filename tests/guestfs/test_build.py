"""Builds through the real appliance from a small image of the stock shape; and builds that end badly."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.host import ext4
from imagesmith.host.programs import run
from imagesmith.model.layout import APP_NUMBER
from imagesmith.model.manifest import Manifest
from tests.rig.images import publish_small_image

pytestmark = pytest.mark.guestfs

RECIPE = """\
version: 1
name: small
base: standin
nodes: {{count: 2, hostname: "node{{n}}", addresses: 10.1.0.10/24}}
timezone: {timezone}
mode: {{none: {{}}}}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    publish_small_image(folder)
    return folder / "raw.img"


class Bench:
    """A home, a cache and a state of its own, and the program run in them."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base = folder, base
        self.recipe = folder / "small.yaml"
        self.cache, self.out = folder / "cache", folder / "out"
        self.write("Etc/UTC")
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def write(self, timezone: str) -> None:
        self.recipe.write_text(RECIPE.format(timezone=timezone))

    def start(self, *words: str) -> subprocess.Popen[str]:
        argv = ["build", str(self.recipe), "--base", str(self.base), "--out", str(self.out), "--json", *words]
        return subprocess.Popen(
            [sys.executable, "-m", "imagesmith", *argv],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, *words: str) -> tuple[int, str, str]:
        with self.start(*words) as child:
            out, err = child.communicate(timeout=500)
        return child.returncode, out, err


@pytest.fixture
def bench(tmp_path: Path, base: Path) -> Bench:
    return Bench(tmp_path, base)


def test_a_changed_value_costs_one_thin_layer_and_no_change_costs_nothing(bench: Bench) -> None:
    code, out, err = bench.build()
    assert code == 0, err
    first = json.loads(out)
    assert ["make", "make"] == [layer["action"] for layer in first["layers"]]
    image = Path(first["image"])
    app = Manifest.from_json((image.parent / "small.manifest.json").read_text()).geometry.partition(
        APP_NUMBER
    )
    assert '"timezone": "Etc/UTC"' in ext4.read_file(image, app, "/etc/imagesmith/cluster.json")

    before = image.stat()
    code, out, _ = bench.build()
    assert (code, json.loads(out)["publication"]["action"]) == (0, "reuse")
    assert (before.st_ino, before.st_mtime_ns) == (image.stat().st_ino, image.stat().st_mtime_ns)

    bench.write("Europe/Paris")
    code, out, err = bench.build()
    assert code == 0, err
    assert ["reuse", "make"] == [layer["action"] for layer in json.loads(out)["layers"]]
    assert '"timezone": "Europe/Paris"' in ext4.read_file(image, app, "/etc/imagesmith/cluster.json")
    assert ["small"] == [path.name for path in bench.out.iterdir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_appliance_and_no_file(bench: Bench, number: signal.Signals) -> None:
    with bench.start() as child:
        wait_for(lambda: any(bench.cache.rglob("layer.qcow2")))
        time.sleep(3)
        child.send_signal(number)
        _, err = child.communicate(timeout=120)

    assert (child.returncode, "interrupted" in err) == (130, True), err
    assert not bench.out.exists()
    assert [] == [path for path in bench.cache.rglob("*") if path.is_file() and path.suffix == ".qcow2"]
    assert not list(bench.cache.rglob(".new-*"))
    assert [] == processes_naming(str(bench.folder))


@contextlib.contextmanager
def small_tmpfs(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder])
    try:
        yield
    finally:
        run(["umount", folder])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_no_space_for_the_image_says_so_and_publishes_nothing(bench: Bench) -> None:
    with small_tmpfs(bench.out, "200k"):
        code, _, err = bench.build()

        assert (code, []) == (6, list(bench.out.iterdir()))
    assert "no space left" in err.lower()
    assert "--out" in err


def wait_for(condition: object, *, within_s: float = 120.0) -> None:
    assert callable(condition)
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.1)


def processes_naming(text: str) -> list[str]:
    """Return the command lines of running programs that name a folder of the test."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line:
                found.append(line)
    return found
