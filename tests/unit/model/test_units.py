import pytest

from imagesmith.model.units import format_size, parse_size, round_down, round_up


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4GiB", 4 << 30), ("512 MiB", 512 << 20), ("64GB", 64 * 10**9), ("1.5G", 3 << 29), ("4096", 4096)],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    assert size_bytes == parse_size(text)


@pytest.mark.parametrize("text", ["", "GiB", "-1", "4 gib", "4GiBs", "1e9", "4,5GiB"])
def test_what_is_no_size_is_refused_with_the_units_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size: write a number and KiB, MiB, GiB"):
        parse_size(text)


def test_sizes_are_shown_in_binary_units() -> None:
    assert ["512 B", "1.5 KiB", "4 GiB", "2048 GiB"] == [
        format_size(n) for n in (512, 1536, 4 << 30, 2 << 40)
    ]


def test_rounding_goes_the_way_it_says() -> None:
    assert (4096, 8192, 4096) == (round_up(4096, 4096), round_up(4097, 4096), round_down(8191, 4096))
