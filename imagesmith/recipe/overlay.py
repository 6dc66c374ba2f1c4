"""Overlay trees: mirrored root trees whose `overlay.yaml` names the owners and modes that git cannot keep.

files:
  /etc/example.conf: {mode: 0600, uid: 0, gid: 0}
"""

import re
from dataclasses import replace
from pathlib import Path

from imagesmith.errors import Problem, RecipeError
from imagesmith.host.trees import read_tree
from imagesmith.model.edit import PutFile
from imagesmith.recipe.fields import FieldError, shown, whole_number
from imagesmith.recipe.reader import Problems, Section
from imagesmith.recipe.strict_yaml import parse_yaml

_SHEET = "overlay.yaml"


def read_overlay(folder: Path) -> tuple[PutFile, ...]:
    """Return the files an overlay lays over the root, sorted.

    Raises:
        RecipeError: there is no such overlay, or its sheet is wrong.
        BuildError: something in it is neither a file nor a folder.
    """
    sheet = folder / _SHEET
    if not sheet.is_file():
        missing = Problem(
            str(sheet), 1, "", "there is no such overlay", "it is a folder with this file in it"
        )
        raise RecipeError([missing])
    parsed = parse_yaml(sheet.read_bytes(), str(sheet))
    files = {file.path: file for file in read_tree(folder, leave_out=(_SHEET,))}
    problems = Problems(list(parsed.problems))
    if parsed.root:
        top = Section("", parsed.root.place, parsed.root.entries, problems).only("files")
        exceptions = top.section("files", *files)
        for path in exceptions.entries.keys() & files.keys():
            files[path] = _with_exceptions(files[path], exceptions)
    if problems.found:
        raise RecipeError(problems.found)
    return tuple(files[path] for path in sorted(files))


def _with_exceptions(file: PutFile, exceptions: Section) -> PutFile:
    section = exceptions.section(file.path, "mode", "uid", "gid")
    return replace(
        file,
        mode=section.text("mode", _mode, file.mode),
        uid=section.text("uid", _owner, file.uid),
        gid=section.text("gid", _owner, file.gid),
    )


_owner = whole_number(0, 65533)
"""65534 is nobody, to whom no file is to belong."""


def _mode(text: str) -> int:
    if not re.fullmatch(r"[0-7]{3,4}", text):
        raise FieldError(f"{shown(text)} is not a mode", "three or four octal digits, for example 0644")
    return int(text, 8)
