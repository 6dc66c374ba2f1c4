"""A published image as later commands see it: the file, its manifest, and the recipe of its nodes."""

import json
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import HostNotReadyError, ImagesmithError, UntrustedSourceError
from imagesmith.host.builds import record_for, remembered
from imagesmith.model.manifest import Manifest
from imagesmith.model.recipe import Recipe
from imagesmith.recipe.load import find_recipe, load_recipe


class StaleImageError(ImagesmithError):
    """The recipe says something that the image was not built with; nothing was touched."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Published:
    """An image, its manifest, and the recipe (None: its cards carry no identity)."""

    image: Path
    manifest: Manifest
    recipe: Recipe | None

    @property
    def manifest_swap_bytes(self) -> int:
        """Size of the swap partition its cards get."""
        return int(self.manifest.recipe.get("swap_bytes", 0))


def manifest_path(image: Path) -> Path:
    """Return where the manifest of an image lies."""
    return image.with_name(f"{image.name.removesuffix('.img')}.manifest.json")


def open_published(image: Path | None, *, recipe: str | None, personalised: bool) -> Published:
    """Return an image with its manifest and recipe.

    Args:
        image: None for the last one built on this machine.
        recipe: a recipe file or name; None for the one the image was built from here.
        personalised: whether cards get an identity; if not, no recipe is read.

    Raises:
        HostNotReadyError: nothing was built here yet, or nobody remembers the recipe.
        UntrustedSourceError: there is no such image, or no manifest beside it.
        RecipeError: the recipe is wrong.
        StaleImageError: the recipe changed in a way that needs a build.
    """
    path = image or last_image()
    manifest = read_manifest(path)
    if not personalised:
        return Published(path, manifest, None)
    loaded = load_recipe(find_recipe(recipe)) if recipe else load_recipe(_remembered_recipe(path))
    if loaded.recipe.digest() != manifest.recipe_digest:
        raise StaleImageError(
            f"the image {path} was built from another version of recipe {loaded.recipe.name!r}",
            why=_difference(loaded.recipe, manifest),
            remedy="run 'imagesmith build' again; host names, addresses and passwords never need that",
        )
    return Published(path, manifest, loaded.recipe)


def read_manifest(image: Path) -> Manifest:
    """Return the manifest beside an image.

    Raises:
        UntrustedSourceError: no image, no manifest, or not one of ours.
    """
    if not image.is_file():
        raise UntrustedSourceError(f"there is no image {image}", remedy="run 'imagesmith build RECIPE' first")
    path = manifest_path(image)
    try:
        return Manifest.from_json(path.read_text())
    except (OSError, ValueError) as exc:
        raise UntrustedSourceError(
            f"the image {image} has no manifest that can be used",
            why=f"{path}: {exc}",
            remedy="keep the files of build/<name>/ together, or build the image again",
        ) from exc


def last_image() -> Path:
    """Return the image built last on this machine.

    Raises:
        HostNotReadyError: nothing was built here yet.
    """
    for record in remembered():
        if Path(record.image).is_file():
            return Path(record.image)
    raise HostNotReadyError(
        "no image was built on this machine yet",
        remedy="run 'imagesmith build RECIPE', or name an image with --image",
    )


def _remembered_recipe(image: Path) -> Path:
    record = record_for(image)
    if record is None:
        raise HostNotReadyError(
            f"which recipe the image {image} belongs to is not known here",
            why="it was not built on this machine",
            remedy="name the recipe with --recipe, or write cards without identity with --unpersonalised",
        )
    return Path(record.recipe_file)


def _difference(recipe: Recipe, manifest: Manifest) -> str:
    view = recipe.image_view()
    changed = [
        key
        for key in sorted(view)
        if key != "base"
        and json.dumps(view[key], sort_keys=True) != json.dumps(manifest.recipe.get(key), sort_keys=True)
    ]
    return f"these values differ: {', '.join(changed) or 'base'}"
