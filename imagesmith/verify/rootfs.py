"""The few files of a root file system that the content checks look at, read with debugfs. No mount, no root.

Gathering (here) is apart from judging (`content`): a judge is a function of `RootFiles` and nothing else.
"""

import posixpath
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagesmith.host import ext4
from imagesmith.model.layout import Partition
from imagesmith.model.units import MIB

UNITS = "/etc/systemd/system"
UNIT_FOLDERS = (UNITS, "/lib/systemd/system", "/usr/lib/systemd/system")
OWN = "/etc/imagesmith"

_FOLDERS = (
    "/etc",
    "/etc/nv",
    "/etc/ssh",
    "/lib/systemd/system",
    "/opt/nvidia/l4t-usb-device-mode",
    "/usr/lib/imagesmith",
    "/usr/lib/systemd/system",
    "/var/lib/dbus",
    "/var/lib/dhcp",
    "/var/lib/NetworkManager",
    "/var/lib/systemd",
)
_TREES = (UNITS, OWN)
"""Looked at with every folder below."""
_FILES = ("/etc/fstab", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/shadow", "/etc/shadow-")
_MOST_FILE_BYTES = 1 * MIB
_MOST_LINK_HOPS = 8
_ROW = re.compile(r"/(\d+)/(\d+)/(\d+)/(\d+)/([^/]+)/(\d*)/")  # ls -p: /inode/mode/uid/gid/name/size/
_FAST_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry: type and permissions as in st_mode, and where a link points."""

    mode: int
    uid: int
    gid: int
    size_bytes: int
    target: str = ""

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)


@dataclass(frozen=True, slots=True)
class RootFiles:
    """What was read: entries by absolute path, and the text of the files that are judged."""

    entries: Mapping[str, Entry]
    texts: Mapping[str, str] = field(default_factory=dict)

    def below(self, folder: str) -> dict[str, Entry]:
        """Return the entries directly in a folder, by name; none when it is not there."""
        prefix = folder.rstrip("/") + "/"
        return {
            path[len(prefix) :]: entry
            for path, entry in self.entries.items()
            if path.startswith(prefix) and "/" not in path[len(prefix) :]
        }

    def resolved(self, path: str) -> str:
        """Return where a path leads after following links; empty when it leads nowhere that was seen."""
        for _ in range(_MOST_LINK_HOPS):
            if path == "/dev/null":  # how systemd masks a unit; /dev is empty in an image
                return path
            entry = self.entries.get(path)
            if entry is None:
                return ""
            if not entry.is_link:
                return path
            path = _absolute(path, entry.target)
        return ""


def read_root(medium: Path, app: Partition) -> RootFiles:
    """Read what the checks need from the root file system on an image or a card.

    Raises:
        Ext4Error: there is no readable ext4 where APP begins.
    """
    entries: dict[str, Entry] = {}
    seen: set[str] = set()
    pending = {*_FOLDERS, *_TREES}
    while pending:
        seen |= pending
        found = _list(medium, app, sorted(pending))
        entries |= found
        pending = _further(found) - seen
    wanted = {path for path in entries if path in _FILES or _in(path, (UNITS, OWN, "/usr/lib/imagesmith"))}
    return RootFiles(entries, _texts(medium, app, sorted(p for p in wanted if _is_small_file(entries[p]))))


def _in(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _is_small_file(entry: Entry) -> bool:
    return entry.is_file and entry.size_bytes <= _MOST_FILE_BYTES


def _further(found: Mapping[str, Entry]) -> set[str]:
    # Below the trees: every folder, and the folders that unit links lead to.
    below = {path: entry for path, entry in found.items() if _in(path, _TREES)}
    folders = {path for path, entry in below.items() if entry.is_folder}
    led_to = {
        posixpath.dirname(_absolute(path, entry.target)) for path, entry in below.items() if entry.is_link
    }
    return folders | led_to


def _absolute(link: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), target))


def _list(medium: Path, app: Partition, folders: Iterable[str]) -> dict[str, Entry]:
    folders = [folder for folder in folders if _can_be_asked(folder)]
    found: dict[str, Entry] = {}
    for folder, said in zip(folders, _ask(medium, app, "ls -p", folders), strict=True):
        for mode, uid, gid, name, size in (row[1:] for row in _ROW.findall(said)):
            if name not in {".", ".."}:
                entry = Entry(int(mode, 8), int(uid), int(gid), int(size or 0))
                found[posixpath.join(folder, name)] = entry
    links = [path for path, entry in found.items() if entry.is_link and _can_be_asked(path)]
    for path, said in zip(links, _ask(medium, app, "stat", links), strict=True):
        target = _FAST_LINK.search(said)
        if target is not None:  # a target of 60 bytes and more is kept in a block; no unit link is that long
            entry = found[path]
            found[path] = Entry(entry.mode, entry.uid, entry.gid, entry.size_bytes, target[1])
    return found


def _texts(medium: Path, app: Partition, paths: Iterable[str]) -> dict[str, str]:
    paths = [path for path in paths if _can_be_asked(path)]
    return dict(zip(paths, _ask(medium, app, "cat", paths), strict=True))


def _can_be_asked(path: str) -> bool:
    return path.isprintable() and '"' not in path


def _ask(medium: Path, app: Partition, verb: str, paths: Iterable[str]) -> list[str]:
    return ext4.answers(medium, app, [f'{verb} "{path}"' for path in paths])
