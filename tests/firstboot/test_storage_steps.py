"""Root file system and swap: what is done to a card's table, and what is never done."""

import os
import subprocess
import unittest
from typing import List

from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.partition_table import Entry, Fit, Table, parse_table, plan_fit

from tests.firstboot.case import BoardCase
from tests.firstboot.fake_board import drive
from tests.firstboot.stock_card import (
    CARD_SECTORS,
    CLUSTER,
    IMAGE_APP_LAST,
    changed,
    put,
    sgdisk,
    snapshot,
    table_of,
    write_documents,
)

_GIB_SECTORS = (1 << 30) // 512


class FitTest(unittest.TestCase):
    """The plan alone."""

    def _table(self, sectors: int) -> Table:
        return Table(sectors, {14: Entry(26624, 26879), 1: Entry(28672, IMAGE_APP_LAST)})

    def test_swap_ends_before_the_backup_table_and_the_root_before_swap(self) -> None:
        fit = plan_fit(self._table(CARD_SECTORS), 4 << 30)

        swap_first = (CARD_SECTORS - 33 - 4 * _GIB_SECTORS) // 2048 * 2048
        assert fit == Fit(swap_first - 1, Entry(swap_first, swap_first + 4 * _GIB_SECTORS - 1))

    def test_every_size_of_card_leaves_room_for_the_backup_table(self) -> None:
        for sectors in range(CARD_SECTORS - 2049, CARD_SECTORS + 2049, 61):
            fit = plan_fit(self._table(sectors), 4 << 30)

            assert fit is not None
            assert fit.swap is not None
            assert fit.swap.last <= sectors - 34
            assert fit.swap.first % 2048 == 0
            assert fit.app_last == fit.swap.first - 1

    def test_without_swap_the_root_takes_everything(self) -> None:
        assert plan_fit(self._table(CARD_SECTORS), 0) == Fit(CARD_SECTORS - 34, None)

    def test_a_table_that_is_as_large_as_it_can_be_is_left_alone(self) -> None:
        assert plan_fit(self._table(IMAGE_APP_LAST + 34 + 2047), 0) is None

    def test_a_partition_behind_the_root_means_hands_off(self) -> None:
        table = self._table(CARD_SECTORS)
        table.entries[15] = Entry(50000000, 50001000)

        assert plan_fit(table, 4 << 30) is None

    def test_the_root_is_never_made_smaller(self) -> None:
        with self.assertRaises(StepError) as caught:
            plan_fit(self._table(26984448), 4 << 30)

        assert str(caught.exception) == (
            "the card is too small: 1 MiB behind the root file system, the recipe wants 4096 MiB of swap"
        )

    def test_something_that_is_no_table_is_refused(self) -> None:
        with self.assertRaises(StepError) as caught:
            parse_table("Caution: invalid backup GPT header\n")

        assert str(caught.exception) == "sgdisk shows no partition table"


class StorageTest(BoardCase):
    def test_a_card_from_any_flasher_is_fitted(self) -> None:
        board = self.board(fitted=False)
        before = sgdisk(self.root, "--info=1").stdout

        assert drive(board) == 0

        table = table_of(self.root)
        assert table.entries == {
            1: Entry(28672, 53944319),
            14: Entry(26624, 26879),
            15: Entry(53944320, 53944320 + 4 * _GIB_SECTORS - 1),
        }
        after = sgdisk(self.root, "--info=1").stdout
        assert self._identity(before) == self._identity(after)
        assert "No problems found" in sgdisk(self.root, "--verify").stdout
        assert "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" in sgdisk(self.root, "--info=15").stdout
        assert "resize2fs" in board.programs()

    def _identity(self, info: str) -> List[str]:
        return [line for line in info.splitlines() if "GUID" in line or "name" in line or "flags" in line]

    def test_a_card_from_flash_keeps_table_and_swap_header(self) -> None:
        board = self.board(fitted=True)
        before = table_of(self.root)

        assert drive(board) == 0

        assert before == table_of(self.root)
        assert {"partx", "mkswap"}.isdisjoint(board.programs())
        assert board.programs().count("sgdisk") == 1
        assert self.detail_of("root-filesystem") == "fitted already, 25.7 GiB on /dev/mmcblk0p1"

    def test_a_kernel_that_keeps_the_old_table_fails_the_step(self) -> None:
        board = self.board(fitted=False)
        board.deaf = {"partx"}

        assert self.failure(board) == "root-filesystem: the kernel still uses the old partition table"
        assert "resize2fs" not in board.programs()

    def test_a_root_that_is_not_partition_1_is_left_alone(self) -> None:
        board = self.board(fitted=True)
        put(self.root, "/sys/devices/mmc0/mmcblk0/mmcblk0p1/partition", "2\n")

        assert drive(board) == 0

        assert "sgdisk" not in board.programs()
        assert self.detail_of("root-filesystem") == "root is not partition 1 of a disk: left as it is"

    def test_foreign_data_on_the_swap_partition_is_not_overwritten(self) -> None:
        board = self.board(fitted=True)
        image = self.root.path("/dev/mmcblk0p15.img")
        os.unlink(image)
        with open(image, "w") as partition:
            partition.truncate(16 << 20)
        subprocess.check_output(["/usr/sbin/mkfs.ext4", "-q", image])
        with open(image, "rb") as partition:
            before = partition.read()

        assert self.failure(board) == "swap: /dev/mmcblk0p15 holds ext4: not overwritten"

        with open(image, "rb") as partition:
            assert before == partition.read()
        assert self.root.read_text("/etc/fstab") == "/dev/root / ext4 defaults 0 1\n"

    def test_swap_asked_for_after_the_root_took_everything_fails_the_step(self) -> None:
        cluster = changed(CLUSTER, swap={"size_bytes": 0}, mode={"kind": "none", "options": {}})
        assert drive(self.board(cluster, fitted=False)) == 0
        write_documents(self.root)
        self.root.remove("/var/lib/imagesmith/ready")

        assert self.failure(self.same_card()).startswith("root-filesystem: the card is too small: 0 MiB")

    def test_fstab_lines_of_others_stay(self) -> None:
        board = self.board()
        put(
            self.root,
            "/etc/fstab",
            "# mine\n/dev/root / ext4 defaults 0 1\n/dev/sda1 /data ext4 nofail 0 0\n",
        )

        assert drive(board) == 0

        lines = (self.root.read_text("/etc/fstab") or "").splitlines()
        assert lines[:3] == ["# mine", "/dev/root / ext4 defaults 0 1", "/dev/sda1 /data ext4 nofail 0 0"]
        assert lines[4] == "PARTLABEL=SWAP none swap sw,nofail 0 0"

    def test_swap_that_cannot_be_switched_off_fails_the_step(self) -> None:
        cluster = changed(CLUSTER, swap={"size_bytes": 0})
        board = self.board(cluster, fitted=True)
        board.deaf = {"swapoff"}
        put(self.root, "/proc/swaps", "Filename\n/swapfile file 1024 0 -2\n")

        assert self.failure(board) == "swap: still in use as swap: /swapfile"

    def test_two_runs_on_one_card_give_one_table(self) -> None:
        drive(self.board(fitted=False))
        before = snapshot(self.root)["the partition table"]
        self.root.remove("/var/lib/imagesmith/steps/root-filesystem.done")

        assert drive(self.same_card()) == 0

        assert before == table_of(self.root)
