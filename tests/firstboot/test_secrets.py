"""The slot's secrets reach the files they are for, and nothing else."""

import os
import stat
from typing import Set

from tests.firstboot.case import BoardCase
from tests.firstboot.fake_board import drive
from tests.firstboot.stock_card import NODE, SECRET_HASH, SECRET_KEY, changed

_WITH_KEY = changed(
    NODE, ssh_host_keys={"ed25519": {"private": SECRET_KEY, "public": "ssh-ed25519 AAAA node\n"}}
)
_MARKS = ("NeverShowThisHash", "NeverShowThisKey")


class SecretsTest(BoardCase):
    def _holders(self) -> Set[str]:
        found = set()
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.islink(path) or path.endswith(".img"):
                    continue
                with open(path, "rb") as content:
                    text = content.read().decode(errors="replace")
                if any(mark in text for mark in _MARKS):
                    found.add(path[len(self.folder) :])
        return found

    def test_after_success_they_are_where_they_belong_and_nowhere_else(self) -> None:
        board = self.board(node=_WITH_KEY)

        assert drive(board) == 0

        assert self._holders() == {
            "/etc/imagesmith/node.json",
            "/etc/shadow",
            "/etc/ssh/ssh_host_ed25519_key",
        }
        key = os.stat(self.root.path("/etc/ssh/ssh_host_ed25519_key"))
        assert stat.S_IMODE(key.st_mode) == 0o600

    def test_no_argument_and_no_line_of_output_holds_one(self) -> None:
        board = self.board(node=_WITH_KEY)

        assert drive(board) == 0

        spoken = " ".join(word for words in board.calls for word in words) + board.output
        assert not any(mark in spoken for mark in _MARKS)
        assert f"guest:{SECRET_HASH}\n" in board.inputs

    def test_a_failing_chpasswd_does_not_tell_either(self) -> None:
        board = self.board(node=_WITH_KEY)
        board.broken["chpasswd"] = "line 1: invalid"

        assert self.failure(board) == "oem: chpasswd: line 1: invalid"

        assert self._holders() == {"/etc/imagesmith/node.json"}
        assert not any(mark in board.output for mark in _MARKS)

    def test_what_everybody_may_read_is_the_state_and_not_the_markers(self) -> None:
        drive(self.board())

        def mode(inside: str) -> int:
            return stat.S_IMODE(os.stat(self.root.path(inside)).st_mode)

        assert mode("/var/lib/imagesmith/state.json") == 0o644
        assert mode("/var/lib/imagesmith/steps") == 0o700
        assert mode("/var/lib/imagesmith/steps/oem.done") == 0o600
        profile = "/etc/NetworkManager/system-connections/imagesmith-eth0.nmconnection"
        assert mode(profile) == 0o600
