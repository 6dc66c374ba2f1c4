"""`imagesmith flash`: an image and a recipe's nodes become N cards.

Three steps, so that the question to the user stands between them: `prepare` finds out and judges, changing
nothing; the user consents to what it returns; `write` writes exactly that, and nothing that changed since.
"""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from imagesmith.app.ledger import RunLedger, cards_of_node, second_card_warning
from imagesmith.app.published import Published
from imagesmith.card.assign import assign
from imagesmith.card.geometry import required_bytes
from imagesmith.card.guard import SANE_MAXIMUM_BYTES, judge_all, recheck, require_allowed
from imagesmith.card.names import expand_card_names
from imagesmith.card.plan import plan_card
from imagesmith.card.slots import SlotMap, label_of
from imagesmith.errors import CardRefusedError, ImagesmithError
from imagesmith.flash.lane import LaneJob
from imagesmith.flash.lanes import flash_cards
from imagesmith.host.devices import read_card_facts
from imagesmith.host.folders import cache_folder
from imagesmith.host.media import Medium, open_medium
from imagesmith.model.card import CardFacts, CardPlan, TargetKind, Verdict
from imagesmith.model.events import CardEnded, Event
from imagesmith.model.node import Node, node_document, nodes_of, slot_bytes
from imagesmith.model.outcome import Approach, CardOutcome, FlashReport, Phase, Result, TableState


@dataclass(frozen=True, slots=True)
class PreparedCard:
    """One card that may be written, and what it shall hold."""

    verdict: Verdict
    plan: CardPlan
    warnings: tuple[str, ...]
    """What a user should know before agreeing."""

    @property
    def destroys(self) -> bool:
        """Whether writing it replaces something that is there."""
        return self.verdict.facts.kind is not TargetKind.NEW_FILE


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes a user may give."""

    new_file_bytes: int = 0
    """Size of card files that do not exist yet."""
    sane_maximum_bytes: int = SANE_MAXIMUM_BYTES


@dataclass(frozen=True, slots=True)
class Manner:
    """How cards are brought to their plan."""

    approach: Approach = Approach.WRITE
    is_probed: bool = True
    """Whether devices are asked for their true capacity first."""
    slots: SlotMap = field(default_factory=SlotMap)
    """What slots are called in front of people."""


DEFAULT_MANNER = Manner()


def prepare(
    published: Published, words: Sequence[str], *, nodes: str | None, sizes: Sizes
) -> tuple[PreparedCard, ...]:
    """Find out about every card, judge all of them, and plan what each shall hold. Writes nothing.

    Raises:
        UsageError: the names or the nodes are wrong.
        CardRefusedError: at least one card may not be written.
    """
    names = expand_card_names(words)
    facts = [_facts(Path(name), published, sizes) for name in names]
    swap_bytes = published.manifest_swap_bytes
    needed = required_bytes(published.manifest, swap_bytes)
    verdicts = judge_all(facts, required_bytes=needed, sane_maximum_bytes=sizes.sane_maximum_bytes)
    require_allowed(verdicts)
    assigned = _assigned(published, len(names), nodes)
    return tuple(
        PreparedCard(
            verdict,
            _plan(published, verdict.facts, node, swap_bytes),
            (*verdict.warnings, *_other_cards(published, node, verdict.facts)),
        )
        for verdict, node in zip(verdicts, assigned, strict=True)
    )


def write(
    cards: Sequence[PreparedCard],
    published: Published,
    *,
    on_event: Callable[[Event], None],
    cancel: threading.Event,
    manner: Manner = DEFAULT_MANNER,
    warn: Callable[[str], None] = lambda _text: None,
) -> FlashReport:
    """Write and read back prepared cards; every one's fate goes into the ledger.

    Raises:
        UntrustedSourceError: the image cannot be opened, or has another size than its manifest says; no card
            was touched.
        CardRefusedError: a card is no longer the one that was judged; no card was touched.
    """
    ledger = RunLedger([(card.verdict.facts, card.plan) for card in cards], slots=manner.slots)

    def tell(event: Event) -> None:
        if isinstance(event, CardEnded):
            ledger.record([event.outcome])
        on_event(event)

    try:
        jobs = [_job(card, published, manner) for card in cards]
        return flash_cards(jobs, on_event=tell, cancel=cancel)
    except ImagesmithError as error:
        ledger.record(_untouched(card, error) for card in cards)
        raise
    finally:
        if ledger.trouble:
            warn(ledger.trouble)


def _job(card: PreparedCard, published: Published, manner: Manner) -> LaneJob:
    facts = card.verdict.facts
    return LaneJob(
        card=str(facts.path),
        plan=card.plan,
        open_medium=functools.partial(_open, card, keep=manner.approach is not Approach.WRITE),
        recheck=functools.partial(_recheck, facts, published),
        slot=label_of(facts.slot_path, manner.slots),
        approach=manner.approach,
        is_probed=manner.is_probed and facts.kind is TargetKind.WHOLE_DISK,
    )


def _untouched(card: PreparedCard, error: ImagesmithError) -> CardOutcome:
    node = card.plan.node
    return CardOutcome(
        card=str(card.verdict.facts.path),
        slot="",
        node=node.hostname if node else "",
        result=Result.UNFINISHED,
        table=TableState.UNTOUCHED,
        phase=Phase.OPEN,
        cause=error.what,
    )


def _precious(published: Published) -> dict[str, Path]:
    return {"the image": published.image, "the cache": cache_folder()}


def _facts(path: Path, published: Published, sizes: Sizes) -> CardFacts:
    return read_card_facts(path, precious=_precious(published), new_file_bytes=sizes.new_file_bytes)


def _assigned(published: Published, count: int, nodes: str | None) -> Sequence[Node | None]:
    if published.recipe is None:
        return [None] * count
    return assign(nodes_of(published.recipe), count, nodes)


def _plan(published: Published, facts: CardFacts, node: Node | None, swap_bytes: int) -> CardPlan:
    recipe = published.recipe
    return plan_card(
        published.image,
        published.manifest,
        size_bytes=facts.identity.size_bytes,
        node=node,
        slot_content=slot_bytes(node_document(recipe, node)) if recipe and node else None,
        swap_bytes=swap_bytes,
    )


def _other_cards(published: Published, node: Node | None, facts: CardFacts) -> Iterator[str]:
    if published.recipe and node:
        others = cards_of_node(published.recipe.name, node.hostname, besides=facts)
        if warning := second_card_warning(others):
            yield warning


def _open(card: PreparedCard, *, keep: bool) -> AbstractContextManager[Medium]:
    facts = card.verdict.facts
    return open_medium(
        facts.real_path,
        size_bytes=facts.identity.size_bytes,
        expected=facts.identity,
        create=facts.kind is TargetKind.NEW_FILE,
        keep=keep,
    )


def _recheck(before: CardFacts, published: Published) -> None:
    if before.kind is not TargetKind.WHOLE_DISK:
        return  # a card file is held open under another name and put in place at the end
    after = read_card_facts(before.path, precious=_precious(published))
    if changes := recheck(before, after):
        raise CardRefusedError(
            f"{before.path} is no longer the card that was judged",
            why="; ".join(changes),
            remedy="leave cards in their slots while they are written",
        )
