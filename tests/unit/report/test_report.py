"""What people and programs see of a run of eight cards."""

import io
import itertools
import json
import re
from pathlib import Path

import pytest

from imagesmith.model.events import BytesWritten, CardEnded, CardOpened, PhaseStarted
from imagesmith.model.outcome import Phase
from imagesmith.report.bars import Bars
from imagesmith.report.jsonl import JsonLines
from imagesmith.report.lines import Lines
from imagesmith.report.names import clipped, short_names
from imagesmith.report.show import showing
from imagesmith.report.table import render_table
from tests.unit.report import story


def test_the_table_fits_80_columns_and_tells_slot_node_and_rates() -> None:
    lines = render_table(story.report()).splitlines()

    assert max(map(len, lines[:9])) <= 80
    assert "slot           node         card result         write    verify seconds" == lines[0]
    assert "…-scsi-0:0:0:0 jetson0-node sdb  done       20.0 MB/s 40.0 MB/s      75" == lines[1]
    assert "FAILED" in lines[3]


def test_below_the_table_stands_why_each_bad_card_is_bad() -> None:
    text = render_table(story.report())

    assert (
        f"/dev/sdd ({story.slot(2)}, jetson2-node): failed in write, byte 4096\n"
        "  why: write failed: EIO (Input/output error)\n"
        "  now: it has no partition table\n"
    ) in text
    assert (
        f"/dev/sdi ({story.slot(7)}, jetson7-node): unfinished in write, byte 4096\n"
        "  why: no answer for 15 s to: write\n"
        "  now: it may have a partition table: do not use it\n"
    ) in text
    assert text.endswith(
        "\noperations repeated after transient errors: 1\n6 of 8 cards done and verified in 75 s"
    )


def test_without_a_terminal_each_state_is_one_line_and_no_byte_moves_the_cursor() -> None:
    out = io.StringIO()
    lines = Lines(out)

    for event in story.events():
        lines(event)

    text = out.getvalue()
    assert not set("\r\x1b") & set(text)
    assert text.startswith("image: checking 953.7 MiB\n")
    first = [line for line in text.splitlines() if line.startswith("/dev/sdb")]
    who = f"/dev/sdb (jetson0-node, {story.slot(0)})"
    assert [
        f"{who}: removing the old partition table",
        f"{who}: writing 953.7 MiB",
        f"{who}: reading back 953.7 MiB",
        f"{who}: writing the partition table",
        f"{who}: done and verified in 75 s",
    ] == first
    assert (
        f"/dev/sdd (jetson2-node, {story.slot(2)}): failed in write at byte 4096: "
        "write failed: EIO (Input/output error) (partition table: absent)\n"
    ) in text
    assert "EIO (Input/output error); trying again (1)\n" in text


def test_every_json_line_stands_alone_and_counts_are_cumulative() -> None:
    out = io.StringIO()
    clock = itertools.count(0.0, 0.01)
    jsonl = JsonLines(out, clock=lambda: next(clock))

    for event in story.events():
        jsonl(event)
    jsonl.close()

    documents = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {1} == {document["schema"] for document in documents}
    assert {
        "image_check_started",
        "progress",
        "card_opened",
        "phase_started",
        "operation_retried",
        "card_ended",
    } == {document["event"] for document in documents}
    last = [document for document in documents if document["event"] == "progress"][-1]
    assert {
        "compared_bytes": 0,
        "written_bytes": story.SIZE_BYTES,
        "verified_bytes": story.SIZE_BYTES,
    } == last["cards"]["/dev/sdb"]
    assert story.SIZE_BYTES == last["checked_bytes"]
    ended = [document for document in documents if document["event"] == "card_ended"]
    assert story.outcome(2).as_dict().items() <= ended[0].items()


def test_the_reference_lists_every_event_and_every_field() -> None:
    out = io.StringIO()
    jsonl = JsonLines(out)
    for event in story.events():
        jsonl(event)
    documents = [json.loads(line) for line in [*out.getvalue().splitlines(), story.report().to_json()]]
    text = (Path(__file__).parents[3] / "docs/reference.md").read_text()

    text = text.partition("## `flash --json`")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert {document["event"] for document in documents} == set(listed)
    for document in documents:
        if document["event"] != "card_ended":
            for field in set(document) - {"schema", "event", "time_s"}:
                assert f"`{field}`" in listed[document["event"]], (document["event"], field)
    for field in story.outcome(0).as_dict():
        assert f"`{field}`" in text.partition("An outcome has")[2], field


def test_json_progress_comes_at_most_five_times_a_second() -> None:
    out = io.StringIO()
    clock = itertools.count(0.0, 0.001)
    jsonl = JsonLines(out, clock=lambda: next(clock))

    for _ in range(1000):
        jsonl(BytesWritten("/dev/sdb", 512))
    jsonl.close()

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert 512_000 == lines[-1]["cards"]["/dev/sdb"]["written_bytes"]
    assert len(lines) <= 5 * lines[-1]["time_s"] + 2


def test_eight_bars_and_a_total_fit_80_columns() -> None:
    out = io.StringIO()
    bars = Bars(out, columns=80)

    for event in story.events():
        bars(event)
    bars.close()

    drawn = re.split(r"[\r\n]|\x1b\[A", out.getvalue())
    drawn = [line for line in drawn if "%|" in line]
    assert max(map(len, drawn)) <= 80
    last = {line.split(" ")[0]: line for line in drawn}
    assert {"all", *(card.removeprefix("/dev/") for card in story.CARDS)} == set(last)
    assert re.match(r"sdb jetson0-node +done +100%\|[█#]+\|", last["sdb"])
    assert re.match(r"sdd jetson2-node +FAILED +25%\|", last["sdd"])
    assert "all cards                 8 of 8" in last["all"]


def test_a_failure_is_said_above_the_bars_at_once() -> None:
    out = io.StringIO()
    bars = Bars(out, columns=80)

    for event in story.events():
        bars(event)
        if isinstance(event, CardEnded):
            break

    assert "/dev/sdd: failed in write at byte 4096: write failed: EIO" in out.getvalue()
    bars.close()


def test_bars_start_no_thread_since_this_process_forks() -> None:
    import threading

    before = threading.enumerate()
    bars = Bars(io.StringIO(), columns=80)
    bars(CardOpened("/dev/sdb", "", ""))
    bars(PhaseStarted("/dev/sdb", Phase.WRITE, 100))

    assert before == threading.enumerate()
    bars.close()


def test_json_goes_to_stdout_and_lines_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(as_json=True) as show:
        show(BytesWritten("/dev/sdb", 512))
    as_json = capsys.readouterr()
    with showing(as_json=False) as show:
        show(PhaseStarted("/dev/sdb", Phase.CLEAR, 0))
    as_lines = capsys.readouterr()

    assert ("progress", "") == (json.loads(as_json.out)["event"], as_json.err)
    assert ("", "/dev/sdb: removing the old partition table\n") == (as_lines.out, as_lines.err)


def test_names_are_short_unless_that_would_mix_up_two_cards() -> None:
    assert {"/dev/sdb": "sdb", "/a/card.img": "/a/card.img", "/b/card.img": "/b/card.img"} == short_names(
        ["/dev/sdb", "/a/card.img", "/b/card.img"]
    )


def test_a_clipped_text_keeps_its_end() -> None:
    assert "…0:0:2" == clipped("scsi-0:0:0:2", 6)
    assert "short" == clipped("short", 6)
