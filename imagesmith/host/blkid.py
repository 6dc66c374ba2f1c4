"""The door to blkid: what signatures a medium, or a part of it, carries. Writes nothing, asks no cache."""

import re
from collections.abc import Mapping
from pathlib import Path

from imagesmith.host.programs import ProgramError, run

_PROBE_S = 30.0
_NOTHING_FOUND = 2  # blkid(8): exit codes of low-level probing
_AMBIVALENT = 8
_ESCAPED = re.compile(r"\\(.)")


def probe(medium: Path, *, offset_bytes: int = 0, size_bytes: int = 0) -> Mapping[str, str]:
    """Return what blkid says of a part of a disk or file: TYPE, USAGE, LABEL, PTTYPE…; empty for nothing.

    Args:
        medium: a readable disk or file.
        offset_bytes: where the part begins.
        size_bytes: its length; 0 is up to the end.

    Raises:
        ProgramError: it carries marks of two kinds, or cannot be read.
        ProgramTimeoutError: it does not answer.
    """
    argv = ["blkid", "--probe", "--output", "export", f"--offset={offset_bytes}"]
    argv += [f"--size={size_bytes}"] if size_bytes else []
    argv.append(str(medium))
    done = run(argv, timeout_s=_PROBE_S, ok=(0, _NOTHING_FOUND, _AMBIVALENT))
    # Code 2 is "nothing there" and "cannot read" alike; only the latter has something to say.
    if done.returncode == _AMBIVALENT or done.stderr.strip():
        raise ProgramError(argv, done.returncode, done.stderr or "marks of two kinds, one of them stale")
    pairs = (line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {key: _ESCAPED.sub(r"\1", value) for key, value in pairs}
