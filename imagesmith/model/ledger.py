"""The ledger: one row for each card of each run, as it is remembered on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from imagesmith.model.card import CardFacts, CardPlan
from imagesmith.model.outcome import CardOutcome, Phase, Result, TableState

CUT_SHORT = "the run ended before this card did"
"""The cause of a row that nobody completed: imagesmith was killed, or the machine went down."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the cards of one run share."""

    id: str
    """Unique."""
    started_at: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one card in one run. A text is empty where nothing is known."""

    run: str
    """Its run: the same in all rows of one run, and in no others."""
    started_at: str
    """When the run began: UTC, as in `2026-11-24T03:46:43Z`."""
    ended_at: str
    """When the card's fate was known; empty for a card that the end of the run overtook."""
    card: str
    """The card as the user named it; unique in its run."""
    path: str
    """The absolute path behind that name."""
    slot: str
    """The slot's label; empty where the slot map had none."""
    slot_path: str
    """udev's ID_PATH of the slot, LUN included."""
    transport: str
    """How it hung on the machine: `usb`, `mmc`, `loop`…; empty for a card file."""
    serial: str
    """The card's own serial in an SD slot, the reader's behind USB."""
    model: str
    """What the reader, or the card in an SD slot, calls itself."""
    size_bytes: int
    """Size of the card."""
    cluster: str
    """The recipe's name."""
    node_index: int | None
    """Number of the node; null for a card without identity."""
    node: str
    """Hostname; empty for a card without identity."""
    image: str
    """File name of the image."""
    image_sha256: str
    """Digest of the image, 64 hex digits."""
    result: Result = Result.UNFINISHED
    """`done`: every planned byte was read back and was right; `failed`; `unfinished`: the run was stopped."""
    table: TableState = TableState.UNKNOWN
    """The partition table it was left with: `valid`, `absent`, `untouched` or `unknown`."""
    phase: Phase = Phase.OPEN
    """The last phase entered."""
    offset: int | None = None
    """Byte of the card that the failure is about, or null."""
    cause: str = CUT_SHORT
    """Why it failed."""
    written_bytes: int = 0
    """Bytes of the body that were written."""
    verified_bytes: int = 0
    """Bytes of the body that were read back and were right."""
    kept_bytes: int = 0
    """Bytes of the body that were right before, and so not written."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds in each phase."""
    write_bytes_per_s: int = 0
    """Mean rate of writing."""
    verify_bytes_per_s: int = 0
    """Mean rate of reading back."""
    retries: int = 0
    """Operations that were repeated after a transient error."""

    @classmethod
    def begun(cls, run: Run, card: str, *, facts: CardFacts, plan: CardPlan, slot: str) -> Self:
        """Return the row of a card whose run has just begun; `slot` is the label, empty for none."""
        node, manifest = plan.node, plan.manifest
        return cls(
            run=run.id,
            started_at=run.started_at,
            ended_at="",
            card=card,
            path=str(facts.real_path),
            slot=slot,
            slot_path=facts.slot_path,
            transport=facts.transport,
            serial=facts.identity.serial,
            model=facts.model,
            size_bytes=facts.identity.size_bytes,
            cluster=str(manifest.recipe.get("name", manifest.name)),
            node_index=node.index if node else None,
            node=node.hostname if node else "",
            image=plan.image.name,
            image_sha256=manifest.image_sha256,
        )

    def ended(self, outcome: CardOutcome, *, ended_at: str) -> Self:
        """Return the row with what became of the card."""
        return replace(
            self,
            ended_at=ended_at,
            result=outcome.result,
            table=outcome.table,
            phase=outcome.phase,
            offset=outcome.offset,
            cause=outcome.cause,
            written_bytes=outcome.written_bytes,
            verified_bytes=outcome.verified_bytes,
            kept_bytes=outcome.kept_bytes,
            seconds={str(phase): round(spent_s, 3) for phase, spent_s in outcome.seconds.items()},
            write_bytes_per_s=round(outcome.write_bytes_per_s),
            verify_bytes_per_s=round(outcome.verify_bytes_per_s),
            retries=outcome.retries,
        )


def utc_text(moment: datetime) -> str:
    """Return a moment as the ledger writes it: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
