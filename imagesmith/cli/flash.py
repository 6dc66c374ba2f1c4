"""`imagesmith flash`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import click

from imagesmith.app.flash import Manner, PreparedCard, Sizes, prepare, write
from imagesmith.app.published import Published, open_published
from imagesmith.app.retry import Retry, last_failed
from imagesmith.app.slots import load_slot_map
from imagesmith.card.guard import SANE_MAXIMUM_BYTES
from imagesmith.cli.report_file import require_place, write_report
from imagesmith.cli.sizes import SIZE
from imagesmith.errors import CardRefusedError
from imagesmith.host.signals import cancelled_by_signals
from imagesmith.model.outcome import Approach
from imagesmith.model.units import format_size
from imagesmith.report.columns import wrapped
from imagesmith.report.recorder import Recorder
from imagesmith.report.show import showing
from imagesmith.report.table import render_table


class _Options(TypedDict):
    """What the command line said."""

    cards: tuple[str, ...]
    image: Path | None
    recipe: str | None
    nodes: str | None
    unpersonalised: bool
    size: int | None
    max_card_size: int | None
    delta: bool
    resume: bool
    failed: bool
    no_probe: bool
    report: Path | None
    yes: bool
    dry_run: bool
    as_json: bool


@click.command()
@click.argument("cards", nargs=-1, metavar="CARD...")
@click.option("--image", type=click.Path(path_type=Path), help="The image; default: the last one built.")
@click.option("--recipe", help="Recipe of the nodes; default: the one the image was built from.")
@click.option("--nodes", metavar="RANGE", help="Which nodes, in order of the cards: 0-3,5.")
@click.option("--unpersonalised", is_flag=True, help="Write no identity: DHCP, named by serial number.")
@click.option("--size", type=SIZE, help="Size of card files that do not exist yet: 16GiB.")
@click.option("--max-card-size", type=SIZE, help="Larger than this is taken for no card (default 2 TiB).")
@click.option("--delta", is_flag=True, help="Read each card first; write only what differs from its plan.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run had come to.")
@click.option("--failed", is_flag=True, help="Write the cards of the last run again that are not good.")
@click.option("--no-probe", is_flag=True, help="Do not ask cards for their true capacity.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write an HTML report with each card's speed over time.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be written where; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print events and the report as JSON lines.")
def flash(**options: Unpack[_Options]) -> int:
    """Write and verify CARDs: block devices, '/dev/sd<b..i>' or '/dev/sd[b-i]' (quoted), or regular files.

    Without CARDs, --failed and --resume take those of the last run that are not good.
    """
    retry = _retry(options)
    published, prepared = _prepare(options, retry)
    as_json, report_file = options["as_json"], options["report"]
    if report_file:
        require_place(report_file, prepared)
    if not as_json:
        click.echo("\n".join(_announce(prepared)), err=True)
    if options["dry_run"]:
        if as_json:
            click.echo(json.dumps({"dry_run": True, "cards": [_as_json(card) for card in prepared]}))
        return 0
    if any(card.destroys for card in prepared) and not options["yes"]:
        _ask(prepared)
    recorder, names = Recorder(), [str(card.verdict.facts.path) for card in prepared]
    with cancelled_by_signals() as cancel, showing(recorder, as_json=as_json, cards=names) as on_event:
        report = write(
            prepared, published, on_event=on_event, cancel=cancel, manner=_manner(options), warn=_warn
        )
    if report_file:
        trouble = write_report(
            report_file, recorder.recording(), report, manifest=published.manifest, cards=prepared
        )
        if trouble:
            _warn(trouble)
    click.echo(report.to_json() if as_json else render_table(report))
    return report.exit_code


def _retry(options: _Options) -> Retry | None:
    """Return what the last run left to be done, when that is asked for; refuse what contradicts itself."""
    if sum((options["delta"], options["resume"], options["failed"])) > 1:
        raise click.UsageError("--delta, --resume and --failed are three ways to write: choose one")
    if options["unpersonalised"] and (options["nodes"] or options["recipe"]):
        raise click.UsageError("--unpersonalised goes with neither --nodes nor --recipe")
    if options["failed"] and options["cards"]:
        raise click.UsageError("--failed takes the cards of the last run: name none")
    if options["cards"]:
        return None
    if not (options["failed"] or options["resume"]):
        raise click.UsageError("name the CARDs to write, or --failed, or --resume")
    if options["nodes"] or options["unpersonalised"]:
        raise click.UsageError("the cards of the last run keep their nodes: give no --nodes")
    return last_failed()


def _prepare(options: _Options, retry: Retry | None) -> tuple[Published, tuple[PreparedCard, ...]]:
    is_personalised = retry.is_personalised if retry else not options["unpersonalised"]
    published = open_published(options["image"], recipe=options["recipe"], personalised=is_personalised)
    sizes = Sizes(
        new_file_bytes=options["size"] or (retry.file_bytes if retry else 0),
        sane_maximum_bytes=options["max_card_size"] or SANE_MAXIMUM_BYTES,
    )
    if retry is None:
        return published, prepare(published, options["cards"], nodes=options["nodes"], sizes=sizes)
    retry.require_image(published.manifest.image_sha256)
    prepared = prepare(published, retry.words, nodes=retry.nodes, sizes=sizes)
    retry.require_cards([card.verdict.facts for card in prepared])
    return published, prepared


def _manner(options: _Options) -> Manner:
    approach = (
        Approach.DELTA if options["delta"] else Approach.RESUME if options["resume"] else Approach.WRITE
    )
    return Manner(approach, is_probed=not options["no_probe"], slots=load_slot_map())


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


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
        for warning in card.warnings:
            lines += wrapped(f"warning: {warning}", indent=2, hanging=2)
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
        "warnings": list(card.warnings),
    }
