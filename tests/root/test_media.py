"""What is opened is what was judged, and nobody else has it: on real loop devices."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.errors import CardRefusedError
from imagesmith.host import media
from imagesmith.host.media import open_medium
from imagesmith.host.programs import run
from imagesmith.model.card import Identity
from imagesmith.model.units import MIB
from tests.rig.cards import identity_of, loop_device

SIZE = 32 * MIB


def disk(folder: Path, name: str = "disk", size_bytes: int = SIZE) -> Path:
    path = folder / name
    with path.open("wb") as out:
        out.truncate(size_bytes)
    return path


def why_refused(device: Path, expected: Identity, size_bytes: int = SIZE) -> str:
    with (
        pytest.raises(CardRefusedError) as caught,
        open_medium(device, size_bytes=size_bytes, expected=expected, create=False),
    ):
        pass
    return caught.value.why


def test_the_judged_device_is_opened_direct_and_exclusively(tmp_path: Path) -> None:
    with loop_device(disk(tmp_path), direct=True) as device:
        expected = identity_of(device)
        with open_medium(device, size_bytes=SIZE, expected=expected, create=False) as medium:
            assert "direct" == medium.readback
            assert why_refused(device, expected).startswith("it is in use")
            medium.flush()
            medium.reread_table()


def test_a_mounted_device_is_refused_and_untouched(tmp_path: Path) -> None:
    with loop_device(disk(tmp_path), direct=False) as device:
        run(["mke2fs", "-q", "-t", "ext4", device])
        (tmp_path / "mnt").mkdir()
        run(["mount", device, tmp_path / "mnt"])
        try:
            assert why_refused(device, identity_of(device)).startswith("it is in use")
        finally:
            run(["umount", tmp_path / "mnt"])


def test_another_disk_in_the_same_slot_is_refused_though_name_number_and_size_agree(tmp_path: Path) -> None:
    with loop_device(disk(tmp_path), direct=False) as device:
        judged = identity_of(device)
    with loop_device(disk(tmp_path, "other"), direct=False) as again:
        if again != device:
            pytest.fail(f"the rig gave {again} for {device}: nothing was tested")

        assert "it is not the card that was judged" in why_refused(again, judged)


@pytest.mark.parametrize("change", [{"device_number": 1}, {"size_bytes": SIZE - 512}, {"disk_sequence": 1}])
def test_each_part_of_the_identity_counts(tmp_path: Path, change: dict[str, int]) -> None:
    with loop_device(disk(tmp_path), direct=False) as device:
        judged = replace(identity_of(device), **change)  # type: ignore[arg-type]  # each field is an int

        assert "it is not the card that was judged" in why_refused(device, judged)


def test_a_plan_for_another_size_is_refused(tmp_path: Path) -> None:
    with loop_device(disk(tmp_path), direct=False) as device:
        assert "not the card that was judged" in why_refused(device, identity_of(device), SIZE - MIB)


def test_sectors_of_another_size_are_refused(tmp_path: Path) -> None:
    path = disk(tmp_path)
    device = Path(run(["losetup", "--find", "--show", "--sector-size=4096", path]).stdout.strip())
    try:
        assert "its sectors are 4096 bytes" in why_refused(device, identity_of(device))
    finally:
        run(["losetup", "--detach", device])


def test_a_device_that_udev_or_another_program_has_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_LOCK_PATIENCE_S", 0.2)
    with loop_device(disk(tmp_path), direct=False) as device:
        other = os.open(device, os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_SH)

            assert "another program holds a lock on it" == why_refused(device, identity_of(device))
        finally:
            os.close(other)
