"""The card plan: image ⊕ patches. `compose_plan` is pure and makes no plan that contradicts itself."""

import itertools
from pathlib import Path

from imagesmith.card.fit import FittedHead, fit_head
from imagesmith.card.geometry import card_geometry
from imagesmith.model.blockmap import Span
from imagesmith.model.card import CardPlan, Patch
from imagesmith.model.layout import EMPTY_SLOT, SLOT_BYTES
from imagesmith.model.manifest import Manifest
from imagesmith.model.node import Node
from imagesmith.model.units import SECTOR_BYTES


def plan_card(
    image: Path,
    manifest: Manifest,
    *,
    size_bytes: int,
    node: Node | None,
    slot_content: bytes | None,
    swap_bytes: int,
) -> CardPlan:
    """Return what one card shall hold; the same arguments give the same bytes. Reads the image's GPT only.

    Args:
        image: the raw image.
        manifest: its manifest.
        size_bytes: the card's size; what is over a whole number of sectors is not used.
        node: whose card it is; None leaves the slot empty of identity.
        slot_content: the node's 64 KiB (`imagesmith.model.node.slot_bytes`); None exactly when `node` is.
        swap_bytes: size of the swap partition; 0 for none.

    Raises:
        CardRefusedError: the card is too small.
        UntrustedSourceError: the image's partition table is not what its manifest says.
    """
    geometry = card_geometry(manifest, size_bytes, swap_bytes)
    head = fit_head(image, manifest, geometry, node.hostname if node else "")
    return compose_plan(
        image, manifest, size_bytes=geometry.size_bytes, node=node, slot_content=slot_content, head=head
    )


def compose_plan(
    image: Path,
    manifest: Manifest,
    *,
    size_bytes: int,
    node: Node | None,
    slot_content: bytes | None,
    head: FittedHead,
) -> CardPlan:
    """Join the image's chunks, the slot and a fitted head into one plan, and prove that they fit together.

    Raises:
        AssertionError: a bug: two parts overlap, a part is misaligned or leaves the card, or the slot
            and the node do not agree.
    """
    if (node is None) != (slot_content is None):
        raise AssertionError("a node without slot content, or slot content without a node")
    swap = (head.swap_header,) if head.swap_header else ()
    plan = CardPlan(
        node=node,
        size_bytes=size_bytes,
        image=image,
        manifest=manifest,
        chunks=manifest.chunks,
        body_patches=(
            *_slot_patches(manifest.slot, EMPTY_SLOT if slot_content is None else slot_content),
            *swap,
        ),
        head_patches=(head.backup_gpt, head.primary_gpt),
    )
    _check(plan)
    return plan


def _slot_patches(extents: tuple[Span, ...], content: bytes) -> tuple[Patch, ...]:
    """Lay the slot's content over its extents, in file order."""
    if not sum(extent.length for extent in extents) == len(content) == SLOT_BYTES:
        raise AssertionError(f"slot of {extents} for {len(content)} bytes; both must be {SLOT_BYTES}")
    ends = itertools.accumulate(extent.length for extent in extents)
    return tuple(
        Patch("identity slot", extent.start, content[end - extent.length : end])
        for extent, end in zip(extents, ends, strict=True)
    )


def _check(plan: CardPlan) -> None:
    parts = [(Span(chunk.start, chunk.end), f"{chunk.kind} chunk") for chunk in plan.chunks]
    parts += [
        (Span(patch.offset, patch.offset + len(patch.content)), patch.name)
        for patch in (*plan.body_patches, *plan.head_patches)
    ]
    parts.sort()
    for span, name in parts:
        if span.length <= 0 or span.start % SECTOR_BYTES or span.length % SECTOR_BYTES:
            raise AssertionError(f"{name} at {span} is not of whole sectors")
        if span.start < 0 or span.end > plan.size_bytes:
            raise AssertionError(f"{name} at {span} leaves the card of {plan.size_bytes} bytes")
    for (span, name), (following, next_name) in itertools.pairwise(parts):
        if following.start < span.end:
            raise AssertionError(f"{name} at {span} overlaps {next_name} at {following}")
