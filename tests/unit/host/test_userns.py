import pytest

from imagesmith.host.userns import IdRange, parse_id_range


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", None),
        ("jane:100000:65536\n", IdRange(100000, 65536)),
        ("1000:200000:65536\n", IdRange(200000, 65536)),
        ("joe:100000:65536\njane:165536:65536\n", IdRange(165536, 65536)),
        ("jane:100000:1000\njane:200000:70000\n", IdRange(200000, 65536)),
        ("jane:100000:1000\n", None),
        ("# a remark\n\njane\njanet:100000:65536\n", None),
    ],
    ids=["empty", "by name", "by number", "second line", "first too small", "too small", "nothing for her"],
)
def test_the_first_range_that_is_large_enough_is_taken(table: str, expected: IdRange | None) -> None:
    assert expected == parse_id_range(table, "jane", 1000)
