"""Folders of this machine read as files to be put into an image."""

import stat
from pathlib import Path

from imagesmith.errors import BuildError
from imagesmith.model.edit import PutFile

_DROPPINGS = ("__pycache__", ".pyc", "~", ".swp")


def read_tree(folder: Path, *, leave_out: tuple[str, ...] = ()) -> tuple[PutFile, ...]:
    """Return a folder's regular files, sorted, paths relative to it and written `/x`.

    Modes are 0755 where the owner may execute, else 0644: git keeps no more than that.

    Raises:
        BuildError: something in it is neither a file nor a folder.
    """
    files: list[PutFile] = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if str(relative) in leave_out or any(part.endswith(_DROPPINGS) for part in relative.parts):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise BuildError(f"{path} is neither a file nor a folder", remedy="take it out of the tree")
        files.append(PutFile(f"/{relative}", path.read_bytes(), 0o755 if mode & stat.S_IXUSR else 0o644))
    return tuple(files)
