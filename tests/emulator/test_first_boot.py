"""Whole cards booting: what make demo shows, asserted. Slow: a boot takes one to five minutes without KVM."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesmith.host.programs import run as run_program

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(2400)]


def imagesmith(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "imagesmith", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    for recipe in ("mpi", "k8s"):
        imagesmith("build", recipe, "--base", "standin", "--out", folder)
    return folder


def boot(card: Path, image: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(imagesmith("boot", card, "--image", image, "--json"))
    assert report["complaints"] == []
    return report


def test_a_flashed_node_configures_itself(built: Path, tmp_path: Path) -> None:
    image = built / "mpi/mpi.img"
    card = tmp_path / "card.img"
    imagesmith("flash", card, "--image", image, "--recipe", "mpi", "--nodes", "3", "--size", "16GiB", "--yes")
    before = card.stat().st_mtime_ns

    report = boot(card, image)

    assert before == card.stat().st_mtime_ns
    inside = report["inside"]
    assert ("jetson3-node", "192.168.0.13/24") == (inside["hostname"], inside["address"])
    assert "/dev/mmcblk0p15 partition" in inside["swap"]
    assert "guest:1000:/bin/bash" in inside["users"].split()
    assert ["inactive", "inactive"] == inside["OEM wizard"].split()
    assert int(inside["root bytes"].split()[0]) > 10 << 30, "16 GiB less 4 GiB of swap; it came as 1.5 GiB"


def test_a_kubernetes_node_comes_up_without_any_swap(built: Path, tmp_path: Path) -> None:
    image = built / "k8s/k8s.img"
    card = tmp_path / "card.img"
    imagesmith("flash", card, "--image", image, "--recipe", "k8s", "--size", "16GiB", "--yes")

    report = boot(card, image)

    assert ("jetson0-node", "") == (report["inside"]["hostname"], report["inside"]["swap"])


@contextlib.contextmanager
def dirty_loop(size_bytes: int, folder: Path, *, noise_bytes: int) -> Iterator[Path]:
    backing = folder / "dirty.img"
    with backing.open("wb") as out:
        noise = os.urandom(1 << 20)
        for _ in range(noise_bytes >> 20):
            out.write(noise)
        out.truncate(size_bytes)
    device = run_program(["losetup", "--find", "--show", "--direct-io=on", backing]).stdout.strip()
    try:
        yield Path(device)
    finally:
        run_program(["losetup", "--detach", device])


def test_a_card_written_by_bmaptool_is_accepted_and_boots(built: Path, tmp_path: Path) -> None:
    image = built / "mpi/mpi.img"
    with dirty_loop(8 << 30, tmp_path, noise_bytes=2 << 30) as device:
        run_program(["bmaptool", "copy", image, device])
        (verdict,) = json.loads(imagesmith("verify", device, "--image", image, "--json"))["reports"]
        assert (True, None) == (verdict["ok"], verdict["node"])

        report = boot(device, image)

    assert report["inside"]["hostname"].startswith("jetson-")
