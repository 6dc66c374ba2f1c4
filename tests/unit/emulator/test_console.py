import os
from pathlib import Path

from imagesmith.emulator.console import Console, clean_line


def _after(said: bytes, log: Path) -> tuple[Console, list[str]]:
    heard: list[str] = []
    source, sink = os.pipe()
    with Console(source, log, heard.append) as console:
        os.write(sink, said)
        os.close(sink)
    return console, heard


def test_lines_lose_colours_and_cursor_movements_and_nothing_else() -> None:
    assert clean_line(b"[\x1b[0;32m  OK  \x1b[0m] Started \xc3\x84gent.\r\n") == "[  OK  ] Started Ägent."
    assert clean_line(b"\x1b[K\x1b[?25l\x1b(B\n") == ""
    assert clean_line(b"\xff broken\n") == "\ufffd broken"


def test_every_line_that_says_something_is_told_kept_and_logged(tmp_path: Path) -> None:
    console, heard = _after(b"one\r\n\r\ntwo\nthree without an end", tmp_path / "log")

    assert ["one", "two", "three without an end"] == heard
    assert ["two", "three without an end"] == console.tail(2)
    assert "one\ntwo\nthree without an end\n" == (tmp_path / "log").read_text()


def test_a_panic_is_noticed(tmp_path: Path) -> None:
    console, _ = _after(
        b"[ 2.1] Kernel panic - not syncing: VFS: Unable to mount\n[ 2.2] CPU: 1\n", tmp_path / "log"
    )

    assert console.panic == "VFS: Unable to mount"
    assert console.given_up is None


def test_the_initramfs_giving_up_is_noticed(tmp_path: Path) -> None:
    console, _ = _after(b"imagesmith-init: the card has no partition 1\n", tmp_path / "log")

    assert console.given_up == "the card has no partition 1"
    assert console.panic is None
