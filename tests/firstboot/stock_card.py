"""A stock card in a folder: the system's files, the two documents, and a partition table made by sgdisk."""

import copy
import json
import os
import re
import subprocess
from typing import Any, Dict, Optional, Tuple

from imagesmith_firstboot.board import Finished
from imagesmith_firstboot.documents import CLUSTER_PATH, NODE_PATH
from imagesmith_firstboot.partition_table import Table, parse_table
from imagesmith_firstboot.root import Root

Document = Dict[str, Any]

SECRET_HASH = "$6$saltsalt$NeverShowThisHashAnywhere0123456789"
SECRET_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nNeverShowThisKey\n-----END OPENSSH PRIVATE KEY-----\n"
IMAGE_SECTORS = 26984448  # JetPack 4.6.1
IMAGE_APP_LAST = 26980351
CARD_SECTORS = 62333952  # a 32 GB card
BUILT_AT_S = 1780000000

CLUSTER: Document = {
    "schema": 1,
    "name": "mpi",
    "built_at_s": BUILT_AT_S,
    "mode": {"kind": "mpi", "options": {}},
    "licence": {"nvidia-l4t-eula": "accepted"},
    "locale": "en_US.UTF-8",
    "timezone": "Europe/Paris",
    "keyboard": {"layout": "us", "variant": "", "model": "pc105"},
    "interface": "eth0",
    "users": [
        {
            "name": "guest",
            "uid": 1000,
            "groups": ["sudo", "video", "docker"],
            "shell": "/bin/bash",
            "gecos": "Guest",
            "ssh_authorized_keys": ["ssh-ed25519 AAAA someone"],
        }
    ],
    "swap": {"size_bytes": 4 << 30},
    "mounts": [
        {"from": "192.168.0.1:/media/nfs", "to": "/media/share", "options": ["hard"]},
        {"from": "192.168.0.1:/home/guest", "to": "/home/guest", "options": []},
    ],
}
NODE: Document = {
    "schema": 1,
    "cluster": "mpi",
    "index": 1,
    "hostname": "jetson1-node",
    "network": {
        "address": "192.168.0.11/24",
        "gateway4": "192.168.0.1",
        "nameservers": ["192.168.0.1"],
        "search": [],
    },
    "passwords": {"guest": SECRET_HASH},
    "peers": [{"hostname": f"jetson{n}-node", "address": f"192.168.0.{10 + n}"} for n in range(3)],
}

_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\n",
    "/etc/group": "root:x:0:\nsudo:x:27:\nvideo:x:44:\n",
    "/etc/fstab": "/dev/root / ext4 defaults 0 1\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/hostname": "",
    "/etc/locale.gen": "# locales\n",
    "/etc/skel/.bashrc": "# bash\n",
    "/etc/ssh/sshd_config": "UsePAM yes\nAuthorizedKeysFile .ssh/other\n",
    "/etc/update-motd.d/60-imagesmith": "",
    "/usr/local/bin/cluster-run": "",
    "/usr/share/zoneinfo/Europe/Paris": "TZif",
    "/sbin/mount.nfs": "",
    "/dev/console": "",
    "/proc/device-tree/serial-number": "1421019123456\0",
    "/proc/net/route": "Iface\tDestination\tGateway\n",
    "/proc/sys/kernel/hostname": "localhost\n",
    "/proc/sys/kernel/random/boot_id": "boot-1\n",
    "/sys/class/net/eth0/address": "00:04:4b:ab:cd:ef\n",
    "/sys/class/net/lo/address": "00:00:00:00:00:00\n",
}
NO_SWAPS = "Filename Type Size Used Priority\n"
MOUNTED_ROOT = "22 1 179:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
ZRAM = "/dev/zram0 partition 507412 0 5\n"


def put(root: Root, inside: str, text: str) -> None:
    path = root.path(inside)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def stock_root(
    folder: str, cluster: Optional[Document] = None, node: Optional[Document] = None, *, fitted: bool = False
) -> Root:
    """Lay a stock board's files under `folder`; return its root.

    Args:
        folder: where.
        cluster: cluster.json; CLUSTER when None.
        node: node.json; NODE when None, `{}` for a card without identity.
        fitted: the card was written by `imagesmith flash`: table fitted, swap header there.
    """
    root = Root(folder)
    for inside, text in _FILES.items():
        put(root, inside, text)
    put(root, "/proc/self/mountinfo", MOUNTED_ROOT)
    put(root, "/proc/swaps", NO_SWAPS + ZRAM)
    os.makedirs(root.path("/etc/systemd/system"))
    os.symlink("/lib/systemd/system/multi-user.target", root.path("/etc/systemd/system/default.target"))
    write_documents(root, cluster, node)
    _make_disk(root, fitted=fitted)
    show_disk(root)
    return root


def write_documents(root: Root, cluster: Optional[Document] = None, node: Optional[Document] = None) -> None:
    """Write the two documents as the build and the card plan do."""
    put(root, CLUSTER_PATH, json.dumps(CLUSTER if cluster is None else cluster))
    put(root, NODE_PATH, json.dumps(NODE if node is None else node).ljust(65536, "\n"))
    os.chmod(root.path(NODE_PATH), 0o600)


def changed(document: Document, **values: Any) -> Document:
    """Return a copy of a document with other values."""
    result = copy.deepcopy(document)
    result.update(values)
    return result


def _make_disk(root: Root, *, fitted: bool) -> None:
    image = root.path("/dev/mmcblk0.img")
    if fitted not in _MADE_DISKS:
        with open(image, "w") as disk:
            disk.truncate((CARD_SECTORS if fitted else IMAGE_SECTORS) * 512)
        words = ["--set-alignment=1", "--new=14:26624:26879", "--change-name=14:RP4"]
        words += [f"--new=1:28672:{53944319 if fitted else IMAGE_APP_LAST}", "--change-name=1:APP"]
        if fitted:
            words += ["--new=15:53944320:62332927", "--typecode=15:8200", "--change-name=15:SWAP"]
        subprocess.check_output(["/usr/sbin/sgdisk", *words, image])
        with open(image, "r+") as disk:
            disk.truncate(CARD_SECTORS * 512)
        _MADE_DISKS[fitted] = _table_bytes(image)
    _put_table_bytes(image, _MADE_DISKS[fitted])
    swap = root.path("/dev/mmcblk0p15.img")
    with open(swap, "w") as partition:
        partition.truncate(4 << 30)
    if fitted:
        subprocess.check_output(["/usr/sbin/mkswap", "-L", "SWAP", swap], stderr=subprocess.STDOUT)


# Where tables lie: at the head, at the end of the image, at the end of the card.
_TABLE_PLACES = ((0, 34), (IMAGE_SECTORS - 33, 33), (CARD_SECTORS - 33, 33))
_MADE_DISKS: Dict[bool, Tuple[bytes, ...]] = {}
_PLAYED: Dict[Tuple[Tuple[str, ...], Tuple[bytes, ...]], Tuple[Finished, Tuple[bytes, ...]]] = {}


def _table_bytes(image: str) -> Tuple[bytes, ...]:
    parts = []
    with open(image, "rb") as disk:
        for first, count in _TABLE_PLACES:
            disk.seek(first * 512)
            parts.append(disk.read(count * 512))
    return tuple(parts)


def _put_table_bytes(image: str, content: Tuple[bytes, ...]) -> None:
    with open(image, "r+b" if os.path.exists(image) else "w+b") as disk:
        disk.truncate(CARD_SECTORS * 512)
        for (first, _), part in zip(_TABLE_PLACES, content):
            disk.seek(first * 512)
            disk.write(part)


def sgdisk(root: Root, *words: str) -> Finished:
    """Run the real sgdisk on the card; the same call on the same bytes is played back.

    sgdisk sleeps for a second after each write, and some tests run the agent hundreds of times.
    """
    image = root.path("/dev/mmcblk0.img")
    before = _table_bytes(image)
    if (words, before) not in _PLAYED:
        child = subprocess.Popen(
            ["/usr/sbin/sgdisk", *words, image], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = child.communicate()
        _PLAYED[words, before] = Finished(child.returncode, out.decode(), err.decode()), _table_bytes(image)
    finished, after = _PLAYED[words, before]
    if after != before:
        _put_table_bytes(image, after)
    return finished


def table_of(root: Root) -> Table:
    """Return the partition table on the card."""
    return parse_table(sgdisk(root, "--print").stdout)


def show_disk(root: Root) -> None:
    """Make /sys show the table on the card, as partx does."""
    disk = "/sys/devices/mmc0/mmcblk0"
    for number, entry in table_of(root).entries.items():
        put(root, f"{disk}/mmcblk0p{number}/partition", f"{number}\n")
        put(root, f"{disk}/mmcblk0p{number}/size", f"{entry.last - entry.first + 1}\n")
    put(root, f"{disk}/size", f"{CARD_SECTORS}\n")
    os.makedirs(root.path("/sys/dev/block"), exist_ok=True)
    if not root.exists("/sys/dev/block/179:1"):
        os.symlink("../../devices/mmc0/mmcblk0/mmcblk0p1", root.path("/sys/dev/block/179:1"))


def snapshot(root: Root) -> Dict[str, Any]:
    """Return what the agent left behind: path → content, mode; without times and random keys."""
    found: Dict[str, Any] = {}
    for folder, _, names in os.walk(root.folder):
        for name in names:
            path = os.path.join(folder, name)
            inside = path[len(root.folder) :]
            if os.path.islink(path):
                found[inside] = os.readlink(path)
            elif inside.endswith(".img"):
                continue
            else:
                found[inside] = (os.stat(path).st_mode & 0o7777, _comparable(root, inside))
    found["the partition table"] = table_of(root)
    return found


def _comparable(root: Root, inside: str) -> str:
    text = root.read_text(inside) or ""
    if "/ssh_host_" in inside:
        return "a key"
    if inside in ("/dev/console", "/proc/sys/kernel/random/boot_id"):
        return ""
    if inside.endswith((".done", "state.json")):
        return re.sub(
            r'"(seconds|attempt|detail|boot_id|inputs_sha256)": ("(\\.|[^"])*"|[0-9.]+)', r'"\1": _', text
        )
    return text
