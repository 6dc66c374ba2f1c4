"""A written card: whose it is, and whether it holds what it should. Reads only.

`verify_card` holds a card against its plan, every byte of it. `inspect_card` needs no plan, so no secret: it
takes a card of unknown origin and checks all that does not depend on who wrote it.

A card that ran has rightly changed. Whether it did is told by its own superblock; then it is held to what
must still be true of a node, instead of being called corrupt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from imagesmith.host import ext4
from imagesmith.host.programs import ProgramError
from imagesmith.model.blockmap import Chunk, Span
from imagesmith.model.card import CardPlan
from imagesmith.model.layout import APP_NUMBER, SLOT_BYTES, Partition
from imagesmith.model.manifest import Manifest
from imagesmith.model.node import Node
from imagesmith.verify.compare import Body, Fault, Reader, cut, patch_faults
from imagesmith.verify.content import Stage, verify_content
from imagesmith.verify.coverage import mapped_spans
from imagesmith.verify.finding import Finding, judged
from imagesmith.verify.identity import ForeignSlotError, Owner, owner_of, read_identity
from imagesmith.verify.image import Progress, wrong_file_system
from imagesmith.verify.table import wrong_table
from imagesmith.verify.traces import traces_of_use

_BOOT = "boot partitions"
_ROOT = "root file system"


class CardState(StrEnum):
    """The verdict on a card."""

    AS_WRITTEN = "as written"
    USED = "has been booted or mounted since it was written"
    DAMAGED = "not as it was written"
    FOREIGN = "not our card"


@dataclass(frozen=True, slots=True)
class CardReport:
    """All findings about one card."""

    card: str
    state: CardState
    owner: Owner | None
    """None: unpersonalised, or not our card."""
    findings: tuple[Finding, ...]
    checked_bytes: int

    @property
    def ok(self) -> bool:
        """Whether the card is ours and every check of it is good."""
        ours = self.state in {CardState.AS_WRITTEN, CardState.USED}
        return ours and all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        owner = self.owner
        return {
            "card": self.card,
            "ok": self.ok,
            "state": str(self.state),
            "node": owner and {"cluster": owner.cluster, "index": owner.index, "hostname": owner.hostname},
            "checked_bytes": self.checked_bytes,
            "findings": [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in self.findings],
        }


@dataclass(frozen=True, slots=True)
class _Card:
    """A card and what it is held against."""

    reader: Reader
    device: Path
    image: Path
    manifest: Manifest
    chunks: tuple[Chunk, ...]
    on_progress: Progress

    @property
    def app(self) -> Partition:
        return self.manifest.geometry.partition(APP_NUMBER)

    def foreign(self, check: str, why: str) -> CardReport:
        return CardReport(
            str(self.device), CardState.FOREIGN, None, (Finding(check, ok=False, detail=why),), 0
        )


def verify_card(reader: Reader, plan: CardPlan, *, device: Path, on_progress: Progress) -> CardReport:
    """Hold a card against its plan: every chunk, every patch, both partition tables, to the byte.

    Args:
        reader: the card, read past the page cache.
        plan: what it shall hold.
        device: the same card for sgdisk and e2fsprogs, which tell a used card from a damaged one.
        on_progress: told bytes compared and bytes in all.

    Raises:
        UntrustedSourceError: the plan's image is not what its manifest says.
    """
    card = _Card(reader, device, plan.image, plan.manifest, plan.chunks, on_progress)
    if reader.size_bytes < plan.size_bytes:
        return card.foreign("size", f"{reader.size_bytes} bytes, its plan is for {plan.size_bytes}")
    head = [str(fault) for fault in patch_faults(reader, plan.head_patches)]
    try:
        owner, wrong_owner = _owner(card)
    except ForeignSlotError as exc:
        if head:
            return card.foreign("identity", f"{exc}; {head[0]}")
        owner, wrong_owner = None, str(exc)
    slot_offsets = {extent.start for extent in plan.manifest.slot}
    patches = list(patch_faults(reader, [p for p in plan.body_patches if p.offset not in slot_offsets]))
    slot = list(patch_faults(reader, [p for p in plan.body_patches if p.offset in slot_offsets]))
    faults = patches + _body_faults(card, [Span(chunk.start, chunk.end) for chunk in plan.chunks])
    traces = _traces(card, faults)
    if not wrong_owner:
        wrong_owner = _wrong_node(owner, plan.node)
    identity = "; ".join([*([wrong_owner] if wrong_owner else []), *map(str, slot)])
    # The agent of a used card may have rewritten the table; what it says must still be right.
    table = _wrong_table(card) if head and traces else "; ".join(head)
    patched_bytes = sum(len(patch.content) for patch in (*plan.body_patches, *plan.head_patches))
    return _report(card, owner, _Wrong(identity, table, faults, traces), patched_bytes)


def inspect_card(
    reader: Reader, *, device: Path, image: Path, manifest: Manifest, on_progress: Progress
) -> CardReport:
    """Find out what a card is, without its plan: whose, and whether as written, used, damaged or foreign.

    Free blocks do not count, and the partition table may be the image's own or one fitted to the card: a card
    written by any flasher that knows the block map is as good. The swap area is not looked at.

    Args:
        reader: the card, read past the page cache.
        device: the same card for sgdisk and e2fsprogs.
        image: the image it is thought to be written from.
        manifest: the image's.
        on_progress: told bytes compared and bytes in all.

    Raises:
        UntrustedSourceError: the image is not what its manifest says.
    """
    card = _Card(reader, device, image, manifest, manifest.chunks, on_progress)
    if reader.size_bytes < manifest.size_bytes:
        return card.foreign("size", f"{reader.size_bytes} bytes, the image has {manifest.size_bytes}")
    table = _wrong_table(card)
    try:
        owner, wrong_owner = _owner(card)
    except ForeignSlotError as exc:
        if table:
            return card.foreign("identity", f"{exc}; {table}")
        owner, wrong_owner = None, str(exc)
    faults = _body_faults(card, mapped_spans(manifest))
    cluster = manifest.recipe.get("name")
    if owner and owner.cluster != cluster:
        wrong_owner = f"it carries {owner}, the image is of {cluster}"
    return _report(card, owner, _Wrong(wrong_owner, table, faults, _traces(card, faults)), SLOT_BYTES)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong with each part of a card; empty for nothing."""

    identity: str
    table: str
    faults: list[Fault]
    traces: str
    """How the card shows that it was used."""


def _report(card: _Card, owner: Owner | None, wrong: _Wrong, patched_bytes: int) -> CardReport:
    root = [fault for fault in wrong.faults if fault.offset >= card.app.offset_bytes]
    boot = [fault for fault in wrong.faults if fault.offset < card.app.offset_bytes]
    changed = f"{len(root)} ranges changed by use: {wrong.traces}"
    findings = [
        judged("identity", wrong.identity, good=str(owner) if owner else "unpersonalised"),
        judged("partition table", wrong.table, good="ours"),
        judged(_BOOT, _summary(boot), good="as written"),
        judged(_ROOT, "" if wrong.traces else _summary(root), good=changed if wrong.traces else "as written"),
    ]
    state = CardState.USED if wrong.traces else CardState.AS_WRITTEN
    if not all(finding.ok for finding in findings):
        state = CardState.DAMAGED
    if wrong.traces:
        findings += [*_file_system(card), *verify_content(card.device, card.manifest, stage=Stage.NODE)]
    checked_bytes = patched_bytes + sum(chunk.end - chunk.start for chunk in card.chunks)
    return CardReport(str(card.device), state, owner, tuple(findings), checked_bytes)


def _summary(faults: Sequence[Fault]) -> str:
    return f"{len(faults)} bad, the first: {faults[0]}" if faults else ""


def _owner(card: _Card) -> tuple[Owner | None, str]:
    """Return whose card it is, and why that could not be read."""
    try:
        return owner_of(read_identity(card.reader, card.manifest)), ""
    except OSError as exc:
        return None, f"the identity slot cannot be read ({exc.strerror or exc})"


def _wrong_node(owner: Owner | None, node: Node | None) -> str:
    if (owner and (owner.index, owner.hostname)) == (node and (node.index, node.hostname)):
        return ""
    planned = f"node {node.index} ({node.hostname})" if node else "nobody"
    return f"it carries {owner or 'no identity'}, the plan is for {planned}"


def _wrong_table(card: _Card) -> str:
    try:
        return wrong_table(card.reader, card.device, card.image, card.manifest)
    except OSError as exc:
        return f"it cannot be read ({exc.strerror or exc})"


def _body_faults(card: _Card, relevant: Sequence[Span]) -> list[Fault]:
    total_bytes = sum(chunk.end - chunk.start for chunk in card.chunks)
    done_bytes = 0

    def count(more_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += more_bytes
        card.on_progress(done_bytes, total_bytes)

    start = card.app.offset_bytes
    regions = ((_BOOT, Span(0, start)), (_ROOT, Span(start, card.manifest.size_bytes)))
    return list(Body(card.image, card.chunks, cut(regions, relevant)).faults(card.reader, count))


def _traces(card: _Card, faults: Sequence[Fault]) -> str:
    # A mount always changes the superblock: a card without a fault in APP was not used.
    if all(fault.offset < card.app.offset_bytes for fault in faults):
        return ""
    try:
        return traces_of_use(ext4.superblock(card.image, card.app), ext4.superblock(card.device, card.app))
    except ProgramError:
        return ""


def _file_system(card: _Card) -> list[Finding]:
    # A card pulled while mounted has a journal to replay: the kernel does that, e2fsck -n cannot.
    if "needs_recovery" in ext4.superblock(card.device, card.app).get("Filesystem features", ""):
        return []
    return [
        judged("file system", wrong_file_system(card.device, card.manifest), good="e2fsck finds it clean")
    ]
