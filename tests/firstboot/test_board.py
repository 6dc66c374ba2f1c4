"""The door to the outside, with real programs; and the two bits of text surgery."""

import os
import socket
import tempfile
import time
import unittest

from imagesmith_firstboot.blocks import with_block
from imagesmith_firstboot.board import Board
from imagesmith_firstboot.errors import CommandError
from imagesmith_firstboot.root import Root


class BoardTest(unittest.TestCase):
    def _error(self, *argv: str, timeout_s: float = 10.0) -> str:
        with self.assertRaises(CommandError) as caught:
            Board().run(argv, timeout_s=timeout_s)
        return str(caught.exception)

    def test_what_a_program_reads_and_writes_goes_through(self) -> None:
        finished = Board().run(["cat"], input_text="guest:$6$x\n")

        assert (finished.returncode, finished.stdout) == (0, "guest:$6$x\n")

    def test_a_bad_end_is_told_with_the_last_line(self) -> None:
        assert self._error("sh", "-c", "echo one >&2; echo two >&2; exit 7") == (
            "sh -c echo one >&2; echo two >&2; exit 7: two (exit code 7)"
        )

    def test_a_missing_program_is_told_by_name(self) -> None:
        assert self._error("no-such-program") == (
            "no-such-program cannot be started: no-such-program: No such file or directory"
        )

    def test_a_program_that_does_not_end_is_left_with_all_its_children(self) -> None:
        with tempfile.NamedTemporaryFile("r") as pid:
            began_s = time.monotonic()

            message = self._error("sh", "-c", f"sleep 60 & echo $! > {pid.name}; wait", timeout_s=0.5)

            assert message.endswith(": no end after 0 s")
            assert time.monotonic() - began_s < 10
            child = int(pid.read())
            assert Board().wait_until(lambda: not _is_running(child), timeout_s=5)

    def test_systemd_is_told_where_it_listens(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(listener.close)
            listener.bind(path)
            os.environ["NOTIFY_SOCKET"] = path
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")

            Board().notify("READY=1")

            assert listener.recv(100) == b"READY=1"

    def test_a_port_nobody_listens_on_does_not_answer(self) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen(1)

        assert Board().answers("127.0.0.1", port, timeout_s=1.0)

        listener.close()
        assert not Board().answers("127.0.0.1", port, timeout_s=1.0)


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


class TextTest(unittest.TestCase):
    def test_a_block_is_replaced_where_it_stands(self) -> None:
        once = with_block("a\n", "x", ["1"]) + "b\n"

        assert with_block(once, "x", ["2"]) == "a\n# imagesmith x: begin\n2\n# imagesmith x: end\nb\n"

    def test_blocks_of_others_stay(self) -> None:
        text = with_block(with_block("", "x", ["1"]), "y", ["2"])

        assert with_block(text, "x", []) == with_block("", "y", ["2"])

    def test_a_block_put_in_and_taken_out_leaves_no_trace(self) -> None:
        for text in ("", "a\n", "a\n\nb\n"):
            for first in (False, True):
                assert with_block(with_block(text, "x", ["1"], first=first), "x", []) == text


class RootTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Root(folder.name)

    def test_writing_what_is_there_changes_nothing(self) -> None:
        assert self.root.write("/etc/a", "text\n", 0o600)
        before = os.stat(self.root.path("/etc/a"))

        assert not self.root.write("/etc/a", "text\n", 0o600)

        assert (before.st_ino, before.st_mtime) == (
            os.stat(self.root.path("/etc/a")).st_ino,
            os.stat(self.root.path("/etc/a")).st_mtime,
        )

    def test_another_mode_alone_is_made_so(self) -> None:
        self.root.write("/a", "text\n", 0o644)

        assert self.root.write("/a", "text\n", 0o600)

        assert os.stat(self.root.path("/a")).st_mode & 0o777 == 0o600

    def test_a_link_is_replaced_and_not_followed(self) -> None:
        self.root.write("/target", "keep\n")
        os.symlink("target", self.root.path("/link"))

        assert self.root.write("/link", "new\n")

        assert self.root.read_text("/target") == "keep\n"
        assert self.root.read_link("/link") is None

    def test_a_draft_left_by_a_power_cut_is_no_obstacle(self) -> None:
        os.symlink("elsewhere", self.root.path("/.a.imagesmith"))

        assert self.root.write("/a", "text\n")

        assert self.root.names("/") == ["a"]

    def test_bytes_that_are_no_text_survive_an_edit(self) -> None:
        with open(self.root.path("/hosts"), "wb") as out:
            out.write(b"# caf\xe9\n")

        self.root.write("/hosts", with_block(self.root.read_text("/hosts") or "", "x", ["1"]))

        with open(self.root.path("/hosts"), "rb") as content:
            assert content.read().startswith(b"# caf\xe9\n")
