"""What the guard is told of real USB disks, by a real kernel and a real udev."""

from typing import Any

from tests.rig.usb_bench import PLACES, PLACES_OF_READER, STICK_BYTES, Bench

READ_FACTS = """
import json, sys
from pathlib import Path
from imagesmith.host.devices import read_card_facts
facts = [read_card_facts(Path(word), precious={}) for word in sys.argv[1:]]
print(json.dumps([{
    "slot": f.slot_path, "serial": f.identity.serial, "size": f.identity.size_bytes, "model": f.model,
    "diskseq": f.identity.disk_sequence, "kind": f.kind, "transport": f.transport, "removable": f.removable,
    "read_only": f.read_only, "sector": f.logical_block_bytes, "detail": f.detail,
    "against": [f.mounts, f.swaps, f.holders, f.over_device, f.members, f.carries, f.unknown],
} for f in facts]))
"""
NOTHING_AGAINST = [[], [], [], "", [], [], []]


def facts_of(bench: Bench, *paths: str) -> list[dict[str, Any]]:
    return list(bench.python(READ_FACTS, *paths))


def test_every_card_is_known_by_slot_serial_and_size_and_nothing_speaks_against_it(full_bench: Bench) -> None:
    found = facts_of(full_bench, *full_bench.nodes())

    sequences = [facts.pop("diskseq") for facts in found]
    assert [
        {
            "slot": place.slot_path,
            "serial": place.serial,
            "size": STICK_BYTES,
            "model": "QEMU QEMU HARDDISK",
            "kind": "whole disk",
            "transport": "usb",
            "removable": True,
            "read_only": False,
            "sector": 512,
            "detail": "",
            "against": NOTHING_AGAINST,
        }
        for place in PLACES
    ] == found
    assert len(set(sequences)) == len(PLACES)
    assert 0 not in sequences


def test_the_slots_of_one_reader_differ_in_their_lun_alone(full_bench: Bench) -> None:
    first, second = facts_of(full_bench, *full_bench.nodes(PLACES_OF_READER))

    assert first["serial"] == second["serial"] == "SERIAL-READER"
    assert first["slot"].endswith("-scsi-0:0:0:0")
    assert second["slot"] == f"{first['slot'].removesuffix(':0')}:1"


def test_a_stick_plugged_in_again_is_another_disk_in_the_same_slot(full_bench: Bench) -> None:
    place = PLACES[0]
    (before,) = facts_of(full_bench, full_bench.node(place))
    full_bench.yank(place)
    full_bench.plug(place)

    (after,) = facts_of(full_bench, full_bench.node(place))

    assert before["diskseq"] < after["diskseq"]
    assert before | {"diskseq": 0} == after | {"diskseq": 0}


def test_what_stands_on_a_stick_speaks_against_it(full_bench: Bench) -> None:
    node = full_bench.node(PLACES[0])
    full_bench.say("dmsetup", "create", "upon", "--table", f"0 2048 linear {node} 0")
    try:
        (found,) = facts_of(full_bench, node)
    finally:
        full_bench.say("dmsetup", "remove", "upon")

    assert [[], [], ["dm-0 (upon)"], "", [], [], []] == found["against"]
