"""The node's name, the same in /etc/hostname, /etc/hosts and the kernel; and the names of its peers.

A name that /etc/hosts does not know makes every sudo wait for DNS.
"""

from typing import Any, List

from imagesmith_firstboot.blocks import with_block
from imagesmith_firstboot.context import Context
from imagesmith_firstboot.identity import hostname_of

_OWN_ADDRESS = "127.0.1.1"


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the own name and the peers'."""
    return [hostname_of(context), context.node.peers]


def run(context: Context) -> str:
    """Write the names and tell the kernel."""
    name = hostname_of(context)
    context.root.write("/etc/hostname", f"{name}\n")
    others = [line for line in _hosts(context) if line.split()[:1] != [_OWN_ADDRESS]]
    lines = [f"{_OWN_ADDRESS}\t{name}"]
    lines += [f"{peer.address}\t{peer.hostname}" for peer in context.node.peers if peer.address is not None]
    text = "".join(f"{line}\n" for line in others) or "127.0.0.1\tlocalhost\n"
    context.root.write("/etc/hosts", with_block(text, "names", lines))
    context.board.run(["hostname", name])
    return f"{name}, {len(context.node.peers)} peers known" if context.node.peers else name


def _hosts(context: Context) -> List[str]:
    return with_block(context.root.read_text("/etc/hosts") or "", "names", []).splitlines()
