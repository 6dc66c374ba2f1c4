"""What stands on what, on machines that this one is not."""

from pathlib import Path

import pytest

from imagesmith.host.storage import is_same_file
from tests.fake_sys import SATA, USB, FakeSys, number

SDX, SDX1, SDX2 = number(8, 240), number(8, 241), number(8, 242)
SDY = number(8, 16)


@pytest.fixture
def machine(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


@pytest.fixture
def disk(machine: FakeSys) -> Path:
    return machine.disk("fakesdx", (8, 240), SATA)


def mounted(shown: str, point: str, kind: str = "ext4", source: str = "none", options: str = "rw") -> str:
    return f"36 35 {shown} / {point} rw - {kind} {source} {options}"


def test_a_mounted_partition_is_mounted_from_its_disk(machine: FakeSys, disk: Path) -> None:
    machine.partition(disk, 1, (8, 241))
    machine.disk("fakesdy", (8, 16), USB)
    machine.proc(mounted("8:241", "/media/card"), mounted("8:241", "/media/again"))
    storage = machine.storage()

    assert ["/media/card", "/media/again"] == list(storage.mounts_on(storage.overwritten(SDX)))
    assert [] == list(storage.mounts_on(storage.overwritten(SDY)))


def test_a_root_on_lvm_on_luks_on_a_partition_lies_on_the_disk(machine: FakeSys, disk: Path) -> None:
    part = machine.partition(disk, 2, (8, 242))
    luks = machine.disk("dm-0", (253, 0), dm__name="cryptroot\n")
    root = machine.disk("dm-1", (253, 1), dm__name="vg-root")
    machine.stack(luks, part)
    machine.stack(root, luks)
    machine.proc(mounted("253:1", "/"))
    storage = machine.storage()

    assert {number(253, 1), number(253, 0), SDX2, SDX} == storage.below_device(number(253, 1)).numbers
    assert ["dm-0 (cryptroot)", "dm-1 (vg-root)"] == list(storage.holders_on({SDX, SDX2}))
    assert ["/"] == list(storage.mounts_on(frozenset({SDX, SDX2})))
    assert [] == list(storage.mounts_on(frozenset({SDY})))


def test_a_partition_of_an_array_lies_on_all_its_disks(machine: FakeSys, disk: Path) -> None:
    other = machine.disk("fakesdy", (8, 16), SATA)
    array = machine.disk("md127", (9, 127))
    machine.stack(array, disk, other)
    part = machine.partition(array, 1, (259, 0))
    machine.proc(mounted("259:0", "/home"))
    storage = machine.storage()

    assert "md127p1" == part.name
    assert {number(259, 0), number(9, 127), SDX, SDY} == storage.below_device(number(259, 0)).numbers
    assert ["md127"] == list(storage.holders_on({SDX}))
    assert ["/home"] == list(storage.mounts_on(frozenset({SDY})))


def test_a_bcache_backing_device_is_held_even_without_its_cache(machine: FakeSys, disk: Path) -> None:
    (disk / "bcache").mkdir()

    assert ["bcache on fakesdx"] == list(machine.storage().holders_on({SDX}))


def test_a_btrfs_of_two_disks_is_mounted_from_both(machine: FakeSys, disk: Path) -> None:
    machine.partition(disk, 1, (8, 241))
    machine.disk("fakesdy", (8, 16), USB)
    members = machine.root / "sys/fs/btrfs/0a1b/devices"
    members.mkdir(parents=True)
    for name in ("fakesdx1", "fakesdy"):
        (members / name).touch()
    machine.proc(mounted("0:44", "/home", "btrfs", "/dev/fakesdx1", "rw,subvol=/@home"))
    storage = machine.storage()

    assert ["/home"] == list(storage.mounts_on(frozenset({SDY})))
    assert ["/home"] == list(storage.mounts_on(frozenset({SDX, SDX1})))


def test_a_bcachefs_is_mounted_from_each_device_it_lists(machine: FakeSys, disk: Path) -> None:
    machine.partition(disk, 1, (8, 241))
    machine.disk("fakesdy", (8, 16), USB)
    machine.proc(mounted("0:44", "/data", "bcachefs", "/dev/fakesdx1:/dev/fakesdy"))

    assert ["/data"] == list(machine.storage().mounts_on(frozenset({SDY})))


@pytest.mark.usefixtures("disk")
def test_network_and_memory_lie_on_no_disk(machine: FakeSys) -> None:
    machine.proc(mounted("0:50", "/media/nfs", "nfs4", "192.168.0.1:/nfs"), mounted("0:51", "/run", "tmpfs"))

    assert [] == list(machine.storage().mounts_on(frozenset({SDX})))


def test_a_swap_partition_is_found_on_its_disk(machine: FakeSys, disk: Path) -> None:
    machine.partition(disk, 2, (8, 242))
    machine.proc(swaps=["/dev/fakesdx2 partition 1048572 0 -2", "/gone/swapfile file 1024 0 -3"])
    storage = machine.storage()

    assert ["/dev/fakesdx2"] == list(storage.swaps_on(frozenset({SDX, SDX2})))
    assert [] == list(storage.swaps_on(frozenset({SDY})))


def test_a_loop_whose_file_is_out_of_sight_leaves_a_gap(machine: FakeSys) -> None:
    machine.disk("loop9", (7, 9), loop__backing_file="/nowhere/root.img (deleted)\n")

    trace = machine.storage().below_device(number(7, 9))

    assert {number(7, 9)} == trace.numbers
    assert ["/nowhere/root.img (deleted), behind loop9, is not visible here"] == trace.gaps


def test_a_file_on_a_disk_is_below_its_loop(machine: FakeSys, tmp_path: Path) -> None:
    backing = tmp_path / "card.img"
    backing.touch()
    machine.disk("loop9", (7, 9), loop__backing_file=f"{backing}\n")
    storage = machine.storage()

    assert storage.below_path(backing).numbers <= storage.below_device(number(7, 9)).numbers
    assert (number(7, 9),) == storage.loops_over_file(backing)
    assert "" == storage.over_device(number(7, 9))


@pytest.mark.parametrize("layers", ["lowerdir=/not/here,upperdir=/nor/here", "lowerdir=/"])
def test_an_overlay_whose_layers_are_not_visible_leaves_gaps(machine: FakeSys, layers: str) -> None:
    machine.proc(mounted("0:60", "/", "overlay", "overlay", layers))
    storage = machine.storage()
    trace = storage.below_path(Path("/proc"))  # on an anonymous number, on the fake machine below /

    assert trace.gaps
    assert all("a layer of /, is not visible here" in gap for gap in trace.gaps)


def test_an_anonymous_file_system_missing_from_the_table_leaves_a_gap(machine: FakeSys) -> None:
    assert ["/proc lies on no mount visible here"] == machine.storage().below_path(Path("/proc")).gaps


def test_a_source_out_of_sight_leaves_a_gap(machine: FakeSys) -> None:
    machine.proc(mounted("0:44", "/", "btrfs", "/dev/fakesdz9"))

    assert ["the device /dev/fakesdz9 is not visible here"] == machine.storage().below_path(
        Path("/proc")
    ).gaps


def test_a_file_is_the_same_under_another_name_and_nothing_is_the_same_as_nothing(tmp_path: Path) -> None:
    one, link, other = tmp_path / "one", tmp_path / "link", tmp_path / "other"
    one.touch()
    other.touch()
    link.hardlink_to(one)

    assert is_same_file(one, link)
    assert not is_same_file(one, other)
    assert not is_same_file(tmp_path / "none", tmp_path / "none")
