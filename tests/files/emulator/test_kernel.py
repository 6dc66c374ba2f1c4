import os
import subprocess
from pathlib import Path

import pytest

from imagesmith.emulator import kernel
from imagesmith.errors import HostNotReadyError


def _tree(root: Path, *, age_s: int, mode: int) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "init").write_text("#!/bin/busybox sh\n")
    (root / "init").chmod(mode | 0o100)
    (root / "bin/data").write_bytes(b"x" * 5000)
    (root / "bin/data").chmod(mode)
    os.utime(root / "init", (age_s, age_s))
    return root


def test_the_same_files_make_the_same_initramfs_whatever_their_ages_and_the_umask(tmp_path: Path) -> None:
    first, second = tmp_path / "first.cpio", tmp_path / "second.cpio"
    kernel._archive(_tree(tmp_path / "a", age_s=1, mode=0o600), first)
    kernel._archive(_tree(tmp_path / "b", age_s=10**9, mode=0o664), second)

    assert first.read_bytes() == second.read_bytes()

    listed = subprocess.run(
        ["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet", "-F", first],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    assert [("drwxr-xr-x", "bin"), ("-rw-r--r--", "bin/data"), ("-rwxr-xr-x", "init")] == [
        (row[0], row[-1]) for row in rows
    ]
    assert {("0", "0")} == {(row[2], row[3]) for row in rows}


def test_without_a_mirror_it_is_said_so_and_nothing_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: nobody listens

    with pytest.raises(HostNotReadyError, match="packages for the emulator could not be fetched") as caught:
        kernel.ensure_kernel(lambda _text: None)

    assert "127.0.0.1:9" in caught.value.why
    assert [] == list((tmp_path / "imagesmith/emulator").iterdir())
