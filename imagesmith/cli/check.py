"""`imagesmith check`."""

import json
from dataclasses import asdict

import click

from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.recipe.load import find_recipe, load_recipe


@click.command()
@click.argument("recipe")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(recipe: str, *, as_json: bool) -> None:
    """Check RECIPE (a file, or the name of a shipped one) and touch nothing."""
    loaded = load_recipe(find_recipe(recipe), bases=BASE_NAMES)
    if as_json:
        document = {
            "recipe": loaded.recipe.name,
            "files": [str(path) for path in loaded.files],
            "warnings": [asdict(warning) for warning in loaded.warnings],
        }
        click.echo(json.dumps(document))
        return
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    count = loaded.recipe.nodes.count
    click.echo(f"{loaded.recipe.name}: the recipe is right ({count} node{'s' if count != 1 else ''})")
