"""Durable files: written whole or not at all, and removed only where we made them."""

import ctypes
import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that after a crash there is the old content or the new, never half.

    Temporary name in the same folder, fsync, rename, fsync of the folder.

    Raises:
        OSError: the folder is missing, full or read-only; the old file is untouched.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of_file(path: Path) -> str:
    """Return the file's sha256 as 64 hex digits."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def remove_tree(folder: Path) -> None:
    """Remove a folder we made; refuses a mount point and a symbolic link.

    Raises:
        ValueError: `folder` is a mount point or a link.
    """
    if folder.is_symlink() or folder.is_mount():
        raise ValueError(f"not removing {folder}: it is a mount point or a link")
    shutil.rmtree(folder, ignore_errors=False)  # noqa: TID251 -- this is the one place that removes trees


_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in a place, atomically: there is always the old one or the new one, whole.

    The old folder, if any, then lies at `new`. Both must be on one file system.

    Raises:
        OSError: the place cannot be taken; `target` is untouched.
    """
    if not target.exists():
        new.rename(target)
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(_AT_FDCWD, bytes(new), _AT_FDCWD, bytes(target), _RENAME_EXCHANGE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(target))
    sync_folder(target.parent)
