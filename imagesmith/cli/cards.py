"""`imagesmith cards`."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from imagesmith.app.cards import Inventory, take_inventory
from imagesmith.app.slots import load_slot_map
from imagesmith.card.names import expand_card_names
from imagesmith.host.udev import block_news
from imagesmith.model.inventory import CardRow
from imagesmith.report.cards import changed_lines, changes, render_cards
from imagesmith.report.screen import Screen

SCHEMA = 1


@click.command()
@click.argument("cards", nargs=-1, metavar="[CARD...]")
@click.option("--slots", type=click.Path(path_type=Path), help="The slot map; default: your own, if any.")
@click.option("--watch", is_flag=True, help="Go on and show what comes and goes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --watch JSON lines.")
def cards(cards: tuple[str, ...], *, slots: Path | None, watch: bool, as_json: bool) -> None:
    """Show what is plugged in, what each card carries, and why it may or may not be written.

    All disks and readers of this machine, or CARDs alone: devices or card files. Nothing is written.
    Ends with 0, also when Ctrl-C ends --watch.
    """
    slot_map = load_slot_map(slots)
    paths = [Path(name) for name in expand_card_names(cards)]

    def look() -> Inventory:
        return take_inventory(slot_map, cards=paths)

    if watch:
        _watch(look, _watcher(as_json=as_json))
    else:
        click.echo(inventory_as_json(look()) if as_json else "\n".join(lines_of(look())))


def lines_of(inventory: Inventory) -> list[str]:
    """Return an inventory as a table, with what is wrong besides."""
    return [
        *render_cards(inventory.rows, image=Path(inventory.image).name),
        *(f"warning: {warning}" for warning in inventory.warnings),
    ]


def inventory_as_json(inventory: Inventory) -> str:
    """Return an inventory as one JSON document."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "image": inventory.image,
            "warnings": list(inventory.warnings),
            "cards": [asdict(row) for row in inventory.rows],
        }
    )


Show = Callable[[Sequence[CardRow], Inventory], None]
"""Shows an inventory; is given the rows that were shown before."""


def _watch(look: Callable[[], Inventory], show: Show) -> None:
    before: tuple[CardRow, ...] = ()
    with block_news() as news, contextlib.suppress(KeyboardInterrupt):
        while True:
            found = look()
            show(before, found)
            before = found.rows
            news.wait()


def _watcher(*, as_json: bool) -> Show:
    if as_json:
        return _show_json_lines
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return _show_lines
    screen = Screen(sys.stdout)
    return lambda _before, found: screen.draw([*lines_of(found), "watching; Ctrl-C ends it"])


def _show_lines(before: Sequence[CardRow], found: Inventory) -> None:
    for line in changed_lines(before, found.rows):
        click.echo(line)


def _show_json_lines(before: Sequence[CardRow], found: Inventory) -> None:
    changed, gone = changes(before, found.rows)
    for event, rows in (("gone", gone), ("card", changed)):
        for row in rows:
            click.echo(json.dumps({"schema": SCHEMA, "event": event, **asdict(row)}))
