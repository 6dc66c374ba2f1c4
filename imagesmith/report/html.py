"""The report of a run as one HTML file: nothing is fetched, nothing is executed.

It names nothing of the machine it was made on but the cards, as the user and the bus name them.
"""

from collections.abc import Iterable, Iterator, Mapping

from imagesmith import __version__
from imagesmith.model.card import CardFacts, TargetKind
from imagesmith.model.manifest import Manifest
from imagesmith.model.outcome import CardOutcome, FlashReport, Phase, Result, SlowOperation
from imagesmith.model.units import format_size
from imagesmith.report.markup import Markup, element, joined
from imagesmith.report.names import clipped, short_names
from imagesmith.report.recorder import Recording, Trace
from imagesmith.report.style import STYLE
from imagesmith.report.svg import Axes, draw_speed, usual_rates
from imagesmith.report.table import TABLE_WORDS, rate_text

FIRST_LINES = "<!doctype html>\n<!-- a report of imagesmith flash -->\n"
"""By which a file is known to be one."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_DIGEST_CHARACTERS = 12
_HEADER = ("node", "slot", "card", "result", "written", "write", "verify", "time", "retries")
_FIRST_FIGURE = 4
_MOST_CHARACTERS = 18
"""Of a name in the table at the top; it stands in full further down."""
_MOST_OF_SLOT = 27
"""`usb-0:1.4:1.0-scsi-0:0:0:1`: port and LUN."""
_VERDICTS = {
    0: "Every card is done: each planned byte was read back from it and was right.",
    5: "The image is not usable, so no card could be finished.",
    8: "Do not use the cards that are not done; the others are good.",
    9: "No card is good.",
    130: "The run was stopped. Do not use the cards that are not done.",
}
_PHASE_WORDS = {
    Phase.COMPARE: "the card is read against its plan",
    Phase.CLEAR: "its old partition table is removed",
    Phase.PROBE: "it is asked for its true capacity",
    Phase.WRITE: "image and identity are written",
    Phase.VERIFY: "what was written is read back",
    Phase.HEAD: "the new partition table is written and read back",
}
_UNMEASURED = Trace((), (), ())


def render_html(
    recording: Recording,
    report: FlashReport,
    *,
    manifest: Manifest,
    facts: Mapping[str, CardFacts],
) -> str:
    """Return the report as an HTML document.

    Args:
        recording: the run over time.
        report: what became of it.
        manifest: of the image.
        facts: of cards, by their names in the report; a card without is told without.
    """
    title = f"imagesmith flash: {manifest.name}, {recording.began_at:%Y-%m-%d %H:%M} UTC"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", STYLE),
    )
    body = element(
        "body",
        _header(recording, report, manifest),
        _summary(report),
        _key(recording),
        *_cards(recording, report, facts),
        element("footer", element("p", f"imagesmith {__version__}", class_="soft")),
    )
    return f"{FIRST_LINES}{element('html', head, body, lang='en')}\n"


def _header(recording: Recording, report: FlashReport, manifest: Manifest) -> Markup:
    done = sum(outcome.result is Result.DONE for outcome in report.outcomes)
    size = format_size(manifest.size_bytes)
    digest = manifest.image_sha256[:_DIGEST_CHARACTERS]
    return element(
        "header",
        element("h1", f"{done} of {len(report.outcomes)} cards done and verified"),
        element("p", _VERDICTS[report.exit_code]),
        *([element("p", f"Image: {report.image_fault}")] if report.image_fault else []),
        _facts(
            ("image", f"{manifest.name}, {size}, from {manifest.base}; sha256 {digest}…"),
            ("began", f"{recording.began_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("took", _duration(report.seconds)),
            ("exit code", str(report.exit_code)),
        ),
        class_="done" if report.exit_code == 0 else "failed",
    )


def _summary(report: FlashReport) -> Markup:
    names = short_names([outcome.card for outcome in report.outcomes])
    slow = {outcome.card for outcome, _share in report.outliers}
    has_slots = any(outcome.slot for outcome in report.outcomes)
    rows = [
        _row(number, outcome, names[outcome.card], is_slow=outcome.card in slow)
        for number, outcome in enumerate(report.outcomes)
    ]
    lines = [
        _line("th", _HEADER, has_slots=has_slots),
        *(_line("td", row, has_slots=has_slots) for row in rows),
    ]
    return element("section", element("div", element("table", *lines), class_="wide"))


def _line(kind: str, row: tuple[str, ...], *, has_slots: bool) -> Markup:
    cells = [
        element(kind, text, class_="figure" if index >= _FIRST_FIGURE else "word")
        for index, text in enumerate(row)
        if has_slots or _HEADER[index] != "slot"
    ]
    return element("tr", *cells)


def _row(number: int, outcome: CardOutcome, name: str, *, is_slow: bool) -> tuple[str, ...]:
    return (
        element("a", clipped(_who(outcome), _MOST_CHARACTERS), href=f"#card-{number}"),
        clipped(outcome.slot, _MOST_OF_SLOT),
        clipped(name, _MOST_CHARACTERS),
        joined([_result(outcome), *([", ", element("b", "slow", class_="unfinished")] if is_slow else [])]),
        format_size(outcome.written_bytes),
        rate_text(outcome.write_bytes_per_s),
        rate_text(outcome.verify_bytes_per_s),
        _duration(outcome.total_s),
        str(outcome.retries),
    )


def _key(recording: Recording) -> Markup:
    """Return what lines and tints mean, of the phases that there were."""
    entered = {span.phase for trace in recording.traces.values() for span in trace.phases}
    return element(
        "figcaption",
        element("span", "speed of the card (above the frame: faster)", class_="key speed"),
        element("span", "median of its siblings at that time", class_="key usual"),
        element("span", "an operation repeated", class_="key retry"),
        *(
            element("span", f"{phase}: {words}", class_=f"key {phase}")
            for phase, words in _PHASE_WORDS.items()
            if phase in entered
        ),
    )


def _cards(recording: Recording, report: FlashReport, facts: Mapping[str, CardFacts]) -> Iterator[Markup]:
    axes = Axes.of(recording)
    slow = {outcome.card: share for outcome, share in report.outliers}
    for number, outcome in enumerate(report.outcomes):
        trace = recording.traces.get(outcome.card, _UNMEASURED)
        siblings = [other.bytes_per_s for card, other in recording.traces.items() if card != outcome.card]
        yield element(
            "section",
            element("h2", _who(outcome), " ", _result(outcome)),
            *_notes(outcome, slow.get(outcome.card)),
            _picture(outcome, trace, axes, siblings),
            _facts(*_details(outcome, trace, facts.get(outcome.card))),
            id=f"card-{number}",
            class_=str(outcome.result),
        )


def _notes(outcome: CardOutcome, share: float | None) -> Iterator[Markup]:
    """Yield what somebody at the bench must know of this card."""
    if outcome.result is not Result.DONE:
        where = "" if outcome.offset is None else f" at {_place(outcome.offset)}"
        yield element(
            "div",
            element("p", element("b", f"{outcome.result} in {outcome.phase}{where}: "), outcome.cause),
            element("p", f"Now {TABLE_WORDS[outcome.table]}."),
            class_=f"note {outcome.result}",
        )
    if share is not None:
        text = f"It wrote at {share:.0%} of its siblings' rate: the card or its reader may be dying."
        yield element("div", element("p", element("b", "slow: "), text), class_="note unfinished")


def _picture(
    outcome: CardOutcome, trace: Trace, axes: Axes, siblings: list[tuple[float | None, ...]]
) -> Markup:
    drawn = draw_speed(
        trace,
        axes,
        usual=usual_rates(siblings),
        result=outcome.result,
        label=f"speed of {outcome.card} in MB/s over seconds",
    )
    keys = [
        element("span", f"{span.phase} {_duration(span.ended_s - span.began_s)}", class_=f"key {span.phase}")
        for span in trace.phases
        if span.phase in _PHASE_WORDS
    ]
    return element("figure", element("div", drawn, class_="wide"), element("figcaption", *keys))


def _details(outcome: CardOutcome, trace: Trace, facts: CardFacts | None) -> Iterator[tuple[str, str]]:
    yield "card", outcome.card
    if outcome.slot:
        yield "slot", outcome.slot
    if facts:
        yield "what it is", _what(facts)
    yield "written", _bytes_and_rate(outcome.written_bytes, outcome.write_bytes_per_s)
    if outcome.kept_bytes:
        yield "kept", f"{format_size(outcome.kept_bytes)} were right before and were not written"
    yield "read back", _bytes_and_rate(outcome.verified_bytes, outcome.verify_bytes_per_s, outcome.readback)
    if outcome.retries:
        told = (
            f"after {_duration(retry.at_s)}: {retry.cause} (repetition {retry.attempt})"
            for retry in trace.retries
        )
        more = outcome.retries - len(trace.retries)
        yield "repeated", _lines([*told, *([f"and {more} more"] if more > 0 else [])])
    if outcome.slowest:
        yield "slowest", _lines(map(_slow_text, outcome.slowest))


def _lines(texts: Iterable[str]) -> Markup:
    return joined([element("div", text) for text in texts])


def _slow_text(slow: SlowOperation) -> str:
    where = "" if slow.offset is None else f" at {_place(slow.offset)}"
    return f"{slow.seconds:.3f} s: {slow.operation}{where}"


def _what(facts: CardFacts) -> str:
    kind = "card file" if facts.kind in {TargetKind.REGULAR_FILE, TargetKind.NEW_FILE} else facts.transport
    words = [facts.model, facts.identity.serial, kind, format_size(facts.identity.size_bytes)]
    return ", ".join(filter(None, words))


def _bytes_and_rate(count_bytes: int, bytes_per_s: float, manner: str = "") -> str:
    rate = rate_text(bytes_per_s) if bytes_per_s else ""
    return ", ".join(filter(None, [format_size(count_bytes), rate, manner]))


def _facts(*pairs: tuple[str, str]) -> Markup:
    return element(
        "dl", *(piece for key, value in pairs for piece in (element("dt", key), element("dd", value)))
    )


def _who(outcome: CardOutcome) -> str:
    return outcome.node or "no identity"


def _result(outcome: CardOutcome) -> Markup:
    return element("b", str(outcome.result), class_=str(outcome.result))


def _place(offset: int) -> str:
    return f"byte {offset} ({format_size(offset)})"


def _duration(seconds: float) -> str:
    """Return `42 ms`, `4.2 s`, `42 s` or `12 min 5 s`."""
    if seconds < 10:  # noqa: PLR2004 -- two figures are enough
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
