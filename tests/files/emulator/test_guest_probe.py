"""The guest's half of the probe, with real programs; the whole way is in tests/emulator."""

import importlib.util
import os
import time
from pathlib import Path
from types import ModuleType

import pytest

import imagesmith.emulator
from imagesmith.emulator.probe import PORT_NAME


@pytest.fixture(scope="module")
def guest() -> ModuleType:
    source = Path(imagesmith.emulator.__file__).parent / "guest/probe.py"
    spec = importlib.util.spec_from_file_location("guest_probe", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_halves_mean_the_same_port(guest: ModuleType) -> None:
    assert guest.PORT_NAME == PORT_NAME


def test_a_command_is_answered_with_its_code_and_both_outputs(guest: ModuleType) -> None:
    answer = guest.answer({"id": 4, "argv": ["sh", "-c", "echo a; echo b >&2; exit 3"], "timeout_s": 30})

    assert answer == {"id": 4, "returncode": 3, "stdout": "a\n", "stderr": "b\n"}


def test_output_that_is_no_text_is_answered_all_the_same(guest: ModuleType) -> None:
    answer = guest.answer({"id": 4, "argv": ["printf", r"\377x"], "timeout_s": 30})

    assert answer["stdout"] == "\ufffdx"


def test_a_program_that_is_not_there_is_an_answer(guest: ModuleType) -> None:
    answer = guest.answer({"id": 4, "argv": ["no-such-program"], "timeout_s": 30})

    assert answer["returncode"] == 127
    assert "no-such-program" in answer["stderr"]


def test_a_command_that_takes_too_long_is_killed_with_its_children(guest: ModuleType, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! >{note}; wait"
    answer = guest.answer({"id": 4, "argv": ["sh", "-c", script], "timeout_s": 1})

    assert answer == {"id": 4, "timed_out": True}
    # A killed process is gone when the kernel gets to it: at once, or after whatever else runs.
    deadline_s = time.monotonic() + 30
    while _runs(int(note.read_text())) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not _runs(int(note.read_text()))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # killed, and not yet collected by whoever inherited it


def test_questions_are_taken_apart_at_their_line_ends(guest: ModuleType) -> None:
    source, sink = os.pipe()
    lines = guest.read_lines(source)
    os.write(sink, b"one\ntwo\nthr")

    assert [next(lines), next(lines)] == [b"one", b"two"]

    os.write(sink, b"ee\n")

    assert next(lines) == b"three"
    os.close(sink)
    os.close(source)
