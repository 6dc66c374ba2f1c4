"""`flash` after a run that did not end well: which cards are taken, and how they come to their plan."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from imagesmith.app.ledger import RunLedger, remembered_cards
from imagesmith.card.slots import SlotMap
from imagesmith.model.card import CardFacts, Identity, TargetKind
from imagesmith.model.outcome import Result
from tests.rig.images import Published, flip_bit
from tests.rig.written import CARD_BYTES, plan_of

SIZE = "128MiB"


def flash(*words: object, code: int = 0) -> dict[str, Any]:
    argv = [sys.executable, "-m", "imagesmith", "flash", "--json", "--yes", *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert code == done.returncode, done.stdout + done.stderr
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def card_of(report: dict[str, Any]) -> dict[str, Any]:
    (outcome,) = report["cards"]
    return dict(outcome)


def test_a_delta_writes_what_differs_and_a_second_one_nothing(small_image: Published, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    common = (card, "--image", small_image.image, "--unpersonalised")
    flash(*common, "--size", SIZE)
    flip_bit(card, small_image.manifest.chunks[0].start)

    mended = card_of(flash(*common, "--delta"))
    again = card_of(flash(*common, "--delta"))

    first = small_image.manifest.chunks[0]
    assert ("done", first.end - first.start) == (mended["result"], mended["written_bytes"])
    assert ("done", 0) == (again["result"], again["written_bytes"])


def test_after_a_run_that_was_cut_short_its_cards_are_written_for_the_same_nodes(
    small_image: Published, tmp_path: Path
) -> None:
    cards = [tmp_path / "a.img", tmp_path / "b.img"]
    begin(small_image, cards)

    report = flash("--failed", "--image", small_image.image)

    assert [str(card) for card in cards] == [card["card"] for card in report["cards"]]
    assert all(card.stat().st_size == CARD_BYTES for card in cards)
    assert [Result.DONE, Result.DONE] == [row.result for row in remembered_cards()][-2:]


def test_when_all_is_well_there_is_nothing_to_try_again(small_image: Published, tmp_path: Path) -> None:
    flash(tmp_path / "card.img", "--image", small_image.image, "--unpersonalised", "--size", SIZE)

    error = flash("--failed", "--image", small_image.image, code=2)

    assert "no card of the last run failed" == error["what"]


def test_no_card_and_no_wish_to_try_again_is_a_wrong_command_line(small_image: Published) -> None:
    argv = [sys.executable, "-m", "imagesmith", "flash", "--image", str(small_image.image)]

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (2, "") == (done.returncode, done.stdout)
    assert "name the CARDs to write, or --failed, or --resume" in done.stderr


def begin(published: Published, cards: list[Path]) -> None:
    """Leave a run behind that was killed before any card was done."""
    begun = [
        (
            CardFacts(card, card, TargetKind.NEW_FILE, Identity(0, CARD_BYTES)),
            plan_of(published, None),
        )
        for card in cards
    ]
    assert "" == RunLedger(begun, slots=SlotMap()).trouble
