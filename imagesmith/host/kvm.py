"""Whether this machine's KVM can be used: found out by asking it, not by looking for /dev/kvm."""

import platform
from functools import lru_cache

from imagesmith.host.programs import ProgramError, ProgramTimeoutError, find_program, run

_TRY_S = 20.0


@lru_cache(maxsize=1)
def is_usable() -> bool:
    """Return whether qemu can start a guest of this machine's own kind under KVM.

    Some hosts offer /dev/kvm and then abort on the first register write, so only a start proves it: a machine
    that is told to stop at once (`-S`, then `quit` on the monitor).
    """
    program = find_program(f"qemu-system-{_qemu_name(platform.machine())}")
    if program is None:
        return False
    argv = [program, "-M", "accel=kvm", "-cpu", "host", "-m", "64", "-nodefaults", "-display", "none"]
    if platform.machine() == "aarch64":
        argv[2] = "virt,accel=kvm"
    try:
        run([*map(str, argv), "-monitor", "stdio"], input_text="quit\n", timeout_s=_TRY_S)
    except (ProgramError, ProgramTimeoutError):
        return False
    return True


def _qemu_name(machine: str) -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
