"""Cards written by the book: a plan's bytes, or a block map's, onto a file full of dirt."""

from pathlib import Path

from imagesmith.card.plan import plan_card
from imagesmith.model.card import CardPlan
from imagesmith.model.node import node_document, nodes_of, slot_bytes
from imagesmith.model.units import KIB, MIB
from imagesmith.verify.bmap import parse_bmap
from tests.rig.images import IMAGE_BYTES, RECIPE, Published

CARD_BYTES = IMAGE_BYTES + 32 * MIB
PASSWORD = "$6$salt$never-to-be-shown"
_DIRT = b"\xa5" * (64 * KIB)


def plan_of(published: Published, index: int | None) -> CardPlan:
    """Return the plan of a node's card; None for an unpersonalised one."""
    node = None if index is None else nodes_of(RECIPE)[index]
    content = slot_bytes({**node_document(RECIPE, node), "passwords": {"guest": PASSWORD}}) if node else None
    return plan_card(
        published.image,
        published.manifest,
        size_bytes=CARD_BYTES,
        node=node,
        slot_content=content,
        swap_bytes=RECIPE.swap_bytes,
    )


def write_by_plan(card: Path, plan: CardPlan) -> None:
    """Write what the plan says and leave the rest dirty."""
    _make_dirty(card, plan.size_bytes)
    with card.open("r+b") as out, plan.image.open("rb") as image:
        for chunk in plan.chunks:
            image.seek(chunk.start)
            out.seek(chunk.start)
            out.write(image.read(chunk.end - chunk.start))
        for patch in (*plan.body_patches, *plan.head_patches):
            out.seek(patch.offset)
            out.write(patch.content)


def write_by_map(card: Path, published: Published) -> None:
    """Write the mapped ranges of the published block map, as bmaptool does."""
    bmap = parse_bmap(published.image.with_name(f"{published.image.name}.bmap").read_text())
    _make_dirty(card, CARD_BYTES)
    with card.open("r+b") as out, published.image.open("rb") as image:
        for mapped in bmap.ranges:
            image.seek(mapped.span.start)
            out.seek(mapped.span.start)
            out.write(image.read(mapped.span.length))


def _make_dirty(card: Path, size_bytes: int) -> None:
    # Some dirt in every MiB: in free blocks and under every zero block of any length, and quick to write.
    with card.open("xb") as out:
        out.truncate(size_bytes)
        for start in range(0, size_bytes, MIB):
            out.seek(start)
            out.write(_DIRT)
