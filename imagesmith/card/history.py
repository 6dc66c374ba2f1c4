"""What the ledger's rows say about a card, a node or a run. Pure; rows come in order of time."""

from collections.abc import Hashable, Sequence

from imagesmith.card.guid import card_guid
from imagesmith.model.card import CardFacts
from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Result

_SD_SLOT = "mmc"
_FILE = ""


def last_run(rows: Sequence[LedgerRow]) -> tuple[LedgerRow, ...]:
    """Return the rows of the run that began last."""
    return tuple(row for row in rows if row.run == rows[-1].run)


def not_done(rows: Sequence[LedgerRow]) -> tuple[LedgerRow, ...]:
    """Return the rows of cards that are not good: failed, or overtaken by the end of their run."""
    return tuple(row for row in rows if row.result is not Result.DONE)


def other_cards_of_node(
    rows: Sequence[LedgerRow], *, cluster: str, node: str, facts: CardFacts
) -> tuple[LedgerRow, ...]:
    """Return the last good row of every card, other than this one, that was made this node's.

    Behind USB a card's own number cannot be read: two writes count as of one card when reader, slot and size
    are the same. A card file, or a card in an SD slot, is recognised; what was written over later is gone.

    Args:
        rows: the ledger.
        cluster: the recipe's name.
        node: hostname.
        facts: the card that is to become this node's.
    """
    latest = {_grouping(row): row for row in rows if row.result is Result.DONE}
    identity = facts.identity
    this = _key(facts.transport, identity.serial, facts.slot_path, identity.size_bytes, str(facts.real_path))
    return tuple(
        row for row in latest.values() if (row.cluster, row.node) == (cluster, node) and _key_of(row) != this
    )


def last_writing(
    rows: Sequence[LedgerRow], *, image_sha256: str, node: str, facts: CardFacts
) -> LedgerRow | None:
    """Return the row that tells when a card got what it carries, or None.

    Of several cards written alike, the one that was in the same place goes before a later one.
    """
    alike = [
        row
        for row in rows
        if row.result is Result.DONE
        and (row.image_sha256, row.node, row.size_bytes) == (image_sha256, node, facts.identity.size_bytes)
    ]
    here = [row for row in alike if (row.serial, row.slot_path) == (facts.identity.serial, facts.slot_path)]
    found = here or alike
    return found[-1] if found else None


def image_of(disk_guid: str, node: str, digests: Sequence[str]) -> str:
    """Return which image a card was written from, by the disk GUID it got; empty when it is none of these.

    Args:
        disk_guid: of the card's partition table.
        node: hostname the card carries; empty for none.
        digests: sha256 of images that may be it, hex.
    """
    wanted = disk_guid.lower()
    return next((digest for digest in digests if str(card_guid(digest, node, "disk")) == wanted), "")


def _grouping(row: LedgerRow) -> Hashable:
    """Return a key that rows share of which only the last one still holds."""
    return (
        _key_of(row) if _is_recognised(row.transport, row.serial) else (_key_of(row), row.cluster, row.node)
    )


def _key_of(row: LedgerRow) -> Hashable:
    return _key(row.transport, row.serial, row.slot_path, row.size_bytes, row.path)


def _key(transport: str, serial: str, slot_path: str, size_bytes: int, path: str) -> Hashable:
    if transport == _FILE:
        return path
    if _is_recognised(transport, serial):
        return (transport, serial)
    return (transport, serial, slot_path or path, size_bytes)


def _is_recognised(transport: str, serial: str) -> bool:
    """Return whether a row is of a certain card, not just of one that was in a certain place."""
    return transport == _FILE or (transport == _SD_SLOT and bool(serial))
