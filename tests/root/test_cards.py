"""`imagesmith cards` on real loop devices, as a program: what it lists, refuses, watches, and how it ends."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesmith.app.cards import take_inventory
from imagesmith.card.slots import SlotMap
from imagesmith.host.programs import run
from imagesmith.model.inventory import Carries, Contents
from imagesmith.model.units import MIB
from tests.rig.cards import rig_card
from tests.rig.images import Published, publish_small_image
from tests.rig.written import plan_of, write_by_plan

SIZE_BYTES = 64 * MIB
CHECKOUT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_small_image(tmp_path_factory.mktemp("small-image"))


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    made = tmp_path / "card.img"
    with made.open("xb") as out:
        out.truncate(SIZE_BYTES)
    return made


@pytest.fixture
def card(backing: Path) -> Iterator[Path]:
    device = attach(backing)
    try:
        yield device
    finally:
        run(["losetup", "--detach", device])


@pytest.fixture
def nobodys_home() -> Iterator[str]:
    # Not below tmp_path: pytest's own folder is closed to others.
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, NOBODY, NOBODY)
        yield home


def attach(backing: Path) -> Path:
    return Path(run(["losetup", "--find", "--show", backing]).stdout.strip())


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "imagesmith", *map(str, words)]


def inventory(*words: str | Path) -> list[dict[str, Any]]:
    said = run(command("cards", "--json", *words), cwd=CHECKOUT).stdout
    cards: list[dict[str, Any]] = json.loads(said)["cards"]
    return cards


def the_row(device: Path) -> dict[str, Any]:
    """Return a device's row of the whole list: other tests may have loops of their own."""
    [found] = [row for row in inventory() if row["device"] == str(device)]
    return found


def test_a_blank_loop_is_listed_as_an_empty_card_that_may_be_written(card: Path) -> None:
    found = the_row(card)

    assert ("empty", True, [], "loop", SIZE_BYTES) == (
        found["contents"]["kind"],
        found["writable"],
        found["reasons"],
        found["transport"],
        found["size_bytes"],
    )


def test_the_systems_own_disk_is_listed_and_refused() -> None:
    holding_root = [row for row in inventory() if any("/" in reason for reason in row["reasons"])]

    assert holding_root, "no disk of this machine is visible: nothing was tested"
    assert not any(row["writable"] for row in holding_root)


def test_a_node_on_a_device_is_read_through_its_file_system(published: Published, backing: Path) -> None:
    backing.unlink()
    write_by_plan(backing, plan_of(published, 1))
    device = attach(backing)
    try:
        found = the_row(device)["contents"]
    finally:
        run(["losetup", "--detach", device])

    assert ("node", "rig", 1, "jetson1-node") == (
        found["kind"],
        found["cluster"],
        found["node_index"],
        found["node"],
    )


def test_a_mounted_card_says_where(card: Path, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", "-L", "holiday", card])
    point = tmp_path / "point"
    point.mkdir()
    run(["mount", card, point])
    try:
        found = the_row(card)
    finally:
        run(["umount", point])

    assert ([f"it is mounted on {point}"], False) == (found["reasons"], found["writable"])
    assert 'ext4 "holiday"' == found["contents"]["detail"]


def test_looking_changes_no_byte(card: Path, backing: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    run(["sync"])
    before = backing.read_bytes()

    inventory(card)

    assert before == backing.read_bytes()


def test_an_ordinary_user_sees_the_card_and_why_it_cannot_be_read(card: Path, nobodys_home: str) -> None:
    home = nobodys_home
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}
    environment |= {"XDG_CACHE_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}
    card.chmod(0o600)

    done = subprocess.run(
        command("cards", "--json", card),
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )

    [row] = json.loads(done.stdout)["cards"]
    assert ("unreadable", "permission denied (join group disk, or use sudo)", SIZE_BYTES) == (
        row["contents"]["kind"],
        row["contents"]["detail"],
        row["size_bytes"],
    )
    assert not row["writable"]
    assert any(reason.startswith("this user may not write to it") for reason in row["reasons"])


def test_a_card_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with rig_card(tmp_path, "bad", size_bytes=8 * MIB, fault="eio-read at=0") as bad:
        [row] = take_inventory(SlotMap(), cards=[bad.device]).rows

    assert Contents(Carries.UNREADABLE, "Input/output error") == row.contents


def test_a_card_that_hangs_is_told_in_time_and_the_others_are_shown(card: Path, tmp_path: Path) -> None:
    with rig_card(tmp_path, "bad", size_bytes=8 * MIB) as bad:
        bad.hang()
        began_s = time.monotonic()
        hung, good = take_inventory(SlotMap(), cards=[bad.device, card], answer_s=3.0).rows
        spent_s = time.monotonic() - began_s

    assert spent_s < 6
    assert Contents(Carries.UNREADABLE, "no answer for 3 s") == hung.contents
    assert (False, True) == (hung.writable, good.writable)


class Watcher:
    """A running `cards --watch`; every wait has an end."""

    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            command("cards", "--watch", *words),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._seen = ""

    def until(self, text: str) -> str:
        """Return the first line that holds `text`, waiting for it."""
        assert self.child.stdout is not None
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            lines = self._seen.splitlines(keepends=True)
            for number, line in enumerate(lines):
                if text in line and line.endswith("\n"):
                    self._seen = "".join(lines[number + 1 :])
                    return line.rstrip("\n")
            if select.select([self.child.stdout], [], [], 1.0)[0]:
                self._seen += os.read(self.child.stdout.fileno(), 65536).decode()
        raise TimeoutError(f"no line with {text!r}; there was {self._seen!r}")

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what it said on stderr."""
        self.child.send_signal(signal.SIGINT)
        _, said = self.child.communicate(timeout=30)
        return self.child.returncode, said


@pytest.fixture
def watch() -> Iterator[type[Watcher]]:
    started: list[Watcher] = []

    class Remembered(Watcher):
        def __init__(self, *words: str) -> None:
            super().__init__(*words)
            started.append(self)

    yield Remembered
    for watcher in started:
        watcher.child.kill()
        watcher.child.communicate()


def test_watch_tells_a_line_for_each_card_that_comes_and_goes(backing: Path, watch: type[Watcher]) -> None:
    watcher = watch()
    watcher.until("refused")  # the first look has ended: this machine's own disk was told

    device = attach(backing)
    came = watcher.until(f"{device}:")
    run(["losetup", "--detach", device])
    went = watcher.until(f"{device} is gone")

    assert f"{device}: 64 MiB, empty" == came
    assert f"{device} is gone" == went
    assert (0, "") == watcher.stop()


def test_watch_as_json_is_a_line_an_event(card: Path, backing: Path, watch: type[Watcher]) -> None:
    watcher = watch("--json")
    first = json.loads(watcher.until(str(card)))
    other = attach(backing)
    try:
        came = json.loads(watcher.until(f'"{other}"'))
    finally:
        run(["losetup", "--detach", other])
    went = json.loads(watcher.until(f'"event": "gone", "slot": "", "slot_path": "", "device": "{other}"'))

    assert [("card", str(card)), ("card", str(other)), ("gone", str(other))] == [
        (event["event"], event["device"]) for event in (first, came, went)
    ]
    assert {1} == {event["schema"] for event in (first, came, went)}
    assert (0, "") == watcher.stop()


def test_learning_ends_with_enter_and_takes_no_name_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "slots.toml"
    child = subprocess.Popen(
        command("slots", "learn", "--file", file),
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None

    said, _ = child.communicate("left\ntwo words\n\n", timeout=30)

    assert 0 == child.returncode
    assert "Put a card into slot 1." in said
    assert '"two words" is no label' in said
    assert said.endswith(f"nothing was learnt; the slot map is {file}\n")
    assert not file.exists()
