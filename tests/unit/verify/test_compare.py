"""The first bad byte is found exactly, wherever it is and whatever is missing."""

from hypothesis import given
from hypothesis import strategies as st

from imagesmith.model.blockmap import Span
from imagesmith.model.card import Patch
from imagesmith.verify.compare import Fault, cut, first_difference, patch_faults


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_first_difference_is_the_first_one(found: bytes, expected: bytes) -> None:
    pairs = enumerate(zip(found, expected, strict=False))
    naive = next((i for i, (a, b) in pairs if a != b), None)
    if naive is None and len(found) != len(expected):
        naive = min(len(found), len(expected))

    assert naive == first_difference(found, expected)


@given(st.integers(1, 5000), st.data())
def test_one_changed_byte_is_found_in_a_run_of_equal_ones(length: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, length - 1))
    found = bytearray(length)
    found[index] = 1

    assert index == first_difference(bytes(found), bytes(length))


class _Memory:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


def test_patches_are_compared_where_they_lie() -> None:
    reader = _Memory(b"..abcd..wxyz")
    patches = [Patch("good", 2, b"abcd"), Patch("bad", 8, b"wxYz"), Patch("cut short", 10, b"yz..")]

    assert [Fault("bad", 10, "differs"), Fault("cut short", 12, "differs")] == list(
        patch_faults(reader, patches)
    )


def test_spans_are_cut_at_the_edges_of_regions() -> None:
    regions = (("low", Span(0, 10)), ("high", Span(10, 20)))

    assert (("low", Span(5, 10)), ("high", Span(10, 12)), ("high", Span(15, 20))) == cut(
        regions, [Span(5, 12), Span(15, 30)]
    )
