"""The ledger as people and spreadsheets see it."""

import csv
import io
import json
from dataclasses import asdict, replace

from imagesmith.cli.ledger import is_of_node
from imagesmith.model.outcome import Phase, Result, TableState
from imagesmith.report.ledger import ledger_as_csv, render_ledger
from tests.rig.ledger_rows import LEFT, A, row

GOOD = row("jetson2-node", slot="left", node_index=2, write_bytes_per_s=20_100_000)
BAD = replace(
    row("jetson10-node", slot="", node_index=10, write_bytes_per_s=1_000_000),
    result=Result.FAILED,
    table=TableState.ABSENT,
    phase=Phase.VERIFY,
    offset=123_456_789,
    cause="read back wrong: " + "what came back is not what was written " * 3,
)


def test_the_ledger_fits_80_columns_and_says_why_a_card_is_bad() -> None:
    lines = render_ledger([GOOD, BAD]).splitlines()

    assert max(map(len, lines)) <= 80
    assert [
        "began (UTC)      slot           node          image    result     write",
        f"2026-11-24 03:00 left           jetson2-node  {A[:8]} done   20.1 MB/s",
        f"2026-11-24 03:00 …{LEFT[-13:]} jetson10-node {A[:8]} FAILED  1.0 MB/s",
    ] == lines[:3]
    text = " ".join(line.strip() for line in lines[3:])
    assert text.startswith("/dev/sdb, in verify at byte 123456789: read back wrong: what came back")
    assert text.endswith("(partition table: absent) 1 of 2 cards done and verified")


def test_what_a_card_calls_itself_cannot_move_the_cursor() -> None:
    text = render_ledger([replace(BAD, cause="\x1b[2J\x07gone\r"), row("\x1b[31mred")])

    assert not set("\x1b\x07\r") & set(text)


def test_a_spreadsheet_gets_every_field() -> None:
    cause = 'comma, "quote"\nand a line'

    [first, second] = csv.DictReader(io.StringIO(ledger_as_csv([GOOD, replace(BAD, cause=cause)])))

    assert list(asdict(GOOD)) == list(first)
    assert ("jetson2-node", "done", "", "2") == (
        first["node"],
        first["result"],
        first["offset"],
        first["node_index"],
    )
    assert (cause, {}) == (second["cause"], json.loads(second["seconds"]))


def test_a_node_is_found_by_its_number_and_by_its_name() -> None:
    assert is_of_node(GOOD, "2")
    assert is_of_node(GOOD, "jetson2-node")
    assert not is_of_node(GOOD, "jetson2")
    assert not is_of_node(GOOD, "02")
    assert not is_of_node(replace(GOOD, node_index=None, node=""), "None")
