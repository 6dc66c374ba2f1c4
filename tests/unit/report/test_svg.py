"""The picture of a card's speed: everything drawn lies in it, and time runs to the right."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.model.outcome import Phase, Result
from imagesmith.report.recorder import PhaseSpan, Recording, Retry, Trace
from imagesmith.report.svg import HEIGHT, WIDTH, Axes, draw_speed, usual_rates

BEGAN = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
_RATES = st.lists(st.none() | st.floats(0, 1e11), max_size=40)
_PHASES = (Phase.OPEN, Phase.COMPARE, Phase.CLEAR, Phase.PROBE, Phase.WRITE, Phase.VERIFY, Phase.HEAD)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    bin_s = draw(st.sampled_from([0.25, 1.0, 64.0]))
    rates = draw(st.lists(_RATES, min_size=1, max_size=4))
    seconds = max(map(len, rates)) * bin_s * draw(st.floats(0.9, 1.0))
    borders = sorted(draw(st.lists(st.floats(0, 1), min_size=6, max_size=6)))
    edges = [0.0, *(share * seconds for share in borders), seconds]
    phases = tuple(PhaseSpan(phase, edges[index], edges[index + 1]) for index, phase in enumerate(_PHASES))
    traces = {
        f"card {index}": Trace(phases, tuple(each), (Retry(seconds / 2, "EIO", 1),))
        for index, each in enumerate(rates)
    }
    return Recording(BEGAN, seconds, bin_s, traces)


def picture(recording: Recording, card: str = "card 0", result: Result = Result.DONE) -> str:
    siblings = [trace.bytes_per_s for name, trace in recording.traces.items() if name != card]
    return draw_speed(
        recording.traces[card],
        Axes.of(recording),
        usual=usual_rates(siblings),
        result=result,
        label="speed",
    )


def numbers(svg: str, *names: str) -> list[float]:
    return [float(found) for name in names for found in re.findall(rf'\b{name}="([^"]*)"', svg)]


def lines(svg: str, name: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (place.split(",") for place in points.split(" "))]
        for points in re.findall(rf'points="([^"]*)" class="{name}"', svg)
    ]


def run_of(*rates: float | None, seconds: float = 0.0, retries: tuple[Retry, ...] = ()) -> Recording:
    seconds = seconds or len(rates) * 1.0
    trace = Trace((PhaseSpan(Phase.WRITE, 0, seconds),), rates, retries)
    return Recording(BEGAN, seconds, 1.0, {"card 0": trace})


@given(recordings(), st.sampled_from(list(Result)))
def test_everything_drawn_lies_in_the_picture_and_time_runs_to_the_right(
    recording: Recording, result: Result
) -> None:
    svg = picture(recording, result=result)

    assert f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}"' in svg
    assert all(0 <= x <= WIDTH for x in numbers(svg, "x", "x1", "x2", "cx"))
    assert all(0 <= y <= HEIGHT for y in numbers(svg, "y", "y1", "y2", "cy"))
    assert all(0 < width <= WIDTH for width in numbers(svg, "width"))
    for line in (*lines(svg, "speed"), *lines(svg, "usual")):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line)
        assert sorted(line, key=lambda place: place[0]) == line
    for x, width in re.findall(r'<rect x="([^"]*)" y="[^"]*" width="([^"]*)"', svg):
        assert float(x) + float(width) <= WIDTH


@given(recordings())
def test_all_pictures_of_a_run_have_the_same_axes(recording: Recording) -> None:
    def axes(card: str) -> list[str]:
        return re.findall(
            r'<text[^>]*text-anchor="(?:end|middle)">[\d.e+-]+</text>', picture(recording, card)
        )

    assert 1 == len({tuple(axes(card)) for card in recording.traces})


def test_a_gap_breaks_the_line_and_a_rate_of_0_does_not() -> None:
    svg = picture(run_of(1e6, 2e6, None, 3e6, 0.0, 3e6))

    assert [4, 5] == [len(line) for line in lines(svg, "speed")]


def test_the_line_goes_through_the_rates_at_the_middle_of_their_bins() -> None:
    recording = run_of(10e6, 40e6)
    axes = Axes.of(recording)

    (line,) = lines(picture(recording), "speed")

    places = [(0, 10), (0.5, 10), (1.5, 40), (2, 40)]
    assert [(round(axes.x(at_s), 1), round(axes.y(mb), 1)) for at_s, mb in places] == line


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (0.0, (0, 1)),
        (19e6, (0, 5, 10, 15, 20)),
        (20e6, (0, 5, 10, 15, 20)),
        (21e6, (0, 10, 20, 30)),
        (95e6, (0, 50, 100)),
        (1.9e9, (0, 500, 1000, 1500, 2000)),
    ],
)
def test_rates_are_marked_in_round_numbers_up_to_above_the_highest(
    top: float, ticks: tuple[float, ...]
) -> None:
    assert ticks == Axes.of(run_of(top)).y_ticks_mb_per_s


def test_a_short_burst_leaves_the_frame_instead_of_flattening_all_else() -> None:
    recording = run_of(900e6, *[20e6] * 19)
    axes = Axes.of(recording)

    (line,) = lines(picture(recording), "speed")

    assert 20 == axes.y_ticks_mb_per_s[-1]
    top = axes.y(20)
    assert [0 < y < top for _x, y in line] == [True, True, *[False] * 20]
    assert [y == top for _x, y in line[2:]] == [True] * 20


@pytest.mark.parametrize(
    ("seconds", "step", "last"), [(0.9, 0.1, 0.9), (75, 10, 70), (297, 50, 250), (1200, 200, 1200)]
)
def test_time_is_marked_in_round_numbers(seconds: float, step: float, last: float) -> None:
    ticks = Axes.of(run_of(1e6, seconds=seconds)).x_ticks_s

    assert (step, last) == (ticks[1], round(ticks[-1], 6))


def test_a_run_without_time_or_bytes_is_a_picture_all_the_same() -> None:
    recording = Recording(BEGAN, 0.0, 0.25, {"card 0": Trace((), (), ())})

    assert [] == lines(picture(recording, result=Result.FAILED), "speed")


def test_a_bad_end_is_a_line_with_its_word_where_the_card_ended() -> None:
    recording = Recording(
        BEGAN, 10.0, 1.0, {"card 0": Trace((PhaseSpan(Phase.WRITE, 0, 4),), (1e6,) * 4, ())}
    )

    svg = picture(recording, result=Result.FAILED)

    assert f'<line x1="{Axes.of(recording).x(4):g}"' in svg
    assert ">failed</text>" in svg
    assert "failed" not in picture(recording)


def test_a_retry_is_a_dot_at_its_time_and_says_why() -> None:
    svg = picture(run_of(1e6, 1e6, retries=(Retry(1.0, "read failed: EIO <b>", 1),)))

    assert "<title>1.0 s: read failed: EIO &lt;b&gt;</title></circle>" in svg


def test_phases_are_named_where_there_is_room_and_always_told_on_pointing() -> None:
    phases = (PhaseSpan(Phase.CLEAR, 0, 0.1), PhaseSpan(Phase.WRITE, 0.1, 10))
    svg = picture(Recording(BEGAN, 10.0, 1.0, {"card 0": Trace(phases, (), ())}))

    assert ">write</text>" in svg
    assert ">clear</text>" not in svg
    assert "<title>clear: 0.1 s</title>" in svg


def test_the_median_is_of_those_that_are_measured_then() -> None:
    assert (2.0, 2.5) == usual_rates([[1.0, 2.0], [2.0, None], [3.0, 3.0]])


def test_one_sibling_does_not_say_what_is_usual_nor_do_a_few_stragglers() -> None:
    assert (None,) == usual_rates([[1.0]])
    assert (None, None) == usual_rates([[1.0], [None, 1.0]])
    assert (1.0, None) == usual_rates([[1.0, 1.0], [1.0, 1.0], [1.0], [1.0], [1.0]])
    assert () == usual_rates([])
