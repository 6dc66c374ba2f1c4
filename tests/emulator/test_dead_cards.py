"""Cards that do not boot, guests that die: a clear error each, the console's last words, no process left."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.emulator.kernel import KernelFiles
from imagesmith.emulator.machine import BootError, booted
from imagesmith.host.programs import ProgramError
from imagesmith.model.units import MIB
from tests.emulator.conftest import APP_OFFSET_BYTES, qemus_using

_TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"
_APP_BYTES = 32 * MIB


def _run(*words: object) -> None:
    program = shutil.which(str(words[0]), path=_TOOLS)
    assert program is not None
    subprocess.run([program, *map(str, words[1:])], check=True, capture_output=True)


def _blank_card(path: Path) -> Path:
    with path.open("wb") as card:
        card.truncate(APP_OFFSET_BYTES + _APP_BYTES + 2 * MIB)
    return path


def _card_with_app(path: Path) -> Path:
    _blank_card(path)
    _run("sgdisk", f"--new=1:28672:+{_APP_BYTES // MIB}M", "--change-name=1:APP", path)
    return path


def _card_with_root(path: Path, root: Path) -> Path:
    _card_with_app(path)
    root.mkdir(exist_ok=True)
    _run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-d",
        root,
        "-E",
        f"offset={APP_OFFSET_BYTES}",
        path,
        f"{_APP_BYTES // 1024}k",
    )
    return path


def _without_table(folder: Path) -> Path:
    return _blank_card(folder / "card.img")


def _without_file_system(folder: Path) -> Path:
    return _card_with_app(folder / "card.img")


def _empty(folder: Path) -> Path:
    return _card_with_root(folder / "card.img", folder / "root")


def _without_dev(folder: Path) -> Path:
    (folder / "root/sbin").mkdir(parents=True)
    (folder / "root/sbin/init").write_text("#!/bin/sh\n")
    (folder / "root/run").mkdir()
    return _card_with_root(folder / "card.img", folder / "root")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_without_table, "the card has no partition 1"),
        (_without_file_system, "partition 1 of the card cannot be mounted as ext4"),
        (_empty, "partition 1 of the card holds no /sbin/init"),
        (_without_dev, "the card's root has no folder /dev"),
    ],
)
def test_a_card_that_cannot_boot_says_why(
    make: Callable[[Path], Path], reason: str, kernel: KernelFiles, tmp_path: Path
) -> None:
    card = make(tmp_path)
    with (
        pytest.raises(BootError, match=f"^the card does not boot: {reason}$") as caught,
        booted(card, kernel=kernel, scratch=tmp_path) as machine,
    ):
        machine.wait_for_probe(timeout_s=600)

    assert f"imagesmith-init: {reason}" in caught.value.why
    assert 6 == caught.value.exit_code
    assert [] == qemus_using(tmp_path)


def test_a_kernel_panic_ends_the_wait_at_once(kernel: KernelFiles, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("sbin", "run", "dev", "sys", "proc"):
        (root / folder).mkdir(parents=True)
    (root / "sbin/init").write_bytes(b"not a program")
    (root / "sbin/init").chmod(0o755)
    card = _card_with_root(tmp_path / "card.img", root)

    with (
        pytest.raises(BootError, match=r"^the guest's kernel panicked: Attempted to kill init!") as caught,
        booted(card, kernel=kernel, scratch=tmp_path) as machine,
    ):
        machine.wait_for_probe(timeout_s=600)

    assert "Kernel panic - not syncing" in caught.value.why
    assert [] == qemus_using(tmp_path)


def test_a_qemu_that_is_killed_is_told_and_not_waited_for(kernel: KernelFiles, tmp_path: Path) -> None:
    with booted(_empty(tmp_path), kernel=kernel, scratch=tmp_path) as machine:
        os.kill(machine._child.pid, signal.SIGKILL)

        with pytest.raises(
            BootError, match=r"^the guest ended early: qemu-system-aarch64 was ended by signal 9$"
        ):
            machine.wait_for_probe(timeout_s=600)

    assert [] == qemus_using(tmp_path)


def test_a_qemu_that_does_not_start_says_what_it_said(kernel: KernelFiles, tmp_path: Path) -> None:
    lost = replace(kernel, kernel=tmp_path / "no-vmlinuz")
    with (
        pytest.raises(BootError, match=r"^the guest ended early: .* ended with code 1$") as caught,
        booted(_empty(tmp_path), kernel=lost, scratch=tmp_path) as machine,
    ):
        machine.wait_for_probe(timeout_s=600)

    assert "qemu-system-aarch64: could not load kernel" in caught.value.why


def _boot_and_interrupt(card: Path, kernel: KernelFiles, scratch: Path) -> None:
    with booted(card, kernel=kernel, scratch=scratch):
        while not qemus_using(scratch):  # its command line is not there the moment it starts
            time.sleep(0.1)
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_process(kernel: KernelFiles, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _boot_and_interrupt(_empty(tmp_path), kernel, tmp_path)

    assert [] == qemus_using(tmp_path)


def test_a_folder_is_no_card(kernel: KernelFiles, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), booted(tmp_path, kernel=kernel, scratch=tmp_path):
        pytest.fail("it booted")


def test_without_room_for_an_overlay_nothing_is_started(kernel: KernelFiles, tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    with (
        pytest.raises(ProgramError, match="qemu-img ended with code 1"),
        booted(_empty(tmp_path), kernel=kernel, scratch=gone),
    ):
        pytest.fail("it booted")

    assert [] == qemus_using(gone)
