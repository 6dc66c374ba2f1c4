"""The slot map on this machine: read strictly, and learnt by plugging cards in."""

import json
from collections.abc import Mapping
from pathlib import Path

from imagesmith.card.slots import (
    Slot,
    SlotMap,
    SlotMapError,
    arrivals,
    is_label,
    next_label,
    parse_slot_map,
    with_slot_appended,
)
from imagesmith.host.files import write_durably
from imagesmith.host.folders import config_folder
from imagesmith.model.units import format_size


def slot_map_path() -> Path:
    """Return where this user's slot map lies."""
    return config_folder() / "slots.toml"


def load_slot_map(file: Path | None = None) -> SlotMap:
    """Return a slot map.

    Args:
        file: None for this user's own, which need not be there: then no slot has a label.

    Raises:
        SlotMapError: the file cannot be read or is no slot map.
    """
    path = file or slot_map_path()
    text = _text_of(path)
    if text is None and file is not None:
        raise SlotMapError(
            f"there is no slot map {file}", remedy=f"make it with 'imagesmith slots learn --file {file}'"
        )
    return SlotMap() if text is None else parse_slot_map(text, str(path))


class Learner:
    """Learns slots one by one: whatever gets a card next is called by the label at hand.

    What was learnt is in the file at once; a Ctrl-C costs nothing.

    Args:
        file: the slot map to add to; made with the first slot.
        media: slot path → bytes of the card in it, as it is now.

    Raises:
        SlotMapError: the file is there and is no slot map.
    """

    def __init__(self, file: Path, media: Mapping[str, int]) -> None:
        self._file = file
        self._media = dict(media)
        self._map = parse_slot_map(_text_of(file) or _EMPTY, str(file))
        self.label = next_label(self._map)
        self.learnt_count = 0

    def call(self, text: str) -> str:
        """Take another label for the next slot; return what is wrong with it, empty for nothing."""
        if not is_label(text):
            return f"{json.dumps(text)} is no label: write 1 to 12 letters, digits or . _ + -"
        if any(slot.label == text for slot in self._map.slots):
            return f"there is a slot {text} already"
        self.label = text
        return ""

    def look(self, media: Mapping[str, int]) -> str:
        """Compare with the last look; return what to tell people, empty when no card came.

        Raises:
            SlotMapError: the file cannot be written, or what stands in it takes no further slot.
        """
        arrived, self._media = arrivals(self._media, media), dict(media)
        if not arrived:
            return ""
        if len(arrived) > 1:
            return f"{len(arrived)} slots got a card at once: take the cards out and put one in at a time"
        path = arrived[0]
        if path.startswith("/dev/"):
            return f"udev knows no path for {path}: such a slot cannot be named"
        if known := self._map.label_of(path):
            return f"that is slot {known} already"
        text = with_slot_appended(_text_of(self._file) or "", Slot(self.label, path), str(self._file))
        self._save(text)
        self._map = parse_slot_map(text, str(self._file))
        self.learnt_count += 1
        learnt, self.label = self.label, next_label(self._map)
        return f"slot {learnt} is {path} (a card of {format_size(media[path])} is in it)"

    def _save(self, text: str) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._file, text.encode())
        except OSError as exc:
            raise SlotMapError(
                f"the slot map {self._file} cannot be written",
                why=exc.strerror or str(exc),
                remedy="name another file with --file",
            ) from exc


_EMPTY = "version = 1\n"


def _text_of(path: Path) -> str | None:
    """Return the text of a file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise SlotMapError(
            f"the slot map {path} cannot be read", why=why or str(exc), remedy="name another file"
        ) from exc
