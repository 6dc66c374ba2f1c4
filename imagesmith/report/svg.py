"""A card's speed over time as a picture. All of a run have the same axes, to be compared at a glance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from imagesmith.model.outcome import Phase, Result
from imagesmith.report.markup import Markup, element
from imagesmith.report.recorder import PhaseSpan, Recording, Trace

WIDTH, HEIGHT = 760.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 22.0, 26.0
_STRIP_HEIGHT = 3.0
_OVERSHOOT = 5.0
_CHARACTER_WIDTH = 6.2
_SUSTAINED_SHARE = 0.9
_FEWEST_SIBLINGS = 2
"""One alone does not say what is usual."""

_COUNTED = frozenset({Phase.COMPARE, Phase.WRITE, Phase.VERIFY})

Rates = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Axes:
    """From seconds and bytes a second to places in the picture."""

    bin_s: float
    end_s: float
    x_ticks_s: tuple[float, ...]
    y_ticks_mb_per_s: tuple[float, ...]
    """The last one is the top."""

    @classmethod
    def of(cls, recording: Recording) -> "Axes":
        """Return axes on which every card of a run has its place."""
        rates = [rate for trace in recording.traces.values() for rate in _sustained(trace, recording.bin_s)]
        top_mb = max(rates, default=0.0) / 1e6
        step_mb = _round_step(top_mb, most=4)
        top = max(1, math.ceil(top_mb / step_mb))
        step_s = _round_step(recording.seconds, most=10)
        last = math.floor(recording.seconds / step_s)
        return cls(
            bin_s=recording.bin_s,
            end_s=recording.seconds,
            x_ticks_s=tuple(index * step_s for index in range(last + 1)),
            y_ticks_mb_per_s=tuple(index * step_mb for index in range(top + 1)),
        )

    def x(self, at_s: float) -> float:
        """Return where a moment lies."""
        share = min(at_s, self.end_s) / self.end_s if self.end_s > 0 else 0.0
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, mb_per_s: float) -> float:
        """Return where a rate lies; a faster one than the last tick's shows above the frame."""
        share = mb_per_s / self.y_ticks_mb_per_s[-1]
        return max(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), _TOP - _OVERSHOOT)


def usual_rates(siblings: Sequence[Rates]) -> tuple[float | None, ...]:
    """Return the median of cards' rates bin by bin; None where less than half have one, or just one."""
    fewest = max(_FEWEST_SIBLINGS, len(siblings) / 2)
    longest = max(map(len, siblings), default=0)
    columns = (
        [rate for rates in siblings if index < len(rates) and (rate := rates[index]) is not None]
        for index in range(longest)
    )
    return tuple(median(column) if len(column) >= fewest else None for column in columns)


def draw_speed(trace: Trace, axes: Axes, *, usual: Rates, result: Result, label: str) -> Markup:
    """Return the picture of one card.

    Args:
        trace: the card over time.
        axes: of the run.
        usual: what its siblings did meanwhile.
        result: what became of it.
        label: what the picture is of, for those who do not see it.
    """
    return element(
        "svg",
        *(_phase(span, axes) for span in trace.phases if span.phase not in {Phase.OPEN, Phase.CLOSE}),
        *_grid(axes),
        *_curve(usual, axes, "usual", 0.0, axes.end_s),
        *_curve(trace.bytes_per_s, axes, "speed", *_counted_s(trace)),
        *(_retry(retry.at_s, retry.cause, axes) for retry in trace.retries),
        *_end(trace, result, axes),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        aria_label=label,
    )


def _phase(span: PhaseSpan, axes: Axes) -> Markup:
    left = axes.x(span.began_s)
    width = max(axes.x(span.ended_s) - left, 1.0)
    left = min(left, WIDTH - _RIGHT - width)
    top = axes.y(axes.y_ticks_mb_per_s[-1])
    name = str(span.phase)
    area = {"x": left, "y": top, "width": width}
    parts = [
        element("title", f"{name}: {span.ended_s - span.began_s:.1f} s"),
        element("rect", **area, height=HEIGHT - _BOTTOM - top, class_="area"),
        element("rect", **area, height=_STRIP_HEIGHT, class_="strip"),
    ]
    if width > len(name) * _CHARACTER_WIDTH:
        parts.append(element("text", name, x=left + width / 2, y=top - 6, text_anchor="middle"))
    return element("g", *parts, class_=f"phase {name}")


def _grid(axes: Axes) -> Iterator[Markup]:
    bottom, right = axes.y(0), WIDTH - _RIGHT
    for rate in axes.y_ticks_mb_per_s:
        y = axes.y(rate)
        yield element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid")
        yield element("text", f"{rate:g}", x=_LEFT - 6, y=y + 4, text_anchor="end")
    for at_s in axes.x_ticks_s:
        x = axes.x(at_s)
        yield element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="tick")
        if x < right - 4 * _CHARACTER_WIDTH:  # the unit stands there
            yield element("text", f"{at_s:g}", x=x, y=bottom + 16, text_anchor="middle")
    yield element("text", "s", x=right, y=bottom + 16, text_anchor="end", class_="unit")
    yield element("text", "MB/s", x=_LEFT - 6, y=_TOP - 10, text_anchor="end", class_="unit")


def _sustained(trace: Trace, bin_s: float) -> Iterator[float]:
    """Yield the rate that nine tenths of each phase's bins do not exceed.

    A card takes the first megabytes into its buffers at many times its rate: drawn to the scale of that, all
    else would lie on the ground.
    """
    for span in trace.phases:
        if span.phase in _COUNTED:
            bins = slice(math.floor(span.began_s / bin_s), math.ceil(span.ended_s / bin_s))
            rates = sorted(rate for rate in trace.bytes_per_s[bins] if rate is not None)
            if rates:
                yield rates[math.ceil(_SUSTAINED_SHARE * len(rates)) - 1]


def _counted_s(trace: Trace) -> tuple[float, float]:
    """Return when a card began and ended to move bytes: bins know that less exactly."""
    counted = [span for span in trace.phases if span.phase in _COUNTED] or [PhaseSpan(Phase.OPEN, 0.0, 0.0)]
    return counted[0].began_s, counted[-1].ended_s


def _curve(rates: Rates, axes: Axes, name: str, began_s: float, ended_s: float) -> Iterator[Markup]:
    """Yield a line for each stretch without gaps, from the start of its first bin to the end of its last."""
    for first, stretch in _stretches(rates):
        ends_s = (first * axes.bin_s, (first + len(stretch)) * axes.bin_s)
        middles_s = [(first + index + 0.5) * axes.bin_s for index in range(len(stretch))]
        times_s = [ends_s[0], *middles_s, ends_s[1]]
        points = zip(times_s, [stretch[0], *stretch, stretch[-1]], strict=True)
        places = " ".join(
            f"{axes.x(min(max(at_s, began_s), ended_s)):.1f},{axes.y(rate / 1e6):.1f}"
            for at_s, rate in points
        )
        yield element("polyline", points=places, class_=name)


def _stretches(rates: Rates) -> Iterator[tuple[int, list[float]]]:
    stretch: list[float] = []
    for index, rate in enumerate([*rates, None]):
        if rate is not None:
            stretch.append(rate)
        elif stretch:
            yield index - len(stretch), stretch
            stretch = []


def _retry(at_s: float, cause: str, axes: Axes) -> Markup:
    title = element("title", f"{at_s:.1f} s: {cause}")
    return element("circle", title, cx=axes.x(at_s), cy=axes.y(0), r=3.5, class_="retry")


def _end(trace: Trace, result: Result, axes: Axes) -> Iterator[Markup]:
    if result is Result.DONE or not trace.phases:
        return
    x = axes.x(trace.phases[-1].ended_s)
    is_left = x > WIDTH / 2
    yield element("line", x1=x, x2=x, y1=_TOP, y2=axes.y(0), class_="end")
    yield element(
        "text",
        str(result),
        x=x - 5 if is_left else x + 5,
        y=_TOP + 16,
        text_anchor="end" if is_left else "start",
        class_="end",
    )


def _round_step(top: float, *, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, of which at most `most` reach to `top`."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top / most))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if top / (step * power) <= most + 1e-9)
