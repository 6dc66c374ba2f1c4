import hashlib
import re
from xml.etree import ElementTree as ET

from imagesmith.build.bmap import render_bmap
from imagesmith.model.blockmap import Span


def test_the_map_counts_blocks_and_carries_its_own_checksum() -> None:
    text = render_bmap(
        10 * 4096 + 512, [(Span(0, 8192), "a" * 64), (Span(9 * 4096, 10 * 4096 + 512), "b" * 64)]
    )
    root = ET.fromstring(text)

    assert ["0-1", "9-10"] == [(node.text or "").strip() for node in root.iter("Range")]
    assert ("11", "4") == tuple(
        (root.findtext(name) or "").strip() for name in ("BlocksCount", "MappedBlocksCount")
    )
    own = (root.findtext("BmapFileChecksum") or "").strip()
    assert own == hashlib.sha256(re.sub(own, "0" * 64, text).encode()).hexdigest()
