"""`imagesmith cards`: every disk and slot of this machine, what each carries, and whether it may be written.

Reads only. Every device is looked at in a thread of its own: one that does not answer keeps none of the
others from being shown.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagesmith.app.published import Published, last_image, read_manifest
from imagesmith.card.geometry import required_bytes
from imagesmith.card.guard import judge
from imagesmith.card.inventory import foreign_contents, has_stock_root, in_slot_order, our_contents, row_of
from imagesmith.card.slots import SlotMap
from imagesmith.errors import HostNotReadyError, UntrustedSourceError
from imagesmith.host import ext4
from imagesmith.host.devices import Extent, Signatures, disks, read_card_facts
from imagesmith.host.folders import cache_folder
from imagesmith.host.ledger import Ledger, LedgerError
from imagesmith.host.medium import read_medium
from imagesmith.host.storage import StorageMap
from imagesmith.model.card import CardFacts, TargetKind
from imagesmith.model.inventory import CardRow, Carries, Contents, Medium
from imagesmith.model.layout import APP_NUMBER, SLOT_PATH
from imagesmith.model.ledger import LedgerRow
from imagesmith.verify.identity import ForeignSlotError, owner_of, parse_slot

_ANSWER_S = 20.0
"""A card that is asked for its partition table and has not answered by then is broken."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is plugged in."""

    rows: tuple[CardRow, ...]
    image: str
    """The image that the cards' sizes are judged for; empty when none was built here."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every card is held against, read once."""

    slots: SlotMap
    image: Published | None
    ledger: tuple[LedgerRow, ...]
    warnings: tuple[str, ...] = ()
    storage: StorageMap = field(default_factory=StorageMap.read)

    @property
    def precious(self) -> dict[str, Path]:
        image = {"the image": self.image.image} if self.image else {}
        return {**image, "the cache": cache_folder()}

    @property
    def required_bytes(self) -> int:
        return required_bytes(self.image.manifest, self.image.manifest_swap_bytes) if self.image else 0

    @property
    def digests(self) -> list[str]:
        """Of the images that a card here may have been written from."""
        last = [self.image.manifest.image_sha256] if self.image else []
        return list(dict.fromkeys([*last, *(row.image_sha256 for row in reversed(self.ledger))]))


def take_inventory(slots: SlotMap, *, cards: Sequence[Path] = (), answer_s: float = _ANSWER_S) -> Inventory:
    """Look at every disk of this machine, or at some cards alone.

    Args:
        slots: labels for slots; a slot of the map that is not plugged in gets a row too.
        cards: devices or card files; none for all disks.
        answer_s: how long a device may take.
    """
    bench = _bench(slots)
    paths = tuple(cards) or disks()
    found = _ask_each(paths, lambda path: _row(path, bench), answer_s)
    rows = [found.get(path) or _silent_row(path, bench, answer_s) for path in paths]
    ordered = tuple(rows) if cards else in_slot_order(rows, slots)
    return Inventory(ordered, str(bench.image.image) if bench.image else "", bench.warnings)


def _bench(slots: SlotMap) -> _Bench:
    try:
        path = last_image()
        image = Published(path, read_manifest(path), None)
    except (HostNotReadyError, UntrustedSourceError):
        image = None
    try:
        return _Bench(slots, image, Ledger().rows())
    except LedgerError as exc:
        return _Bench(slots, image, (), (f"{exc.what} ({exc.why}): {exc.remedy}",))


def _ask_each(
    paths: Sequence[Path], ask: Callable[[Path], CardRow], answer_s: float
) -> Mapping[Path, CardRow]:
    """Return the answers that come in time. A thread that waits for a dead device is left behind."""
    answers: queue.SimpleQueue[tuple[Path, CardRow | Exception]] = queue.SimpleQueue()

    def run(path: Path) -> None:
        try:
            answers.put((path, ask(path)))
        except Exception as exc:  # noqa: BLE001 -- raised again below, where somebody sees it
            answers.put((path, exc))

    for path in paths:
        threading.Thread(target=run, args=(path,), daemon=True).start()
    rows: dict[Path, CardRow] = {}
    deadline_s = time.monotonic() + answer_s
    for _ in paths:
        try:
            path, answer = answers.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, Exception):
            raise answer
        rows[path] = answer
    return rows


def _row(path: Path, bench: _Bench) -> CardRow:
    facts = read_card_facts(path, precious=bench.precious, storage=bench.storage)
    return row_of(judge(facts, required_bytes=bench.required_bytes), _contents(facts, bench), bench.slots)


def _silent_row(path: Path, bench: _Bench, answer_s: float) -> CardRow:
    """Return the row of a device that does not answer: what the kernel knows of it without asking."""
    said = f"no answer for {answer_s:.0f} s"

    def not_asked(_medium: Path, _extents: Sequence[Extent]) -> Signatures:
        return Signatures(unknown=(f"what is on it ({said})",))

    facts = read_card_facts(path, precious=bench.precious, storage=bench.storage, prober=not_asked)
    verdict = judge(facts, required_bytes=bench.required_bytes)
    return row_of(verdict, Contents(Carries.UNREADABLE, said), bench.slots)


def _contents(facts: CardFacts, bench: _Bench) -> Contents:
    if facts.kind in {TargetKind.OTHER, TargetKind.NEW_FILE}:
        return Contents(Carries.UNREADABLE, facts.detail or "there is no such file")
    if facts.identity.size_bytes == 0:
        return Contents(Carries.NO_CARD)
    medium = read_medium(facts.real_path)
    if not has_stock_root(medium):
        return foreign_contents(medium)
    try:
        owner = owner_of(parse_slot(_slot_content(facts.real_path, medium)))
    except (ext4.Ext4Error, ForeignSlotError):
        return foreign_contents(medium)
    node = (owner.cluster, owner.index, owner.hostname) if owner else None
    return our_contents(medium, node, facts=facts, rows=bench.ledger, digests=bench.digests)


def _slot_content(device: Path, medium: Medium) -> bytes:
    root = medium.part(APP_NUMBER)
    if root is None:
        raise AssertionError("a medium with the stock root has partition 1")
    return ext4.read_file(device, root[0], SLOT_PATH).encode()
