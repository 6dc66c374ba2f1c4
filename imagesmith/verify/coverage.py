"""Whether the block classes and chunks of a manifest tell the whole image. Pure."""

from itertools import pairwise

from imagesmith.model.blockmap import BlockClass, Span, intersect, merged, subtract
from imagesmith.model.layout import APP_NUMBER, HEAD_BYTES
from imagesmith.model.manifest import Manifest


def mapped_spans(manifest: Manifest) -> tuple[Span, ...]:
    """Return what a flasher must write: data and zeros, all but free blocks."""
    return merged(Span(c.start, c.end) for c in manifest.classes if c.kind is not BlockClass.FREE)


def wrong_classes(manifest: Manifest) -> str:
    """Say where the classes leave a gap or overlap; empty when they cover the image exactly once."""
    position = 0
    for piece in manifest.classes:
        if piece.end <= piece.start:
            return f"an empty range at byte {piece.start}"
        if piece.start != position:
            what = "a gap" if piece.start > position else "an overlap"
            return f"{what} at byte {min(piece.start, position)}"
        position = piece.end
    if position != manifest.size_bytes:
        return f"they end at byte {position}, the image at {manifest.size_bytes}"
    return ""


def wrong_chunks(manifest: Manifest) -> str:
    """Say what of the body no chunk holds, or what a chunk holds that is a patch's; empty when all is right.

    The body is every data and zero block between the head and the end of APP, without the identity slot.
    A chunk may run on over free blocks: two writes cost a card more than a few more bytes.
    """
    chunks = [Span(chunk.start, chunk.end) for chunk in manifest.chunks]
    for before, after in pairwise(chunks):
        if after.start < before.end:
            return f"two chunks overlap at byte {after.start}"
    app = manifest.geometry.partition(APP_NUMBER)
    body = (Span(HEAD_BYTES, app.offset_bytes + app.size_bytes),)
    if missed := subtract(subtract(intersect(mapped_spans(manifest), body), manifest.slot), chunks):
        return f"no chunk holds bytes {missed[0].start} to {missed[0].end}"
    if astray := subtract(chunks, subtract(body, manifest.slot)):
        return f"a chunk holds bytes {astray[0].start} to {astray[0].end}, which are a patch's"
    return ""
