"""The ledger's file under bad treatment: many writers, kill -9, damage, another version, no room to write."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from imagesmith.host.ledger import Ledger, LedgerError, ledger_path
from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Phase, Result, TableState
from tests.rig.ledger_rows import row

# A process of its own that says each row's number only after the row is in.
WRITER = """
import sys
from pathlib import Path
from imagesmith.host.ledger import Ledger
from tests.rig.ledger_rows import row

for number in range(int(sys.argv[3])):
    Ledger(Path(sys.argv[1])).put([row(run=f"{sys.argv[2]}-{number}")])
    print(number, flush=True)
"""
CHECKOUT = Path(__file__).parents[3]


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "ledger.sqlite3"


def test_a_row_comes_back_as_it_went_in(path: Path) -> None:
    rows = (
        replace(
            row(run="1", model='Quote "; DROP TABLE cards; --', node_index=None),
            result=Result.FAILED,
            table=TableState.ABSENT,
            phase=Phase.VERIFY,
            offset=2**40,
            cause="read back wrong",
            seconds={"write": 1.5},
            retries=3,
        ),
        row(run="2"),
    )

    Ledger(path).put(rows)

    assert rows == Ledger(path).rows()


def test_the_row_of_a_card_that_ended_replaces_the_one_of_its_beginning(path: Path) -> None:
    Ledger(path).put([row(card="/dev/sdb", result=Result.UNFINISHED), row(card="/dev/sdc")])

    Ledger(path).put([row(card="/dev/sdb", result=Result.DONE)])

    assert [("/dev/sdb", Result.DONE), ("/dev/sdc", Result.DONE)] == [
        (found.card, found.result) for found in Ledger(path).rows()
    ]


def test_without_a_ledger_there_are_no_rows_and_none_is_made(path: Path) -> None:
    assert () == Ledger(path).rows()
    assert not path.parent.exists()


def test_the_ledger_lies_in_the_state_folder() -> None:
    assert Path(os.environ["XDG_STATE_HOME"], "imagesmith", "ledger.sqlite3") == ledger_path()


def test_every_field_is_a_column_and_every_column_a_field(path: Path) -> None:
    Ledger(path).put([row()])

    with sqlite3.connect(path) as connection:
        columns = [found[1] for found in connection.execute("PRAGMA table_info(cards)")]
    connection.close()
    assert [field.name for field in fields(LedgerRow)] == columns


def test_processes_that_begin_it_together_lose_no_row(path: Path) -> None:
    writers = [writer(path, name, 15) for name in "abcd"]

    assert [0] * 4 == [each.wait(60) for each in writers]

    for each in writers:
        each.communicate()
    assert {f"{name}-{number}" for name in "abcd" for number in range(15)} == {
        found.run for found in Ledger(path).rows()
    }


def test_what_was_put_in_survives_kill_9_at_any_moment(path: Path) -> None:
    said: set[str] = set()
    for attempt in range(5):
        victim = writer(path, str(attempt), 100_000)
        assert victim.stdout is not None
        said |= {f"{attempt}-{victim.stdout.readline().strip()}"}
        time.sleep(0.05 + 0.013 * attempt)
        victim.send_signal(signal.SIGKILL)
        rest, _ = victim.communicate()
        said |= {f"{attempt}-{number}" for number in rest.split("\n") if number}

    found = {each.run for each in Ledger(path).rows()}

    assert len(said) > 5
    assert said <= found
    assert len(found) <= len(said) + 5, "one row a killed process may be in and not said"


@pytest.mark.parametrize(("part", "offset"), [("the header", 0), ("a page of rows", 4096 + 200)])
def test_a_damaged_file_is_told_and_left_as_it_is(path: Path, part: str, offset: int) -> None:
    Ledger(path).put([row(run=str(number)) for number in range(200)])
    with path.open("r+b") as out:
        out.seek(offset)
        out.write(os.urandom(4096))
    before = path.read_bytes()

    with pytest.raises(LedgerError, match="cannot be read") as caught:
        Ledger(path).rows()

    assert "damaged" in caught.value.why, part
    assert f"mv {path} {path}.damaged" in caught.value.remedy
    assert 4 == caught.value.exit_code
    assert before == path.read_bytes()


def test_a_damaged_file_takes_no_more_rows(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)

    with pytest.raises(LedgerError, match="cannot be written") as caught:
        Ledger(path).put([row()])

    assert "file is not a database" in caught.value.why


def test_a_word_that_no_field_may_hold_is_damage(path: Path) -> None:
    Ledger(path).put([row()])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE cards SET result = 'splendid'")
    connection.commit()
    connection.close()

    with pytest.raises(LedgerError, match="cannot be read") as caught:
        Ledger(path).rows()

    assert "'splendid'" in caught.value.why


def test_a_ledger_of_a_newer_imagesmith_is_left_alone(path: Path) -> None:
    Ledger(path).put([row()])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    for act in (lambda: Ledger(path).rows(), lambda: Ledger(path).put([row(run="2")])):
        with pytest.raises(LedgerError, match="was written by a newer imagesmith"):
            act()

    connection = sqlite3.connect(path)
    assert [(1,)] == connection.execute("SELECT count(*) FROM cards").fetchall()
    connection.close()


def test_where_no_folder_can_be_made_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LedgerError, match="cannot be written") as caught:
        Ledger(tmp_path / "file" / "state" / "ledger.sqlite3").put([row()])

    assert ("Not a directory", True) == (caught.value.why, "writable" in caught.value.remedy)


def test_a_writer_waits_for_another_but_not_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesmith.host.ledger._BUSY_S", 0.2)
    Ledger(path).put([row(run="1")])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerError, match="cannot be written") as caught:
        Ledger(path).put([row(run="2")])
    assert ("1",) == tuple(found.run for found in Ledger(path).rows()), "readers do not wait"
    other.close()
    Ledger(path).put([row(run="2")])

    assert "locked" in caught.value.why
    assert ["1", "2"] == [found.run for found in Ledger(path).rows()]


def test_rows_of_half_a_transaction_are_not_there(path: Path) -> None:
    bad = replace(row(run="2"), model=None)  # type: ignore[arg-type]  # no column takes it

    with pytest.raises(LedgerError):
        Ledger(path).put([row(run="1"), bad])

    assert () == Ledger(path).rows()


def test_seconds_are_kept_as_json_for_other_programs(path: Path) -> None:
    Ledger(path).put([replace(row(), seconds={"write": 2.0})])

    connection = sqlite3.connect(path)
    [[text]] = connection.execute("SELECT seconds FROM cards").fetchall()
    connection.close()
    assert {"write": 2.0} == json.loads(text)
