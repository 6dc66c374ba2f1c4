"""The ledger on a file system that is mounted read-only: root is stopped by nothing less."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.host.ledger import Ledger, LedgerError
from imagesmith.host.programs import run
from tests.rig.ledger_rows import row


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    run(["mount", "--bind", "--options=ro", folder, folder])
    try:
        yield
    finally:
        run(["umount", folder])


def test_a_ledger_that_cannot_be_written_can_still_be_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state" / "ledger.sqlite3")
    ledger.put([row(run="1")])

    with read_only(ledger.path.parent):
        assert ["1"] == [found.run for found in ledger.rows()]
        with pytest.raises(LedgerError, match="cannot be written") as caught:
            ledger.put([row(run="2")])

    assert f"make {ledger.path.parent} writable for this user" in caught.value.remedy
    assert ["1"] == [found.run for found in ledger.rows()]


def test_no_ledger_is_begun_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()

    with read_only(folder), pytest.raises(LedgerError, match="cannot be written"):
        Ledger(folder / "ledger.sqlite3").put([row()])

    assert [] == list(folder.iterdir())
