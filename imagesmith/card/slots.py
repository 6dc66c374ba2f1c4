"""The slot map: names for the slots of card readers, as people see them. Pure.

A slot is known by udev's ID_PATH with the LUN in it, so that each slot of a multi-card reader is its own. The
file is TOML: strict by nature, read by the standard library, and a learnt slot is appended without touching
what somebody wrote by hand.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagesmith.errors import HostNotReadyError

VERSION = 1

_LABEL = re.compile(r"[\w.+-]{1,12}")
_PATH = re.compile(r"[\w.:+@/=,~-]{1,200}", re.ASCII)
_TOP_KEYS = {"version", "slots"}
_SLOT_KEYS = {"label", "path"}


class SlotMapError(HostNotReadyError):
    """The slot map is missing or wrong; nothing was touched."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a card."""

    label: str
    """What people call it: 12 letters or digits at most."""
    path: str
    """udev's ID_PATH including the LUN."""


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The slots in the order of the file; labels and paths are unique."""

    slots: tuple[Slot, ...] = ()

    def label_of(self, slot_path: str) -> str:
        """Return the label of a slot; empty where the map has none."""
        return next((slot.label for slot in self.slots if slot.path == slot_path), "")


def label_of(slot_path: str, slot_map: SlotMap) -> str:
    """Return what to call a slot in front of people: its label, or its path where the map has none."""
    return slot_map.label_of(slot_path) or slot_path


def parse_slot_map(text: str, file: str) -> SlotMap:
    """Return the slot map that a TOML text holds.

    Raises:
        SlotMapError: it is not one; `why` lists every problem.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise _wrong(file, [f"it is not TOML: {exc}"]) from exc
    problems = list(_problems(document))
    if problems:
        raise _wrong(file, problems)
    return SlotMap(tuple(Slot(**entry) for entry in document.get("slots", [])))


def with_slot_appended(text: str, slot: Slot, file: str) -> str:
    """Return the text of a slot map with one slot more; what was there stays as it was written.

    Args:
        text: the file's content; empty for a file not made yet.
        slot: the slot to add.
        file: its name, for messages.

    Raises:
        SlotMapError: the label or the slot is on the map already, or `text` is no slot map.
    """
    before = text or f"version = {VERSION}\n"
    entry = f"\n[[slots]]\nlabel = {json.dumps(slot.label)}\npath = {json.dumps(slot.path)}\n"
    old = parse_slot_map(before, file)
    try:
        new = parse_slot_map(before + ("" if before.endswith("\n") else "\n") + entry, file)
    except SlotMapError as exc:
        raise SlotMapError(
            f"the slot {slot.label} was not added to {file}",
            why=exc.why,
            remedy="choose another label; slots must be written as [[slots]] tables",
        ) from exc
    if new.slots != (*old.slots, slot):
        raise AssertionError(f"appending {slot} to {file} changed other slots")
    return before + ("" if before.endswith("\n") else "\n") + entry


def arrivals(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[str, ...]:
    """Return the slots into which a card was put between two looks.

    Args:
        before: slot path → bytes of the card in it; 0 for a reader's empty slot.
        after: the same, later.
    """
    return tuple(path for path, size_bytes in after.items() if size_bytes and not before.get(path))


def is_label(text: str) -> bool:
    """Return whether a text may be a slot's label."""
    return _LABEL.fullmatch(text) is not None


def next_label(slot_map: SlotMap) -> str:
    """Return the smallest number from 1 that is no label yet."""
    used = {slot.label for slot in slot_map.slots}
    number = 1
    while str(number) in used:
        number += 1
    return str(number)


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("version") != VERSION or isinstance(document.get("version"), bool):
        yield f"version = {VERSION} is missing"
    for key in sorted(document.keys() - _TOP_KEYS):
        yield f"unknown key {key!r}"
    entries = document.get("slots", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        yield "slots is not a list of tables: write [[slots]]"
        return
    for number, entry in enumerate(entries, start=1):
        yield from (f"slot {number}: {problem}" for problem in _slot_problems(entry))
    for key in sorted(_SLOT_KEYS):
        values = Counter(entry[key] for entry in entries if isinstance(entry.get(key), str))
        yield from (f"the {key} {value!r} is there {n} times" for value, n in values.items() if n > 1)


def _slot_problems(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(entry.keys() - _SLOT_KEYS):
        yield f"unknown key {key!r}"
    for key, form, meaning in (
        ("label", _LABEL, "1 to 12 letters, digits or . _ + -"),
        ("path", _PATH, "udev's ID_PATH, as 'imagesmith cards' shows it"),
    ):
        value = entry.get(key)
        if not isinstance(value, str) or not form.fullmatch(value):
            yield f"{key} is not {meaning}"


def _wrong(file: str, problems: list[str]) -> SlotMapError:
    return SlotMapError(
        f"{file} is not a slot map",
        why="\n       ".join(problems),
        remedy="put it right, or move it away and run 'imagesmith slots learn'",
    )
