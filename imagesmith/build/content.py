"""What imagesmith puts into an image, as layers of edits. Pure.

Two layers: `system` holds what is the same for every recipe of a mode; `recipe` holds the one document the
agent reads. So a changed time zone costs one thin layer, and a changed host name or password costs none at
all: those are in the identity slot, filled when a card is written.
"""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from imagesmith.build.plan import LayerSpec
from imagesmith.model.edit import Edit, Empty, PutFile, PutLink, Remove
from imagesmith.model.layout import EMPTY_SLOT, SLOT_PATH
from imagesmith.model.node import cluster_document
from imagesmith.model.recipe import Recipe

CLUSTER_PATH = "/etc/imagesmith/cluster.json"
UNIT = "imagesmith-firstboot.service"
_UNITS = "/etc/systemd/system"

# The one switch that makes a stock card ask for a keyboard, and the doors behind it (l4t facts 2.1, 2.4).
_OEM_CONFIG_OFF: tuple[Edit, ...] = (
    PutLink(f"{_UNITS}/default.target", "/lib/systemd/system/multi-user.target"),
    PutLink(f"{_UNITS}/nv-oem-config.service", "/dev/null"),
    PutLink(f"{_UNITS}/nv-oem-config-gui.service", "/dev/null"),
)

# What must be each board's own (l4t facts 3.3). machine-id is emptied, not removed: systemd takes a missing
# file for a first boot and applies presets.
_NO_IDENTITY: tuple[Edit, ...] = (
    Empty("/etc/machine-id"),
    Empty("/etc/hostname"),
    Remove("/var/lib/dbus/machine-id"),
    Remove("/etc/ssh/ssh_host_*"),
    Remove("/opt/nvidia/l4t-usb-device-mode/mac-addresses"),
    Remove("/var/lib/systemd/random-seed"),
    Remove("/var/lib/dhcp/*.leases"),
    Remove("/var/lib/NetworkManager/*.lease"),
    Remove("/var/lib/NetworkManager/seen-bssids"),
    Remove("/var/lib/NetworkManager/timestamps"),
)


def system_layer(agent: Sequence[PutFile], overlays: Sequence[PutFile]) -> LayerSpec:
    """Return the layer with the agent, the overlays, and the stock image's wizard switched off."""
    slot = PutFile(SLOT_PATH, EMPTY_SLOT, mode=0o600)
    enabled = PutLink(f"{_UNITS}/multi-user.target.wants/{UNIT}", f"{_UNITS}/{UNIT}")
    return LayerSpec(
        name="system",
        purpose="first-boot agent, overlays, OEM wizard off, no identity",
        edits=(*_NO_IDENTITY, *agent, *overlays, enabled, *_OEM_CONFIG_OFF, slot),
    )


def recipe_layer(recipe: Recipe, *, built_at_s: int) -> LayerSpec:
    """Return the thin layer with the values only the agent reads."""
    document = cluster_document(recipe, built_at_s=built_at_s)
    content = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
    return LayerSpec(
        name="recipe",
        purpose=f"values of recipe {recipe.name!r} for the agent",
        edits=(PutFile(CLUSTER_PATH, content),),
    )


def agent_files(tree: Sequence[PutFile]) -> tuple[PutFile, ...]:
    """Return the firstboot/ folder's files (paths relative to it, written `/x`) where the board has them."""
    placed: list[PutFile] = []
    for file in tree:
        path = PurePosixPath(file.path)
        if path.suffix == ".md":
            continue
        folder = _UNITS if path.suffix == ".service" else "/usr/lib/imagesmith"
        placed.append(PutFile(f"{folder}{file.path}", file.content, file.mode))
    return tuple(placed)
