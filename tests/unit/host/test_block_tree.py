"""What /sys tells of disks that this machine does not have."""

from pathlib import Path

import pytest

from tests.fake_sys import NVME, SATA, SD_SLOT, USB, VIRTUAL, FakeSys, number


@pytest.fixture
def machine(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


@pytest.mark.parametrize(
    ("name", "above", "device", "transport"),
    [
        ("sdx", USB, {}, "usb"),
        ("mmcblk7", SD_SLOT, {"type": "SD"}, "mmc"),
        ("mmcblk7", SD_SLOT, {"type": "MMC"}, "emmc"),
        ("sdx", SATA, {}, "ata"),
        ("sdx", (("host0", "scsi"), ("0:0:0:0", "scsi")), {}, "scsi"),
        ("nvme7n1", NVME, {}, "nvme"),
        ("vdx", (("pci0000:00", "pci"), ("virtio1", "virtio")), {}, "virtio"),
        ("dm-9", VIRTUAL, {}, ""),
    ],
)
def test_the_buses_above_tell_how_a_disk_hangs_on(
    machine: FakeSys, name: str, above: tuple[tuple[str, str], ...], device: dict[str, str], transport: str
) -> None:
    disk = machine.disk(name, (8, 16), above, device=device)
    machine.partition(disk, 1, (8, 17))
    tree = machine.storage().tree

    assert transport == tree.transport(number(8, 16))
    assert transport == tree.transport(number(8, 17))


def test_a_loop_and_its_partition_are_loops(machine: FakeSys) -> None:
    loop = machine.disk("loop9", (7, 9))
    machine.partition(loop, 1, (259, 3))
    tree = machine.storage().tree

    assert "loop" == tree.transport(number(7, 9)) == tree.transport(number(259, 3))


def test_partitions_and_their_disk_know_each_other(machine: FakeSys) -> None:
    disk = machine.disk("sdx", (8, 16), USB)
    machine.partition(disk, 2, (8, 18))
    machine.partition(disk, 1, (8, 17))
    tree = machine.storage().tree

    assert (number(8, 17), number(8, 18)) == tree.partitions(number(8, 16))
    assert number(8, 16) == tree.whole_disk(number(8, 18)) == tree.whole_disk(number(8, 16))
    assert {number(8, 16), number(8, 17), number(8, 18)} == tree.family(number(8, 16))
    assert {number(8, 17)} == tree.family(number(8, 17))
    assert [False, True] == [tree.is_partition(number(8, minor)) for minor in (16, 17)]


def test_size_is_counted_in_512_bytes_whatever_the_sectors(machine: FakeSys) -> None:
    machine.disk("sdx", (8, 16), USB, size="2000", queue__logical_block_size="4096")
    tree = machine.storage().tree

    assert 2000 * 512 == tree.size_bytes(number(8, 16))
    assert 4096 == tree.integer(number(8, 16), "queue/logical_block_size")


def test_what_is_not_there_is_none_and_not_zero(machine: FakeSys) -> None:
    machine.disk("sdx", (8, 16), USB, size="", ro="perhaps")
    tree = machine.storage().tree

    assert [None, None, None] == [
        tree.size_bytes(number(8, 16)),
        tree.integer(number(8, 16), "ro"),
        tree.integer(number(8, 16), "diskseq"),
    ]
    assert tree.folder(number(8, 99)) is None
    assert "8:99" == tree.name(number(8, 99))
    assert tree.named("sdy") is None


def test_the_serial_is_the_cards_own_or_that_of_the_reader(machine: FakeSys) -> None:
    machine.disk("mmcblk7", (179, 0), SD_SLOT, device={"cid": "1b534d", "serial": "0x1", "name": "SD64G"})
    machine.disk("sdx", (8, 16), USB, device={"vendor": "Generic ", "model": "MassStorage"})
    machine.usb_serial("0815")
    machine.disk("nvme7n1", (259, 0), NVME, device={"serial": "S5", "model": "980", "vendor": "0x144d"})
    tree = machine.storage().tree

    assert ["1b534d", "0815", "S5"] == [tree.serial(number(*n)) for n in ((179, 0), (8, 16), (259, 0))]
    assert ["SD64G", "Generic MassStorage", "980"] == [
        tree.model(number(*n)) for n in ((179, 0), (8, 16), (259, 0))
    ]


def test_attached_loops_are_listed_and_idle_ones_are_not(machine: FakeSys) -> None:
    machine.disk("loop8", (7, 8))
    machine.disk("loop9", (7, 9), loop__backing_file="/images/a card.img\n")
    tree = machine.storage().tree

    assert [(number(7, 9), Path("/images/a card.img"))] == list(tree.loops())
    assert tree.loop_backing(number(7, 8)) is None


def test_disks_are_hardware_and_writable_loops_in_the_order_of_their_names(machine: FakeSys) -> None:
    machine.partition(machine.disk("sdb", (8, 16), USB), 1, (8, 17))
    machine.disk("sdaa", (65, 160), SATA)
    machine.disk("mmcblk0", (179, 0), SD_SLOT)
    machine.disk("loop1", (7, 1), loop__backing_file="/card.img")

    tree = machine.storage().tree

    assert ["sdb", "sdaa", "loop1", "mmcblk0"] == [tree.name(disk) for disk in tree.disks()]


def test_what_only_stands_on_other_disks_and_optical_drives_are_no_disks(machine: FakeSys) -> None:
    machine.disk("dm-0", (253, 0))
    machine.disk("zram0", (252, 0))
    machine.disk("loop0", (7, 0))
    machine.disk("loop2", (7, 2), loop__backing_file="/snap.squashfs", ro="1")
    machine.disk("sr0", (11, 0), SATA, device={"type": "5"})

    assert () == machine.storage().tree.disks()
