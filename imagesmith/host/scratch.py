"""Folders for work under way: gone when it ends; after a kill, when the next work of the kind begins."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imagesmith.host.files import remove_tree

_MARK = ".imagesmith-scratch"
"""A file in each of these folders, locked for as long as its owner lives: the kernel lets go of the lock of
whoever is killed. A folder without it is not ours, whatever its name."""


@contextlib.contextmanager
def scratch_folder(parent: Path, *, prefix: str) -> Iterator[Path]:
    """Give a private folder (0700) under `parent`; it is gone when the block ends, however it ends.

    What killed processes left there under the same prefix is removed first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent, prefix=prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    # Locked under another name first: whoever sees the mark sees it locked.
    handle = os.open(folder / f"{_MARK}.new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        (folder / f"{_MARK}.new").rename(folder / _MARK)
        yield folder
    finally:
        try:
            remove_tree(folder)
        finally:
            os.close(handle)


def sweep(parent: Path, *, prefix: str) -> None:
    """Remove the scratch folders under `parent` whose owners are gone; others are left alone, in silence."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError, ValueError):  # another user's, or a mount point: not ours to remove
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    handle = os.open(folder / _MARK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its owner lives
        remove_tree(folder)
    finally:
        os.close(handle)
