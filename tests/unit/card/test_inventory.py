"""From facts to rows: what a medium carries in few words, and in which order slots are shown."""

import pytest

from imagesmith.card.guid import card_guid
from imagesmith.card.inventory import (
    foreign_contents,
    has_stock_root,
    in_slot_order,
    our_contents,
    row_of,
)
from imagesmith.card.slots import Slot, SlotMap
from imagesmith.model.card import Verdict
from imagesmith.model.inventory import CardRow, Carries, Contents, FileSystem, Medium
from imagesmith.model.layout import Partition
from tests.rig.ledger_rows import LEFT, RIGHT, A, B, facts, row

EXT4, VFAT = FileSystem("ext4"), FileSystem("vfat", "EFI")
READER = "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:"


def part(number: int, system: FileSystem, name: str = "") -> tuple[Partition, FileSystem]:
    return Partition(number, name, 2048 * number, 2048 * number + 2047), system


FOREIGN = [
    (Medium(unreadable="Input/output error"), Contents(Carries.UNREADABLE, "Input/output error")),
    (Medium(is_blank=True), Contents(Carries.EMPTY)),
    (Medium(), Contents(Carries.FOREIGN, "nothing that is known")),
    (Medium(whole=VFAT), Contents(Carries.FOREIGN, 'vfat "EFI"')),
    (Medium(table="dos"), Contents(Carries.FOREIGN, "dos")),
    (
        Medium(table="gpt", parts=(part(1, VFAT), part(2, EXT4), part(3, EXT4), part(4, FileSystem()))),
        Contents(Carries.FOREIGN, 'gpt, vfat "EFI", 2 x ext4'),
    ),
    (
        Medium(table="gpt", parts=(part(1, FileSystem()), part(2, FileSystem()))),
        Contents(Carries.FOREIGN, "gpt, 2 partitions"),
    ),
    (Medium(is_blank=True, behind_head=EXT4), Contents(Carries.UNFINISHED, "no partition table")),
    (Medium(is_blank=True, behind_head=VFAT), Contents(Carries.EMPTY)),
]


@pytest.mark.parametrize(("medium", "contents"), FOREIGN)
def test_a_card_without_our_slot_is_told_in_few_words(medium: Medium, contents: Contents) -> None:
    assert contents == foreign_contents(medium)


@pytest.mark.parametrize(
    ("medium", "is_stock"),
    [
        (Medium(table="gpt", parts=(part(2, FileSystem(), "TBC"), part(1, EXT4, "APP"))), True),
        (Medium(table="gpt", parts=(part(1, EXT4, "root"),)), False),
        (Medium(table="gpt", parts=(part(1, VFAT, "APP"),)), False),
        (Medium(table="gpt", parts=(part(2, EXT4, "APP"),)), False),
        (Medium(), False),
    ],
)
def test_a_stock_root_is_partition_1_by_name_and_file_system(medium: Medium, is_stock: bool) -> None:
    assert is_stock is has_stock_root(medium)


def test_our_card_tells_image_and_date_by_its_disk_guid() -> None:
    medium = Medium(table="gpt", disk_guid=str(card_guid(A, "jetson0-node", "disk")))

    found = our_contents(
        medium, ("mpi", 0, "jetson0-node"), facts=facts(), rows=[row(image_sha256=A)], digests=[B, A]
    )

    assert (
        Contents(
            Carries.NODE, "", "mpi", 0, "jetson0-node", image_sha256=A, written_at="2026-11-24T03:10:00Z"
        )
        == found
    )


def test_a_card_of_an_unknown_image_still_tells_its_node() -> None:
    medium = Medium(table="gpt", disk_guid="0d6f2f7c-2d8a-5c0e-9b55-5f1b6e1f3a10")

    found = our_contents(medium, ("mpi", 3, "jetson3-node"), facts=facts(), rows=[row()], digests=[A])

    assert Contents(Carries.NODE, "", "mpi", 3, "jetson3-node") == found


def test_an_unpersonalised_card_may_be_of_a_known_image() -> None:
    medium = Medium(table="gpt", disk_guid=str(card_guid(A, "", "disk")))

    found = our_contents(medium, None, facts=facts(), rows=[], digests=[A])

    assert Contents(Carries.UNPERSONALISED, image_sha256=A) == found


def test_a_row_carries_the_guards_word() -> None:
    verdict = Verdict(facts(), reasons=("it is mounted on /mnt",), warnings=("careful",))

    found = row_of(verdict, Contents(Carries.EMPTY), SlotMap((Slot("left", LEFT),)))

    assert ("left", LEFT, "/dev/sdb", False, ("it is mounted on /mnt",), ("careful",)) == (
        found.slot,
        found.slot_path,
        found.device,
        found.writable,
        found.reasons,
        found.warnings,
    )


def plugged(device: str, slot_path: str = "", *, writable: bool = True, empty: bool = False) -> CardRow:
    kind = Carries.NO_CARD if empty else Carries.EMPTY
    return CardRow("", slot_path, device, Contents(kind), writable=writable)


def order(rows: list[CardRow], *slots: Slot) -> list[str]:
    return [found.device or found.slot for found in in_slot_order(rows, SlotMap(slots))]


def test_slots_of_the_map_come_first_in_its_order_and_those_not_plugged_in_too() -> None:
    rows = [plugged("vda", writable=False), plugged("sdb", LEFT), plugged("sdc", RIGHT)]

    assert ["sdc", "3", "sdb", "vda"] == order(
        rows, Slot("1", RIGHT), Slot("3", f"{READER}0"), Slot("2", LEFT)
    )


def test_a_mapped_slot_keeps_its_place_whatever_is_in_it() -> None:
    rows = [plugged("sdb", LEFT, writable=False), plugged("sdc", RIGHT)]

    assert ["sdb", "sdc"] == order(rows, Slot("1", LEFT), Slot("2", RIGHT))


def test_what_may_be_written_and_empty_slots_come_before_system_disks() -> None:
    rows = [
        plugged("nvme0n1", "pci-0000:01:00.0-nvme-1", writable=False),
        plugged("sdc", f"{READER}10"),
        plugged("sdb", f"{READER}9", writable=False, empty=True),
        plugged("loop0"),
    ]

    assert ["loop0", "sdb", "sdc", "nvme0n1"] == order(rows)
