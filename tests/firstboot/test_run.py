"""Whole runs: a card becomes a node, and a second run finds nothing to do."""

import contextlib
import io
import json
import os

from imagesmith_firstboot import cli
from imagesmith_firstboot.driver import Driver
from imagesmith_firstboot.state import read_marker
from imagesmith_firstboot.steps import STEPS

from tests.firstboot.case import BoardCase
from tests.firstboot.fake_board import FakeBoard, drive, reboot
from tests.firstboot.stock_card import CLUSTER, NODE, changed, put, snapshot, write_documents


class RunTest(BoardCase):
    def _bake(self, builder: FakeBoard) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            assert Driver(self.root, builder, STEPS).bake(["oem"]) == 0

    def test_a_card_becomes_a_node(self) -> None:
        board = self.board()

        assert drive(board) == 0

        assert self.state["status"] == "ready"
        assert ["done"] * 10 == self.statuses()
        assert self.root.read_text("/var/lib/imagesmith/ready") == "jetson1-node (node 1 of mpi)\n"
        assert board.notices == ["READY=1"]
        assert (self.state["hostname"], self.state["node_index"], self.state["mode"]) == (
            "jetson1-node",
            1,
            "mpi",
        )

    def test_the_console_has_a_line_a_step(self) -> None:
        board = self.board()

        drive(board)

        lines = (self.root.read_text("/dev/console") or "").splitlines()
        assert len(lines) == len(STEPS)
        assert lines[2] == "imagesmith: [3/10] swap: done (4.0 GiB on /dev/mmcblk0p15)"
        assert lines[9] == "imagesmith: [10/10] ready: done (jetson1-node, node 1 of mpi)"
        assert board.output.splitlines() == lines

    def test_no_console_is_no_reason_to_fail(self) -> None:
        board = self.board()
        os.unlink(self.root.path("/dev/console"))

        assert drive(board) == 0

    def test_the_message_of_the_day_says_ready(self) -> None:
        drive(self.board())

        motd = self.root.read_text("/var/lib/imagesmith/motd")
        assert motd == "imagesmith: jetson1-node (node 1 of mpi) is ready\n"

    def test_a_second_run_changes_nothing_and_starts_no_program(self) -> None:
        drive(self.board())
        before = snapshot(self.root)
        again = self.same_card()

        assert drive(again) == 0

        assert before == snapshot(self.root)
        assert again.calls == []

    def test_all_steps_again_without_their_markers_change_nothing(self) -> None:
        drive(self.board())
        before = snapshot(self.root)
        for name in self.root.names("/var/lib/imagesmith/steps"):
            self.root.remove(f"/var/lib/imagesmith/steps/{name}")
        again = self.same_card()

        assert drive(again) == 0

        assert before == snapshot(self.root)
        changers = {"mkswap", "swapon", "useradd", "groupadd", "usermod", "chpasswd", "localedef", "mv"}
        assert changers.isdisjoint(again.programs())

    def test_another_slot_runs_the_steps_it_concerns_again(self) -> None:
        drive(self.board())
        write_documents(self.root, node=changed(NODE, hostname="jetson2-node", index=2))
        again = self.same_card()

        assert drive(again) == 0

        assert self.root.read_text("/etc/hostname") == "jetson2-node\n"
        assert again.programs() == ["hostname"]

    def test_a_marker_that_cannot_be_read_counts_as_none(self) -> None:
        drive(self.board())
        put(self.root, "/var/lib/imagesmith/steps/hostname.done", '{"schema": 1, "st')
        again = self.same_card()

        assert drive(again) == 0

        assert again.programs() == ["hostname"]

    def test_every_boot_looks_at_clock_and_name_again(self) -> None:
        drive(self.board())
        self.root.remove("/var/lib/imagesmith/ready")
        reboot(self.root)
        again = self.same_card()
        again.clock_s = 0.0

        assert drive(again) == 0

        assert again.programs() == ["date"]

    def test_a_card_without_identity_boots_by_dhcp_under_its_serial_number(self) -> None:
        board = self.board(node={}, fitted=False)

        assert drive(board) == 0

        assert self.root.read_text("/etc/hostname") == "jetson-123456\n"
        assert self.detail_of("network") == "eth0 has 10.0.2.15/24"
        assert self.state["node_index"] is None
        assert (
            self.root.read_text("/var/lib/imagesmith/ready")
            == "jetson-123456 (a node without identity of mpi)\n"
        )
        assert "guest:*:" in (self.root.read_text("/etc/shadow") or "")

    def test_a_board_without_serial_number_is_named_after_its_mac(self) -> None:
        board = self.board(node={})
        os.unlink(self.root.path("/proc/device-tree/serial-number"))

        assert drive(board) == 0

        assert self.root.read_text("/etc/hostname") == "jetson-abcdef\n"

    def test_a_kubernetes_node_has_no_swap_at_all(self) -> None:
        cluster = changed(
            CLUSTER, name="k8s", mode={"kind": "k8s", "options": {}}, swap={"size_bytes": 0}, mounts=[]
        )
        board = self.board(cluster, changed(NODE, cluster="k8s"), fitted=False)
        put(self.root, "/etc/fstab", "/dev/root / ext4 defaults 0 1\n/swapfile none swap sw 0 0\n")
        put(self.root, "/etc/modules-load.d/imagesmith-k8s.conf", "overlay\nbr_netfilter\n")
        put(self.root, "/etc/sysctl.d/90-imagesmith-k8s.conf", "net.ipv4.ip_forward = 1\n")

        assert drive(board) == 0

        assert self.root.read_text("/etc/fstab") == "/dev/root / ext4 defaults 0 1\n"
        assert self.root.read_link("/etc/systemd/system/nvzramconfig.service") == "/dev/null"
        assert self.detail_of("mode") == "no swap, no NVIDIA container runtime, modules loaded"
        reboot(self.root)
        assert len((self.root.read_text("/proc/swaps") or "").splitlines()) == 1

    def test_the_state_is_copied_to_the_first_share_once_it_is_really_mounted(self) -> None:
        board = self.board()
        board.server_up = True

        assert drive(board) == 0

        copy = self.root.read_text("/media/share/.imagesmith/jetson1-node.json")
        assert copy is not None
        assert json.loads(copy)["status"] == "ready"

    def test_nothing_is_written_under_a_mount_point_while_the_server_is_down(self) -> None:
        board = self.board()

        assert drive(board) == 0

        assert self.root.names("/media/share") == []
        assert self.detail_of("mounts") == "/media/share, /home/guest configured, 192.168.0.1 does not answer"

    def test_a_baked_step_is_skipped_on_a_card_it_fits(self) -> None:
        builder = self.board(node={})
        self._bake(builder)
        marker = read_marker(self.root, "oem")
        board = self.same_card()

        assert drive(board) == 0

        assert marker is not None
        assert marker.baked
        assert "setupcon" not in builder.programs()
        assert self.statuses()[3] == "baked"
        assert "useradd" not in board.programs()

    def test_a_baked_step_costs_only_the_difference_on_a_card_with_secrets(self) -> None:
        self._bake(self.board(node={}))
        write_documents(self.root)
        board = self.same_card()

        assert drive(board) == 0

        assert {"chpasswd"} == {"chpasswd", "useradd", "localedef"} & set(board.programs())

    def test_status_tells_people_and_scripts(self) -> None:
        self.board()
        screen = io.StringIO()
        with contextlib.redirect_stdout(screen):
            before = cli.main(["--status", "--root", self.folder])
            drive(self.same_card())
            after = cli.main(["--status", "--root", self.folder])

        assert (before, after) == (3, 0)
        lines = screen.getvalue().splitlines()
        assert lines[0] == "imagesmith: first boot has not begun"
        assert lines[1] == "imagesmith: jetson1-node (node 1 of mpi) is ready"
        assert lines[4] == "  done    swap                0.0 s  4.0 GiB on /dev/mmcblk0p15"

    def test_steps_never_act_on_another_root_than_the_running_one(self) -> None:
        self.board()
        before = snapshot(self.root)
        complaint = io.StringIO()

        with contextlib.redirect_stderr(complaint), self.assertRaises(SystemExit) as caught:
            cli.main(["--root", self.folder, "--once"])

        assert caught.exception.code == 2
        assert "steps act on the running system" in complaint.getvalue()
        assert before == snapshot(self.root)
