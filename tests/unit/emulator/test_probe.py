"""The host's half of the probe, with a thread for a guest at the other end of a real socket."""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from imagesmith.emulator.lines import ChannelClosedError, JsonLines
from imagesmith.emulator.machine import BootError
from imagesmith.emulator.probe import Probe
from imagesmith.host.programs import Finished, ProgramTimeoutError

Guest = Callable[[dict[str, object]], bytes]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def _serve(end: socket.socket, guest: Guest, *, questions: int = 1) -> None:
    def answer() -> None:
        with end.makefile("rb") as lines:
            for _ in range(questions):
                end.sendall(guest(json.loads(lines.readline())))

    threading.Thread(target=answer, daemon=True).start()


def _alive() -> None:
    return


def _answer(question: dict[str, object], **rest: object) -> bytes:
    return json.dumps({"id": question["id"], **rest}).encode() + b"\n"


def test_an_answer_in_pieces_and_behind_rubbish_is_understood(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    _serve(theirs, lambda q: b"half a li\n[1]\n" + _answer(q, returncode=3, stdout="a\nb", stderr="é"))

    assert Finished(3, "a\nb", "é") == Probe(JsonLines(ours), _alive).run(["x"], timeout_s=5)


def test_the_late_answer_to_an_earlier_question_is_passed_over(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    late = b'{"id": 0, "returncode": 0, "stdout": "late", "stderr": ""}\n'
    _serve(theirs, lambda q: late + _answer(q, returncode=0, stdout="mine", stderr=""))

    assert "mine" == Probe(JsonLines(ours), _alive).run(["x"], timeout_s=5).stdout


def test_a_command_killed_in_the_guest_is_a_timeout(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    _serve(theirs, lambda q: _answer(q, timed_out=True))

    with pytest.raises(ProgramTimeoutError, match=r"sleep did not end within 7 s"):
        Probe(JsonLines(ours), _alive).run(["sleep", "9"], timeout_s=7)


def test_a_silent_guest_is_a_timeout(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _theirs = ends

    with pytest.raises(ProgramTimeoutError, match="true did not end"):
        Probe(JsonLines(ours), _alive, way_s=0.1).run(["true"], timeout_s=0.1)


@pytest.mark.parametrize("closed_first", [True, False])
def test_a_guest_that_goes_away_is_told_by_what_checks_it(
    ends: tuple[socket.socket, socket.socket], *, closed_first: bool
) -> None:
    ours, theirs = ends
    looks: list[None] = []

    def check() -> None:
        looks.append(None)
        if not closed_first:
            theirs.close()
        if len(looks) > 1:
            raise BootError("gone")

    if closed_first:
        theirs.close()

    with pytest.raises(BootError, match="gone"):
        Probe(JsonLines(ours), check).run(["true"], timeout_s=30)


def test_half_a_message_is_kept_for_the_next_look(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    lines = JsonLines(ours)
    theirs.sendall(b'{"id"')

    assert lines.receive(timeout_s=0.01) is None

    theirs.sendall(b": 1}\n{}\n")

    assert {"id": 1} == lines.receive(timeout_s=1)
    assert {} == lines.receive(timeout_s=1)


def test_the_end_of_a_channel_is_not_taken_for_silence(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()

    with pytest.raises(ChannelClosedError):
        JsonLines(ours).receive(timeout_s=1)
