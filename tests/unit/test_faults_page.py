"""The page on the fault matrix is of the matrix as it is, and every cell of it was right."""

from pathlib import Path

import pytest

from tests.rig.faults import FAULTS

PAGE = (Path(__file__).parents[2] / "docs/faults.md").read_text(encoding="utf-8")


def test_every_fault_is_a_row_and_every_row_a_fault() -> None:
    rows = [line for line in PAGE.partition("## Killed")[0].splitlines() if line.startswith("| ")][2:]

    assert [fault.name for fault in FAULTS] == [row.split(" | ")[0][2:].partition(" [")[0] for row in rows]


@pytest.mark.parametrize("word", ["WRONG", "not run", "INCOMPLETE"])
def test_no_cell_is_wrong_or_left_out(word: str) -> None:
    table = PAGE.partition("| fault |")[2]

    assert word not in table
