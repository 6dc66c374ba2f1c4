"""The ledger as people read it, a line a card in 80 columns, and as CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Result
from imagesmith.report.columns import aligned, printable, wrapped
from imagesmith.report.names import clipped
from imagesmith.report.table import rate_text

_HEADER = ("began (UTC)", "slot", "node", "image", "result", "write")
_MOST_CHARACTERS = (16, 14, 16, 8, 10, 9)


def render_ledger(rows: Sequence[LedgerRow]) -> str:
    """Return the rows with, below each that is not good, what became of it; then the count."""
    head, *table = aligned([_HEADER, *map(_cells, rows)], figures=1)
    lines = [head]
    for row, line in zip(rows, table, strict=True):
        lines.append(line)
        if row.result is not Result.DONE:
            where = "" if row.offset is None else f" at byte {row.offset}"
            text = f"{row.path}, in {row.phase}{where}: {row.cause} (partition table: {row.table})"
            lines += wrapped(printable(text), indent=2)
    done = sum(row.result is Result.DONE for row in rows)
    return "\n".join([*lines, f"{done} of {len(rows)} cards done and verified"])


def ledger_as_csv(rows: Sequence[LedgerRow]) -> str:
    """Return the rows as CSV with a line of names; `seconds` is a JSON object."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(LedgerRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(row), "seconds": json.dumps(dict(row.seconds))} for row in rows)
    return out.getvalue()


def _cells(row: LedgerRow) -> tuple[str, ...]:
    cells = (
        row.started_at[:16].replace("T", " "),
        row.slot or row.slot_path or row.path,
        row.node or "-",
        row.image_sha256[:8],
        str(row.result).upper() if row.result is Result.FAILED else str(row.result),
        rate_text(row.write_bytes_per_s),
    )
    return tuple(clipped(printable(cell), most) for cell, most in zip(cells, _MOST_CHARACTERS, strict=True))
