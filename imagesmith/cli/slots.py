"""`imagesmith slots`: the names of this machine's card slots."""

import os
import select
import sys
from dataclasses import replace
from pathlib import Path

import click

from imagesmith.app.cards import take_inventory
from imagesmith.app.slots import Learner, load_slot_map, slot_map_path
from imagesmith.cli.cards import inventory_as_json, lines_of
from imagesmith.host.devices import media_by_slot
from imagesmith.host.udev import block_news

_FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path), help="The slot map; default: your own."
)
_MOST_TYPED_BYTES = 4096


@click.group(invoke_without_command=True)
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, as 'cards --json' does.")
@click.pass_context
def slots(context: click.Context, *, file: Path | None, as_json: bool) -> None:
    """Show the slots that have a name, and what is in each."""
    if context.invoked_subcommand:
        return
    slot_map = load_slot_map(file)
    found = take_inventory(slot_map)
    named = replace(found, rows=tuple(row for row in found.rows if row.slot))
    if as_json:
        click.echo(inventory_as_json(named))
    elif slot_map.slots:
        click.echo("\n".join(lines_of(named)))
    else:
        click.echo(
            f"no slot has a name in {file or slot_map_path()}: 'imagesmith slots learn' gives them names"
        )


@slots.command()
@_FILE
def learn(*, file: Path | None) -> None:
    """Give slots their names, by putting a card into one after the other.

    Slots are numbered from the first free number; type another name to use that instead. A reader with
    several slots is no trouble: each has a name of its own. A slot is saved at once, and what is in the
    file stays as it is.
    """
    path = file or slot_map_path()
    with block_news() as news:
        learner = Learner(path, media_by_slot())
        while True:
            click.echo(
                f"Put a card into slot {learner.label}. (Another name changes that; Enter ends.) ", nl=False
            )
            ready, _, _ = select.select([sys.stdin, news], [], [])
            if news in ready:
                news.settle()
                said = learner.look(media_by_slot())
                click.echo(f"\n{said}" if said else "\r", nl=bool(said))
            if sys.stdin in ready and not all(_renamed(learner, line) for line in _typed_lines()):
                break
    count = learner.learnt_count
    learnt = f"{count} slot{'s' if count > 1 else ''} learnt" if count else "nothing was learnt"
    click.echo(f"{learnt}; the slot map is {path}")


def _typed_lines() -> list[str]:
    """Return what was typed; an empty line for the end of the input."""
    # Not sys.stdin.readline: a line that Python has read ahead is one that select never sees.
    typed = os.read(sys.stdin.fileno(), _MOST_TYPED_BYTES)
    return typed.decode(errors="replace").splitlines() or [""]


def _renamed(learner: Learner, line: str) -> bool:
    """Take another name for the next slot; return False for the empty line that ends it all."""
    name = line.strip()
    if name and (wrong := learner.call(name)):
        click.echo(wrong)
    return bool(name)
