"""`imagesmith cards` and `slots learn`, with cards that come and go by real hot-plug."""

import json
from typing import Any

from tests.rig.guest_flash import flash
from tests.rig.usb_bench import PLACES, PLACES_OF_READER, STICK_BYTES, Bench

STICK = PLACES[0]
SLOT = PLACES_OF_READER[0]
SYSTEM_PATH = "pci-0000:00:05.0-usb-0:8:1.0-scsi-0:0:0:0"
LEARN_S = 60.0


def cards(bench: Bench, *devices: str) -> list[dict[str, Any]]:
    return list(json.loads(bench.say("imagesmith", "cards", "--json", *devices))["cards"])


def test_every_slot_is_listed_in_order_with_what_is_in_it_and_the_system_disk_behind(
    full_bench: Bench,
) -> None:
    full_bench.replace_cards()

    *found, image_drive, system_disk = cards(full_bench)

    seen = ("slot_path", "device", "serial", "size_bytes", "transport", "writable", "reasons")
    assert [
        [place.slot_path, node, place.serial, STICK_BYTES, "usb", True, []]
        for place, node in zip(PLACES, full_bench.nodes(), strict=True)
    ] == [[row[key] for key in seen] for row in found]
    assert {"foreign"} == {row["contents"]["kind"] for row in found}
    assert ("/dev/vda", False) == (image_drive["device"], image_drive["writable"])
    assert [
        SYSTEM_PATH,
        "/dev/sda",
        False,
        [
            "it is mounted on /",
            "this machine swaps on it: /dev/sda2",
            "this machine keeps there: /, /boot, /home, the cache",
        ],
    ] == [system_disk[key] for key in ("slot_path", "device", "writable", "reasons")]


def test_a_written_card_says_whose_it_is(full_bench: Bench) -> None:
    node = full_bench.node(STICK)
    assert 0 == flash(full_bench, [node], "--nodes", "5").returncode

    (found,) = cards(full_bench, node)

    assert ("node", "rig", 5, "jetson5-node") == tuple(
        found["contents"][key] for key in ("kind", "cluster", "node_index", "node")
    )
    assert found["writable"]


def test_a_slot_without_a_card_is_listed_and_not_writable(full_bench: Bench) -> None:
    node = full_bench.node(SLOT)
    full_bench.take_card(SLOT)
    full_bench.has_noticed(SLOT, 0)

    (found,) = cards(full_bench, node)
    full_bench.put_card(SLOT, full_bench.backing(SLOT))
    full_bench.has_noticed(SLOT, STICK_BYTES)

    assert (SLOT.slot_path, "no card", 0, False, ["there is no card in it (size 0)"]) == (
        found["slot_path"],
        found["contents"]["kind"],
        found["size_bytes"],
        found["writable"],
        found["reasons"],
    )


def test_watching_tells_of_a_stick_that_goes_and_comes_back(full_bench: Bench) -> None:
    full_bench.replace_cards()
    said = "/run/watch.out"
    output = f"--property=StandardOutput=truncate:{said}"
    full_bench.say("systemd-run", "--unit=watch", output, "imagesmith", "cards", "--watch", "--json")

    def news() -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in full_bench.say("cat", said).splitlines()]
        return [(line["event"], line["slot_path"]) for line in lines]

    full_bench.until(lambda: len(news()) == len(PLACES) + 2, "the first look is told")
    full_bench.yank(STICK)
    full_bench.until(lambda: news()[-1] == ("gone", STICK.slot_path), "the stick is told as gone")
    full_bench.plug(STICK)
    full_bench.until(lambda: news()[-1] == ("card", STICK.slot_path), "the stick is told as come")
    full_bench.say("systemctl", "stop", "watch")

    assert "success" == full_bench.say("systemctl", "show", "--property=Result", "--value", "watch")


def test_slots_get_their_names_by_putting_cards_in(full_bench: Bench) -> None:
    full_bench.yank(STICK)
    full_bench.take_card(SLOT)
    full_bench.has_noticed(SLOT, 0)
    said, typed, file = "/run/learn.out", "/run/learn.in", "/run/slots.toml"
    full_bench.say("sh", "-c", f"rm -f {typed} {file}; mkfifo {typed}")
    full_bench.put_file(said, "")
    full_bench.start("learn", f"imagesmith slots learn --file {file} <> {typed} > {said} 2>&1")

    def hears(text: str) -> None:
        full_bench.until(lambda: text in full_bench.say("cat", said), text, timeout_s=LEARN_S)

    hears("Put a card into slot 1.")
    full_bench.plug(STICK)
    hears(f"slot 1 is {STICK.slot_path} (a card of 128 MiB is in it)")
    full_bench.say("sh", "-c", f"echo left > {typed}")
    hears("Put a card into slot left.")
    full_bench.put_card(SLOT, full_bench.backing(SLOT))
    hears(f"slot left is {SLOT.slot_path} (a card of 128 MiB is in it)")
    full_bench.say("sh", "-c", f"echo > {typed}")

    assert 0 == full_bench.await_end("learn", timeout_s=LEARN_S)
    assert (
        f"2 slots learnt; the slot map is {file}" == full_bench.say("tail", "-n", "1", said).split(") ")[-1]
    )
    rows = json.loads(full_bench.say("imagesmith", "slots", "--file", file, "--json"))["cards"]
    assert [("1", STICK.slot_path), ("left", SLOT.slot_path)] == [(r["slot"], r["slot_path"]) for r in rows]
