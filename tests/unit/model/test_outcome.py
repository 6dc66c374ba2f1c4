"""The exit code is computed from what became of the cards: 0 never happens with a bad one."""

import itertools
import json
from dataclasses import replace

import pytest

from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, SlowOperation, TableState
from imagesmith.model.units import MIB


def outcome(result: Result, card: str = "card") -> CardOutcome:
    return CardOutcome(card, "slot 1", "node", result, TableState.UNKNOWN, Phase.WRITE)


def report(*results: Result) -> FlashReport:
    return FlashReport(tuple(outcome(result) for result in results), seconds=1.0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_exit_code_says_all_none_or_some_and_interrupted_before_that(count: int) -> None:
    for results in itertools.product(Result, repeat=count):
        if Result.UNFINISHED in results:
            expected = 130
        elif set(results) == {Result.DONE}:
            expected = 0
        else:
            expected = 8 if Result.DONE in results else 9

        assert expected == report(*results).exit_code


def test_a_wrong_image_is_told_before_all_that_came_of_it() -> None:
    outcomes = (outcome(Result.DONE), outcome(Result.FAILED), outcome(Result.UNFINISHED))

    assert 5 == FlashReport(outcomes, seconds=1.0, image_fault="it was changed").exit_code


def wrote(rate_mib_s: float, card: str, *, size_mib: int = 100) -> CardOutcome:
    seconds = {Phase.WRITE: size_mib / rate_mib_s}
    return replace(outcome(Result.DONE, card), written_bytes=size_mib * MIB, seconds=seconds)


def test_a_card_that_wrote_at_less_than_half_its_siblings_rate_is_named() -> None:
    cards = (wrote(30, "a"), wrote(10, "b"), wrote(33, "c"), wrote(27, "d"))

    ((slow, share),) = FlashReport(cards, seconds=1.0).outliers

    assert ("b", 0.33) == (slow.card, round(share, 2))


@pytest.mark.parametrize(
    "cards",
    [
        (wrote(30, "a"), wrote(3, "b")),  # which of the two is unusual?
        (wrote(30, "a"), wrote(30, "b"), wrote(16, "c")),
        (wrote(30, "a"), wrote(30, "b"), wrote(3, "c", size_mib=2)),
    ],
    ids=["two cards", "not so slow", "too little written"],
)
def test_no_card_is_called_slow_without_grounds(cards: tuple[CardOutcome, ...]) -> None:
    assert () == FlashReport(cards, seconds=1.0).outliers


def test_a_report_on_nothing_is_a_bug_and_not_a_success() -> None:
    with pytest.raises(ValueError, match="at least one card"):
        report()


def test_the_json_report_holds_every_field_of_every_card() -> None:
    one = CardOutcome(
        card="/dev/sdb",
        slot="usb-0:1:1.0-scsi-0:0:0:2",
        node="jetson0-node",
        result=Result.FAILED,
        table=TableState.ABSENT,
        phase=Phase.VERIFY,
        offset=4096,
        cause="read back wrong",
        written_bytes=20_000_000,
        verified_bytes=10_000_000,
        seconds={Phase.WRITE: 2.0, Phase.VERIFY: 0.5},
        retries=3,
        readback="direct",
        kept_bytes=5,
        slowest=(SlowOperation("read", 512, 1.5),),
    )

    document = json.loads(FlashReport((one,), seconds=2.5).to_json())

    assert {
        "schema": 1,
        "event": "report",
        "exit_code": 9,
        "seconds": 2.5,
        "image_fault": "",
        "outliers": [],
    } == {key: value for key, value in document.items() if key != "cards"}
    assert {
        "card": "/dev/sdb",
        "slot": "usb-0:1:1.0-scsi-0:0:0:2",
        "node": "jetson0-node",
        "result": "failed",
        "table": "absent",
        "phase": "verify",
        "offset": 4096,
        "cause": "read back wrong",
        "written_bytes": 20_000_000,
        "verified_bytes": 10_000_000,
        "kept_bytes": 5,
        "slowest": [{"operation": "read", "offset": 512, "seconds": 1.5}],
        "seconds": {"write": 2.0, "verify": 0.5},
        "write_bytes_per_s": 10_000_000,
        "verify_bytes_per_s": 20_000_000,
        "retries": 3,
        "readback": "direct",
    } == document["cards"][0]
