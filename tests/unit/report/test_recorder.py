"""What is kept of a run: its phases, rates bin by bin, and no more of a long run than of a short one."""

from datetime import UTC, datetime

import pytest

from imagesmith.model.events import (
    BytesCompared,
    BytesVerified,
    BytesWritten,
    CardEnded,
    CardOpened,
    ImageBytesChecked,
    OperationRetried,
    PhaseStarted,
)
from imagesmith.model.outcome import Phase
from imagesmith.report.recorder import PhaseSpan, Recorder, Retry
from tests.unit.report import story

CARD = story.CARDS[0]
BEGAN = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="recorder")
def _recorder(clock: Clock) -> Recorder:
    return Recorder(clock, lambda: BEGAN)


def begin_writing(recorder: Recorder, clock: Clock) -> None:
    recorder(CardOpened(CARD, "", ""))
    clock.now_s += 1
    recorder(PhaseStarted(CARD, Phase.CLEAR, 0))
    clock.now_s += 1
    recorder(PhaseStarted(CARD, Phase.WRITE, story.SIZE_BYTES))


def test_phases_follow_one_another_without_gaps_from_the_start_to_the_cards_end(
    recorder: Recorder, clock: Clock
) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 3
    recorder(CardEnded(CARD, story.outcome(0)))
    clock.now_s += 10
    recorder(ImageBytesChecked(1))

    recording = recorder.recording()

    assert (
        PhaseSpan(Phase.OPEN, 0, 1),
        PhaseSpan(Phase.CLEAR, 1, 2),
        PhaseSpan(Phase.WRITE, 2, 5),
    ) == recording.traces[CARD].phases
    assert (BEGAN, 15.0) == (recording.began_at, recording.seconds)


def test_a_run_that_is_not_over_is_told_up_to_its_last_event(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 3
    recorder(BytesWritten(CARD, 3_000_000))

    assert PhaseSpan(Phase.WRITE, 2, 5) == recorder.recording().traces[CARD].phases[-1]


def test_bytes_are_spread_over_the_time_since_the_last_ones(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 1
    recorder(BytesWritten(CARD, 8_000_000))
    clock.now_s += 1
    recorder(BytesWritten(CARD, 2_000_000))

    recording = recorder.recording()

    assert 0.125 == recording.bin_s
    assert (*[None] * 16, *[8_000_000.0] * 8, *[2_000_000.0] * 8) == recording.traces[CARD].bytes_per_s


@pytest.mark.parametrize("event", [BytesWritten, BytesVerified, BytesCompared])
def test_whatever_a_card_moves_counts(
    recorder: Recorder, clock: Clock, event: type[BytesWritten | BytesVerified | BytesCompared]
) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 0.5
    recorder(event(CARD, 1_000_000))

    assert (2_000_000.0,) * 4 == recorder.recording().traces[CARD].bytes_per_s[16:]


def test_a_card_that_falls_silent_is_at_rate_0_until_it_is_given_up(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 2
    recorder(CardEnded(CARD, story.outcome(7)))

    assert (*[None] * 16, *[0.0] * 16) == recorder.recording().traces[CARD].bytes_per_s


def test_a_phase_without_bytes_has_no_rate(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 1
    recorder(BytesWritten(CARD, 1_000_000))
    recorder(PhaseStarted(CARD, Phase.HEAD, 0))
    clock.now_s += 1
    recorder(PhaseStarted(CARD, Phase.CLOSE, 0))

    assert 24 == len(recorder.recording().traces[CARD].bytes_per_s)


def test_a_single_operation_makes_no_rate(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    clock.now_s += 0.001
    recorder(BytesWritten(CARD, 4_000_000))

    assert (None,) * 17 == recorder.recording().traces[CARD].bytes_per_s


def test_bytes_at_a_clock_that_stands_still_are_kept(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    recorder(BytesWritten(CARD, 1_000_000))
    clock.now_s += 0.125
    recorder(BytesWritten(CARD, 1_000_000))

    assert 16_000_000.0 == recorder.recording().traces[CARD].bytes_per_s[-1]


@pytest.mark.parametrize(("seconds", "bin_s"), [(100, 0.25), (1000, 2.0), (20_000, 64.0)])
def test_a_long_run_takes_no_more_bins_and_keeps_its_rate(
    recorder: Recorder, clock: Clock, seconds: int, bin_s: float
) -> None:
    begin_writing(recorder, clock)
    for _ in range(seconds):
        clock.now_s += 1
        recorder(BytesWritten(CARD, 20_000_000))

    recording = recorder.recording()

    rates = recording.traces[CARD].bytes_per_s
    assert bin_s == recording.bin_s
    assert len(rates) <= 512
    assert [20_000_000.0] * len(rates[8:]) == pytest.approx(rates[8:])


def test_all_cards_of_a_run_have_the_same_bins(recorder: Recorder, clock: Clock) -> None:
    early, late = story.CARDS[:2]
    for card, seconds in ((early, 10), (late, 190)):
        recorder(PhaseStarted(card, Phase.WRITE, story.SIZE_BYTES))
        clock.now_s += seconds
        recorder(BytesWritten(card, seconds * 1_000_000))
        recorder(CardEnded(card, story.outcome(0)))

    recording = recorder.recording()

    assert 0.5 == recording.bin_s
    assert [1_000_000.0] * 20 == pytest.approx(recording.traces[early].bytes_per_s)
    assert [None] * 20 + [1_000_000.0] * 380 == list(recording.traces[late].bytes_per_s)


def test_of_many_retries_the_first_twenty_are_told(recorder: Recorder, clock: Clock) -> None:
    begin_writing(recorder, clock)
    for attempt in range(1, 101):
        clock.now_s += 1
        recorder(OperationRetried(CARD, "read failed: EIO", attempt))

    retries = recorder.recording().traces[CARD].retries

    assert 20 == len(retries)
    assert Retry(3.0, "read failed: EIO", 1) == retries[0]


def test_a_card_that_never_opened_was_being_opened_all_the_time(recorder: Recorder, clock: Clock) -> None:
    clock.now_s += 2
    recorder(CardEnded(CARD, story.outcome(2)))

    trace = recorder.recording().traces[CARD]

    assert ((PhaseSpan(Phase.OPEN, 0, 2),), ()) == (trace.phases, trace.bytes_per_s)
