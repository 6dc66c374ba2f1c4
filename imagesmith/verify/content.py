"""Whether a root file system boots unattended into a node, and carries no identity and no secret before.

Every judge is a function of what was read and says what is wrong; empty for nothing. Facts: l4t 2.4 and 3.3.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from imagesmith.host import ext4
from imagesmith.model.layout import APP_NUMBER, EMPTY_SLOT, SLOT_BYTES, SLOT_PATH
from imagesmith.model.manifest import Manifest
from imagesmith.verify.finding import Finding, judged
from imagesmith.verify.fstab import wrong_fstab
from imagesmith.verify.rootfs import OWN, UNIT_FOLDERS, UNITS, RootFiles, read_root

UNIT = "imagesmith-firstboot.service"
CLUSTER_PATH = f"{OWN}/cluster.json"
FIRST_BOOT_FLAG = "/etc/nv/nvfirstboot"

_GOOD_TARGETS = frozenset({"multi-user.target", "graphical.target"})
_LEFTOVERS = (
    "/opt/nvidia/l4t-usb-device-mode/mac-addresses",
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/NetworkManager/seen-bssids",
    "/var/lib/NetworkManager/timestamps",
    "/var/lib/dhcp/*.leases",
    "/var/lib/systemd/random-seed",
)
_AGREEING = (
    (("name",), ("name",)),
    (("mode", "kind"), ("mode",)),
    (("mode", "options"), ("mode_options",)),
    (("locale",), ("locale",)),
    (("timezone",), ("timezone",)),
    (("interface",), ("nodes", "interface")),
    (("swap", "size_bytes"), ("swap_bytes",)),
)
"""Where cluster.json and the manifest's recipe say the same thing."""
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class Stage(IntEnum):
    """How far a root file system has come; each stage is held to what must still be true of it."""

    IMAGE = 0
    """Nobody's: an image, or a card written from it without an identity."""
    CARD = 1
    """One node's, not booted yet."""
    NODE = 2
    """Has been booted: host keys, machine-id and the rest are now rightly its own."""


Judge = Callable[[RootFiles, Manifest], str]


def verify_content(medium: Path, manifest: Manifest, *, stage: Stage = Stage.IMAGE) -> tuple[Finding, ...]:
    """Check the root file system on an image or a card; `stage` says what it may hold."""
    app = manifest.geometry.partition(APP_NUMBER)
    try:
        root = read_root(medium, app)
        slot = ext4.blocks_of(medium, app, SLOT_PATH) if SLOT_PATH in root.entries else ()
    except ext4.Ext4Error as exc:
        return (Finding("root file system", ok=False, detail=f"{exc.what}: {exc.why}".rstrip(": ")),)
    findings = [judged(name, judge(root, manifest), good=good) for name, judge, good in _ALWAYS]
    if stage < Stage.NODE:
        findings += [judged(name, judge(root, manifest), good=good) for name, judge, good in _BEFORE_BOOT]
        moved = slot != manifest.slot
        wrong = wrong_slot(root, stage) or (f"it lies at {slot}, not {manifest.slot}" if moved else "")
        good = "empty, where the manifest says" if stage is Stage.IMAGE else "an identity"
        findings.append(judged("identity slot", wrong, good=good))
    return tuple(findings)


def wrong_default_target(root: RootFiles, _: Manifest) -> str:
    """Say why the card would not start multi-user by itself: it is the one switch of oem-config."""
    path = f"{UNITS}/default.target"
    entry = root.entries.get(path)
    if entry is None or not entry.is_link:
        return f"{path} is not a link"
    if posixpath.basename(entry.target) not in _GOOD_TARGETS:
        return f"it is {entry.target}, which does not start multi-user.target"
    return "" if root.resolved(path) else f"it leads to {entry.target}, which is not there"


def wrong_first_boot_flag(root: RootFiles, _: Manifest) -> str:
    """Say that NVIDIA's first boot, which makes the ssh host keys, would not run."""
    return "" if FIRST_BOOT_FLAG in root.entries else f"{FIRST_BOOT_FLAG} is missing: no ssh host keys"


def wrong_agent(root: RootFiles, _: Manifest) -> str:
    """Say what the first-boot agent lacks: its unit, the link that enables it, the files it starts."""
    unit = root.texts.get(f"{UNITS}/{UNIT}")
    if unit is None:
        return f"{UNITS}/{UNIT} is missing"
    link = f"{UNITS}/multi-user.target.wants/{UNIT}"
    if root.resolved(link) != f"{UNITS}/{UNIT}":
        return f"not enabled: {link} does not lead to the unit"
    started = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    own = [word for line in started for word in line.split() if "/usr/lib/imagesmith" in word]
    if not own:
        return "the unit starts nothing of /usr/lib/imagesmith"
    missing = [word for word in own if not root.resolved(word.lstrip("-+!@:"))]
    return f"the unit starts {missing[0]}, which is not there" if missing else ""


def wrong_unit_links(root: RootFiles, _: Manifest) -> str:
    """Name the links under `*.wants` and `*.requires` that start nothing.

    systemd goes by a link's name, not its target: one that dangles still counts when that unit exists.
    """
    bad = [
        path
        for path, entry in root.entries.items()
        if entry.is_link
        and path.startswith(f"{UNITS}/")
        and posixpath.dirname(path).endswith((".wants", ".requires"))
        and not root.resolved(path)
        and not any(
            root.resolved(f"{folder}/{name}") for folder in UNIT_FOLDERS for name in _unit_names(path)
        )
    ]
    return f"{len(bad)} lead nowhere, the first {min(bad)}" if bad else ""


def _unit_names(path: str) -> Iterator[str]:
    name = posixpath.basename(path)
    yield name
    if "@" in name:
        yield re.sub(r"@.*(?=\.\w+$)", "@", name)


def wrong_fstab_file(root: RootFiles, _: Manifest) -> str:
    """Say what of /etc/fstab mount would not take."""
    text = root.texts.get("/etc/fstab")
    return "/etc/fstab is missing" if text is None else wrong_fstab(text)


def wrong_hostname(root: RootFiles, _: Manifest) -> str:
    """Say how /etc/hostname and the 127.0.1.1 line of /etc/hosts disagree; both may be silent."""
    if "/etc/hostname" not in root.texts or "/etc/hosts" not in root.texts:
        return "/etc/hostname or /etc/hosts is missing"
    hostname = root.texts["/etc/hostname"].strip()
    lines = [line.partition("#")[0].split() for line in root.texts["/etc/hosts"].splitlines()]
    own = [fields[1:] for fields in lines if fields and fields[0] == "127.0.1.1"]
    if not hostname and not own:
        return ""
    if hostname and own and all(hostname in names for names in own):
        return ""
    named = " ".join(name for names in own for name in names)
    return f"/etc/hostname says {hostname or 'nothing'!r}, /etc/hosts says {named or 'nothing'!r}"


def wrong_cluster_document(root: RootFiles, manifest: Manifest) -> str:
    """Say where cluster.json, which the agent reads, differs from the manifest's recipe."""
    try:
        document = json.loads(root.texts.get(CLUSTER_PATH, ""))
    except ValueError:
        return f"{CLUSTER_PATH} is missing or not JSON"
    for there, here in _AGREEING:
        said, meant = _at(document, there), _at(manifest.recipe, here)
        if said != meant:
            return f"{'.'.join(there)} is {said!r}, the recipe says {meant!r}"
    users = [(_at(user, ("name",)), _at(user, ("uid",))) for user in _at(document, ("users",)) or []]
    if users != [(user["name"], user["uid"]) for user in manifest.recipe.get("users", [])]:
        return "its users are not the recipe's"
    mounts = [(_at(mount, ("from",)), _at(mount, ("to",))) for mount in _at(document, ("mounts",)) or []]
    if mounts != [(mount["source"], mount["target"]) for mount in manifest.recipe.get("mounts", [])]:
        return "its mounts are not the recipe's"
    return ""


def _at(document: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- JSON is any of six types
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def wrong_host_keys(root: RootFiles, _: Manifest) -> str:
    """Name an ssh host key: made once in an image, every node would have the same."""
    keys = sorted(name for name in root.below("/etc/ssh") if name.startswith("ssh_host_"))
    return f"/etc/ssh/{keys[0]} is in it" if keys else ""


def wrong_machine_id(root: RootFiles, _: Manifest) -> str:
    """Say why machine-id is not fresh: it must be empty. A missing one makes systemd apply all presets."""
    entry = root.entries.get("/etc/machine-id")
    if entry is None:
        return "/etc/machine-id is missing"
    if entry.size_bytes or not entry.is_file:
        return "/etc/machine-id is not an empty file"
    other = root.entries.get("/var/lib/dbus/machine-id")
    return "" if other is None or other.is_link else "/var/lib/dbus/machine-id is a file of its own"


def wrong_leftovers(root: RootFiles, _: Manifest) -> str:
    """Name what a booted system left behind: leases, seeds, cached addresses, network profiles."""
    found = sorted(
        path
        for path, entry in root.entries.items()
        if not entry.is_folder and any(fnmatchcase(path, pattern) for pattern in _LEFTOVERS)
    )
    return f"{', '.join(found)} in it" if found else ""


def wrong_secrets(root: RootFiles, _: Manifest) -> str:
    """Name accounts that have a password and files that hold a private key, without showing either."""
    for path in ("/etc/shadow", "/etc/shadow-", "/etc/passwd"):
        lines = (line.split(":") for line in root.texts.get(path, "").splitlines() if line.strip())
        open_accounts = [fields[0] for fields in lines if not _is_locked(fields)]
        if open_accounts:
            return f"{path}: {', '.join(open_accounts)} can log in with a password, or without one"
    keys = [path for path, text in root.texts.items() if _PRIVATE_KEY.search(text)]
    return f"{min(keys)} holds a private key" if keys else ""


def _is_locked(fields: list[str]) -> bool:
    # "!" before a hash locks the account and keeps the hash: still a secret in a published image.
    field = fields[1] if len(fields) > 1 else ""
    return field == "x" or (field.startswith(("!", "*")) and "$" not in field)


def wrong_slot(root: RootFiles, stage: Stage) -> str:
    """Say why the identity slot is not one, or holds what it should not."""
    entry = root.entries.get(SLOT_PATH)
    if entry is None:
        return f"{SLOT_PATH} is missing"
    if (entry.mode & 0o7777, entry.uid, entry.gid) != (0o600, 0, 0) or not entry.is_file:
        return f"mode {entry.mode & 0o7777:04o} of {entry.uid}:{entry.gid}, not 0600 of root"
    if entry.size_bytes != SLOT_BYTES:
        return f"{entry.size_bytes} bytes, not {SLOT_BYTES}"
    is_empty = root.texts.get(SLOT_PATH, "") == EMPTY_SLOT.decode()
    if stage is Stage.IMAGE and not is_empty:
        return "it holds an identity: an image belongs to nobody"
    return "it is empty" if stage is Stage.CARD and is_empty else ""


_ALWAYS: tuple[tuple[str, Judge, str], ...] = (
    ("default target", wrong_default_target, "starts multi-user.target"),
    ("agent", wrong_agent, f"{UNIT} is there and enabled"),
    ("unit links", wrong_unit_links, "all lead to a unit"),
    ("fstab", wrong_fstab_file, "every line can be mounted"),
    ("hostname", wrong_hostname, "/etc/hostname and /etc/hosts agree"),
    ("cluster document", wrong_cluster_document, "agrees with the recipe"),
)
_BEFORE_BOOT: tuple[tuple[str, Judge, str], ...] = (
    ("first-boot flag", wrong_first_boot_flag, f"{FIRST_BOOT_FLAG} is there"),
    ("ssh host keys", wrong_host_keys, "none"),
    ("machine-id", wrong_machine_id, "empty"),
    ("leftovers", wrong_leftovers, "none"),
    ("secrets", wrong_secrets, "no password hash, no private key"),
)
