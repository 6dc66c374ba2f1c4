"""`imagesmith verify`."""

import json
from pathlib import Path
from typing import NoReturn

import click
from tqdm import tqdm

from imagesmith.app.boot import boot_and_check
from imagesmith.app.published import last_image
from imagesmith.app.verify import verify_published, verify_written
from imagesmith.card.names import expand_card_names
from imagesmith.cli.boot import render_boot
from imagesmith.errors import AllCardsFailedError, SomeCardsFailedError, VerificationError
from imagesmith.verify.card import CardReport
from imagesmith.verify.finding import Finding, Report


@click.command()
@click.argument("cards", nargs=-1, metavar="[CARD...]")
@click.option("--image", type=click.Path(path_type=Path), help="The image; default: the last one built.")
@click.option("--boot", "with_boot", is_flag=True, help="Boot it in the emulator, to the end of first boot.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(cards: tuple[str, ...], *, image: Path | None, with_boot: bool, as_json: bool) -> int:
    """Verify an image, or CARDs written from it: block devices or card files."""
    path = image or last_image()
    names = expand_card_names(cards)
    if names:
        reports: list[Report | CardReport] = [
            verify_written(Path(name), path, on_progress=_no_progress if as_json else _Bar(name))
            for name in names
        ]
    else:
        reports = [verify_published(path, on_progress=_no_progress if as_json else _Bar(str(path)))]
    boots = [boot_and_check(Path(t), path, say=_say) for t in names or [str(path)]] if with_boot else []
    if as_json:
        document = {"reports": [r.to_json() for r in reports], "boots": [b.to_json() for b in boots]}
        click.echo(json.dumps(document))
    else:
        for report in reports:
            click.echo("\n".join(_lines(report)))
        for booted in boots:
            click.echo("\n".join(render_boot(booted)))
    return _exit_code([r.ok for r in reports] + [b.ok for b in boots], of_cards=bool(names))


def _exit_code(good: list[bool], *, of_cards: bool) -> int:
    if all(good):
        return 0
    if not of_cards:
        return VerificationError.exit_code
    return SomeCardsFailedError.exit_code if any(good) else AllCardsFailedError.exit_code


def _lines(report: Report | CardReport) -> list[str]:
    if isinstance(report, CardReport):
        whose = str(report.owner) if report.owner else "unpersonalised"
        head = f"{report.card}: {'good' if report.ok else 'BAD'}, {report.state}, {whose}"
    else:
        head = f"{report.subject}: {'good' if report.ok else 'BAD'}"
    return [head, *map(_line, report.findings)]


def _line(finding: Finding) -> str:
    return f"  {'ok ' if finding.ok else 'BAD'} {finding.check}: {finding.detail}"


def _say(text: str) -> None:
    click.echo(text, err=True)


def _no_progress(_done: int, _total: int) -> None:
    """Show nothing: a program reads the result."""


class _Bar:
    """A bar on the terminal, made when the first bytes are through; silent without a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: tqdm[NoReturn] | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=total, desc=self._name, unit="B", unit_scale=True, disable=None, leave=False, ncols=78
            )
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
