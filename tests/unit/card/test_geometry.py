"""Sizes and places on a card, worked out by hand from l4t facts 8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.card.geometry import CardGeometry, card_geometry, required_bytes
from imagesmith.errors import CardRefusedError
from imagesmith.model.units import GIB, MIB
from tests.small_manifest import small_manifest

MANIFEST = small_manifest(app_mib=34)


def test_the_formula_of_a_32_gib_card_with_4_gib_swap() -> None:
    expected = CardGeometry(67108864, 28672, 58718207, 58718208, 8388608)

    assert expected == card_geometry(MANIFEST, 32 * GIB, 4 * GIB)
    assert 67106815 == expected.swap_last
    assert 32 * GIB - 33 * 512 == expected.backup_offset_bytes


def test_without_swap_app_takes_all_whole_mebibytes() -> None:
    geometry = card_geometry(MANIFEST, 32 * GIB, 0)

    assert (0, 67106815) == (geometry.swap_sectors, geometry.app_last)


def test_swap_is_rounded_up_to_whole_mebibytes() -> None:
    assert 4096 == card_geometry(MANIFEST, 1 * GIB, 1 * MIB + 1).swap_sectors


def test_the_smallest_card_ends_right_behind_app_and_backup() -> None:
    assert 48 * MIB + 33 * 512 == required_bytes(MANIFEST, 0)
    assert 58 * MIB + 33 * 512 == required_bytes(MANIFEST, 10 * MIB)


def test_a_sector_less_than_the_smallest_card_is_refused() -> None:
    needed = required_bytes(MANIFEST, 10 * MIB)

    with pytest.raises(CardRefusedError) as caught:
        card_geometry(MANIFEST, needed - 512, 10 * MIB)

    assert 7 == caught.value.exit_code
    assert "a card of 58.0 MiB is too small" == caught.value.what
    assert f"image and swap need 58.0 MiB ({needed} bytes), it has {needed - 512}" == caught.value.why


@given(st.integers(0, 5 * GIB), st.integers(0, 3 * GIB))
def test_any_card_large_enough_holds_app_swap_and_backup(extra_bytes: int, swap_bytes: int) -> None:
    image_app_last = MANIFEST.geometry.partition(1).last_sector

    geometry = card_geometry(MANIFEST, required_bytes(MANIFEST, swap_bytes) + extra_bytes, swap_bytes)

    assert geometry.app_last >= image_app_last
    assert geometry.app_last + 1 == geometry.swap_first
    assert 0 == geometry.swap_first % 2048 == geometry.swap_sectors % 2048
    assert geometry.swap_sectors * 512 >= swap_bytes
    assert geometry.swap_last <= geometry.sectors - 34
    assert geometry.sectors - 34 - geometry.swap_last < 2048
