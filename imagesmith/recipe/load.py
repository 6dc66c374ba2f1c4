"""From a recipe's file to a checked recipe. The only module of this room that reads recipe files."""

import functools
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import Problem, RecipeError
from imagesmith.host.folders import data_folder
from imagesmith.model.recipe import Recipe
from imagesmith.recipe.extends import lay_over
from imagesmith.recipe.fields import FieldError, closest, shown
from imagesmith.recipe.reader import Problems
from imagesmith.recipe.schema import check_version, parse_recipe
from imagesmith.recipe.semantics import Broken, broken_rules, warnings
from imagesmith.recipe.strict_yaml import MOST_BYTES, parse_yaml
from imagesmith.recipe.tree import Entry, Place, YamlList, YamlMap, YamlNode, YamlText

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe that is right, what is odd about it, and the files it was read from, the named one first."""

    recipe: Recipe
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that travel with imagesmith, by name."""
    return {path.stem: path for path in sorted(data_folder("recipes").glob("*.yaml"))}


def find_recipe(name_or_path: str) -> Path:
    """Return a recipe's file: a path, or the name of a shipped recipe.

    Raises:
        RecipeError: neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if name_or_path in shipped:
        return shipped[name_or_path]
    message = "no such recipe: neither a file nor one that travels with imagesmith"
    raise RecipeError([Problem(name_or_path, 1, "", message, _offer(name_or_path))])


def load_recipe(path: Path, *, bases: Collection[str] = ()) -> LoadedRecipe:
    """Return the recipe of a file and of those it extends.

    Args:
        path: the file.
        bases: the names of all bases there are; none: the recipe's is not judged, since it is not to be used.

    Raises:
        RecipeError: with every problem of every file.
    """
    problems = Problems()
    files: list[Path] = []
    root = _merged(path, problems, files)
    if root is None:
        raise RecipeError(problems.found)
    recipe = parse_recipe(root, problems, _read_named_file)
    faulty = [problem.key for problem in problems.found]
    rules = broken_rules(recipe, faulty, overlays=_overlay_names(), bases=bases)
    problems.found += [_placed(broken, root) for broken in rules]
    if problems.found:
        raise RecipeError(problems.found)
    odd = tuple(_placed(broken, root) for broken in warnings(recipe))
    return LoadedRecipe(recipe, odd, tuple(files))


def _overlay_names() -> frozenset[str]:
    return frozenset(path.name for path in data_folder("overlays").iterdir() if path.is_dir())


def _merged(path: Path, problems: Problems, files: list[Path]) -> YamlMap | None:
    """Return the tree of a file over those it extends; None when one of them cannot be read as a tree."""
    layers: list[YamlMap] = []
    place, key = Place(str(path), 1), ""
    while True:
        layer = _layer(path, files, problems, place, key)
        if layer is None:
            return None
        files.append(path)
        layers.append(layer)
        entry = layer.entries.get("extends")
        if entry is None:
            return functools.reduce(lambda lower, upper: lay_over(upper, lower), reversed(layers))
        below = _extended(path, entry, problems)
        if below is None:
            return None
        path, place, key = below, entry.place, "extends"


def _layer(
    path: Path, files: Sequence[Path], problems: Problems, named_at: Place, key: str
) -> YamlMap | None:
    """Return the tree of one file, which the last of `files` extends; None (and a problem) if it has none."""
    try:
        content = _content(path)
    except FieldError as exc:
        problems.add(named_at, key, exc.message, exc.suggestion if key else "")
        return None
    if any(path.samefile(file) for file in files):
        circle = " → ".join(file.name for file in (*files, path))
        problems.add(
            named_at, key, f"recipes extend each other in a circle: {circle}", "leave one extends out"
        )
        return None
    parsed = parse_yaml(content, str(path))
    problems.found += parsed.problems
    if parsed.root is not None:
        check_version(parsed.root, problems)
    return parsed.root


def _extended(path: Path, entry: Entry, problems: Problems) -> Path | None:
    """Return the file a recipe extends: a name is a shipped recipe, a path starts at the recipe's folder."""
    node = entry.value
    if not isinstance(node, YamlText) or node.is_null:
        problems.add(entry.place, "extends", "name one recipe", "for example mpi, or ./site.yaml")
        return None
    if "/" in node.text or node.text.endswith(_SUFFIXES):
        return path.parent / Path(node.text)
    found = shipped_recipes().get(node.text)
    if found is None:
        problems.add(node.place, "extends", f"no shipped recipe named {shown(node.text)}", _offer(node.text))
    return found


def _offer(name: str) -> str:
    shipped = shipped_recipes()
    close = closest(name, shipped)
    return f"{close} " * bool(close) + f"shipped: {', '.join(shipped)}"


def _read_named_file(name: str, place: Place) -> str:
    # The name is not quoted in any message: somebody may have written the password itself there.
    try:
        path = Path(place.file).parent / Path(name).expanduser()
    except (RuntimeError, ValueError) as exc:
        raise FieldError(
            "the file is in the home of a user that is not on this machine", "write its path out"
        ) from exc
    try:
        return _content(path).decode()
    except UnicodeDecodeError as exc:
        raise FieldError("the file is not text", "name another file") from exc


def _content(path: Path) -> bytes:
    """Return a regular file's bytes. A pipe or device would block or never end.

    Raises:
        FieldError: it cannot be read, or is too large for anything a recipe consists of.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as source:
            is_regular = stat.S_ISREG(os.fstat(source.fileno()).st_mode)
            content = source.read(MOST_BYTES + 1) if is_regular else b""
    except OSError as exc:
        reason = exc.strerror or "unknown error"
        raise FieldError(f"the file cannot be read: {reason}", "paths start at the recipe's folder") from exc
    except ValueError as exc:  # a NUL, or half a surrogate pair
        raise FieldError("the file cannot be read: no file has such a name", "check the name") from exc
    if not is_regular:
        raise FieldError("the file is not a regular file", "a pipe or a device might never end")
    return content


def _placed(broken: Broken, root: YamlMap) -> Problem:
    """Return a broken rule as a problem at its key's line, or at that of the nearest key above it."""
    node: YamlNode = root
    place = root.place
    for step in broken.key.replace("[", ".[").split("."):
        if isinstance(node, YamlMap) and step in node.entries:
            place, node = node.entries[step].place, node.entries[step].value
        elif isinstance(node, YamlList) and step.startswith("[") and int(step[1:-1]) < len(node.items):
            node = node.items[int(step[1:-1])]
            place = node.place
        else:
            break
    return place.problem(broken.key, broken.message, broken.suggestion)
