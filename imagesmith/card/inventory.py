"""From facts to rows: what each card carries and what may be done with it, slot by slot. Pure."""

import re
from collections import Counter
from collections.abc import Sequence

from imagesmith.card.history import image_of, last_writing
from imagesmith.card.slots import SlotMap
from imagesmith.model.card import CardFacts, Verdict
from imagesmith.model.inventory import CardRow, Carries, Contents, FileSystem, Medium
from imagesmith.model.layout import APP_NAME, APP_NUMBER
from imagesmith.model.ledger import LedgerRow

_ROOT_KIND = "ext4"
_DIGITS = re.compile(r"(\d+)")


def has_stock_root(medium: Medium) -> bool:
    """Return whether partition 1 is an ext4 named APP, as on the stock image: ours, or NVIDIA's own."""
    part = medium.part(APP_NUMBER)
    return part is not None and (part[0].name, part[1].kind) == (APP_NAME, _ROOT_KIND)


def foreign_contents(medium: Medium) -> Contents:
    """Return what a medium carries that has no node document."""
    if medium.unreadable:
        return Contents(Carries.UNREADABLE, medium.unreadable)
    if medium.behind_head.kind == _ROOT_KIND:
        return Contents(Carries.UNFINISHED, "no partition table")
    if medium.table:
        kinds = Counter(_named(system) for _part, system in medium.parts if system.kind)
        systems = [f"{count} x {name}" if count > 1 else name for name, count in kinds.items()]
        parts = [f"{len(medium.parts)} partitions"] if medium.parts and not systems else []
        return Contents(Carries.FOREIGN, ", ".join([medium.table, *systems, *parts]))
    if medium.whole.kind:
        return Contents(Carries.FOREIGN, _named(medium.whole))
    if medium.is_blank:
        return Contents(Carries.EMPTY)
    return Contents(Carries.FOREIGN, "nothing that is known")


def our_contents(
    medium: Medium,
    node: tuple[str, int, str] | None,
    *,
    facts: CardFacts,
    rows: Sequence[LedgerRow],
    digests: Sequence[str],
) -> Contents:
    """Return what a card with an identity slot carries.

    Args:
        medium: what was read of it.
        node: cluster, index and hostname; None for an unpersonalised card.
        facts: the card's.
        rows: the ledger.
        digests: sha256 of images it may have been written from.
    """
    cluster, index, hostname = node or ("", None, "")
    image_sha256 = image_of(medium.disk_guid, hostname, digests)
    written = last_writing(rows, image_sha256=image_sha256, node=hostname, facts=facts)
    return Contents(
        Carries.NODE if node else Carries.UNPERSONALISED,
        cluster=cluster,
        node_index=index,
        node=hostname,
        image_sha256=image_sha256,
        written_at=written.ended_at if written else "",
    )


def row_of(verdict: Verdict, contents: Contents, slots: SlotMap) -> CardRow:
    """Return the row of one card."""
    facts = verdict.facts
    return CardRow(
        slot=slots.label_of(facts.slot_path),
        slot_path=facts.slot_path,
        device=str(facts.path),
        contents=contents,
        transport=facts.transport,
        model=facts.model,
        serial=facts.identity.serial,
        size_bytes=facts.identity.size_bytes,
        writable=verdict.allowed,
        reasons=verdict.reasons,
        warnings=verdict.warnings,
    )


def in_slot_order(rows: Sequence[CardRow], slots: SlotMap) -> tuple[CardRow, ...]:
    """Return the rows as people look for them, with one for each slot of the map that is not plugged in.

    First the slots of the map in its order, then what may be written, then the rest.
    """
    places = {slot.path: place for place, slot in enumerate(slots.slots)}
    there = {row.slot_path for row in rows}
    missing = [
        CardRow(slot.label, slot.path, "", Contents(Carries.NO_READER))
        for slot in slots.slots
        if slot.path not in there
    ]
    unmapped = len(places)

    def order(row: CardRow) -> tuple[int, bool, list[str | tuple[int, str]], str]:
        place = places.get(row.slot_path, unmapped)
        return place, place == unmapped and not _is_of_interest(row), _natural(row.slot_path), row.device

    return tuple(sorted([*rows, *missing], key=order))


def _is_of_interest(row: CardRow) -> bool:
    return row.writable or row.contents.kind is Carries.NO_CARD


def _natural(text: str) -> list[str | tuple[int, str]]:
    """Return a key that puts 10 behind 9."""
    words = _DIGITS.split(text)
    return [f"{int(word):020d}" if word.isdigit() else word for word in words]


def _named(system: FileSystem) -> str:
    return f'{system.kind} "{system.label}"' if system.label else system.kind
