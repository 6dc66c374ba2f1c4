"""The reader of block maps takes what the writer makes, and nothing that contradicts itself."""

import hashlib

import pytest

from imagesmith.build.bmap import render_bmap
from imagesmith.model.blockmap import Span
from imagesmith.verify.bmap import Bmap, MappedRange, parse_bmap

_RANGES = [(Span(0, 4096), "a" * 64), (Span(8192, 20000), "b" * 64)]
_TEXT = render_bmap(20000, _RANGES)


def _resigned(text: str) -> str:
    before, tag, after = text.partition("<BmapFileChecksum> ")
    digest = hashlib.sha256((before + tag + "0" * 64 + after[64:]).encode()).hexdigest()
    return before + tag + digest + after[64:]


def test_what_is_written_is_read_to_the_last_byte() -> None:
    expected = tuple(MappedRange(span, digest) for span, digest in _RANGES)

    assert Bmap(20000, expected) == parse_bmap(_TEXT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<BlockSize> 4096", "<BlockSize> 0", "its blocks have no size"),
        ("<BlockSize> 4096", "<BlockSize> many", "BlockSize is 'many', not a number"),
        ("<BlocksCount> 5", "<BlocksCount> 6", "its count of blocks does not fit the size"),
        ("<MappedBlocksCount> 4", "<MappedBlocksCount> 5", "its count of mapped blocks does not fit"),
        ("> sha256 <", "> sha1 <", "checksums of type 'sha1', not sha256"),
        ('version="2.0"', 'version="1.4"', "version 1.4, not 2"),
        ("> 2-4 <", "> 2 to 4 <", "' 2 to 4 ' is not a range"),
        ("> 2-4 <", "> 4-2 <", "its range 4-2 is no range of the image"),
        ("> 2-4 <", "> 7-9 <", "its range 7-9 is no range of the image"),
        ("</bmap>", "", "not XML: "),
    ],
)
def test_a_signed_map_that_contradicts_itself_is_refused(old: str, new: str, message: str) -> None:
    assert old in _TEXT

    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the message is compared below
        parse_bmap(_resigned(_TEXT.replace(old, new)))

    assert str(caught.value).startswith(message)


def test_a_changed_map_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="its own checksum is wrong"):
        parse_bmap(_TEXT.replace("2-4", "2-5"))


def test_a_text_without_a_checksum_is_refused() -> None:
    with pytest.raises(ValueError, match="no sha256 of its own"):
        parse_bmap("<bmap/>")
