import itertools

from hypothesis import given
from hypothesis import strategies as st

from imagesmith.model.blockmap import BlockClass, Span, classify, intersect, merged, pieces, subtract

SIZE = 64


def spans() -> st.SearchStrategy[list[Span]]:
    edges = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE))
    return st.lists(edges.map(lambda pair: Span(min(pair), max(pair))), max_size=12)


def cells(ranges: list[Span] | tuple[Span, ...]) -> set[int]:
    return {cell for span in ranges for cell in range(span.start, span.end)}


@given(spans())
def test_merging_keeps_every_byte_and_leaves_sorted_disjoint_ranges(ranges: list[Span]) -> None:
    result = merged(ranges)

    assert cells(ranges) == cells(result)
    assert all(a.end < b.start for a, b in itertools.pairwise(result))
    assert all(span.length > 0 for span in result)


@given(spans(), spans())
def test_subtraction_and_intersection_are_those_of_sets(ranges: list[Span], others: list[Span]) -> None:
    assert cells(ranges) - cells(others) == cells(subtract(ranges, others))
    assert cells(ranges) & cells(others) == cells(intersect(ranges, others))


@given(spans(), spans())
def test_every_byte_of_an_image_has_exactly_one_class(free: list[Span], stored: list[Span]) -> None:
    classes = classify(SIZE, free=free, stored=stored)

    assert [(0, SIZE)] == [(s.start, s.end) for s in merged(Span(c.start, c.end) for c in classes)]
    assert SIZE == sum(c.end - c.start for c in classes)
    by_kind = {kind: cells([Span(c.start, c.end) for c in classes if c.kind is kind]) for kind in BlockClass}
    assert cells(free) == by_kind[BlockClass.FREE]
    assert cells(stored) - cells(free) == by_kind[BlockClass.DATA]


@given(spans(), st.integers(1, 17))
def test_pieces_are_cut_on_a_fixed_grid(ranges: list[Span], most_bytes: int) -> None:
    wanted = merged(ranges)
    cut = list(pieces(wanted, most_bytes=most_bytes))

    assert cells(wanted) == cells(cut)
    assert all(piece.start // most_bytes == (piece.end - 1) // most_bytes for piece in cut)
