"""`imagesmith ledger`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from imagesmith.app.ledger import remembered_cards
from imagesmith.errors import UsageError
from imagesmith.host.files import write_durably
from imagesmith.model.ledger import LedgerRow
from imagesmith.report.ledger import ledger_as_csv, render_ledger

SCHEMA = 1
_STDOUT = Path("-")


@click.command()
@click.option("--node", metavar="NODE", help="Only cards of this node: its number or hostname.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N cards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write CSV to a file; - is stdout.")
def ledger(*, node: str | None, last: int | None, as_json: bool, csv_file: Path | None) -> None:
    """Show every card that was written on this machine: when, where, what, and with which result.

    The rows are kept for each user, in $XDG_STATE_HOME/imagesmith/ledger.sqlite3.
    """
    if as_json and csv_file:
        raise click.UsageError("--json does not go with --csv")
    rows = [row for row in remembered_cards() if node is None or is_of_node(row, node)]
    rows = rows[-last:] if last else rows
    if csv_file == _STDOUT:
        click.echo(ledger_as_csv(rows), nl=False)
    elif csv_file:
        _save(csv_file, rows)
    elif as_json:
        click.echo(json.dumps({"schema": SCHEMA, "cards": [asdict(row) for row in rows]}))
    else:
        click.echo(render_ledger(rows) if rows else "there is no such card in the ledger")


def is_of_node(row: LedgerRow, node: str) -> bool:
    """Return whether a row is of a node, given by number or hostname."""
    return node == row.node or (row.node_index is not None and node == str(row.node_index))


def _save(path: Path, rows: Sequence[LedgerRow]) -> None:
    try:
        write_durably(path, ledger_as_csv(rows).encode())
    except OSError as exc:
        raise UsageError(
            f"the file {path} cannot be written",
            why=exc.strerror or str(exc),
            remedy="name a file in a folder that is there",
        ) from exc
