"""`imagesmith boot`."""

import json
from pathlib import Path

import click

from imagesmith.app.boot import BootReport, boot_and_check
from imagesmith.app.published import last_image
from imagesmith.errors import VerificationError


@click.command()
@click.argument("card", required=False, type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="Its image; default: the last one built.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def boot(card: Path | None, *, image: Path | None, as_json: bool) -> int:
    """Boot CARD (default: the image itself) in the emulator until its first boot has ended.

    The card is only read. Neither the Tegra boot chain nor the GPU is emulated.
    """
    path = image or last_image()
    report = boot_and_check(card or path, path, say=lambda text: click.echo(text, err=True))
    click.echo(json.dumps(report.to_json()) if as_json else "\n".join(render_boot(report)))
    return 0 if report.ok else VerificationError.exit_code


def render_boot(report: BootReport) -> list[str]:
    """Return a boot report as lines."""
    who = report.node or "a card without identity"
    verdict = "ready" if report.ok else "NOT as it should be"
    lines = [f"{report.card}: {who} is {verdict} after {report.seconds:.0f} s; seen from inside:"]
    width = max(map(len, report.inside.answers))
    for question, answer in report.inside.answers.items():
        first, *rest = answer.splitlines() or [""]
        lines += [f"  {question:<{width}}  {first}", *(f"  {'':<{width}}  {line}" for line in rest)]
    return [*lines, *(f"  BAD {complaint}" for complaint in report.complaints)]
