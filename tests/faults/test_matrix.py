"""Every fault in every mode, alone and among good cards. Most flashers end with 0 on these cards."""

import pytest

from tests.faults.conftest import is_whole
from tests.rig.fault_table import Result
from tests.rig.faults import FAULTS
from tests.rig.matrix import MODES, Cell, Setting, Stage, judge, run_cell

KNOWN_BUGS: dict[str, str] = {}
"""Cells (by their names) that are wrong, and why: they must go on failing until the bug is gone."""


def cells(*, whole: bool) -> list[Cell]:
    """Return the cells to be run: all; or each fault among good cards, and once by itself in another mode."""
    every = [
        Cell(fault, mode, is_alone)
        for fault in FAULTS
        for mode in MODES
        for is_alone in (True, False)
        if not fault.modes or mode.name in fault.modes
    ]
    if whole:
        return every
    turns = {fault.name: MODES[1 + number % (len(MODES) - 1)] for number, fault in enumerate(FAULTS)}
    return [
        cell
        for cell in every
        if (cell.mode is turns[cell.fault.name] if cell.is_alone else cell.mode is MODES[0])
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        chosen = cells(whole=is_whole(metafunc.config))
        metafunc.parametrize("cell", [_param(cell) for cell in chosen])


def _param(cell: Cell) -> object:
    reason = KNOWN_BUGS.get(cell.name)
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(cell, id=cell.name, marks=marks)


def test_a_run_is_honest_about_each_card(
    cell: Cell, stage: Stage, setting: Setting, results: list[Result]
) -> None:
    seen = run_cell(cell, stage, setting)

    try:
        judge(seen)
    except AssertionError:
        results.append(Result(seen, is_right=False))
        raise
    results.append(Result(seen, is_right=True))


def test_every_known_bug_is_of_a_cell() -> None:
    assert KNOWN_BUGS.keys() <= {cell.name for cell in cells(whole=True)}
