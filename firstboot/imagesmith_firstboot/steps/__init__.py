"""The steps, in order. The order is this list; no step knows another."""

from typing import Tuple

from imagesmith_firstboot.driver import Step
from imagesmith_firstboot.steps import (
    clock,
    hostname,
    mode,
    mounts,
    network,
    oem,
    ready,
    root_filesystem,
    ssh,
    swap,
)

STEPS: Tuple[Step, ...] = (
    Step("clock", clock.inputs, clock.run),
    Step("root-filesystem", root_filesystem.inputs, root_filesystem.run),
    Step("swap", swap.inputs, swap.run),
    Step("oem", oem.inputs, oem.run, bakeable=True),
    Step("hostname", hostname.inputs, hostname.run),
    Step("network", network.inputs, network.run),
    Step("ssh", ssh.inputs, ssh.run),
    Step("mounts", mounts.inputs, mounts.run),
    Step("mode", mode.inputs, mode.run),
    Step("ready", ready.inputs, ready.run),
)
