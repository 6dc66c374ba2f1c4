"""What is tried again, and what stops it: another image, another card in the same place."""

from dataclasses import replace

import pytest

from imagesmith.app.retry import Retry
from imagesmith.errors import CardRefusedError, UsageError
from tests.rig.ledger_rows import LEFT, RIGHT, A, B, facts, row


def test_cards_keep_their_nodes_in_the_order_they_were_named() -> None:
    retry = Retry((row(path="/dev/sdc", node_index=5), row(path="/dev/sdb", node_index=2)))

    assert (("/dev/sdc", "/dev/sdb"), "5,2", True) == (retry.words, retry.nodes, retry.is_personalised)


def test_cards_without_identity_stay_so() -> None:
    retry = Retry((row(node="", node_index=None),))

    assert (None, False) == (retry.nodes, retry.is_personalised)


def test_another_image_is_refused() -> None:
    retry = Retry((row(image_sha256=A),))

    retry.require_image(A)
    with pytest.raises(UsageError, match="the last run's cards were of another image"):
        retry.require_image(B)


@pytest.mark.parametrize(
    "found",
    [facts(serial="another"), facts(slot_path=RIGHT), facts(size_bytes=65)],
    ids=["serial", "slot", "size"],
)
def test_another_card_in_its_place_is_refused(found: object) -> None:
    retry = Retry((row(slot_path=LEFT),))

    retry.require_cards([facts()])
    with pytest.raises(CardRefusedError, match="/dev/sdb is not the card that failed") as caught:
        retry.require_cards([found])  # type: ignore[list-item]  # pytest's parameters are objects

    assert 7 == caught.value.exit_code


def test_a_card_file_that_is_gone_is_made_again_in_its_size() -> None:
    gone = row(transport="", serial="", slot_path="", size_bytes=128)

    retry = Retry((gone,))
    retry.require_cards([replace(facts(transport=""), path=facts().path)])

    assert 128 == retry.file_bytes
