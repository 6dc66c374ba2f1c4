"""`imagesmith build`: recipe and base become a published image."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagesmith.app.published import manifest_path
from imagesmith.base.catalogue import resolve_base
from imagesmith.base.inspection import BaseFacts, inspect_base
from imagesmith.build.content import agent_files, recipe_layer, system_layer
from imagesmith.build.executor import execute
from imagesmith.build.plan import Action, BuildPlan, plan_build
from imagesmith.build.publish import BaseImage, Publication
from imagesmith.build.store import LayerStore
from imagesmith.host.builds import record_for, record_of, remember
from imagesmith.host.folders import cache_folder, data_folder
from imagesmith.host.trees import read_tree
from imagesmith.model.edit import PutFile
from imagesmith.model.manifest import Manifest
from imagesmith.model.recipe import Mode, Recipe
from imagesmith.recipe.load import LoadedRecipe
from imagesmith.recipe.overlay import read_overlay
from imagesmith.verify.content import verify_content
from imagesmith.verify.image import verify_image

RELEASED_AT_S = 1_795_392_000
"""2026-11-23: what a build claims as its time unless SOURCE_DATE_EPOCH says another; never the clock."""


@dataclass(frozen=True, slots=True)
class Built:
    """How a build went."""

    plan: BuildPlan
    image: Path
    manifest: Manifest | None
    """None for a dry run."""


def build(
    loaded: LoadedRecipe, *, base: str | None, out: Path, dry_run: bool, say: Callable[[str], None]
) -> Built:
    """Build the image of a recipe into `out/<name>/`.

    Raises:
        HostNotReadyError: something this machine lacks.
        UntrustedSourceError: the base is not a stock image.
        BuildError: a step failed; nothing was published.
    """
    recipe = loaded.recipe
    name, path = resolve_base(base or recipe.base, say)
    facts = inspect_base(path)
    store = LayerStore(cache_folder() / "layers")
    built_at_s = int(os.environ.get("SOURCE_DATE_EPOCH", RELEASED_AT_S))
    folder = out / recipe.name
    image = folder / f"{recipe.name}.img"
    view = {**recipe.image_view(), "base": name}
    plan = plan_build(
        facts.sha256,
        (
            system_layer(_agent(), _overlays(recipe)),
            recipe_layer(recipe, built_at_s=built_at_s),
        ),
        recipe_digest=recipe.digest(),
        stored=store.keys(),
        published_key=_published_key(image),
    )
    if dry_run:
        return Built(plan, image, None)
    if plan.publication is Action.MAKE:
        publication = Publication(folder, recipe.name, built_at_s, view, recipe.digest())
        manifest = execute(plan, _ground(name, facts), store, publication, check=_what_is_wrong, say=say)
    else:
        manifest = Manifest.from_json(manifest_path(image).read_text())
    remember(record_of(image, recipe_file=loaded.files[0], publication_key=plan.publication_key))
    return Built(plan, image, manifest)


def _published_key(image: Path) -> str | None:
    record = record_for(image)
    whole = record is not None and record.is_untouched() and manifest_path(image).is_file()
    return record.publication_key if record and whole else None


def _agent() -> tuple[PutFile, ...]:
    return agent_files(read_tree(data_folder("firstboot")))


def _overlays(recipe: Recipe) -> tuple[PutFile, ...]:
    names = ["base", *([str(recipe.mode)] if recipe.mode is not Mode.NONE else []), *recipe.overlays]
    return tuple(file for name in names for file in read_overlay(data_folder("overlays") / name))


def _ground(name: str, facts: BaseFacts) -> BaseImage:
    return BaseImage(
        name=name,
        path=facts.path,
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        geometry=facts.geometry,
        boot_partition_sha256=facts.boot_partition_sha256,
    )


def _what_is_wrong(image: Path, manifest: Manifest) -> list[str]:
    findings = [
        *verify_image(image, manifest, on_progress=lambda _done, _total: None),
        *verify_content(image, manifest),
    ]
    return [f"{finding.check}: {finding.detail}" for finding in findings if not finding.ok]
