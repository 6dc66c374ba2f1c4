"""Card image files: whole under their name, or not there at all. Devices are in tests/root."""

import errno
import mmap
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.errors import CardRefusedError
from imagesmith.host import media
from imagesmith.host.media import Medium, MediumError, ReadBack, open_medium
from imagesmith.model.card import Identity
from imagesmith.model.units import MIB

NEW = Identity(device_number=0, size_bytes=0)


def page(content: bytes) -> memoryview:
    buffer = memoryview(mmap.mmap(-1, len(content)))
    buffer[:] = content
    return buffer


def identity(path: Path) -> Identity:
    found = path.stat()
    return Identity(found.st_ino, found.st_size, file_system=found.st_dev)


def fail_in_the_middle(medium: Medium) -> None:
    medium.write(0, page(b"\x5a" * 512))
    raise RuntimeError("in the middle")


def test_a_new_card_file_is_sparse_private_and_holds_what_was_written(tmp_path: Path) -> None:
    target = tmp_path / "card.img"

    with open_medium(target, size_bytes=64 * MIB, expected=NEW, create=True) as medium:
        assert 4096 == medium.write(MIB, page(b"\x5a" * 4096))
        medium.flush()
        buffer = page(bytes(4096))
        assert 4096 == medium.read_into(MIB, buffer)
        medium.reread_table()
        assert not target.exists(), "it has its name only at the end"

    assert b"\x5a" * 4096 == bytes(buffer)
    assert 64 * MIB == target.stat().st_size
    assert target.stat().st_blocks * 512 < MIB
    assert 0o600 == target.stat().st_mode & 0o777
    assert [target] == list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", list(ReadBack))
def test_a_sector_is_written_and_read_past_the_cache_in_either_way(
    tmp_path: Path, mode: ReadBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode is ReadBack.CACHE_DROPPED:
        real_open = os.open

        def open_without_direct(path: str | Path, flags: int, *rest: int) -> int:
            if flags & os.O_DIRECT:
                raise OSError(errno.EINVAL, "this file system knows no direct I/O")
            return real_open(path, flags, *rest)

        monkeypatch.setattr(os, "open", open_without_direct)

    with open_medium(tmp_path / "card.img", size_bytes=MIB, expected=NEW, create=True) as medium:
        assert mode == medium.readback
        medium.write(512, page(b"\x5a" * 512))
        buffer = page(bytes(512))
        medium.read_into(512, buffer)

    assert b"\x5a" * 512 == bytes(buffer)
    assert b"\x5a" * 512 == (tmp_path / "card.img").read_bytes()[512:1024]


def test_a_failed_card_file_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="in the middle"),
        open_medium(tmp_path / "card.img", size_bytes=MIB, expected=NEW, create=True) as medium,
    ):
        fail_in_the_middle(medium)

    assert [] == list(tmp_path.iterdir())


def test_an_existing_card_file_keeps_its_content_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "card.img"
    target.write_bytes(b"old" * 1000)
    judged = identity(target)

    with (
        pytest.raises(RuntimeError, match="in the middle"),
        open_medium(target, size_bytes=MIB, expected=judged, create=False) as medium,
    ):
        fail_in_the_middle(medium)
    assert b"old" * 1000 == target.read_bytes()

    with open_medium(target, size_bytes=MIB, expected=judged, create=False) as medium:
        medium.write(0, page(b"\x5a" * 512))
    assert b"\x5a" * 512 + bytes(MIB - 512) == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())


def test_what_a_killed_run_left_behind_is_not_on_the_next_card(tmp_path: Path) -> None:
    (tmp_path / ".card.img.partial").write_bytes(b"\x77" * 2 * MIB)

    with open_medium(tmp_path / "card.img", size_bytes=MIB, expected=NEW, create=True):
        pass

    assert bytes(MIB) == (tmp_path / "card.img").read_bytes()


def test_a_new_card_file_never_replaces_one_that_has_appeared(tmp_path: Path) -> None:
    target = tmp_path / "card.img"
    target.write_bytes(b"precious")

    with (
        pytest.raises(CardRefusedError, match=r"card\.img is refused") as caught,
        open_medium(target, size_bytes=MIB, expected=NEW, create=True),
    ):
        pass

    assert "a file of that name has appeared" == caught.value.why
    assert b"precious" == target.read_bytes()


def test_a_file_that_appears_while_we_write_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "card.img"

    with (
        pytest.raises(CardRefusedError, match="is refused"),
        open_medium(target, size_bytes=MIB, expected=NEW, create=True),
    ):
        target.write_bytes(b"precious")

    assert b"precious" == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())


def test_a_file_that_is_not_the_judged_one_is_refused_untouched(tmp_path: Path) -> None:
    target = tmp_path / "card.img"
    target.write_bytes(b"another")
    judged = replace(identity(target), device_number=target.stat().st_ino + 1)

    with (
        pytest.raises(CardRefusedError) as caught,
        open_medium(target, size_bytes=MIB, expected=judged, create=False),
    ):
        pass

    assert "it is not the file that was judged" == caught.value.why
    assert b"another" == target.read_bytes()


def test_a_link_put_in_the_place_of_the_partial_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / ".card.img.partial").symlink_to(precious)

    with (
        pytest.raises(MediumError, match="open failed: ELOOP"),
        open_medium(tmp_path / "card.img", size_bytes=MIB, expected=NEW, create=True),
    ):
        pass

    assert b"precious" == precious.read_bytes()


def test_two_runs_do_not_write_the_same_card_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_LOCK_PATIENCE_S", 0.0)
    target = tmp_path / "card.img"

    with open_medium(target, size_bytes=MIB, expected=NEW, create=True) as medium:
        medium.write(0, page(b"\x5a" * 512))
        with (
            pytest.raises(CardRefusedError) as caught,
            open_medium(target, size_bytes=MIB, expected=NEW, create=True),
        ):
            pass

    assert "another program holds a lock on it" == caught.value.why
    assert b"\x5a" * 512 == target.read_bytes()[:512]


def test_a_folder_that_is_not_there_is_named_by_its_errno(tmp_path: Path) -> None:
    with (
        pytest.raises(MediumError, match="open failed: ENOENT"),
        open_medium(tmp_path / "no" / "card.img", size_bytes=MIB, expected=NEW, create=True),
    ):
        pass


def test_a_medium_error_survives_the_way_from_the_worker() -> None:
    error = MediumError("read", 4096, errno.EIO)

    travelled = pickle.loads(pickle.dumps(error))

    assert "read at byte 4096 failed: EIO (Input/output error)" == travelled.what
    assert (4096, errno.EIO) == (travelled.offset, travelled.code)
