"""The ledger around a run: there before the first card is touched, complete at its end, never in its way."""

import os
import sqlite3
from pathlib import Path

import pytest

from imagesmith.app.ledger import (
    RunLedger,
    cards_of_node,
    failed_of_last_run,
    remembered_cards,
    second_card_warning,
)
from imagesmith.card.slots import Slot, SlotMap
from imagesmith.host.ledger import LedgerError, ledger_path
from imagesmith.model.card import CardFacts, CardPlan
from imagesmith.model.ledger import CUT_SHORT
from imagesmith.model.node import Node
from imagesmith.model.outcome import CardOutcome, Phase, Result, TableState
from tests.rig.ledger_rows import LEFT, RIGHT, facts
from tests.small_manifest import small_manifest

SLOTS = SlotMap((Slot("left", LEFT),))
CARDS = ("/dev/sdb", "/dev/sdc")


def plan(index: int | None) -> CardPlan:
    return CardPlan(
        node=None if index is None else Node(index, f"jetson{index}-node", None),
        size_bytes=64,
        image=Path("/somewhere/build/small/small.img"),
        manifest=small_manifest(),
        chunks=(),
        body_patches=(),
        head_patches=(),
    )


def two_cards() -> list[tuple[CardFacts, CardPlan]]:
    paths = zip(CARDS, (LEFT, RIGHT), strict=True)
    return [
        (facts(path=path, slot_path=slot_path), plan(index)) for index, (path, slot_path) in enumerate(paths)
    ]


def outcome(card: str, result: Result) -> CardOutcome:
    good = result is Result.DONE
    return CardOutcome(
        card=card,
        slot="",
        node="",
        result=result,
        table=TableState.VALID if good else TableState.ABSENT,
        phase=Phase.CLOSE if good else Phase.WRITE,
        offset=None if good else 4096,
        cause="" if good else "write failed: EIO",
        written_bytes=1000,
        seconds={Phase.WRITE: 2.0},
    )


def test_before_the_first_card_is_touched_every_card_has_a_row_as_cut_short() -> None:
    ledger = RunLedger(two_cards(), slots=SLOTS)

    rows = remembered_cards()
    assert "" == ledger.trouble
    assert [(card, Result.UNFINISHED, TableState.UNKNOWN, CUT_SHORT, "") for card in CARDS] == [
        (row.card, row.result, row.table, row.cause, row.ended_at) for row in rows
    ]
    assert {ledger.run_id} == {row.run for row in rows}
    assert [("left", LEFT, 0, "jetson0-node"), ("", RIGHT, 1, "jetson1-node")] == [
        (row.slot, row.slot_path, row.node_index, row.node) for row in rows
    ]
    assert {("small", "small.img", "e" * 64, 64, "reader")} == {
        (row.cluster, row.image, row.image_sha256, row.size_bytes, row.serial) for row in rows
    }


def test_a_card_that_ended_has_its_outcome_and_the_other_is_still_cut_short() -> None:
    ledger = RunLedger(two_cards(), slots=SLOTS)

    ledger.record([outcome("/dev/sdc", Result.DONE)])

    first, second = remembered_cards()
    assert (Result.UNFINISHED, Result.DONE) == (first.result, second.result)
    assert (TableState.VALID, "", 1000, 500) == (
        second.table,
        second.cause,
        second.written_bytes,
        second.write_bytes_per_s,
    )
    assert ({"write": 2.0}, True) == (second.seconds, second.ended_at >= second.started_at)


def test_the_cards_to_try_again_are_those_of_the_last_run_alone() -> None:
    RunLedger(two_cards(), slots=SLOTS).record([outcome(card, Result.FAILED) for card in CARDS])
    again = RunLedger(two_cards(), slots=SLOTS)
    again.record([outcome("/dev/sdb", Result.DONE), outcome("/dev/sdc", Result.FAILED)])

    [failed] = failed_of_last_run()

    assert ("/dev/sdc", 1, 4096, "write failed: EIO") == (
        failed.path,
        failed.node_index,
        failed.offset,
        failed.cause,
    )


def test_after_a_run_without_failures_there_is_nothing_to_try_again() -> None:
    assert () == failed_of_last_run()

    RunLedger(two_cards(), slots=SLOTS).record([outcome(card, Result.DONE) for card in CARDS])

    assert () == failed_of_last_run()


def test_a_killed_run_leaves_its_cards_to_be_tried_again() -> None:
    RunLedger(two_cards(), slots=SLOTS)

    assert list(CARDS) == [row.path for row in failed_of_last_run()]


def test_a_card_without_identity_has_neither_node_nor_index() -> None:
    RunLedger([(facts(), plan(None))], slots=SLOTS)

    [row] = remembered_cards()
    assert (None, "") == (row.node_index, row.node)


def test_a_second_card_for_a_node_is_warned_about_and_the_same_one_is_not() -> None:
    RunLedger(two_cards(), slots=SLOTS).record([outcome(card, Result.DONE) for card in CARDS])

    others = cards_of_node("small", "jetson0-node", besides=facts(slot_path=RIGHT))

    assert () == cards_of_node("small", "jetson0-node", besides=facts(slot_path=LEFT))
    assert "" == second_card_warning(())
    assert (
        f"jetson0-node has another card already (slot left, {others[0].ended_at}): "
        "two boards must not run with one identity"
    ) == second_card_warning(others)


def test_a_damaged_ledger_stops_no_run_and_says_what_it_costs() -> None:
    ledger_path().parent.mkdir(parents=True)
    ledger_path().write_bytes(b"garbage" * 1000)

    ledger = RunLedger(two_cards(), slots=SLOTS)
    ledger.record([outcome("/dev/sdb", Result.DONE)])

    assert f"the ledger {ledger_path()} cannot be written (the file is damaged" in ledger.trouble
    assert () == cards_of_node("small", "jetson0-node", besides=facts(slot_path=RIGHT))
    with pytest.raises(LedgerError, match="cannot be read"):
        failed_of_last_run()


def test_a_ledger_that_breaks_in_mid_run_is_told_and_stops_nothing() -> None:
    ledger = RunLedger(two_cards(), slots=SLOTS)
    os.truncate(ledger_path(), 100)

    ledger.record([outcome("/dev/sdb", Result.DONE)])

    assert "cannot be written" in ledger.trouble


def test_other_programs_may_read_it_while_a_run_is_on() -> None:
    ledger = RunLedger(two_cards(), slots=SLOTS)
    reader = sqlite3.connect(ledger_path())
    assert 2 == len(reader.execute("SELECT run FROM cards").fetchall())

    ledger.record([outcome("/dev/sdb", Result.DONE)])

    assert "" == ledger.trouble
    reader.close()
