"""`imagesmith flash`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from imagesmith.app.flash import Manner, PreparedCard, Sizes, prepare, write
from imagesmith.app.published import open_published
from imagesmith.cli.sizes import SIZE
from imagesmith.errors import CardRefusedError
from imagesmith.host.signals import cancelled_by_signals
from imagesmith.model.outcome import Approach
from imagesmith.model.units import format_size
from imagesmith.report.show import showing
from imagesmith.report.table import render_table


@click.command()
@click.argument("cards", nargs=-1, required=True, metavar="CARD...")
@click.option("--image", type=click.Path(path_type=Path), help="The image; default: the last one built.")
@click.option("--recipe", help="Recipe of the nodes; default: the one the image was built from.")
@click.option("--nodes", metavar="RANGE", help="Which nodes, in order of the cards: 0-3,5.")
@click.option("--unpersonalised", is_flag=True, help="Write no identity: DHCP, named by serial number.")
@click.option("--size", type=SIZE, help="Size of card files that do not exist yet: 16GiB.")
@click.option("--max-card-size", type=SIZE, help="Larger than this is taken for no card (default 2 TiB).")
@click.option("--delta", is_flag=True, help="Read each card first; write only what differs from its plan.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run had come to.")
@click.option("--no-probe", is_flag=True, help="Do not ask cards for their true capacity.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be written where; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print events and the report as JSON lines.")
def flash(
    cards: tuple[str, ...],
    *,
    image: Path | None,
    recipe: str | None,
    nodes: str | None,
    unpersonalised: bool,
    size: int | None,
    max_card_size: int | None,
    delta: bool,
    resume: bool,
    no_probe: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write and verify CARDs: block devices, '/dev/sd<b..i>' or '/dev/sd[b-i]' (quoted), or regular files."""
    if unpersonalised and (nodes or recipe):
        raise click.UsageError("--unpersonalised goes with neither --nodes nor --recipe")
    if delta and resume:
        raise click.UsageError("--resume is a kind of --delta: one of the two is enough")
    approach = Approach.DELTA if delta else Approach.RESUME if resume else Approach.WRITE
    sizes = Sizes(new_file_bytes=size or 0)
    if max_card_size is not None:
        sizes = Sizes(size or 0, max_card_size)
    published = open_published(image, recipe=recipe, personalised=not unpersonalised)
    prepared = prepare(published, cards, nodes=nodes, sizes=sizes)
    if not as_json:
        click.echo("\n".join(_announce(prepared)), err=True)
    if dry_run:
        if as_json:
            click.echo(json.dumps({"dry_run": True, "cards": [_as_json(card) for card in prepared]}))
        return 0
    if any(card.destroys for card in prepared) and not yes:
        _ask(prepared)
    with cancelled_by_signals() as cancel, showing(as_json=as_json) as on_event:
        report = write(
            prepared, published, on_event=on_event, cancel=cancel, manner=Manner(approach, not no_probe)
        )
    click.echo(report.to_json() if as_json else render_table(report))
    return report.exit_code


def _announce(cards: Sequence[PreparedCard]) -> list[str]:
    lines = []
    for card in cards:
        facts = card.verdict.facts
        who = card.plan.node.hostname if card.plan.node else "no identity"
        what = " ".join(filter(None, [facts.model, facts.identity.serial, facts.slot_path])) or str(
            facts.kind
        )
        lines.append(
            f"{facts.path}  {format_size(card.plan.size_bytes)}  {what}  ->  {who}, "
            f"{format_size(card.plan.body_bytes)} to write"
        )
        lines += [f"  warning: {warning}" for warning in card.verdict.warnings]
    return lines


def _ask(cards: Sequence[PreparedCard]) -> None:
    count = sum(card.destroys for card in cards)
    if not sys.stdin.isatty():
        raise CardRefusedError(
            "nobody can be asked whether these cards may be overwritten, nothing was written",
            why="standard input is not a terminal",
            remedy="add --yes if they are the right ones",
        )
    answer = click.prompt(
        f"Everything on {count} of these is lost. Type {count} to go on",
        default="",
        show_default=False,
        err=True,
    )
    if answer.strip() != str(count):
        raise CardRefusedError("not confirmed, nothing was written")


def _as_json(card: PreparedCard) -> dict[str, object]:
    facts = card.verdict.facts
    return {
        "card": str(facts.path),
        "slot": facts.slot_path,
        "size_bytes": card.plan.size_bytes,
        "node": card.plan.node.hostname if card.plan.node else "",
        "bytes_to_write": card.plan.body_bytes,
        "warnings": list(card.verdict.warnings),
    }
