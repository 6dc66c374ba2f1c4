import hashlib
import json
import os
from pathlib import Path

import pytest

from imagesmith.errors import UntrustedSourceError
from imagesmith.host import digests
from imagesmith.host.digests import cached_sha256
from imagesmith.host.folders import cache_folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def note() -> Path:
    (only,) = (cache_folder() / "digests").iterdir()
    return only


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    assert sha256(b"one") == cached_sha256(file)

    remembered = json.loads(note().read_text())
    note().write_text(json.dumps({**remembered, "sha256": "remembered"}))

    assert "remembered" == cached_sha256(file)


def test_another_content_of_the_same_length_and_time_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    cached_sha256(file)
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"two")
    os.utime(file, ns=times)

    assert sha256(b"two") == cached_sha256(file)


def test_another_file_at_the_same_place_is_noticed(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"one")
    other.write_bytes(b"two")
    cached_sha256(file)
    other.replace(file)

    assert sha256(b"two") == cached_sha256(file)


def test_a_link_is_remembered_as_what_it_points_to(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"one")
    link.symlink_to(file)
    cached_sha256(file)
    first = note()

    assert sha256(b"one") == cached_sha256(link)
    assert first == note()


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"file": 3}', b"\xff\xfe"])
def test_a_broken_note_is_written_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    cached_sha256(file)
    note().write_bytes(content)

    assert sha256(b"one") == cached_sha256(file)
    assert sha256(b"one") == json.loads(note().read_text())["sha256"]


def test_a_file_that_changes_while_it_is_read_is_refused_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")

    def read_while_it_grows(path: Path) -> str:
        path.write_bytes(b"one and more")
        return sha256(b"one")

    monkeypatch.setattr(digests, "sha256_of_file", read_while_it_grows)
    with pytest.raises(UntrustedSourceError, match="changed while it was read"):
        cached_sha256(file)

    assert not cache_folder().exists()
