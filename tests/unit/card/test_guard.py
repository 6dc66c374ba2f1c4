"""The guard: each rule alone, all at once, and the words."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from imagesmith.card.guard import RULES, judge, judge_all, recheck, require_allowed
from imagesmith.errors import CardRefusedError
from imagesmith.model.card import CardFacts, Identity, TargetKind
from imagesmith.model.units import GIB

REQUIRED_BYTES = 16 * GIB


def card(**changes: Any) -> CardFacts:
    facts = CardFacts(
        path=Path("/dev/sdb"),
        real_path=Path("/dev/sdb"),
        kind=TargetKind.WHOLE_DISK,
        identity=Identity(device_number=0x810, size_bytes=64 * GIB, serial="0815", disk_sequence=7),
        transport="usb",
        removable=True,
    )
    return dataclasses.replace(facts, **changes)


def file(**changes: Any) -> CardFacts:
    return (
        card(
            path=Path("card.img"),
            real_path=Path("/images/card.img"),
            kind=TargetKind.REGULAR_FILE,
            identity=Identity(device_number=12, size_bytes=64 * GIB, file_system=0xFE00),
            transport="",
            removable=False,
        )
        if not changes
        else dataclasses.replace(file(), **changes)
    )


def of_size(size_bytes: int) -> Identity:
    return Identity(0x810, size_bytes, "0815", 7)


def reasons(facts: CardFacts) -> list[str]:
    return list(judge(facts, required_bytes=REQUIRED_BYTES).reasons)


@pytest.mark.parametrize(
    "facts",
    [
        card(),
        card(removable=False, transport="mmc"),
        card(removable=False, transport="usb"),
        card(removable=False, transport="loop"),
        card(removable=True, transport="ata"),
        card(is_symlink=True, path=Path("/dev/disk/by-id/usb-Generic")),
        card(identity=of_size(REQUIRED_BYTES)),
        card(identity=of_size(2048 * GIB)),
        file(),
        file(kind=TargetKind.NEW_FILE),
    ],
)
def test_a_card_with_nothing_against_it_is_allowed(facts: CardFacts) -> None:
    verdict = judge(facts, required_bytes=REQUIRED_BYTES)

    assert () == verdict.reasons
    assert verdict.allowed


BROKEN: dict[str, tuple[CardFacts, str]] = {
    "a disk or a file": (
        card(kind=TargetKind.OTHER, detail="there is no such device"),
        "it is neither a disk nor a file: there is no such device",
    ),
    "whole disk": (
        card(kind=TargetKind.PARTITION, detail="sdb"),
        "it is a partition of sdb: name the whole disk",
    ),
    "removable": (
        card(removable=False, transport="nvme"),
        "it is not removable and hangs on neither USB nor an SD slot (nvme)",
    ),
    "no way round": (
        card(transport="loop", over_device="sda"),
        "it is a loop over the block device sda: name that device itself",
    ),
    "a card is in the slot": (card(identity=of_size(0)), "there is no card in it (size 0)"),
    "large enough": (
        card(identity=of_size(REQUIRED_BYTES - 512)),
        "it is too small: 16.0 GiB (17179868672 bytes), and image and swap need 16 GiB (17179869184 bytes)",
    ),
    "not suspiciously large": (
        card(identity=of_size(2048 * GIB + 512)),
        "it is suspiciously large for a card: 2048.0 GiB, over 2048 GiB (--max-card-size)",
    ),
    "whole sectors": (
        file(identity=Identity(12, 64 * GIB + 1)),
        "its size, 68719476737 bytes, is not a multiple of 512",
    ),
    "512-byte sectors": (
        card(logical_block_bytes=4096),
        "it has sectors of 4096 bytes, and the image's partition table is made for 512",
    ),
    "not read-only": (card(read_only=True), "it is read-only (look for the switch on the card's side)"),
    "permitted": (
        card(permitted=False),
        "this user may not write to it (run as root, or join the group that may)",
    ),
    "not mounted": (card(mounts=("/media/a", "/media/b")), "it is mounted on /media/a, /media/b"),
    "not swapped on": (card(swaps=("/dev/sdb2",)), "this machine swaps on it: /dev/sdb2"),
    "not held": (card(holders=("dm-0 (secret)", "md0")), "it is held by dm-0 (secret), md0"),
    "no stacked storage": (
        card(members=("LVM2_member on sdb1",)),
        "it is a part of stacked storage: LVM2_member on sdb1 (wipefs removes the mark)",
    ),
    "carries nothing precious": (
        card(carries=("/", "the image")),
        "this machine keeps there: /, the image",
    ),
    "nothing unknown": (
        card(unknown=("its size", "where / lies")),
        "it could not be found out: its size, where / lies",
    ),
}


def test_every_rule_has_its_case() -> None:
    assert [rule.name for rule in RULES] == list(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_alone_refuses_with_its_evidence(name: str) -> None:
    facts, reason = BROKEN[name]

    assert [reason] == reasons(facts)


def test_all_reasons_are_told_at_once() -> None:
    worst = card(
        kind=TargetKind.PARTITION,
        detail="sda",
        transport="",
        removable=False,
        over_device="sdc",
        identity=of_size(100),
        logical_block_bytes=4096,
        read_only=True,
        permitted=False,
        mounts=("/",),
        swaps=("/swapfile",),
        holders=("dm-0",),
        members=("LVM2_member on sda1",),
        carries=("/",),
        unknown=("its serial",),
    )

    found = reasons(worst)

    # A partition's own size matters to nobody, and nothing is too small and too large at once.
    assert len(RULES) - 4 == len(found) == len(set(found))
    assert "it is not removable and hangs on neither USB nor an SD slot (unknown bus)" in found


def test_soldered_flash_is_no_card() -> None:
    assert ["it is not removable and hangs on neither USB nor an SD slot (emmc)"] == reasons(
        card(removable=False, transport="emmc")
    )


def test_the_maximum_moves_by_a_number_and_turns_nothing_else_off() -> None:
    huge = card(identity=of_size(4096 * GIB), mounts=("/media/backup",))

    verdict = judge(huge, required_bytes=REQUIRED_BYTES, sane_maximum_bytes=8192 * GIB)

    assert ("it is mounted on /media/backup",) == verdict.reasons


def test_an_external_disk_and_an_existing_file_are_allowed_with_a_warning() -> None:
    disk = judge(card(removable=False), required_bytes=REQUIRED_BYTES)
    image = judge(file(), required_bytes=REQUIRED_BYTES)

    assert (
        "a USB disk without the removable flag: more likely an external disk than a card",
    ) == disk.warnings
    assert ("an existing file: its content is replaced",) == image.warnings
    assert () == judge(card(), required_bytes=REQUIRED_BYTES).warnings


def test_one_card_under_two_names_is_refused_both_times() -> None:
    other = card(path=Path("/dev/sdc"), identity=Identity(0x820, 64 * GIB, "0815", 8))
    alias = card(path=Path("/dev/disk/by-id/usb-Generic"), is_symlink=True)

    verdicts = judge_all([card(), other, alias], required_bytes=REQUIRED_BYTES)

    assert [
        ("it is named twice: also as /dev/disk/by-id/usb-Generic",),
        (),
        ("it is named twice: also as /dev/sdb",),
    ] == [verdict.reasons for verdict in verdicts]


def test_hard_links_are_one_file_and_equal_inodes_of_two_file_systems_are_not() -> None:
    link = file(path=Path("link.img"), real_path=Path("/images/link.img"))
    elsewhere = file(real_path=Path("/other/card.img"), identity=Identity(12, 64 * GIB, file_system=0xFE01))

    verdicts = judge_all([file(), link, elsewhere], required_bytes=REQUIRED_BYTES)

    assert [False, False, True] == [verdict.allowed for verdict in verdicts]


def test_new_files_are_told_apart_by_their_paths() -> None:
    new = file(kind=TargetKind.NEW_FILE, identity=Identity(0, 64 * GIB))
    another = dataclasses.replace(new, real_path=Path("/images/card2.img"))

    assert all(v.allowed for v in judge_all([new, another], required_bytes=REQUIRED_BYTES))
    assert not any(v.allowed for v in judge_all([new, new], required_bytes=REQUIRED_BYTES))


def test_a_refused_card_stops_the_run_with_every_reason() -> None:
    verdicts = judge_all(
        [
            card(),
            card(path=Path("/dev/sda"), identity=Identity(0x800, 64 * GIB), mounts=("/",), carries=("/",)),
        ],
        required_bytes=REQUIRED_BYTES,
    )

    with pytest.raises(CardRefusedError) as caught:
        require_allowed(verdicts)

    assert 7 == caught.value.exit_code
    assert "1 of 2 cards refused, nothing was written" == caught.value.what
    assert [
        "/dev/sda: it is mounted on /",
        "/dev/sda: this machine keeps there: /",
    ] == [line.strip() for line in caught.value.why.splitlines()]


def test_allowed_cards_let_the_run_go_on() -> None:
    require_allowed(judge_all([card()], required_bytes=REQUIRED_BYTES))


def test_the_same_card_is_recognised() -> None:
    assert () == recheck(card(), card(mounts=("/media/a",)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"kind": TargetKind.REGULAR_FILE},
            "its kind changed since it was judged: whole disk then, regular file now",
        ),
        (
            {"real_path": Path("/dev/sda")},
            "its path behind the name changed since it was judged: /dev/sdb then, /dev/sda now",
        ),
        (
            {"identity": Identity(0x800, 64 * GIB, "0815", 7)},
            "its device number changed since it was judged: 2064 then, 2048 now",
        ),
        (
            {"identity": Identity(0x810, 32 * GIB, "0815", 7)},
            f"its size changed since it was judged: {64 * GIB} then, {32 * GIB} now",
        ),
        (
            {"identity": Identity(0x810, 64 * GIB, "", 7)},
            "its serial changed since it was judged: 0815 then, none now",
        ),
        (
            {"identity": Identity(0x810, 64 * GIB, "0815", 8)},
            "its disk sequence number changed since it was judged: 7 then, 8 now",
        ),
        (
            {"identity": Identity(0x810, 64 * GIB, "0815", 7, 3)},
            "its file system changed since it was judged: none then, 3 now",
        ),
    ],
)
def test_another_card_in_its_place_is_noticed(changes: dict[str, Any], reason: str) -> None:
    assert (reason,) == recheck(card(), card(**changes))
