"""What the ledger says about cards, nodes and runs: the rows decide, whatever was written to them."""

from dataclasses import replace

from imagesmith.card.guid import card_guid
from imagesmith.card.history import image_of, last_run, last_writing, not_done, other_cards_of_node
from imagesmith.model.card import CardFacts
from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Result
from tests.rig.ledger_rows import RIGHT, A, B, facts, row


def others(rows: list[LedgerRow], card: CardFacts) -> tuple[LedgerRow, ...]:
    return other_cards_of_node(rows, cluster="mpi", node="jetson0-node", facts=card)


def test_a_node_written_in_another_slot_has_another_card() -> None:
    rows = [row()]

    assert tuple(rows) == others(rows, facts(slot_path=RIGHT))
    assert tuple(rows) == others(rows, facts(serial="other reader"))
    assert tuple(rows) == others(rows, facts(size_bytes=128))


def test_the_same_place_and_size_counts_as_the_same_card() -> None:
    assert () == others([row()], facts(path="/dev/sdx"))


def test_a_failed_card_another_node_and_another_cluster_are_no_second_card() -> None:
    rows = [row(result=Result.FAILED), row("jetson1-node"), row(cluster="k8s")]

    assert () == others(rows, facts(slot_path=RIGHT))


def test_behind_usb_the_next_card_in_the_slot_does_not_make_the_last_one_vanish() -> None:
    first, second = row(), row("jetson1-node", run="2")

    assert (first,) == others([first, second], facts(slot_path=RIGHT))


def test_of_a_card_written_twice_only_the_last_time_counts() -> None:
    first, again = row(), row(run="2")

    assert (again,) == others([first, again], facts(slot_path=RIGHT))


def test_a_card_with_a_number_of_its_own_is_recognised_in_any_slot() -> None:
    rows = [row(transport="mmc", serial="0x1234")]

    assert () == others(rows, facts(transport="mmc", serial="0x1234", slot_path=RIGHT))
    assert tuple(rows) == others(rows, facts(transport="mmc", serial="0x5678"))


def test_a_card_that_was_made_another_node_since_no_longer_is_this_one() -> None:
    rows = [row(transport="mmc", serial="1"), row("jetson1-node", transport="mmc", serial="1", run="2")]

    assert () == others(rows, facts(transport="mmc", serial="2"))


def test_a_card_file_is_its_path() -> None:
    rows = [row(transport="", serial="", slot_path="", path="/tmp/a.img")]

    assert () == others(rows, facts(transport="", serial="", slot_path="", path="/tmp/a.img", size_bytes=1))
    assert tuple(rows) == others(rows, facts(transport="", serial="", slot_path="", path="/tmp/b.img"))


def test_the_last_run_is_the_one_that_began_last() -> None:
    rows = [row(run="1"), row(run="2", card="/dev/sdb"), row(run="2", card="/dev/sdc")]

    assert tuple(rows[1:]) == last_run(rows)
    assert () == last_run([])


def test_failed_and_unfinished_cards_are_not_done() -> None:
    good, failed, unfinished = (replace(row(), result=result) for result in Result)

    assert (failed, unfinished) == not_done([good, failed, unfinished])


def test_of_cards_written_alike_the_one_in_this_place_is_meant() -> None:
    here, later = row(run="1"), row(run="2", slot_path=RIGHT)

    def last(card: CardFacts, image_sha256: str = A) -> LedgerRow | None:
        return last_writing([here, later], image_sha256=image_sha256, node="jetson0-node", facts=card)

    assert here == last(facts())
    assert later == last(facts(slot_path=RIGHT))
    assert later == last(facts(serial="other reader"))
    assert last(facts(size_bytes=128)) is None
    assert last(facts(), image_sha256=B) is None


def test_a_disk_guid_tells_the_image_and_the_node() -> None:
    guid = str(card_guid(B, "jetson0-node", "disk"))

    assert B == image_of(guid, "jetson0-node", [A, B])
    assert B == image_of(guid.upper(), "jetson0-node", [A, B])
    assert "" == image_of(guid, "jetson1-node", [A, B])
    assert "" == image_of(guid, "jetson0-node", [A])
    assert "" == image_of("b6b0c4d2", "jetson0-node", [A, B])
