"""From a recipe's file to a checked recipe. The only module of this room that reads recipe files."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from imagesmith.errors import Problem, RecipeError
from imagesmith.host.folders import data_folder
from imagesmith.model.recipe import Recipe
from imagesmith.recipe.extends import lay_over
from imagesmith.recipe.reader import Problems
from imagesmith.recipe.schema import parse_recipe
from imagesmith.recipe.semantics import Broken, broken_rules, warnings
from imagesmith.recipe.strict_yaml import parse_yaml
from imagesmith.recipe.tree import Entry, Place, YamlList, YamlMap, YamlNode, YamlText

_MOST_KEY_FILE_BYTES = 64 * 1024


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
    close = difflib.get_close_matches(name_or_path, shipped, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"shipped with imagesmith: {', '.join(shipped)}"
    raise RecipeError(
        [Problem(name_or_path, 1, "", "no such recipe: neither a file nor a shipped one", hint)]
    )


def load_recipe(path: Path) -> LoadedRecipe:
    """Return the recipe of a file and of those it extends.

    Raises:
        RecipeError: with every problem of every file.
    """
    problems = Problems()
    files: list[Path] = []
    root = _merged(path, problems, files)
    if root is None:
        raise RecipeError(problems.found)
    recipe = parse_recipe(root, problems, _read_named_file)
    if not problems.found:
        problems.found += [_placed(broken, root) for broken in broken_rules(recipe)]
    if problems.found:
        raise RecipeError(problems.found)
    odd = tuple(_placed(broken, root) for broken in warnings(recipe))
    return LoadedRecipe(recipe, odd, tuple(files))


def _merged(path: Path, problems: Problems, files: list[Path]) -> YamlMap | None:
    files.append(path)
    try:
        content = path.read_bytes()
    except OSError as exc:
        problems.found.append(Problem(str(path), 1, "", f"the file cannot be read: {exc.strerror}"))
        return None
    parsed = parse_yaml(content, str(path))
    problems.found += parsed.problems
    root = parsed.root
    entry = root.entries.get("extends") if root else None
    if root is None or entry is None:
        return root
    below = _extended(path, entry, problems)
    if below is None:
        return root
    if below.resolve() in {file.resolve() for file in files}:
        problems.add(entry.place, "extends", "recipes extend each other in a circle")
        return root
    lower = _merged(below, problems, files)
    return lay_over(root, lower) if lower else root


def _extended(path: Path, entry: Entry, problems: Problems) -> Path | None:
    if not isinstance(entry.value, YamlText):
        problems.add(entry.place, "extends", "name one recipe: a file, or the name of a shipped one")
        return None
    beside = path.parent / entry.value.text
    try:
        return beside if beside.is_file() else find_recipe(entry.value.text)
    except RecipeError as exc:
        (wrong,) = exc.problems
        problems.add(entry.place, "extends", f"{entry.value.text!r}: {wrong.message}", wrong.suggestion)
        return None


def _read_named_file(name: str, place: Place) -> str:
    path = Path(name).expanduser()
    if not path.is_absolute():
        path = Path(place.file).parent / path
    try:
        content = path.read_bytes()[:_MOST_KEY_FILE_BYTES]
    except OSError as exc:
        raise ValueError(f"the file {name} cannot be read: {exc.strerror}") from exc
    return content.decode("utf-8", errors="replace")


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
