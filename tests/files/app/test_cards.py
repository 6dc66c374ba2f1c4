"""What `cards` says of real card files: written ones, half-written ones, foreign ones, and none at all."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from imagesmith.app import cards
from imagesmith.app.cards import Inventory, take_inventory
from imagesmith.app.ledger import RunLedger
from imagesmith.card.slots import SlotMap
from imagesmith.host.builds import record_of, remember
from imagesmith.host.devices import read_card_facts
from imagesmith.host.ledger import ledger_path
from imagesmith.host.programs import run
from imagesmith.model.card import CardPlan
from imagesmith.model.inventory import CardRow, Carries, Contents, Medium
from imagesmith.model.layout import HEAD_BYTES
from imagesmith.model.outcome import CardOutcome, Phase, Result, TableState
from imagesmith.model.units import MIB
from tests.rig.images import APP, RECIPE, Published, edit_root, overwrite, publish_small_image
from tests.rig.written import CARD_BYTES, PASSWORD, plan_of, write_by_plan


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_small_image(tmp_path_factory.mktemp("small-image"))


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return tmp_path / "card.img"


def inventory(*paths: Path) -> Inventory:
    return take_inventory(SlotMap(), cards=paths)


def contents(path: Path) -> Contents:
    [row] = inventory(path).rows
    return row.contents


def flashed(card: Path, plan: CardPlan) -> None:
    """Put a card into the ledger as done."""
    ledger = RunLedger([(read_card_facts(card, precious={}), plan)], slots=SlotMap())
    ledger.record(
        [
            CardOutcome(
                card=str(card),
                slot="",
                node="",
                result=Result.DONE,
                table=TableState.VALID,
                phase=Phase.CLOSE,
            )
        ]
    )


def test_a_written_card_tells_its_node_its_image_and_when(published: Published, card: Path) -> None:
    plan = plan_of(published, 1)
    write_by_plan(card, plan)
    flashed(card, plan)

    found = contents(card)

    assert (Carries.NODE, RECIPE.name, 1, "jetson1-node", "") == (
        found.kind,
        found.cluster,
        found.node_index,
        found.node,
        found.detail,
    )
    assert published.manifest.image_sha256 == found.image_sha256
    assert found.written_at.startswith(time.strftime("%Y-", time.gmtime()))


def test_without_a_ledger_the_last_build_tells_the_image_and_nobody_tells_when(
    published: Published, card: Path
) -> None:
    write_by_plan(card, plan_of(published, 0))
    before = contents(card)

    remember(record_of(published.image, recipe_file=card, publication_key="k"))
    after = inventory(card)

    assert ("jetson0-node", "", "") == (before.node, before.image_sha256, before.written_at)
    assert (published.manifest.image_sha256, "") == (
        after.rows[0].contents.image_sha256,
        after.rows[0].contents.written_at,
    )
    assert str(published.image) == after.image


def test_nothing_secret_of_a_node_is_shown(published: Published, card: Path) -> None:
    write_by_plan(card, plan_of(published, 1))

    assert PASSWORD not in json.dumps([asdict(row) for row in inventory(card).rows])


def test_a_card_without_identity_is_ours_too(published: Published, card: Path) -> None:
    write_by_plan(card, plan_of(published, None))

    assert Contents(Carries.UNPERSONALISED) == contents(card)


def test_a_card_that_was_booted_still_tells_its_node(published: Published, card: Path) -> None:
    write_by_plan(card, plan_of(published, 1))
    edit_root(card, "ssv mtime now", "ssv mnt_count 3", "mkdir /home")

    assert "jetson1-node" == contents(card).node


def test_a_card_whose_table_was_cleared_is_unfinished(published: Published, card: Path) -> None:
    plan = plan_of(published, 1)
    write_by_plan(card, plan)
    overwrite(card, 0, bytes(HEAD_BYTES))
    overwrite(card, plan.size_bytes - 33 * 512, bytes(33 * 512))

    assert Contents(Carries.UNFINISHED, "no partition table") == contents(card)


@pytest.mark.parametrize("slot", [b"no json at all", b'{"schema": 99}', b"[1, 2]"])
def test_a_stock_card_with_something_else_in_the_slot_is_foreign(
    published: Published, card: Path, slot: bytes
) -> None:
    write_by_plan(card, plan_of(published, 1))
    overwrite(card, published.manifest.slot[0].start, slot.ljust(65536, b"\n"))

    assert Carries.FOREIGN is contents(card).kind


def test_a_stock_card_without_a_slot_is_foreign_and_says_what_it_has(
    published: Published, card: Path
) -> None:
    write_by_plan(card, plan_of(published, 1))
    edit_root(card, "rm /etc/imagesmith/node.json")

    assert Contents(Carries.FOREIGN, 'gpt, ext4, swap "SWAP"') == contents(card)


def test_foreign_cards_say_what_they_hold(tmp_path: Path) -> None:
    photos, disk, raw = (tmp_path / name for name in ("photos.img", "disk.img", "raw.img"))
    for path in (photos, disk, raw):
        path.touch()
        path.chmod(0o600)
        with path.open("r+b") as out:
            out.truncate(64 * MIB)
    run(["mkfs.ext4", "-q", "-L", "holiday 2019", photos])
    run(["sgdisk", "--new=1:2048:40959", "--new=2:40960:0", disk])
    raw.write_bytes(b"precious" * MIB)

    found = [row.contents for row in inventory(photos, disk, raw).rows]

    assert [
        Contents(Carries.FOREIGN, 'ext4 "holiday 2019"'),
        Contents(Carries.FOREIGN, "gpt, 2 partitions"),
        Contents(Carries.FOREIGN, "nothing that is known"),
    ] == found


@pytest.mark.parametrize("value", [b"\0", b"\xff"])
def test_a_blank_card_is_empty(card: Path, value: bytes) -> None:
    card.write_bytes(value * (3 * MIB + 512))

    assert Contents(Carries.EMPTY) == contents(card)


def test_a_card_with_something_at_its_end_alone_is_not_called_empty(card: Path) -> None:
    card.write_bytes(bytes(8 * MIB) + b"x")

    assert Contents(Carries.FOREIGN, "nothing that is known") == contents(card)


def test_what_is_not_there_and_what_is_no_card_say_so(tmp_path: Path) -> None:
    rows = inventory(tmp_path / "none.img", Path("/dev/no-such-card"), tmp_path).rows

    assert ["there is no such file", "there is no such device", "a folder"] == [
        row.contents.detail for row in rows
    ]
    assert {Carries.UNREADABLE} == {row.contents.kind for row in rows}
    assert not (tmp_path / "none.img").exists()


def test_a_card_is_judged_by_the_last_image_built(published: Published, tmp_path: Path) -> None:
    remember(record_of(published.image, recipe_file=tmp_path, publication_key="k"))
    small, large = tmp_path / "small.img", tmp_path / "large.img"
    small.write_bytes(bytes(MIB))
    large.touch()
    with large.open("r+b") as out:
        out.truncate(CARD_BYTES)

    rows = inventory(small, large, published.image).rows

    assert [False, True, False] == [row.writable for row in rows]
    assert "it is too small: 1 MiB" in rows[0].reasons[0]
    assert "this machine keeps there: the image" in rows[2].reasons


def test_a_damaged_ledger_costs_dates_and_is_told(published: Published, card: Path) -> None:
    write_by_plan(card, plan_of(published, 1))
    ledger_path().parent.mkdir(parents=True, exist_ok=True)
    ledger_path().write_bytes(b"garbage" * 1000)

    found = inventory(card)

    assert "jetson1-node" == found.rows[0].contents.node
    assert f"the ledger {ledger_path()} cannot be read" in found.warnings[0]


def test_a_card_that_does_not_answer_keeps_no_other_from_being_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.img", tmp_path / "bad.img"
    for path in (good, bad):
        path.write_bytes(bytes(4 * MIB))

    def hanging(path: Path) -> Medium:
        if path == bad:
            time.sleep(5)
        return Medium(is_blank=True)

    monkeypatch.setattr(cards, "read_medium", hanging)
    began_s = time.monotonic()

    first, second = take_inventory(SlotMap(), cards=[bad, good], answer_s=1.0).rows

    assert time.monotonic() - began_s < 4
    assert Contents(Carries.UNREADABLE, "no answer for 1 s") == first.contents
    assert not first.writable
    assert "it could not be found out: what is on it (no answer for 1 s)" in first.reasons
    assert Carries.EMPTY is second.contents.kind


def test_a_bug_in_a_look_is_not_a_card_without_an_answer(monkeypatch: pytest.MonkeyPatch, card: Path) -> None:
    def broken(_path: Path) -> Medium:
        raise ZeroDivisionError

    monkeypatch.setattr(cards, "read_medium", broken)
    card.write_bytes(bytes(MIB))

    with pytest.raises(ZeroDivisionError):
        inventory(card)


def test_a_row_is_plain_data() -> None:
    row = CardRow("", "", "card.img", Contents(Carries.EMPTY))

    assert "empty" == json.loads(json.dumps(asdict(row)))["contents"]["kind"]


def test_the_stock_root_lies_where_an_unfinished_card_is_recognised() -> None:
    assert 28672 * 512 == APP.offset_bytes
