"""`--report FILE`: a place to write to, judged before the first card is touched; then the report.

What is wrong with the place is a usage error. What goes wrong when the run is over is told, and does not
change the run's exit code: that is about the cards.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from imagesmith.app.flash import PreparedCard
from imagesmith.host.files import write_durably
from imagesmith.model.manifest import Manifest
from imagesmith.model.outcome import FlashReport
from imagesmith.report.html import FIRST_LINES, render_html
from imagesmith.report.recorder import Recording


def require_place(path: Path, cards: Iterable[PreparedCard]) -> None:
    """Refuse a FILE that cannot be written, or that is something else than an earlier report.

    Raises:
        click.UsageError: says what it is.
    """
    if path.resolve() in {card.verdict.facts.real_path for card in cards}:
        raise click.UsageError(f"--report {path}: that is one of the cards")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"--report {path}: there is no folder {path.parent} to write it to")
    if (path.exists() or path.is_symlink()) and not _is_report(path):
        raise click.UsageError(f"--report {path}: exists and is no report; it is not overwritten")


def write_report(
    path: Path,
    recording: Recording,
    report: FlashReport,
    *,
    manifest: Manifest,
    cards: Sequence[PreparedCard],
) -> str:
    """Write the report; return what went wrong, empty when nothing did."""
    facts = {str(card.verdict.facts.path): card.verdict.facts for card in cards}
    document = render_html(recording, report, manifest=manifest, facts=facts)
    try:
        write_durably(path, document.encode())
    except OSError as exc:
        return f"the report {path} could not be written: {exc.strerror or exc}"
    return ""


def _is_report(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as found:
            return found.read(len(FIRST_LINES)) == FIRST_LINES.encode()
    except OSError:
        return False
