"""The mount and swap tables of /proc."""

import os
from pathlib import Path

import pytest

from imagesmith.host.mounts import Mount, Swap, mount_of, read_mounts, read_swaps
from tests.fake_sys import FakeSys


def mount(point: str, source: str = "x") -> Mount:
    return Mount(os.makedev(8, 1), Path(point), "ext4", source, "rw")


def test_rows_are_read_with_and_without_optional_fields(tmp_path: Path) -> None:
    machine = FakeSys(tmp_path)
    machine.proc(
        "36 35 8:17 /root /media/my\\040card rw,noatime shared:1 master:2 - ext4 /dev/sdx1 rw,discard",
        "27 1 0:25 / / rw - btrfs /dev/fake\\134disk rw,subvol=/@",
    )

    assert (
        Mount(os.makedev(8, 17), Path("/media/my card"), "ext4", "/dev/sdx1", "rw,discard"),
        Mount(os.makedev(0, 25), Path("/"), "btrfs", "/dev/fake\\disk", "rw,subvol=/@"),
    ) == read_mounts(tmp_path / "proc")


def test_swap_areas_are_read_and_a_deleted_one_keeps_its_name(tmp_path: Path) -> None:
    machine = FakeSys(tmp_path)
    machine.proc(
        swaps=[
            "/dev/sdx2                               partition\t1048572\t0\t-2",
            "/swap\\040file\\040(deleted)            file\t\t1024\t0\t-3",
        ]
    )

    assert (Swap(Path("/dev/sdx2"), is_file=False), Swap(Path("/swap file"), is_file=True)) == read_swaps(
        tmp_path / "proc"
    )


def test_this_machines_own_tables_are_read() -> None:
    assert Path("/") in {row.point for row in read_mounts()}
    assert isinstance(read_swaps(), tuple)


def test_a_path_lies_on_the_deepest_mount_and_names_that_only_begin_alike_do_not_count() -> None:
    mounts = (mount("/"), mount("/home"), mount("/home/guest/share"), mount("/hom"))

    assert mounts[1] == mount_of(Path("/home/guest"), mounts)
    assert mounts[2] == mount_of(Path("/home/guest/share/x"), mounts)
    assert mounts[0] == mount_of(Path("/homework"), mounts)


def test_what_is_mounted_over_hides_what_is_below() -> None:
    mounts = (mount("/home", "old"), mount("/home", "new"), mount("/"))

    assert mounts[1] == mount_of(Path("/home/x"), mounts)


def test_a_path_on_no_mount_is_on_none() -> None:
    assert mount_of(Path("/home"), (mount("/media"),)) is None


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ("rw,lowerdir=/a:/b,upperdir=/u", "/a:/b"),
        ("lowerdir=/a", "/a"),
        ("rw,xlowerdir=/a", None),
        ("rw,lowerdir=/a\\,b,upperdir=/u", "/a\\,b"),
    ],
)
def test_an_option_is_found_by_its_whole_name(options: str, value: str | None) -> None:
    assert value == Mount(0, Path("/"), "overlay", "overlay", options).option("lowerdir")
