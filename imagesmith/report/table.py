"""The table at the end of a run: what became of each card, in 80 columns, and why the bad ones are bad."""

from collections.abc import Iterator

from imagesmith.model.outcome import CardOutcome, FlashReport, Result, TableState
from imagesmith.report.columns import aligned
from imagesmith.report.names import clipped, short_names

_HEADER = ("slot", "node", "card", "result", "write", "verify", "seconds")
_MOST_CHARACTERS = (14, 16, 12, 10, 9, 9, 7)
"""Slot, node and card are clipped to this; with single spaces between, 83 less what real names leave free."""

TABLE_WORDS = {
    TableState.UNTOUCHED: "nothing was written to it",
    TableState.ABSENT: "it has no partition table",
    TableState.VALID: "it has its partition table",
    TableState.UNKNOWN: "it may have a partition table: do not use it",
}


def render_table(report: FlashReport) -> str:
    """Return the report as people read it: a row a card, a paragraph a bad card, one line of summary."""
    names = short_names([outcome.card for outcome in report.outcomes])
    rows = [_HEADER, *(_row(outcome, names[outcome.card]) for outcome in report.outcomes)]
    if not any(outcome.slot for outcome in report.outcomes):
        rows = [row[1:] for row in rows]
    bad = [outcome for outcome in report.outcomes if outcome.result is not Result.DONE]
    return "\n".join(
        [
            *aligned(rows, figures=3),
            *(line for outcome in bad for line in _why(outcome)),
            *_slow(report),
            *_image(report),
            *_summary(report),
        ]
    )


def _row(outcome: CardOutcome, name: str) -> tuple[str, ...]:
    cells = (
        outcome.slot,
        outcome.node or "-",
        name,
        str(outcome.result).upper() if outcome.result is Result.FAILED else str(outcome.result),
        rate_text(outcome.write_bytes_per_s),
        rate_text(outcome.verify_bytes_per_s),
        f"{outcome.total_s:.0f}",
    )
    return tuple(clipped(cell, most) for cell, most in zip(cells, _MOST_CHARACTERS, strict=True))


def rate_text(bytes_per_s: float) -> str:
    """Return a rate in at most nine characters: `20.1 MB/s`; `-` for none."""
    if bytes_per_s == 0:
        return "-"
    mega = bytes_per_s / 1e6
    return f"{mega:.1f} MB/s" if mega < 100 else f"{mega:.0f} MB/s"  # noqa: PLR2004 -- three digits are enough


def _why(outcome: CardOutcome) -> Iterator[str]:
    who = ", ".join(filter(None, [outcome.slot, outcome.node]))
    where = "" if outcome.offset is None else f", byte {outcome.offset}"
    yield f"{outcome.card}" + (f" ({who})" if who else "") + f": {outcome.result} in {outcome.phase}{where}"
    yield f"  why: {outcome.cause}"
    yield f"  now: {TABLE_WORDS[outcome.table]}"


def _slow(report: FlashReport) -> Iterator[str]:
    for outcome, share in report.outliers:
        yield f"{outcome.card}: slow: it wrote at {share:.0%} of its siblings' rate"
        yield "  the card or its reader may be dying"


def _image(report: FlashReport) -> Iterator[str]:
    if report.image_fault:
        yield f"the image is not usable: {report.image_fault}"


def _summary(report: FlashReport) -> Iterator[str]:
    if retries := sum(outcome.retries for outcome in report.outcomes):
        yield f"operations repeated after transient errors: {retries}"
    done = sum(outcome.result is Result.DONE for outcome in report.outcomes)
    yield f"{done} of {len(report.outcomes)} cards done and verified in {report.seconds:.0f} s"
