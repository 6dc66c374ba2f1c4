"""The door to e2fsprogs: an ext4 inside an image file, read at its partition's offset. Mounts nothing.

Every e2fsprogs program takes `FILE?offset=BYTES` as a file system's name (libext2fs, io manager options).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagesmith.errors import ImagesmithError
from imagesmith.host.programs import Finished, run
from imagesmith.model.blockmap import Span, merged
from imagesmith.model.layout import Partition

_FSCK_TIMEOUT_S = 1800.0
_FREE_BLOCKS = re.compile(r"^\s*Free blocks: (.*)$", re.MULTILINE)
_DIGITS = re.compile(r"\d+")


class Ext4Error(ImagesmithError):
    """A file system could not be read as ext4."""

    exit_code = 6


def _name(image: Path, partition: Partition) -> str:
    return f"{image}?offset={partition.offset_bytes}"


def superblock(image: Path, partition: Partition) -> dict[str, str]:
    """Return `dumpe2fs -h` as a dictionary: `{"Block size": "4096", "Filesystem state": "clean", …}`."""
    said = run(["dumpe2fs", "-h", _name(image, partition)]).stdout
    pairs = (line.split(":", 1) for line in said.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def free_spans(image: Path, partition: Partition) -> tuple[Span, ...]:
    """Return the file system's free blocks as byte ranges of the image.

    Raises:
        Ext4Error: blocks are not 4096 bytes: the grain of every block map here.
    """
    if superblock(image, partition).get("Block size") != "4096":
        raise Ext4Error("the root file system's blocks are not 4096 bytes")
    said = run(["dumpe2fs", _name(image, partition)]).stdout
    start = partition.offset_bytes
    return merged(
        Span(start + first * 4096, start + (last + 1) * 4096)
        for line in _FREE_BLOCKS.findall(said)
        for first, last in _ranges(line)
    )


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    # "1234-1300, 1400, 1500-1501"
    for word in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = word.partition("-")
        yield int(first), int(last or first)


def _debugfs(image: Path, partition: Partition, request: str) -> Finished:
    # debugfs ends with 0 even when a request failed; what went wrong is on stderr, behind its version line.
    done = run(["debugfs", "-R", request, _name(image, partition)])
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs ")]
    if complaints:
        raise Ext4Error(f"debugfs: {complaints[0]}")
    return done


def answers(image: Path, partition: Partition, requests: Sequence[str]) -> list[str]:
    """Return what debugfs says to each request, in order, from one run; a failed request says nothing.

    Raises:
        Ext4Error: there is no ext4 at that place.
    """
    if not requests:
        return []
    script = "".join(f"{request}\n" for request in requests)
    done = run(["debugfs", "-f", "-", _name(image, partition)], input_text=script, ok=(0, 1))
    if done.returncode or "while trying to open" in done.stderr:
        raise Ext4Error("there is no ext4 to be read", why=done.stderr.strip())
    said: list[str] = []
    rest = done.stdout
    for request in requests:
        # Each request is echoed on a line of its own before its answer.
        before, echo, rest = rest.partition(f"debugfs: {request}\n")
        if not echo:
            raise Ext4Error(f"debugfs did not answer {request!r}")
        said.append(before)
    return [*said[1:], rest]


def read_file(image: Path, partition: Partition, path: str) -> str:
    """Return a text file's content.

    Raises:
        Ext4Error: there is no such file.
    """
    return _debugfs(image, partition, f'cat "{path}"').stdout


def blocks_of(image: Path, partition: Partition, path: str) -> tuple[Span, ...]:
    """Return where a file's content lies, as byte ranges of the image, in file order.

    Raises:
        Ext4Error: there is no such file.
    """
    said = _debugfs(image, partition, f'blocks "{path}"').stdout
    numbers = [int(number) for number in _DIGITS.findall(said)]
    return tuple(_joined(numbers, partition.offset_bytes))


def _joined(blocks: Sequence[int], offset_bytes: int) -> Iterator[Span]:
    position = 0
    while position < len(blocks):
        first = last = blocks[position]
        position += 1
        while position < len(blocks) and blocks[position] == last + 1:
            last = blocks[position]
            position += 1
        yield Span(offset_bytes + first * 4096, offset_bytes + (last + 1) * 4096)


def complaints_of(image: Path, partition: Partition) -> str:
    """Return what `e2fsck -fn` finds wrong; empty for a clean file system."""
    done = run(
        ["e2fsck", "-fn", _name(image, partition)],
        ok=(0, 4, 8),
        timeout_s=_FSCK_TIMEOUT_S,
    )
    return "" if done.returncode == 0 else done.stdout.strip() + done.stderr.strip()
