"""Edits of a root file system, as data: what a layer changes, without saying how."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath


def _checked(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == "/":
        raise ValueError(f"{path!r} is not a plain absolute path")
    return path


@dataclass(frozen=True, slots=True)
class PutFile:
    """A regular file with this content; owned by root, or by the given ids."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __post_init__(self) -> None:
        _checked(self.path)


@dataclass(frozen=True, slots=True)
class PutLink:
    """A symbolic link; replaces a file or link that is there."""

    path: str
    target: str

    def __post_init__(self) -> None:
        _checked(self.path)


@dataclass(frozen=True, slots=True)
class Empty:
    """A file cut to zero bytes, made if missing: for machine-id, where missing means something else."""

    path: str

    def __post_init__(self) -> None:
        _checked(self.path)


@dataclass(frozen=True, slots=True)
class Remove:
    """Files, links or whole folders that match a shell pattern are gone."""

    pattern: str

    def __post_init__(self) -> None:
        _checked(self.pattern)


Edit = PutFile | PutLink | Empty | Remove


def digest_of(edits: Iterable[Edit]) -> str:
    """Return sha256 over edits in order, 64 hex digits: same digest, same change."""
    total = hashlib.sha256()
    for edit in edits:
        total.update("\0".join(_fields(edit)).encode() + b"\n")
    return total.hexdigest()


def _fields(edit: Edit) -> list[str]:
    match edit:
        case PutFile(path, content, mode, uid, gid):
            return ["file", path, hashlib.sha256(content).hexdigest(), f"{mode:o}", str(uid), str(gid)]
        case PutLink(path, target):
            return ["link", path, target]
        case Empty(path):
            return ["empty", path]
        case Remove(pattern):
            return ["remove", pattern]
