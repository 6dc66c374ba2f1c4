"""What a node is called: as its card says or, on a card without identity, after its board."""

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import StepError

_DIGITS = 6


def hostname_of(context: Context) -> str:
    """Return the node's name: from the slot, else `jetson-` and the end of the serial number or MAC.

    Raises:
        StepError: no identity, and the board has neither a serial number nor the interface.
    """
    if context.node.hostname is not None:
        return context.node.hostname
    interface = context.cluster.interface
    serial = (context.root.read_text("/proc/device-tree/serial-number") or "").rstrip("\0\n")
    mac = (context.root.read_text(f"/sys/class/net/{interface}/address") or "").strip().replace(":", "")
    for number in (serial, mac):
        if number.isalnum() and number.strip("0"):
            return f"jetson-{number[-_DIGITS:].lower()}"
    raise StepError(
        f"no name for this node: no identity on the card, no serial number, no interface {interface}"
    )
