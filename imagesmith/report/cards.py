"""What is plugged in, as people read it: a table of 80 columns, and a line for each change."""

from collections.abc import Iterator, Mapping, Sequence

from imagesmith.model.inventory import CardRow, Carries, Contents
from imagesmith.model.units import format_size
from imagesmith.report.columns import aligned, printable, wrapped
from imagesmith.report.names import clipped, short_names

_HEADER = ("slot", "card", "size", "reader")
_CARRIES = "carries"
_MOST_CHARACTERS = (12, 12, 9, 18)
_DIGEST_CHARACTERS = 8
_WORDS = {Carries.UNPERSONALISED: "a node without identity"}


def render_cards(rows: Sequence[CardRow], *, image: str) -> list[str]:
    """Return the table: a card a line, below it why it may not be written, at the end how many may.

    Args:
        rows: in the order to be shown.
        image: the image that sizes were judged for; empty for none.
    """
    if not rows:
        return ["no disk and no card reader is plugged in"]
    names = short_names([row.device for row in rows])
    head, *table = aligned([_HEADER, *(_cells(row, names[row.device]) for row in rows)])
    width = max(map(len, (head, *table))) + 1
    lines = [f"{head:<{width}}{_CARRIES}"]
    for row, line in zip(rows, table, strict=True):
        lines += _beside(line, contents_text(row.contents), width)
        lines += _remarks(row)
    count = sum(row.writable for row in rows)
    judged = (
        f"sizes are judged for {printable(image)}" if image else "sizes are judged when an image is built"
    )
    return [*lines, *wrapped(f"{count} may be written; {judged}", indent=0)]


def contents_text(contents: Contents) -> str:
    """Return what a card carries in a few words."""
    words = [_WORDS.get(contents.kind, str(contents.kind))]
    if contents.node:
        words = [f"{contents.node} of {contents.cluster}"]
    if contents.detail:
        words = [f"{contents.kind}: {contents.detail}"]
    if contents.image_sha256:
        words.append(f"image {contents.image_sha256[:_DIGEST_CHARACTERS]}")
    if contents.written_at:
        words.append(f"{contents.written_at[:16].replace('T', ' ')} UTC")
    return printable(", ".join(words))


def line_of(row: CardRow) -> str:
    """Return a row on one line of any length."""
    place = f"slot {row.slot}" if row.slot else row.slot_path
    where = f"{row.device or place}" + (f" ({place})" if place and row.device else "")
    words = [contents_text(row.contents)]
    if row.size_bytes:
        words.insert(0, format_size(row.size_bytes))
    if row.reasons and row.size_bytes:
        words.append(f"refused: {'; '.join(row.reasons)}")
    return printable(f"{where}: {', '.join(words)}")


def changed_lines(before: Sequence[CardRow], after: Sequence[CardRow]) -> Iterator[str]:
    """Give a line for each card that came, changed or went."""
    changed, gone = changes(before, after)
    yield from (f"{row.device} is gone" for row in gone)
    yield from map(line_of, changed)


def changes(
    before: Sequence[CardRow], after: Sequence[CardRow]
) -> tuple[tuple[CardRow, ...], tuple[CardRow, ...]]:
    """Return the rows that are new or not as they were, and those that are not there any more."""
    old, new = _by_place(before), _by_place(after)
    changed = tuple(row for place, row in new.items() if old.get(place) != row)
    return changed, tuple(row for place, row in old.items() if place not in new and row.device)


def _by_place(rows: Sequence[CardRow]) -> Mapping[str, CardRow]:
    return {row.slot_path or row.device: row for row in rows}


def _cells(row: CardRow, name: str) -> tuple[str, ...]:
    cells = (
        row.slot or "-",
        name or "-",
        format_size(row.size_bytes) if row.size_bytes else "-",
        row.model or row.transport or "-",
    )
    return tuple(clipped(printable(cell), most) for cell, most in zip(cells, _MOST_CHARACTERS, strict=True))


def _beside(line: str, text: str, width: int) -> Iterator[str]:
    first, *rest = (piece.strip() for piece in wrapped(text, indent=width)) if text else [""]
    yield f"{line:<{width}}{first}"
    yield from (f"{'':<{width}}{piece}" for piece in rest)


def _remarks(row: CardRow) -> Iterator[str]:
    is_open = row.writable or row.contents.kind is Carries.NO_CARD
    if row.slot_path and not row.slot and is_open:
        yield from wrapped(f"at {row.slot_path}", indent=2, hanging=2)
    if row.reasons and row.contents.kind is not Carries.NO_CARD:
        yield from wrapped(printable(f"refused: {'; '.join(row.reasons)}"), indent=2, hanging=2)
    for warning in row.warnings:
        yield from wrapped(printable(f"warning: {warning}"), indent=2, hanging=2)
