"""What of an fstab mount(8) would not take. Pure."""

import re

_FIELDS = range(4, 7)
_SOURCE = re.compile(
    r"/\S*"  # a device, or a folder to bind
    r"|(?:UUID|LABEL|PARTUUID|PARTLABEL)=\S+"
    r"|(?:[\w.-]+|\[[0-9A-Fa-f:]+\]):/\S*"  # an NFS share
    r"|[a-z][\w-]*"  # tmpfs, proc, none…
)
_OPTION = re.compile(r"[A-Za-z0-9_.-]+(?:=\S+)?")
_NO_PLACE = frozenset({"none", "swap"})
_LAST_FIELDS = re.compile(r"[0-9]")


def wrong_fstab(text: str) -> str:
    """Say what is wrong, first line first; empty for a table that can be used."""
    mount_points: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if wrong := _wrong_line(fields):
            return f"line {number}: {wrong}"
        place = fields[1].rstrip("/") or "/"
        if place in mount_points:
            return f"line {number}: {place} is mounted twice"
        if place not in _NO_PLACE:
            mount_points.add(place)
    return ""


def _wrong_line(fields: list[str]) -> str:
    if len(fields) not in _FIELDS:
        return f"{len(fields)} fields, not 4 to 6"
    source, place, _, options, *numbers = fields
    if not _SOURCE.fullmatch(source):
        return f"{source!r} is no source of a mount"
    if not place.startswith("/") and place not in _NO_PLACE:
        return f"{place!r} is no mount point"
    for option in options.split(","):
        if not _OPTION.fullmatch(option):
            return f"{option!r} is no mount option"
    bad = [word for word in numbers if not _LAST_FIELDS.fullmatch(word)]
    return f"{bad[0]!r} is not a digit" if bad else ""
