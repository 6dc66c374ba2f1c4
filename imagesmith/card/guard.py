"""Whether a card may be written: a table of rules over facts, all judged, every reason told. Pure.

No option turns the table off; `sane_maximum_bytes` is the one number a user may move. What could not be
found out counts against the card.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from imagesmith.errors import CardRefusedError
from imagesmith.model.card import CardFacts, TargetKind, Verdict
from imagesmith.model.units import GIB, SECTOR_BYTES, format_size

SANE_MAXIMUM_BYTES = 2048 * GIB
"""The largest card SDXC allows. Anything larger is a disk somebody keeps data on (`--max-card-size`)."""

_CARD_TRANSPORTS = frozenset({"usb", "mmc", "loop"})
_FILES = frozenset({TargetKind.REGULAR_FILE, TargetKind.NEW_FILE})


class Limits(NamedTuple):
    """The sizes a card must lie between."""

    required_bytes: int
    sane_maximum_bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to refuse a card: when it is broken, and the evidence in words."""

    name: str
    broken: Callable[[CardFacts, Limits], object]
    reason: Callable[[CardFacts, Limits], str]


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _is_writable_kind(facts: CardFacts) -> bool:
    return facts.kind in _FILES or facts.kind is TargetKind.WHOLE_DISK


RULES: tuple[Rule, ...] = (
    Rule(
        "a disk or a file",
        lambda card, _: card.kind is TargetKind.OTHER,
        lambda card, _: f"it is neither a disk nor a file: {card.detail}",
    ),
    Rule(
        "whole disk",
        lambda card, _: card.kind is TargetKind.PARTITION,
        lambda card, _: f"it is a partition of {card.detail}: name the whole disk",
    ),
    Rule(
        "removable",
        lambda card, _: (
            card.kind in {TargetKind.WHOLE_DISK, TargetKind.PARTITION}
            and not card.removable
            and card.transport not in _CARD_TRANSPORTS
        ),
        lambda card, _: (
            f"it is not removable and hangs on neither USB nor an SD slot ({card.transport or 'unknown bus'})"
        ),
    ),
    Rule(
        "no way round",
        lambda card, _: card.over_device,
        lambda card, _: f"it is a loop over the block device {card.over_device}: name that device itself",
    ),
    Rule(
        "a card is in the slot",
        lambda card, _: card.kind is TargetKind.WHOLE_DISK and card.identity.size_bytes == 0,
        lambda _card, _: "there is no card in it (size 0)",
    ),
    Rule(
        "large enough",
        lambda card, limits: (
            _is_writable_kind(card)
            and not (card.kind is TargetKind.WHOLE_DISK and card.identity.size_bytes == 0)
            and card.identity.size_bytes < limits.required_bytes
        ),
        lambda card, limits: (
            f"it is too small: {_exact(card.identity.size_bytes)}, "
            f"and image and swap need {_exact(limits.required_bytes)}"
        ),
    ),
    Rule(
        "not suspiciously large",
        lambda card, limits: card.identity.size_bytes > limits.sane_maximum_bytes,
        lambda card, limits: (
            f"it is suspiciously large for a card: {format_size(card.identity.size_bytes)}, "
            f"over {format_size(limits.sane_maximum_bytes)} (--max-card-size)"
        ),
    ),
    Rule(
        "whole sectors",
        lambda card, _: card.identity.size_bytes % SECTOR_BYTES,
        lambda card, _: f"its size, {card.identity.size_bytes} bytes, is not a multiple of {SECTOR_BYTES}",
    ),
    Rule(
        "512-byte sectors",
        lambda card, _: card.logical_block_bytes != SECTOR_BYTES,
        lambda card, _: (
            f"it has sectors of {card.logical_block_bytes} bytes, "
            f"and the image's partition table is made for {SECTOR_BYTES}"
        ),
    ),
    Rule(
        "not read-only",
        lambda card, _: card.read_only,
        lambda _card, _: "it is read-only (look for the switch on the card's side)",
    ),
    Rule(
        "permitted",
        lambda card, _: not card.permitted,
        lambda _card, _: "this user may not write to it (run as root, or join the group that may)",
    ),
    Rule(
        "not mounted",
        lambda card, _: card.mounts,
        lambda card, _: f"it is mounted on {_listed(card.mounts)}",
    ),
    Rule(
        "not swapped on",
        lambda card, _: card.swaps,
        lambda card, _: f"this machine swaps on it: {_listed(card.swaps)}",
    ),
    Rule(
        "not held",
        lambda card, _: card.holders,
        lambda card, _: f"it is held by {_listed(card.holders)}",
    ),
    Rule(
        "no stacked storage",
        lambda card, _: card.members,
        lambda card, _: f"it is a part of stacked storage: {_listed(card.members)} (wipefs removes the mark)",
    ),
    Rule(
        "carries nothing precious",
        lambda card, _: card.carries,
        lambda card, _: f"this machine keeps there: {_listed(card.carries)}",
    ),
    Rule(
        "nothing unknown",
        lambda card, _: card.unknown,
        lambda card, _: f"it could not be found out: {_listed(card.unknown)}",
    ),
)


def judge(facts: CardFacts, *, required_bytes: int, sane_maximum_bytes: int = SANE_MAXIMUM_BYTES) -> Verdict:
    """Return the verdict on one card; every rule is judged, every broken one gives its reason.

    Args:
        facts: what was found out.
        required_bytes: what image and swap need (`imagesmith.card.geometry.required_bytes`).
        sane_maximum_bytes: larger than this is no card.
    """
    limits = Limits(required_bytes, sane_maximum_bytes)
    reasons = tuple(rule.reason(facts, limits) for rule in RULES if rule.broken(facts, limits))
    return Verdict(facts, reasons, _warnings(facts))


def judge_all(
    cards: Sequence[CardFacts], *, required_bytes: int, sane_maximum_bytes: int = SANE_MAXIMUM_BYTES
) -> tuple[Verdict, ...]:
    """Return the verdict on each card of a run, in order; one card under two names is refused both times."""
    verdicts = [
        judge(facts, required_bytes=required_bytes, sane_maximum_bytes=sane_maximum_bytes) for facts in cards
    ]
    times = Counter(_same(facts) for facts in cards)
    return tuple(
        replace(verdict, reasons=(*verdict.reasons, _twice(verdict.facts, cards)))
        if times[_same(verdict.facts)] > 1
        else verdict
        for verdict in verdicts
    )


def require_allowed(verdicts: Sequence[Verdict]) -> None:
    """Do nothing when every card may be written.

    Raises:
        CardRefusedError: some card may not; `why` lists every reason for every such card.
    """
    refused = [verdict for verdict in verdicts if not verdict.allowed]
    if refused:
        reasons = [f"{verdict.facts.path}: {reason}" for verdict in refused for reason in verdict.reasons]
        raise CardRefusedError(
            f"{len(refused)} of {len(verdicts)} cards refused, nothing was written",
            why="\n       ".join(reasons),
            remedy="name other cards, or put right what is said above",
        )


def recheck(before: CardFacts, after: CardFacts) -> tuple[str, ...]:
    """Return how a card is no longer the one that was judged; empty when it is the same.

    Args:
        before: the facts the verdict and the user's consent were about.
        after: the facts read again, with the card open.
    """
    pairs = (
        ("kind", before.kind, after.kind),
        ("path behind the name", before.real_path, after.real_path),
        ("device number", before.identity.device_number, after.identity.device_number),
        ("file system", before.identity.file_system, after.identity.file_system),
        ("size", before.identity.size_bytes, after.identity.size_bytes),
        ("serial", before.identity.serial, after.identity.serial),
        ("disk sequence number", before.identity.disk_sequence, after.identity.disk_sequence),
    )
    return tuple(
        f"its {what} changed since it was judged: {old or 'none'} then, {new or 'none'} now"
        for what, old, new in pairs
        if old != new
    )


def _warnings(facts: CardFacts) -> tuple[str, ...]:
    warnings = []
    if facts.transport == "usb" and not facts.removable:
        warnings.append("a USB disk without the removable flag: more likely an external disk than a card")
    if facts.kind is TargetKind.REGULAR_FILE:
        warnings.append("an existing file: its content is replaced")
    return tuple(warnings)


def _same(facts: CardFacts) -> Hashable:
    """Return a key that two names of one thing share."""
    if facts.kind is TargetKind.NEW_FILE:
        return facts.real_path
    # Not the serial: the slots of one USB reader share it.
    return (facts.kind, facts.identity.file_system, facts.identity.device_number)


def _twice(facts: CardFacts, cards: Sequence[CardFacts]) -> str:
    others = [str(other.path) for other in cards if other is not facts and _same(other) == _same(facts)]
    return f"it is named twice: also as {_listed(others)}"


def _exact(size_bytes: int) -> str:
    return f"{format_size(size_bytes)} ({size_bytes} bytes)"
