"""`imagesmith build`."""

import json
import time
from pathlib import Path

import click

from imagesmith.app.build import Built
from imagesmith.app.build import build as run_build
from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.build.plan import Action
from imagesmith.model.units import format_size
from imagesmith.recipe.load import find_recipe, load_recipe


@click.command()
@click.argument("recipe")
@click.option("--base", metavar="NAME|PATH", help="Build on this base instead of the recipe's.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Folder under which <name>/ is published.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan with a reason per step, change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def build(recipe: str, *, base: str | None, out: Path, dry_run: bool, as_json: bool) -> None:
    """Build the image of RECIPE (a file, or the name of a shipped one)."""
    loaded = load_recipe(find_recipe(recipe), bases=() if base else BASE_NAMES)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    started = time.monotonic()
    built = run_build(
        loaded, base=base, out=out, dry_run=dry_run, say=lambda text: click.echo(text, err=True)
    )
    seconds = time.monotonic() - started
    click.echo(_as_json(built, seconds) if as_json else _as_text(built, seconds))


def _as_text(built: Built, seconds: float) -> str:
    if built.manifest is None:
        return "\n".join(built.plan.lines())
    done = "unchanged" if built.plan.publication is Action.REUSE else "published"
    size = format_size(built.manifest.size_bytes)
    return f"{built.image}: {done} in {seconds:.1f} s ({size}, {len(built.manifest.packages)} packages)"


def _as_json(built: Built, seconds: float) -> str:
    plan = built.plan
    return json.dumps(
        {
            "image": str(built.image),
            "dry_run": built.manifest is None,
            "base_sha256": plan.base_sha256,
            "layers": [
                {"name": s.name, "key": s.key, "action": str(s.action), "reason": s.reason}
                for s in plan.layers
            ],
            "publication": {
                "key": plan.publication_key,
                "action": str(plan.publication),
                "reason": plan.publication_reason,
            },
            "image_sha256": built.manifest.image_sha256 if built.manifest else None,
            "seconds": round(seconds, 3),
        }
    )
