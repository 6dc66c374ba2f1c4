"""The block map file, version 2.0, for bmaptool and other flashers that read it. Pure.

Data and zero blocks are both mapped: a hole in the image means zero, and a card's old bytes are not zero.
Only free blocks of the file system are left out. Format: the comment bmaptool itself writes into its maps.
"""

import hashlib
from collections.abc import Sequence

from imagesmith.model.blockmap import Span
from imagesmith.model.units import BLOCK_BYTES

_NO_CHECKSUM = "0" * 64


def render_bmap(size_bytes: int, ranges: Sequence[tuple[Span, str]]) -> str:
    """Return the XML.

    Args:
        size_bytes: length of the image.
        ranges: mapped byte ranges, each with the sha256 of its content; starts are multiples of 4096.
    """
    mapped = sum(-(-span.end // BLOCK_BYTES) - span.start // BLOCK_BYTES for span, _ in ranges)
    rows = "\n".join(f'        <Range chksum="{digest}"> {_blocks(span)} </Range>' for span, digest in ranges)
    text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size_bytes} </ImageSize>
    <BlockSize> {BLOCK_BYTES} </BlockSize>
    <BlocksCount> {-(-size_bytes // BLOCK_BYTES)} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {_NO_CHECKSUM} </BmapFileChecksum>
    <BlockMap>
{rows}
    </BlockMap>
</bmap>
"""
    # The map's own checksum is taken with this field all zeros.
    return text.replace(_NO_CHECKSUM, hashlib.sha256(text.encode()).hexdigest(), 1)


def _blocks(span: Span) -> str:
    first, last = span.start // BLOCK_BYTES, -(-span.end // BLOCK_BYTES) - 1
    return str(first) if first == last else f"{first}-{last}"
