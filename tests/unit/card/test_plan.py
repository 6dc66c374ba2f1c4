"""Card plans: what they hold, and that none contradicts itself."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.card.fit import FittedHead
from imagesmith.card.plan import compose_plan
from imagesmith.model.blockmap import BlockClass, Chunk, Span
from imagesmith.model.card import CardPlan, Patch
from imagesmith.model.layout import EMPTY_SLOT, GPT_BACKUP_BYTES, HEAD_BYTES
from imagesmith.model.manifest import Manifest
from imagesmith.model.node import Node
from imagesmith.model.units import MIB
from tests.small_manifest import APP_OFFSET_BYTES, HALF_SLOT_BYTES, SLOT, small_manifest

SIZE_BYTES = 100 * MIB
NODE = Node(0, "node0", None)
CONTENT = b"A" * HALF_SLOT_BYTES + b"B" * HALF_SLOT_BYTES
HEAD = FittedHead(
    swap_header=Patch("swap header", 90 * MIB, bytes(4096)),
    backup_gpt=Patch("backup GPT", SIZE_BYTES - GPT_BACKUP_BYTES, bytes(GPT_BACKUP_BYTES)),
    primary_gpt=Patch("primary GPT", 0, bytes(HEAD_BYTES)),
)


def compose(
    manifest: Manifest, *, head: FittedHead = HEAD, node: Node | None = NODE, content: bytes | None = CONTENT
) -> CardPlan:
    return compose_plan(
        Path("small.img"), manifest, size_bytes=SIZE_BYTES, node=node, slot_content=content, head=head
    )


def chunk(start: int, end: int) -> Chunk:
    return Chunk(start, end, BlockClass.DATA, "c" * 64)


def test_the_slot_is_laid_over_its_extents_in_file_order() -> None:
    plan = compose(small_manifest())

    assert [
        ("identity slot", SLOT[0].start, b"A" * HALF_SLOT_BYTES),
        ("identity slot", SLOT[1].start, b"B" * HALF_SLOT_BYTES),
        ("swap header", 90 * MIB, bytes(4096)),
    ] == [(p.name, p.offset, p.content) for p in plan.body_patches]


def test_the_head_is_written_backup_first() -> None:
    assert ["backup GPT", "primary GPT"] == [p.name for p in compose(small_manifest()).head_patches]


def test_without_a_node_the_slot_is_empty_of_identity() -> None:
    plan = compose(small_manifest(), node=None, content=None)

    assert EMPTY_SLOT == b"".join(p.content for p in plan.body_patches if p.name == "identity slot")


def test_without_swap_there_is_no_swap_header() -> None:
    plan = compose(small_manifest(), head=dataclasses.replace(HEAD, swap_header=None))

    assert {"identity slot"} == {p.name for p in plan.body_patches}


@pytest.mark.parametrize(("node", "content"), [(NODE, None), (None, CONTENT)])
def test_node_and_slot_content_go_together(node: Node | None, content: bytes | None) -> None:
    with pytest.raises(AssertionError, match="slot content"):
        compose(small_manifest(), node=node, content=content)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"\n", b""])
def test_slot_content_of_another_length_is_a_bug(content: bytes) -> None:
    with pytest.raises(AssertionError, match="both must be 65536"):
        compose(small_manifest(), content=content)


@pytest.mark.parametrize(
    ("span", "bug"),
    [
        (Span(HEAD_BYTES - 512, HEAD_BYTES + 512), "primary GPT at .* overlaps data chunk"),
        (Span(SLOT[0].start, SLOT[0].start + 512), "overlaps"),
        (Span(90 * MIB, 91 * MIB), "overlaps"),
        (Span(SIZE_BYTES - MIB, SIZE_BYTES), "overlaps backup GPT"),
        (Span(SIZE_BYTES, SIZE_BYTES + 512), "data chunk at .* leaves the card"),
        (Span(2 * MIB, 2 * MIB + 100), "is not of whole sectors"),
        (Span(2 * MIB + 1, 2 * MIB + 513), "is not of whole sectors"),
        (Span(2 * MIB, 2 * MIB), "is not of whole sectors"),
    ],
)
def test_a_plan_that_contradicts_itself_is_a_bug(span: Span, bug: str) -> None:
    with pytest.raises(AssertionError, match=bug):
        compose(small_manifest(chunks=(chunk(*span),)))


@given(st.sets(st.integers(HEAD_BYTES // 512, SIZE_BYTES // 512 - 33), min_size=2, max_size=12))
def test_a_plan_is_made_exactly_when_no_sector_is_claimed_twice(edges: set[int]) -> None:
    ordered = sorted(edges)
    chunks = tuple(chunk(a * 512, b * 512) for a, b in zip(ordered[::2], ordered[1::2], strict=False))
    patches = (*SLOT, Span(90 * MIB, 90 * MIB + 4096))
    is_sound = not any(c.start < p.end and p.start < c.end for c in chunks for p in patches)

    try:
        plan = compose(small_manifest(chunks=chunks))
    except AssertionError:
        assert not is_sound
    else:
        assert is_sound
        assert chunks == plan.chunks
        assert sum(c.end - c.start for c in chunks) + 2 * HALF_SLOT_BYTES + 4096 == plan.body_bytes


def test_the_slot_lies_inside_app() -> None:
    assert all(span.start >= APP_OFFSET_BYTES for span in small_manifest().slot)
