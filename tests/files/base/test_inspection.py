"""Bases made with the real tools, whole and spoilt in every way a downloaded or read-back one can be."""

import gzip
import hashlib
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.base.inspection import inspect_base
from imagesmith.errors import UntrustedSourceError
from imagesmith.host.programs import run
from imagesmith.model.layout import BOOT_PARTITIONS, Partition
from imagesmith.model.units import MIB, SECTOR_BYTES
from tests.rig import bases


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "base.img"


def refusal(path: Path, cache: Path) -> UntrustedSourceError:
    """Inspect what must be refused; nothing may have been written, neither to the base nor to the cache."""
    before = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""
    with pytest.raises(UntrustedSourceError) as caught:
        inspect_base(path)
    assert before == (hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"")
    assert not cache.exists()
    assert caught.value.exit_code == 5
    assert caught.value.remedy
    assert str(path) in caught.value.what
    return caught.value


def test_a_stock_shaped_base_is_told_as_it_is(image: Path) -> None:
    bases.make_base(image)

    facts = inspect_base(image)

    assert (image, bases.SIZE_BYTES) == (facts.path, facts.size_bytes)
    assert hashlib.sha256(image.read_bytes()).hexdigest() == facts.sha256
    assert bases.DISK_GUID == facts.geometry.disk_guid
    assert bases.STOCK == facts.geometry.partitions
    assert {
        part.number: hashlib.sha256(bases.boot_content(part)).hexdigest() for part in BOOT_PARTITIONS
    } == facts.boot_partition_sha256
    assert bases.APP_BYTES == facts.app.size_bytes
    assert 0 < facts.app.free_bytes < bases.APP_BYTES
    assert "extent" in facts.app.features


def test_a_base_that_changed_is_hashed_again(image: Path) -> None:
    bases.make_base(image)
    first = inspect_base(image).sha256
    bases.change_app(image, "mkdir /new")

    assert first != inspect_base(image).sha256
    assert hashlib.sha256(image.read_bytes()).hexdigest() == inspect_base(image).sha256


def test_a_base_that_is_not_there_is_refused(image: Path, cache: Path) -> None:
    error = refusal(image, cache)

    assert f"the base {image} does not exist" == error.what
    assert "--base" in error.remedy


def test_a_folder_is_refused(tmp_path: Path, cache: Path) -> None:
    assert f"the base {tmp_path} is a folder" == refusal(tmp_path, cache).what


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sd-blob-b01.img", b"image")


def _qcow2(path: Path) -> None:
    run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"])


@pytest.mark.parametrize(
    ("wrap", "kind", "command"),
    [
        (_zip, "a zip archive", "unzip"),
        (lambda path: path.write_bytes(lzma.compress(b"image")), "an xz file", "unxz"),
        (lambda path: path.write_bytes(gzip.compress(b"image")), "a gzip file", "gunzip"),
        (_qcow2, "a qcow2 disk", "qemu-img convert"),
    ],
    ids=["zip", "xz", "gzip", "qcow2"],
)
def test_what_still_wraps_an_image_is_named_with_the_command_that_unpacks_it(
    image: Path, cache: Path, wrap: Callable[[Path], None], kind: str, command: str
) -> None:
    wrap(image)

    error = refusal(image, cache)

    assert f"the base {image} is {kind}, not an image" == error.what
    assert error.remedy.startswith(f"unpack it first: {command}")


def _first_sectors(path: Path) -> None:
    with bases.make_base(path).open("r+b") as out:
        out.truncate(64 * SECTOR_BYTES)


def _bare_ext4(path: Path) -> None:
    run(["mke2fs", "-q", "-F", "-t", "ext4", path, "8M"])


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x00" * MIB),
        lambda path: path.write_bytes(b"<html>please log in</html>" * 9000),
        _first_sectors,
        _bare_ext4,
    ],
    ids=["empty", "zeros", "a login page", "64 sectors of one", "a bare file system"],
)
def test_what_has_no_partition_table_is_not_an_image(
    image: Path, cache: Path, make: Callable[[Path], None]
) -> None:
    make(image)

    error = refusal(image, cache)

    assert f"the base {image} is not an SD card image" == error.what
    assert "it has no GPT partition table" == error.why


@pytest.mark.parametrize("kept_bytes", [MIB, 5 * MIB, 14 * MIB, 30 * MIB - SECTOR_BYTES])
def test_a_base_cut_inside_its_partitions_is_truncated(image: Path, cache: Path, kept_bytes: int) -> None:
    with bases.make_base(image).open("r+b") as out:
        out.truncate(kept_bytes)

    error = refusal(image, cache)

    assert f"the base {image} is truncated" == error.what
    assert f"reach to byte {30 * MIB}, the file ends at {kept_bytes}" in error.why


def _cut_tail(image: Path) -> None:
    with image.open("r+b") as out:
        out.truncate(bases.SIZE_BYTES - MIB)


def _grow(image: Path) -> None:
    with image.open("r+b") as out:
        out.truncate(bases.SIZE_BYTES + MIB)


def _wipe(offset: int) -> Callable[[Path], None]:
    def wipe(image: Path) -> None:
        with image.open("r+b") as out:
            out.seek(offset)
            out.write(b"\x00" * SECTOR_BYTES)

    return wipe


@pytest.mark.parametrize(
    "spoil",
    [_cut_tail, _grow, _wipe(bases.SIZE_BYTES - SECTOR_BYTES), _wipe(SECTOR_BYTES), _wipe(2 * SECTOR_BYTES)],
    ids=["tail cut", "enlarged", "no backup header", "no primary header", "primary entries gone"],
)
def test_a_base_whose_table_is_not_whole_is_refused(
    image: Path, cache: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(bases.make_base(image))

    error = refusal(image, cache)

    assert "damaged partition table: it was cut, enlarged or edited" in error.what
    assert error.why.startswith("sgdisk: ")


def _without(*numbers: int) -> tuple[Partition, ...]:
    return tuple(part for part in bases.STOCK if part.number not in numbers)


def _with(number: int, **changes: str | int) -> tuple[Partition, ...]:
    return tuple(
        replace(part, **changes) if part.number == number else part  # type: ignore[arg-type]  # test data
        for part in bases.STOCK
    )


def test_a_card_read_back_from_a_configured_board_lacks_the_partitions_its_wizard_deleted(
    image: Path, cache: Path
) -> None:
    error = refusal(bases.make_base(image, (bases.APP,)), cache)

    assert error.what.endswith("lacks boot partitions: 2 TBC, 3 RP1, 4 EBT, 5 WB0, 6 BPF, 7 BPF-DTB, 8 FX, "
                               "9 TOS, 10 DTB, 11 LNX, 12 EKS, 13 BMP, 14 RP4")  # fmt: skip
    assert "wizard of a configured board deletes them" in error.why
    assert "never a card that was in a board" in error.remedy


@pytest.mark.parametrize(
    ("partitions", "what", "why"),
    [
        (_without(9), "lacks boot partitions: 9 TOS", "deletes them"),
        (_with(2, name="TXC"), "changed boot partitions: 2 TBC", "2 'TXC' at sectors 2048-2303, not 2 'TBC'"),
        (_with(14, last_sector=26880), "changed boot partitions: 14 RP4", "26624-26880, not 14"),
        (_without(1), "has no APP partition", "there is no partition 1"),
        (_with(1, name="rootfs"), "has no APP partition", "partition 1 is 'rootfs'"),
        (
            _with(1, first_sector=30720),
            "not laid out as the stock image",
            "begins at sector 30720, not at 28672",
        ),
        (
            (*bases.STOCK, Partition(15, "SWAP", 61440, 63487)),
            "not laid out as the stock image",
            "foreign partitions: 15 SWAP",
        ),
    ],
    ids=["one gone", "renamed", "longer", "no APP", "APP renamed", "APP elsewhere", "swap behind"],
)
def test_another_layout_is_refused_by_what_differs(
    image: Path, cache: Path, partitions: tuple[Partition, ...], what: str, why: str
) -> None:
    error = refusal(bases.make_base(image, partitions), cache)

    assert what in error.what
    assert why in error.why


@pytest.mark.parametrize("features", ["", "none,filetype", "none,has_journal,filetype"])
def test_an_app_without_ext4_is_refused(image: Path, cache: Path, features: str) -> None:
    error = refusal(bases.make_base(image, features=features), cache)

    assert f"the APP partition of {image} holds no ext4 file system" == error.what


def test_an_unfinished_journal_is_refused(image: Path, cache: Path) -> None:
    bases.change_app(bases.make_base(image), "feature needs_recovery")

    error = refusal(image, cache)

    assert f"the file system of {image} has an unfinished journal" == error.what
    assert "writes are still pending" in error.why


def test_a_file_system_that_was_not_unmounted_is_refused(image: Path, cache: Path) -> None:
    bases.change_app(bases.make_base(image), "set_super_value state 0")

    error = refusal(image, cache)

    assert f"the file system of {image} is not clean" == error.what
    assert "not clean" in error.why


@pytest.mark.parametrize("feature", ["metadata_csum_seed", "orphan_file", "casefold", "large_dir", "verity"])
def test_a_feature_that_the_board_cannot_read_is_named(image: Path, cache: Path, feature: str) -> None:
    error = refusal(bases.make_base(image, features=f"{bases.READABLE},{feature}"), cache)

    assert f"the board could not read the file system of {image}" == error.what
    assert error.why.endswith(f"do not know: {feature}")
