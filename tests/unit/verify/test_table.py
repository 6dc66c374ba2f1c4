"""A fitted table is the stock one with APP grown and swap behind it, and nothing else."""

import pytest

from imagesmith.model.layout import BOOT_PARTITIONS, Partition
from imagesmith.model.manifest import Geometry
from imagesmith.verify.table import wrong_fit

_APP = Partition(1, "APP", 28672, 100000)
_GROWN = Partition(1, "APP", 28672, 200000)
_SWAP = Partition(15, "SWAP", 200704, 300000)
_STOCK = Geometry("guid", (_APP, *BOOT_PARTITIONS))


@pytest.mark.parametrize("found", [(_APP,), (_GROWN,), (_GROWN, _SWAP)])
def test_a_fitted_table_is_good(found: tuple[Partition, ...]) -> None:
    assert wrong_fit((*found, *BOOT_PARTITIONS), _STOCK) == ""


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (BOOT_PARTITIONS, "partition 1 (APP) is gone"),
        ((_GROWN, *BOOT_PARTITIONS[:-1]), "partition 14 (RP4) is gone"),
        ((_GROWN, *BOOT_PARTITIONS, Partition(16, "x", 5, 6)), "partition 16 does not belong there"),
    ],
)
def test_a_partition_gone_or_added_is_found(found: tuple[Partition, ...], wrong: str) -> None:
    assert wrong == wrong_fit(found, _STOCK)


@pytest.mark.parametrize(
    "changed",
    [
        Partition(1, "APP", 28671, 100000),
        Partition(1, "APP", 28672, 99999),
        Partition(1, "app", 28672, 100000),
        Partition(2, "TBC", 2048, 2304),
        Partition(2, "TBC", 2049, 2303),
    ],
)
def test_a_partition_moved_shrunk_or_renamed_is_found(changed: Partition) -> None:
    found = tuple(changed if p.number == changed.number else p for p in _STOCK.partitions)

    assert wrong_fit(found, _STOCK).startswith(f"partition {changed.number} is {changed}, not ")
