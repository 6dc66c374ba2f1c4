"""Small cards with everything a real one has: data, zeros, free blocks, slot, swap header and both tables."""

import hashlib
import random
from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

from imagesmith.model.blockmap import BlockClass, Chunk, Span, pieces
from imagesmith.model.card import CardPlan, Patch
from imagesmith.model.layout import GPT_BACKUP_BYTES, GPT_PRIMARY_BYTES, HEAD_BYTES
from imagesmith.model.manifest import Geometry, Manifest
from imagesmith.model.node import Node
from imagesmith.model.units import KIB, MIB, SECTOR_BYTES

SLOT_BYTES = 64 * KIB
SWAP_HEADER_BYTES = 4 * KIB
EFI_PART = b"EFI PART"


def write_image(path: Path, size_bytes: int, *, seed: int = 1) -> None:
    """Make an image of reproducible noise, with a quarter of zeros behind its first MiB."""
    noise = random.Random(seed)
    with path.open("wb") as out:
        for start in range(0, size_bytes, MIB):
            out.write(noise.randbytes(min(MIB, size_bytes - start)))
        zeros = _zero_span(size_bytes)
        out.seek(zeros.start)
        out.write(bytes(zeros.length))


def plan_for(
    image: Path,
    *,
    card_bytes: int,
    chunk_bytes: int = 4 * MIB,
    heads: Sequence[bytes] | None = None,
    hostname: str = "jetson0-node",
) -> CardPlan:
    """Return a plan for a card of `card_bytes`, at least a MiB longer than the image.

    Args:
        image: what `write_image` has made.
        card_bytes: the card's size.
        chunk_bytes: most bytes in a chunk.
        heads: primary (first MiB) and backup table (33 sectors); by default noise with the right signatures.
        hostname: whose card it is.
    """
    size = image.stat().st_size
    zeros = _zero_span(size)
    # Behind the zeros: 64 KiB for the slot, and as much that is free: no chunk covers it.
    slot = Span(zeros.end, zeros.end + SLOT_BYTES)
    covered = (Span(HEAD_BYTES, zeros.start), zeros, Span(slot.end + SLOT_BYTES, size))
    content = image.read_bytes()
    chunks = tuple(
        Chunk(
            *span,
            BlockClass.ZERO if zeros.start <= span.start < zeros.end else BlockClass.DATA,
            hashlib.sha256(content[span.start : span.end]).hexdigest(),
        )
        for span in pieces(covered, most_bytes=chunk_bytes)
    )
    primary, backup = heads or _noise_heads(hostname)
    noise = random.Random(hostname)
    return CardPlan(
        node=Node(0, hostname, IPv4Interface("192.168.0.10/24")),
        size_bytes=card_bytes,
        image=image,
        manifest=_manifest(size, chunks),
        chunks=chunks,
        body_patches=(
            Patch("identity slot", slot.start, noise.randbytes(SLOT_BYTES)),
            Patch("swap header", size, noise.randbytes(SWAP_HEADER_BYTES)),
        ),
        head_patches=(
            Patch("backup GPT", card_bytes - GPT_BACKUP_BYTES, backup),
            Patch("primary GPT", 0, primary),
        ),
    )


def card_after(plan: CardPlan, before: bytes) -> bytes:
    """Return what a card that held `before` must hold once written."""
    card = bytearray(before)
    card[:HEAD_BYTES] = bytes(HEAD_BYTES)
    card[-HEAD_BYTES:] = bytes(HEAD_BYTES)
    image = plan.image.read_bytes()
    for chunk in plan.chunks:
        card[chunk.start : chunk.end] = image[chunk.start : chunk.end]
    for patch in (*plan.body_patches, *plan.head_patches):
        card[patch.offset : patch.offset + len(patch.content)] = patch.content
    return bytes(card)


def has_table(card: bytes | bytearray | memoryview) -> bool:
    """Whether a card has a signature of a GPT where firmware, kernels and repair tools look for one."""
    primary = bytes(card[SECTOR_BYTES : SECTOR_BYTES + len(EFI_PART)])
    backup_at = len(card) - SECTOR_BYTES
    return EFI_PART in (primary, bytes(card[backup_at : backup_at + len(EFI_PART)]))


def _zero_span(image_bytes: int) -> Span:
    start = HEAD_BYTES + (image_bytes - HEAD_BYTES) // 4 // SLOT_BYTES * SLOT_BYTES
    return Span(start, start + (image_bytes - HEAD_BYTES) // 4 // SLOT_BYTES * SLOT_BYTES)


def _noise_heads(seed: str) -> tuple[bytes, bytes]:
    noise = random.Random(seed + " heads")
    primary = bytearray(noise.randbytes(GPT_PRIMARY_BYTES)) + bytes(HEAD_BYTES - GPT_PRIMARY_BYTES)
    primary[SECTOR_BYTES : SECTOR_BYTES + len(EFI_PART)] = EFI_PART
    backup = bytearray(noise.randbytes(GPT_BACKUP_BYTES))
    backup[-SECTOR_BYTES : -SECTOR_BYTES + len(EFI_PART)] = EFI_PART
    return bytes(primary), bytes(backup)


def _manifest(size_bytes: int, chunks: tuple[Chunk, ...]) -> Manifest:
    return Manifest(
        name="rig",
        size_bytes=size_bytes,
        built_at_s=0,
        recipe_digest="",
        recipe={},
        base="standin",
        base_sha256="",
        layers=(),
        geometry=Geometry(disk_guid="", partitions=()),
        boot_partition_sha256={},
        slot=(),
        classes=(),
        chunks=chunks,
        packages=(),
        image_sha256="",
    )
