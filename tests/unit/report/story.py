"""A run of eight cards as its events: the third fails, the fourth is retried once, the eighth hangs."""

from collections.abc import Iterator

from imagesmith.model.events import (
    BytesVerified,
    BytesWritten,
    CardEnded,
    CardOpened,
    Event,
    ImageBytesChecked,
    ImageCheckStarted,
    OperationRetried,
    PhaseStarted,
)
from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, TableState

SIZE_BYTES = 1_000_000_000
CARDS = [f"/dev/sd{letter}" for letter in "bcdefghi"]


def slot(number: int) -> str:
    return f"pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:{number}"


def outcome(number: int) -> CardOutcome:
    result, table, cause = Result.DONE, TableState.VALID, ""
    if number == 2:
        result, table, cause = Result.FAILED, TableState.ABSENT, "write failed: EIO (Input/output error)"
    if number == 7:
        result, table, cause = Result.UNFINISHED, TableState.UNKNOWN, "no answer for 15 s to: write"
    return CardOutcome(
        card=CARDS[number],
        slot=slot(number),
        node=f"jetson{number}-node",
        result=result,
        table=table,
        phase=Phase.CLOSE if result is Result.DONE else Phase.WRITE,
        offset=None if result is Result.DONE else 4096,
        cause=cause,
        written_bytes=SIZE_BYTES,
        verified_bytes=SIZE_BYTES if result is Result.DONE else 0,
        seconds={Phase.WRITE: 50.0, Phase.VERIFY: 25.0} if result is Result.DONE else {Phase.WRITE: 12.0},
        retries=int(number == 3),
        readback="direct",
    )


def report() -> FlashReport:
    return FlashReport(tuple(outcome(number) for number in range(8)), seconds=75.0)


def events() -> Iterator[Event]:
    yield ImageCheckStarted(SIZE_BYTES)
    yield ImageBytesChecked(SIZE_BYTES)
    for number, card in enumerate(CARDS):
        yield CardOpened(card, slot(number), f"jetson{number}-node")
    for card in CARDS:
        yield PhaseStarted(card, Phase.CLEAR, 0)
        yield PhaseStarted(card, Phase.WRITE, SIZE_BYTES)
        yield BytesWritten(card, SIZE_BYTES // 2)
    yield OperationRetried(CARDS[3], "write at byte 4096 failed: EIO (Input/output error)", 1)
    yield CardEnded(CARDS[2], outcome(2))
    for card in CARDS[:2] + CARDS[3:7]:
        yield BytesWritten(card, SIZE_BYTES // 2)
        yield PhaseStarted(card, Phase.VERIFY, SIZE_BYTES)
        yield BytesVerified(card, SIZE_BYTES)
        yield PhaseStarted(card, Phase.HEAD, 0)
    for number in (0, 1, 3, 4, 5, 6, 7):
        yield CardEnded(CARDS[number], outcome(number))
