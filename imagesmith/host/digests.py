"""Digests of large files, remembered: 13 GB take half a minute to hash, and no time to recognise."""

import hashlib
import json
import os
from pathlib import Path

from imagesmith.errors import UntrustedSourceError
from imagesmith.host.files import sha256_of_file, write_durably
from imagesmith.host.folders import cache_folder


def cached_sha256(path: Path) -> str:
    """Return a file's sha256, read again only when place, inode, size or a time stamp is another.

    The change time is among them: unlike the modification time nobody can set it back.

    Raises:
        UntrustedSourceError: the file changed while it was read.
        OSError: it cannot be read.
    """
    real = path.resolve()
    before = _fingerprint(real)
    note = cache_folder() / "digests" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()}.json"
    remembered = _read(note)
    if remembered.get("file") == before and isinstance(remembered.get("sha256"), str):
        return str(remembered["sha256"])
    digest = sha256_of_file(real)
    if _fingerprint(real) != before:
        raise UntrustedSourceError(
            f"{path} changed while it was read",
            why="its size or its time stamps are others than a moment ago",
            remedy="wait until whatever writes it has ended, then try again",
        )
    note.parent.mkdir(parents=True, exist_ok=True)
    write_durably(note, json.dumps({"file": before, "sha256": digest}).encode())
    return digest


def _fingerprint(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(note: Path) -> dict[str, object]:
    # A note that cannot be read is one that is not there: it is written anew.
    try:
        content = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
