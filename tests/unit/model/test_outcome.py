"""The exit code is computed from what became of the cards: 0 never happens with a bad one."""

import itertools
import json

import pytest

from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, TableState


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
    )

    document = json.loads(FlashReport((one,), seconds=2.5).to_json())

    assert {"schema": 1, "event": "report", "exit_code": 9, "seconds": 2.5} == {
        key: value for key, value in document.items() if key != "cards"
    }
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
        "seconds": {"write": 2.0, "verify": 0.5},
        "write_bytes_per_s": 10_000_000,
        "verify_bytes_per_s": 20_000_000,
        "retries": 3,
        "readback": "direct",
    } == document["cards"][0]
