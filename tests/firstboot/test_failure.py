"""Steps that fail: the rest is not reached, retries are counted, and the node does not say it is ready."""

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.driver import MOST_ATTEMPTS, Step

from tests.firstboot.case import BoardCase
from tests.firstboot.fake_board import Death, Fuse, drive, reboot
from tests.firstboot.stock_card import put

_GAVE_UP = "imagesmith: gave up for this boot; this node does not join the cluster. The next boot tries again"


def _no_inputs(_context: Context) -> None:
    return None


class FailureTest(BoardCase):
    def test_a_failed_step_stops_the_rest(self) -> None:
        board = self.board()
        board.broken["nmcli"] = "no carrier"

        failure = self.failure(board)

        assert failure == "network: nmcli: no carrier"
        assert self.statuses() == ["done"] * 5 + ["failed"] + ["pending"] * 4
        assert not {"ssh-keygen", "sshd", "systemd-escape"} & set(board.programs())
        assert not self.root.exists("/etc/imagesmith/hostfile")
        assert board.notices == []

    def test_it_is_retried_with_growing_pauses_and_a_cap(self) -> None:
        board = self.board()
        board.broken["nmcli"] = "no carrier"
        began_s = board.uptime_s

        assert drive(board) == 3

        assert board.programs().count("nmcli") == MOST_ATTEMPTS == 5
        assert board.uptime_s - began_s == 5 + 10 + 20 + 40
        assert (self.state["status"], self.state["attempt"]) == ("failed", 5)
        assert board.output.splitlines()[-1] == _GAVE_UP
        assert board.notices == ["STATUS=network failed: nmcli: no carrier"] * 4
        assert not self.root.exists("/var/lib/imagesmith/ready")

    def test_the_message_of_the_day_names_step_and_cause(self) -> None:
        board = self.board()
        board.broken["nmcli"] = "no carrier"

        drive(board)

        motd = self.root.read_text("/var/lib/imagesmith/motd")
        assert motd == "imagesmith: failed, attempt 5, 5/10 steps; network: nmcli: no carrier\n"

    def test_a_passing_trouble_costs_an_attempt_and_no_step_twice(self) -> None:
        board = self.board()
        board.broken["nmcli"] = "not yet"
        slept = board.sleep

        def mend(seconds: float) -> None:
            slept(seconds)
            board.broken.clear()

        board.sleep = mend  # type: ignore[method-assign]

        assert drive(board) == 0

        assert (self.state["status"], self.state["attempt"], self.state["error"]) == ("ready", 2, None)
        assert board.programs().count("useradd") == 1

    def test_the_next_boot_begins_anew_where_it_stopped(self) -> None:
        board = self.board()
        board.broken["nmcli"] = "no carrier"
        drive(board)
        reboot(self.root)
        again = self.same_card()

        assert drive(again) == 0

        assert self.state["attempt"] == 1
        assert "useradd" not in again.programs()

    def test_killed_attempts_count_so_a_crash_loop_ends(self) -> None:
        self.board()
        for attempt in range(1, MOST_ATTEMPTS + 1):
            with self.assertRaises(Death):
                drive(self.same_card(Fuse(20)))
            assert (self.state["status"], self.state["attempt"]) == ("running", attempt)
        last = self.same_card()

        assert drive(last) == 3

        assert last.calls == []
        assert self.state["status"] == "failed"
        assert self.state["error"] == {"step": "", "message": "the agent kept dying"}

    def test_a_state_file_cut_short_is_as_good_as_none(self) -> None:
        board = self.board()
        put(self.root, "/var/lib/imagesmith/state.json", '{"schema": 1, "stat')

        assert drive(board) == 0

    def test_a_bug_fails_its_step_and_keeps_its_words_to_itself(self) -> None:
        def run(_context: Context) -> str:
            raise ValueError("the secret $6$abc is odd")

        board = self.board()

        assert drive(board, once=True, steps=[Step("odd", _no_inputs, run)]) == 3

        assert str(self.state["error"]["message"]).startswith("a bug: ValueError at test_failure.py:")
        assert "$6$abc" not in str(self.state)

    def test_a_full_disk_fails_the_step_by_name(self) -> None:
        def run(_context: Context) -> str:
            raise OSError(28, "No space left on device", "/etc/fstab")

        board = self.board()

        assert drive(board, once=True, steps=[Step("swap", _no_inputs, run)]) == 3

        assert self.state["error"] == {"step": "swap", "message": "/etc/fstab: No space left on device"}
