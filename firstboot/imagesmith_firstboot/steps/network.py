"""The node's address on the cluster's interface: static from the slot, DHCP without.

One NetworkManager keyfile bound to the interface's name; not to a MAC, so that a card moves between boards.
"""

import re
import uuid
from typing import Any, List

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import StepError

_FOLDER = "/etc/NetworkManager/system-connections"
_INTERFACE_S = 15.0
_ADDRESS_S = 60.0


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the interface and all that is said of its network."""
    node = context.node
    return [context.cluster.interface, node.address, node.gateway4, node.nameservers, node.search]


def run(context: Context) -> str:
    """Write the profile, bring it up, and wait until the address is there."""
    interface = context.cluster.interface
    _require_interface(context, interface)
    name = f"imagesmith-{interface}"
    changed = context.root.write(f"{_FOLDER}/{name}.nmconnection", _profile(context, name), 0o600)
    for other in context.root.names(_FOLDER):
        if other.startswith("imagesmith-") and other != f"{name}.nmconnection":
            changed = context.root.remove(f"{_FOLDER}/{other}") or changed
    if changed or not _has_address(context):
        context.board.run(["nmcli", "connection", "reload"])
        context.board.run(
            ["nmcli", "--wait", f"{_ADDRESS_S:.0f}", "connection", "up", "id", name],
            timeout_s=_ADDRESS_S + 30,
        )
    if not context.board.wait_until(lambda: _has_address(context), timeout_s=_ADDRESS_S):
        raise StepError(f"{interface} has not got {context.node.address or 'an address by DHCP'}")
    return f"{interface} has {', '.join(_addresses(context))}"


def _require_interface(context: Context, interface: str) -> None:
    def is_there() -> bool:
        return context.root.exists(f"/sys/class/net/{interface}")

    if not context.board.wait_until(is_there, timeout_s=_INTERFACE_S):
        names = ", ".join(context.root.names("/sys/class/net")) or "none"
        raise StepError(f"no interface {interface} (there are: {names})")


def _profile(context: Context, name: str) -> str:
    node = context.node
    ipv4 = ["method=auto"]
    if node.address is not None:
        gateway = f",{node.gateway4}" if node.gateway4 is not None else ""
        ipv4 = ["method=manual", f"address1={node.address}{gateway}"]
    if node.nameservers:
        ipv4.append(f"dns={_listed(node.nameservers)}")
    if node.search:
        ipv4.append(f"dns-search={_listed(node.search)}")
    return "\n".join(
        [
            "[connection]",
            f"id={name}",
            f"uuid={uuid.uuid5(uuid.NAMESPACE_DNS, name)}",
            "type=ethernet",
            f"interface-name={context.cluster.interface}",
            "autoconnect-priority=100",
            "",
            "[ipv4]",
            *ipv4,
            "",
            "[ipv6]",
            "method=auto",
            "",
        ]
    )


def _listed(values: Any) -> str:  # noqa: ANN401 -- a tuple of texts
    return "".join(f"{value};" for value in values)


def _addresses(context: Context) -> List[str]:
    words = ["ip", "-4", "-o", "address", "show", "dev", context.cluster.interface, "scope", "global"]
    return re.findall(r" inet (\S+)", context.board.run(words).stdout)


def _has_address(context: Context) -> bool:
    found = _addresses(context)
    return context.node.address in found if context.node.address is not None else bool(found)
