from pathlib import Path

import pytest

from imagesmith.emulator.kernel import KernelFiles
from imagesmith.emulator.machine import Channels, card_bytes, qemu_argv
from imagesmith.model.units import GIB, MIB


@pytest.mark.parametrize(
    ("size_bytes", "card"),
    [
        (1, 64 * MIB),
        (64 * MIB + 1, 128 * MIB),
        (2 * GIB, 2 * GIB),
        (2 * GIB + 512, 4 * GIB),
        (31_914_983_424, 32 * GIB),
    ],
)
def test_an_emulated_card_is_the_next_power_of_two(size_bytes: int, card: int) -> None:
    assert card == card_bytes(size_bytes)


def _argv(overlay: str = "/scratch/card.qcow2") -> list[str]:
    return qemu_argv(
        kernel=KernelFiles(Path("/cache/vmlinuz"), Path("/cache/initramfs")),
        overlay=Path(overlay),
        netdev="user,id=lan",
        channels=Channels(probe_fd=5, monitor_fd=7),
        memory_mib=1024,
    )


def test_the_kernel_is_told_what_a_nano_tells_its_own() -> None:
    argv = _argv()
    append = argv[argv.index("-append") + 1]

    assert "root=/dev/mmcblk0p1 rw rootwait rootfstype=ext4 console=ttyAMA0 net.ifnames=0" == append


def test_a_comma_in_the_scratch_folder_does_not_become_an_option() -> None:
    drives = [word for word in _argv("/a,file=b/card.qcow2") if word.startswith("if=none")]

    assert ["if=none,id=card,format=qcow2,cache=unsafe,file=/a,,file=b/card.qcow2"] == drives
