"""The last look before the node says it is ready: does the running system answer to its name?"""

from typing import Any

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import StepError
from imagesmith_firstboot.identity import hostname_of


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the boot: the look is at the running system."""
    return (context.root.read_text("/proc/sys/kernel/random/boot_id") or "").strip()


def run(context: Context) -> str:
    """Compare the name the kernel has with the name the card gives."""
    wanted = hostname_of(context)
    running = (context.root.read_text("/proc/sys/kernel/hostname") or "").strip()
    if running != wanted:
        raise StepError(f"the system calls itself {running}, not {wanted}")
    place = "without identity" if context.node.number is None else f"node {context.node.number}"
    return f"{wanted}, {place} of {context.cluster.name}"
