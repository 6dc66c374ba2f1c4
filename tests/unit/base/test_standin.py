import hashlib
from pathlib import Path

import pytest

from imagesmith.base import standin
from imagesmith.base.standin import boot_partition_content, ensure_standin, standin_key, standin_partitions
from imagesmith.host.folders import cache_folder
from imagesmith.model.layout import APP_FIRST_SECTOR, BOOT_PARTITIONS

TREE = Path(standin.__file__).with_name("standin_source") / "tree"


def test_the_partitions_are_the_stock_ones_with_app_as_the_last_on_the_disk() -> None:
    app, *boot = standin_partitions()

    assert list(BOOT_PARTITIONS) == boot
    assert (1, "APP", APP_FIRST_SECTOR) == (app.number, app.name, app.first_sector)
    assert all(part.last_sector < app.first_sector for part in boot)


def test_each_boot_partition_is_full_of_its_own_lasting_noise() -> None:
    contents = [boot_partition_content(part) for part in BOOT_PARTITIONS]

    assert [part.size_bytes for part in BOOT_PARTITIONS] == [len(content) for content in contents]
    assert len(contents) == len({content[:32] for content in contents})
    assert "490ae87ca5406645453a152aa9513522652a3b0fd990952c9fe7a5e3163f9f3b" == (
        hashlib.sha256(contents[0]).hexdigest()
    )


def test_the_key_is_the_same_each_time_and_another_when_a_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = standin_key()
    assert before == standin_key()

    copy = tmp_path / "standin_source"
    for path in sorted(standin._SOURCE.rglob("*")):
        target = copy / path.relative_to(standin._SOURCE)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    monkeypatch.setattr(standin, "_SOURCE", copy)
    assert before == standin_key()  # whatever modes and times the copy has

    (copy / "tree/etc/hosts").write_text("127.0.0.1 elsewhere\n")
    assert before != standin_key()


def test_a_stand_in_that_is_in_the_cache_is_taken_without_a_word() -> None:
    image = cache_folder() / "bases" / f"standin-{standin_key()[:16]}.img"
    image.parent.mkdir(parents=True)
    image.touch()

    assert image == ensure_standin(lambda text: pytest.fail(f"it said {text!r}"))


def test_the_tree_says_what_the_stock_files_say() -> None:
    def text(path: str) -> str:
        return (TREE / path).read_text()

    assert "/dev/root / ext4 defaults 0 1\n" == text("etc/fstab")
    assert "127.0.0.1 localhost\n" == text("etc/hosts")
    assert "" == text("etc/hostname")
    assert "" == text("etc/nv/nvfirstboot")
    assert "root=/dev/mmcblk0p1" in text("boot/extlinux/extlinux.conf")
    assert "net.ifnames=0" in text("boot/extlinux/extlinux.conf")
    assert "Conflicts=rescue.service rescue.target multi-user.target\n" in text(
        "lib/systemd/system/nv-oem-config.target"
    )
    assert "After=nvfb.service\n" in text("lib/systemd/system/nv.service")
    assert 33 == len(text("etc/machine-id"))


def test_every_program_a_unit_starts_is_a_script_of_the_tree() -> None:
    units = sorted((TREE / "lib/systemd/system").glob("*.service"))
    programs = [
        line.partition("=")[2]
        for unit in units
        for line in unit.read_text().splitlines()
        if line.startswith(("ExecStart=", "ExecStopPost="))
    ]

    assert 7 == len(programs)
    assert all((TREE / program.lstrip("/")).read_text().startswith("#!/bin/sh\n") for program in programs)
