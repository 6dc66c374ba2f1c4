"""Overlay trees: mirrored root trees whose `overlay.yaml` names the owners and modes that git cannot keep.

files:
  /etc/example.conf: {mode: "0600", uid: 0, gid: 0}
"""

from dataclasses import replace
from pathlib import Path

from imagesmith.errors import Problem, RecipeError
from imagesmith.host.trees import read_tree
from imagesmith.model.edit import PutFile
from imagesmith.recipe.strict_yaml import parse_yaml
from imagesmith.recipe.tree import Entry, YamlMap, YamlText

_SHEET = "overlay.yaml"
_BASES = {"mode": 8, "uid": 10, "gid": 10}


def read_overlay(folder: Path) -> tuple[PutFile, ...]:
    """Return the files an overlay lays over the root, sorted.

    Raises:
        RecipeError: there is no such overlay, or its sheet is wrong.
        BuildError: something in it is neither a file nor a folder.
    """
    sheet = folder / _SHEET
    if not sheet.is_file():
        raise RecipeError([Problem(str(sheet), 1, "", "there is no such overlay")])
    parsed = parse_yaml(sheet.read_bytes(), str(sheet))
    files = {file.path: file for file in read_tree(folder, leave_out=(_SHEET,))}
    problems = list(parsed.problems)
    for path, entry in _exceptions(parsed.root, problems).items():
        if path not in files:
            problems.append(entry.place.problem(path, "the overlay has no such file"))
        elif isinstance(entry.value, YamlMap):
            values = _values(entry.value, problems)
            file = files[path]
            mode, uid, gid = (values.get(key, getattr(file, key)) for key in _BASES)
            files[path] = replace(file, mode=mode, uid=uid, gid=gid)
        else:
            problems.append(entry.place.problem(path, "write {mode: …, uid: …, gid: …}"))
    if problems:
        raise RecipeError(problems)
    return tuple(files[path] for path in sorted(files))


def _exceptions(root: YamlMap | None, problems: list[Problem]) -> dict[str, Entry]:
    if root is None:
        return {}
    for key, entry in root.entries.items():
        if key != "files" or not isinstance(entry.value, YamlMap):
            problems.append(entry.place.problem(key, "a sheet has one key, files, and that is a map"))
    found = root.entries.get("files")
    return found.value.entries if found and isinstance(found.value, YamlMap) else {}


def _values(sheet: YamlMap, problems: list[Problem]) -> dict[str, int]:
    values: dict[str, int] = {}
    for key, entry in sheet.entries.items():
        node = entry.value
        if key not in _BASES or not isinstance(node, YamlText):
            problems.append(entry.place.problem(key, "not one of mode, uid, gid"))
            continue
        try:
            values[key] = int(node.text, _BASES[key])
        except ValueError:
            problems.append(entry.place.problem(key, "not a number"))
    return values
