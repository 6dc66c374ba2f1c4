"""Facts about files and about what is no card at all; disks are in tests/root."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagesmith.host.devices import Extent, Signatures, read_card_facts
from imagesmith.host.storage import StorageMap
from imagesmith.model.card import CardFacts, Identity, TargetKind
from tests.fake_sys import FakeSys


def nothing_found(_medium: Path, _extents: Sequence[Extent]) -> Signatures:
    return Signatures()


@pytest.fixture
def storage(tmp_path: Path) -> StorageMap:
    return FakeSys(tmp_path / "machine").storage()


def facts(path: Path, storage: StorageMap, precious: dict[str, Path] | None = None) -> CardFacts:
    return read_card_facts(
        path, precious=precious or {}, new_file_bytes=4096, storage=storage, prober=nothing_found
    )


def test_a_file_is_known_by_its_inode(tmp_path: Path, storage: StorageMap) -> None:
    card = tmp_path / "card.img"
    card.write_bytes(bytes(1024))
    status = card.stat()

    found = facts(card, storage)

    assert TargetKind.REGULAR_FILE is found.kind
    assert Identity(status.st_ino, 1024, file_system=status.st_dev) == found.identity
    assert (False, True, False) == (found.read_only, found.permitted, found.is_symlink)
    assert ((), (), (), ()) == (found.holders, found.swaps, found.carries, found.unknown)


def test_a_link_is_followed_and_told(tmp_path: Path, storage: StorageMap) -> None:
    card, link = tmp_path / "card.img", tmp_path / "link.img"
    card.write_bytes(bytes(1024))
    link.symlink_to(card)

    found = facts(link, storage)

    assert (link, card, True) == (found.path, found.real_path, found.is_symlink)


def test_a_file_to_be_made_gets_the_size_asked_for(tmp_path: Path, storage: StorageMap) -> None:
    found = facts(tmp_path / "new.img", storage)

    assert (TargetKind.NEW_FILE, Identity(0, 4096)) == (found.kind, found.identity)
    assert not (tmp_path / "new.img").exists()


@pytest.mark.parametrize("name", ["image.img", "hard link.img", "soft link.img", "./sub/../image.img"])
def test_the_image_itself_is_recognised_under_any_name(
    tmp_path: Path, storage: StorageMap, name: str
) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(bytes(1024))
    (tmp_path / "sub").mkdir()
    (tmp_path / "hard link.img").hardlink_to(image)
    (tmp_path / "soft link.img").symlink_to(image)

    assert ("the image",) == facts(tmp_path / name, storage, {"the image": image}).carries


def test_a_copy_of_the_image_is_not_the_image(tmp_path: Path, storage: StorageMap) -> None:
    for name in ("image.img", "copy.img"):
        (tmp_path / name).write_bytes(bytes(1024))

    assert () == facts(tmp_path / "copy.img", storage, {"the image": tmp_path / "image.img"}).carries


@pytest.mark.parametrize("exists", [True, False])
def test_a_file_inside_the_cache_is_recognised(tmp_path: Path, storage: StorageMap, exists: bool) -> None:
    cache = tmp_path / "cache"
    (cache / "layers").mkdir(parents=True)
    card = cache / "layers" / "card.img"
    if exists:
        card.touch()

    assert ("the cache",) == facts(card, storage, {"the cache": cache}).carries


def test_a_name_that_only_begins_like_the_cache_is_outside_it(tmp_path: Path, storage: StorageMap) -> None:
    (tmp_path / "cache").mkdir()

    assert () == facts(tmp_path / "cache.img", storage, {"the cache": tmp_path / "cache"}).carries


def test_every_file_is_below_the_root_and_may_still_be_a_card(tmp_path: Path, storage: StorageMap) -> None:
    assert () == facts(tmp_path / "card.img", storage, {"/": Path("/")}).carries


def test_a_file_behind_a_loop_is_held(tmp_path: Path) -> None:
    card, link = tmp_path / "card.img", tmp_path / "link.img"
    card.write_bytes(bytes(1024))
    link.hardlink_to(card)
    machine = FakeSys(tmp_path / "machine")
    machine.disk("loop9", (7, 9), loop__backing_file=f"{card}\n")

    assert ("loop9",) == facts(link, machine.storage()).holders


def test_a_swap_file_is_no_card(tmp_path: Path) -> None:
    swap = tmp_path / "swapfile"
    swap.write_bytes(bytes(1024))
    machine = FakeSys(tmp_path / "machine")
    machine.proc(swaps=[f"{swap} file 1024 0 -2"])

    assert (str(swap),) == facts(swap, machine.storage()).swaps


def test_marks_on_a_file_are_looked_for_unless_it_is_empty(tmp_path: Path, storage: StorageMap) -> None:
    card, empty = tmp_path / "card.img", tmp_path / "empty.img"
    card.write_bytes(bytes(1024))
    empty.touch()
    asked: list[tuple[Path, Sequence[Extent]]] = []

    def prober(medium: Path, extents: Sequence[Extent]) -> Signatures:
        asked.append((medium, extents))
        return Signatures(("crypto_LUKS on card.img",), ("what is on it",))

    found = read_card_facts(card, precious={}, storage=storage, prober=prober)
    read_card_facts(empty, precious={}, storage=storage, prober=prober)

    assert [(card, [Extent("card.img", 0, 0)])] == asked
    assert (("crypto_LUKS on card.img",), ("what is on it",)) == (found.members, found.unknown)


def test_a_missing_device_is_not_a_file_to_be_made(storage: StorageMap) -> None:
    found = facts(Path("/dev/no-such-card"), storage)

    assert (TargetKind.OTHER, "there is no such device") == (found.kind, found.detail)


def test_a_missing_folder_is_told(tmp_path: Path, storage: StorageMap) -> None:
    found = facts(tmp_path / "none" / "card.img", storage)

    assert (TargetKind.OTHER, f"there is no folder {tmp_path / 'none'}") == (found.kind, found.detail)


def test_what_is_neither_disk_nor_file_says_what_it_is(tmp_path: Path, storage: StorageMap) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    targets = (tmp_path, Path("/dev/null"), tmp_path / "pipe", tmp_path / "circle", tmp_path / "pipe" / "x")

    found = [facts(target, storage) for target in targets]

    assert {TargetKind.OTHER} == {each.kind for each in found}
    assert [
        "a folder",
        "a character device",
        "a pipe",
        "its links go round in a circle",
        "it cannot be looked at (Not a directory)",
    ] == [each.detail for each in found]
