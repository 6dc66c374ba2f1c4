"""Texts in columns, for terminals of 80: nothing a card says of itself moves the cursor."""

import textwrap
from collections.abc import Iterator, Sequence

COLUMNS = 80


def aligned(rows: Sequence[Sequence[str]], *, figures: int = 0) -> Iterator[str]:
    """Give each row as a line, columns as wide as their widest cell and a space between.

    Args:
        rows: cells; every row has as many.
        figures: how many columns at the end stand to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first_figure = len(widths) - figures
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        yield " ".join(
            cell.rjust(width) if index >= first_figure else cell.ljust(width)
            for index, (cell, width) in cells
        ).rstrip()


def wrapped(text: str, *, indent: int, hanging: int = 0) -> list[str]:
    """Return a text as lines of 80 characters at most.

    Args:
        text: any text.
        indent: spaces before every line.
        hanging: further spaces before every line but the first.
    """
    return textwrap.wrap(
        text,
        width=COLUMNS,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_on_hyphens=False,
    )


def printable(text: str) -> str:
    """Return a text without control characters: a label may hold an escape sequence."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
