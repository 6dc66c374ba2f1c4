"""Facts about real loop devices, and the guard's word on them. Writes to loop devices alone."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesmith.card.guard import judge, recheck
from imagesmith.host.devices import Extent, Signatures, probe_signatures, read_card_facts
from imagesmith.host.programs import run
from imagesmith.model.card import CardFacts, TargetKind
from imagesmith.model.units import MIB

SIZE_BYTES = 64 * MIB


def nothing_found(_medium: Path, _extents: Sequence[Extent]) -> Signatures:
    return Signatures()


@contextlib.contextmanager
def attached(backing: Path, *options: str) -> Iterator[Path]:
    device = Path(run(["losetup", "--find", "--show", *options, backing]).stdout.strip())
    try:
        yield device
    finally:
        run(["losetup", "--detach", device])


@contextlib.contextmanager
def mounted(source: Path, point: Path, *options: str) -> Iterator[None]:
    point.mkdir(exist_ok=True)
    run(["mount", *options, source, point])
    try:
        yield
    finally:
        run(["umount", point])


@contextlib.contextmanager
def partitioned(device: Path) -> Iterator[Path]:
    """Give the device a partition number 1 that the kernel knows; yield its node."""
    run(["sgdisk", "--new=1:2048:100000", device])
    # This kernel may be built without GPT: partx tells it what sgdisk wrote.
    run(["partx", "--add", device], ok=(0, 1))
    try:
        yield Path(f"{device}p1")
    finally:
        run(["partx", "--delete", device])


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    made = tmp_path / "card.img"
    with made.open("xb") as out:
        out.truncate(SIZE_BYTES)
    return made


@pytest.fixture
def card(backing: Path) -> Iterator[Path]:
    with attached(backing) as device:
        yield device


def facts(path: Path, **precious: Path) -> CardFacts:
    return read_card_facts(path, precious=precious)


def reasons(found: CardFacts) -> list[str]:
    return list(judge(found, required_bytes=SIZE_BYTES).reasons)


def test_an_idle_loop_is_a_card(card: Path) -> None:
    found = facts(card)

    assert (TargetKind.WHOLE_DISK, "loop") == (found.kind, found.transport)
    assert (SIZE_BYTES, card.stat().st_rdev) == (found.identity.size_bytes, found.identity.device_number)
    assert found.identity.disk_sequence > 0
    assert [] == reasons(found)


def test_a_loop_with_nothing_attached_has_no_card_in_it(backing: Path) -> None:
    with attached(backing) as device:
        pass

    assert ["there is no card in it (size 0)"] == reasons(facts(device))


def test_a_read_only_loop_is_refused(backing: Path) -> None:
    with attached(backing, "--read-only") as device:
        assert ["it is read-only (look for the switch on the card's side)"] == reasons(facts(device))


def test_sectors_of_4096_bytes_are_refused(backing: Path) -> None:
    with attached(backing, "--sector-size=4096") as device:
        found = facts(device)

        assert SIZE_BYTES == found.identity.size_bytes
        assert ["it has sectors of 4096 bytes, and the image's partition table is made for 512"] == reasons(
            found
        )


def test_a_mounted_card_is_refused_wherever_it_is_mounted(card: Path, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    spaced, bound = tmp_path / "my card", tmp_path / "bound"
    with mounted(card, spaced), mounted(spaced, bound, "--bind"):
        assert [f"it is mounted on {spaced}, {bound}"] == reasons(facts(card))

    assert [] == reasons(facts(card))


def test_a_partition_is_refused_and_its_disk_is_not(card: Path) -> None:
    with partitioned(card) as node:
        disk = facts(card)
        # The node is only looked at: no test names a partition to a program.
        part = read_card_facts(node, precious={}, prober=nothing_found)

    assert [] == reasons(disk)
    assert (TargetKind.PARTITION, "loop") == (part.kind, part.transport)
    assert f"it is a partition of {card.name}: name the whole disk" in reasons(part)


def test_a_swapped_on_card_is_refused(card: Path) -> None:
    run(["mkswap", card])
    run(["swapon", card])
    try:
        found = facts(card)
    finally:
        run(["swapoff", card])

    assert [f"this machine swaps on it: {card}"] == reasons(found)


def test_a_swap_file_on_a_cards_file_system_is_told(card: Path, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    point = tmp_path / "point"
    with mounted(card, point):
        swap = point / "swapfile"
        swap.write_bytes(bytes(4 * MIB))
        swap.chmod(0o600)
        run(["mkswap", swap])
        run(["swapon", swap])
        try:
            found = facts(card)
        finally:
            run(["swapoff", swap])

    assert [f"it is mounted on {point}", f"this machine swaps on it: {swap}"] == reasons(found)


def test_a_card_under_another_loop_is_held_and_the_upper_one_is_no_way_round(card: Path) -> None:
    with attached(card) as upper:
        lower_facts, upper_facts = facts(card), facts(upper)

    assert [f"it is held by {upper.name}"] == reasons(lower_facts)
    assert f"it is a loop over the block device {card.name}: name that device itself" in reasons(upper_facts)


def test_two_loops_over_one_file_hold_each_other(card: Path, backing: Path) -> None:
    with attached(backing, "--offset=1048576") as other:
        assert [f"it is held by {other.name}, over the same file"] == reasons(facts(card))
        assert {card.name, other.name} == set(facts(backing).holders)


@pytest.mark.parametrize("name", ["image", "hard link"])
def test_a_loop_over_the_image_is_refused(card: Path, backing: Path, tmp_path: Path, name: str) -> None:
    image = backing
    if name == "hard link":
        image = tmp_path / "link.img"
        image.hardlink_to(backing)

    assert ["this machine keeps there: image"] == reasons(facts(card, image=image))


def test_a_loop_over_a_file_of_the_cache_is_refused(card: Path, tmp_path: Path) -> None:
    assert ["this machine keeps there: cache"] == reasons(facts(card, cache=tmp_path))


def test_an_image_on_a_file_system_on_a_loop_on_the_card_is_found(card: Path, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    with mounted(card, outer):
        nested = outer / "nested.img"
        with nested.open("xb") as out:
            out.truncate(16 * MIB)
        with attached(nested) as upper:
            run(["mkfs.ext4", "-q", upper])
            with mounted(upper, inner):
                (inner / "image.img").touch()
                found = facts(card, image=inner / "image.img", cache=inner / "not made yet" / "cache")

    assert ("image", "cache") == found.carries
    assert (str(outer), str(inner)) == found.mounts


def test_an_image_on_an_overlay_lies_on_the_disk_of_its_layers(card: Path, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    point, merged = tmp_path / "point", tmp_path / "merged"
    with mounted(card, point):
        for name in ("lower", "upper", "work"):
            (point / name).mkdir()
        (point / "lower" / "image.img").touch()
        options = f"lowerdir={point}/lower,upperdir={point}/upper,workdir={point}/work"
        with mounted(Path("overlay"), merged, "-t", "overlay", "-o", options):
            found = facts(card, image=merged / "image.img")

    assert ("image",) == found.carries


def test_an_image_on_a_btrfs_of_two_cards_lies_on_both(card: Path, tmp_path: Path) -> None:
    backings = [tmp_path / "one.img", tmp_path / "two.img"]
    for path in backings:
        with path.open("xb") as out:
            out.truncate(128 * MIB)
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(attached(path)) for path in backings)
        _make_btrfs(one, two)
        with mounted(one, tmp_path / "point"):
            run(["mkdir", tmp_path / "point" / "images"])
            found = [facts(path, image=tmp_path / "point" / "images" / "a.img") for path in (one, two, card)]

    assert [("image",), ("image",), ()] == [each.carries for each in found]
    assert [(str(tmp_path / "point"),)] * 2 == [each.mounts for each in found[:2]]


def _make_btrfs(*devices: Path) -> None:
    run(["mkfs.btrfs", "-q", "-f", *devices])
    run(["btrfs", "device", "scan", *devices])


def _write_luks_magic(medium: Path, offset: int = 0) -> None:
    # LUKS1: magic, version 1, and a header that libblkid takes for one (LUKS On-Disk Format 1.2.3, 2.3).
    with medium.open("r+b") as out:
        out.seek(offset)
        out.write(b"LUKS\xba\xbe\x00\x01".ljust(592, b"\0"))


def test_marks_of_stacked_storage_are_found_on_disk_and_partition(card: Path) -> None:
    with partitioned(card) as node:
        _write_luks_magic(card, offset=2048 * 512)
        found = facts(card)

    assert (f"crypto_LUKS on {node.name}",) == found.members
    assert [
        f"it is a part of stacked storage: crypto_LUKS on {node.name} (wipefs removes the mark)"
    ] == reasons(found)


def test_a_mark_on_a_file_is_found(backing: Path) -> None:
    _write_luks_magic(backing)

    assert ("crypto_LUKS on card.img",) == facts(backing).members


@pytest.mark.parametrize("make", [["mkfs.ext4", "-q"], ["mkswap"], ["sgdisk", "--new=1"]])
def test_what_an_old_card_holds_is_no_reason(card: Path, make: list[str]) -> None:
    run([*make, card])

    assert [] == reasons(facts(card))


def test_marks_of_two_kinds_are_unknown(card: Path) -> None:
    run(["mkfs.ext4", "-q", card])
    with card.open("r+b") as out:
        out.write(b"hsqs".ljust(28, b"\0") + b"\4\0\0\0")  # squashfs, version 4.0

    found = facts(card)

    assert () == found.members
    assert 1 == len(found.unknown)
    assert found.unknown[0].startswith(f"what is on {card.name} (")
    assert "ambivalent result" in found.unknown[0]


def test_a_part_beyond_the_end_is_unknown(card: Path) -> None:
    found = probe_signatures(card, [Extent("beyond", 2 * SIZE_BYTES, MIB)])

    assert () == found.members
    assert 1 == len(found.unknown)


def test_this_machines_root_disk_is_refused_for_every_reason() -> None:
    disk = Path(run(["findmnt", "--noheadings", "--output=SOURCE", "/"]).stdout.strip())

    found = read_card_facts(disk, precious={"image": Path(__file__)}, prober=nothing_found)

    assert "/" in found.carries
    assert "/" in found.mounts
    assert not judge(found, required_bytes=0, sane_maximum_bytes=1 << 62).allowed


def test_a_link_to_a_card_is_followed_and_its_swap_for_another_is_noticed(card: Path, tmp_path: Path) -> None:
    other_backing = tmp_path / "other.img"
    with other_backing.open("xb") as out:
        out.truncate(SIZE_BYTES)
    link = tmp_path / "by-id"
    link.symlink_to(card)
    before = facts(link)
    with attached(other_backing) as other:
        link.unlink()
        link.symlink_to(other)
        after = facts(link)

    assert [] == reasons(before)
    assert (True, card) == (before.is_symlink, before.real_path)
    changed = [reason.split(" changed")[0] for reason in recheck(before, after)]
    assert ["its path behind the name", "its device number", "its disk sequence number"] == changed


def test_the_same_card_put_in_again_is_another_one(backing: Path) -> None:
    with attached(backing) as device:
        before = facts(device)
    run(["losetup", device, backing])
    try:
        after = facts(device)
    finally:
        run(["losetup", "--detach", device])

    changes = recheck(before, after)
    assert 1 == len(changes)
    assert changes[0].startswith("its disk sequence number changed since it was judged: ")
    assert () == recheck(after, dataclasses.replace(after))
