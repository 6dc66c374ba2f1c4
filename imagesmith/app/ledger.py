"""The ledger around a run. What goes wrong with it is told and never stops a card from being written."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from imagesmith.card.history import last_run, not_done, other_cards_of_node
from imagesmith.card.slots import SlotMap
from imagesmith.host.ledger import Ledger, LedgerError
from imagesmith.model.card import CardFacts, CardPlan
from imagesmith.model.ledger import LedgerRow, Run, utc_text
from imagesmith.model.outcome import CardOutcome


class RunLedger:
    """The rows of one run. Raises nothing of its own; `trouble` says what could not be remembered.

    The rows are there, as cut short, before the first card is touched: after kill -9 or a power cut the
    ledger still tells which cards are not good. Call from one thread; every call waits 5 s at most.

    Args:
        cards: the facts and the plan of each card; `str(facts.path)` is its name in outcomes.
        slots: labels for slots.
    """

    def __init__(self, cards: Iterable[tuple[CardFacts, CardPlan]], *, slots: SlotMap) -> None:
        now = datetime.now(UTC)
        run = Run(f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}", utc_text(now))
        begun = (
            LedgerRow.begun(
                run, str(facts.path), facts=facts, plan=plan, slot=slots.label_of(facts.slot_path)
            )
            for facts, plan in cards
        )
        self.run_id = run.id
        self.trouble = ""
        """Why the ledger lacks something, for a warning; empty when all is well."""
        self._rows = {row.card: row for row in begun}
        self._put(self._rows.values())

    def record(self, outcomes: Iterable[CardOutcome]) -> None:
        """Complete the rows of cards whose fate is known; one at a time or all at the end."""
        now = utc_text(datetime.now(UTC))
        ended = [self._rows[outcome.card].ended(outcome, ended_at=now) for outcome in outcomes]
        self._put(ended)

    def _put(self, rows: Iterable[LedgerRow]) -> None:
        try:
            Ledger().put(rows)
        except LedgerError as exc:
            self.trouble = f"{exc.what} ({exc.why}): {exc.remedy}"


def remembered_cards() -> tuple[LedgerRow, ...]:
    """Return the whole ledger, the oldest row first.

    Raises:
        LedgerError: it cannot be read.
    """
    return Ledger().rows()


def cards_of_node(cluster: str, node: str, *, besides: CardFacts) -> tuple[LedgerRow, ...]:
    """Return the good cards that this node has already, other than the one at hand; none without a ledger.

    Args:
        cluster: the recipe's name.
        node: hostname.
        besides: the card that is to become this node's.
    """
    try:
        rows = remembered_cards()
    except LedgerError:
        return ()
    return other_cards_of_node(rows, cluster=cluster, node=node, facts=besides)


def second_card_warning(others: Sequence[LedgerRow]) -> str:
    """Return what to say before a node gets one card more; empty when it has none."""
    if not others:
        return ""
    last = others[-1]
    place = f"slot {last.slot}" if last.slot else last.slot_path or last.path
    more = f", and {len(others) - 1} more before" if len(others) > 1 else ""
    return (
        f"{last.node} has another card already ({place}, {last.ended_at}{more}): "
        "two boards must not run with one identity"
    )


def failed_of_last_run() -> tuple[LedgerRow, ...]:
    """Return the rows of the last run's cards that are not good, in the order they were named.

    A row's `path` and `node_index` are the card and the node to try again; `image_sha256` is the image.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = remembered_cards()
    return not_done(last_run(rows))
