"""A published image of the stock shape, small enough to make in two seconds: 14 partitions, an APP of 64 MiB.

The root file system holds what the agent, NVIDIA's first boot and the content checks look for, and no more.
It is published by the real publisher, so what is verified here is what a build leaves behind.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from imagesmith.build.plan import plan_build
from imagesmith.build.publish import BaseImage, Publication, publish
from imagesmith.host import gpt, rawimage
from imagesmith.host.programs import run
from imagesmith.model.blockmap import Span
from imagesmith.model.layout import (
    APP_FIRST_SECTOR,
    APP_NAME,
    APP_NUMBER,
    BOOT_PARTITIONS,
    EMPTY_SLOT,
    SLOT_PATH,
    Partition,
)
from imagesmith.model.manifest import Geometry, Manifest
from imagesmith.model.node import cluster_document
from imagesmith.model.recipe import Mode, Mount, Nodes, Recipe, User
from imagesmith.model.units import MIB, SECTOR_BYTES

APP = Partition(APP_NUMBER, APP_NAME, APP_FIRST_SECTOR, APP_FIRST_SECTOR + 64 * MIB // SECTOR_BYTES - 1)
IMAGE_BYTES = APP.size_bytes + 16 * MIB  # as NVIDIA's creator: APP and 16 MiB (l4t facts 1.1)

RECIPE = Recipe(
    name="rig",
    base="standin",
    nodes=Nodes(2, "jetson{n}-node", "eth0", IPv4Interface("192.168.0.10/24"), None, ()),
    mode=Mode.NONE,
    users=(User("guest", 1000, ("sudo",)),),
    swap_bytes=2 * MIB,
    mounts=(Mount("192.168.0.1:/media/nfs", "/media/share"),),
)

_UNITS = "etc/systemd/system"
_LIB = "lib/systemd/system"
_AGENT = "usr/lib/imagesmith/imagesmith-firstboot"
_AGENT_UNIT = f"{_UNITS}/imagesmith-firstboot.service"
_DPKG_STATUS = """Package: base-files
Status: install ok installed
Version: 1
Architecture: arm64
"""
_FILES = {
    "etc/fstab": "# the stock one\n/dev/root / ext4 defaults 0 1\n",
    "etc/hostname": "",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/machine-id": "",
    "etc/nv/nvfirstboot": "",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "etc/shadow": "root:*:18000:0:99999:7:::\n",
    "etc/ssh/sshd_config": "UsePAM yes\n",
    "etc/imagesmith/node.json": EMPTY_SLOT.decode(),
    _AGENT_UNIT: f"[Service]\nExecStart=/{_AGENT}\n",
    _AGENT: "#!/usr/bin/python3\n",
    "var/lib/dpkg/status": _DPKG_STATUS,
    "var/lib/systemd/.keep": "",
    "var/lib/NetworkManager/.keep": "",
    "var/lib/dhcp/.keep": "",
    "var/lib/dbus/.keep": "",
    f"{_LIB}/multi-user.target": "[Unit]\n",
    f"{_LIB}/nv-oem-config.target": "[Unit]\n",
    f"{_LIB}/nvfb.service": "[Unit]\n",
    f"{_LIB}/getty@.service": "[Unit]\n",
    f"{_LIB}/ssh.service": "[Unit]\n",
}
_LINKS = {
    f"{_UNITS}/default.target": f"/{_LIB}/multi-user.target",
    f"{_UNITS}/nv-oem-config.service": "/dev/null",
    f"{_UNITS}/multi-user.target.wants/imagesmith-firstboot.service": f"/{_AGENT_UNIT}",
    f"{_UNITS}/multi-user.target.wants/nvfb.service": f"/{_LIB}/nvfb.service",
    f"{_UNITS}/multi-user.target.wants/ssh.service": "/usr/somewhere/else/ssh.service",
    f"{_UNITS}/getty.target.wants/getty@tty1.service": f"/{_LIB}/getty@.service",
}


@dataclass(frozen=True, slots=True)
class Published:
    """An image, with its companions beside it, and its manifest."""

    image: Path
    manifest: Manifest


def publish_small_image(
    folder: Path, change: Callable[[Path], None] = lambda _: None, *, recipe: Recipe = RECIPE
) -> Published:
    """Make and publish an image below `folder`; `change` may edit the root tree before it becomes one."""
    tree = folder / "root"
    write_root(tree, recipe)
    change(tree)
    raw = folder / "raw.img"
    _make_disk(raw)
    _fill_boot_partitions(raw)
    _make_root(raw, tree)
    base = _inspected(raw)
    publication = Publication(
        folder / "build" / recipe.name, recipe.name, 0, recipe.image_view(), recipe.digest()
    )
    plan = plan_build(base.sha256, (), recipe_digest=recipe.digest(), stored=(), published_key=None)
    manifest = publish(plan, base, raw, publication, check=lambda *_: (), say=lambda _: None)
    return Published(publication.folder / f"{recipe.name}.img", manifest)


def copy_of(published: Published, folder: Path) -> Published:
    """Return a copy that a test may spoil."""
    run(["cp", "-r", "--sparse=always", published.image.parent, folder])
    return Published(folder / published.image.parent.name / published.image.name, published.manifest)


def write_root(tree: Path, recipe: Recipe = RECIPE) -> None:
    """Write the root tree of an image that has nothing wrong with it."""
    cluster = {"etc/imagesmith/cluster.json": json.dumps(cluster_document(recipe, built_at_s=0))}
    for name, text in (_FILES | cluster).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, target in _LINKS.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    (tree / _AGENT).chmod(0o755)
    (tree / SLOT_PATH[1:]).chmod(0o600)


def overwrite(medium: Path, offset: int, content: bytes) -> None:
    """Write bytes into a file without touching the rest."""
    with medium.open("r+b") as out:
        out.seek(offset)
        out.write(content)


def flip_bit(medium: Path, offset: int) -> None:
    """Flip the lowest bit of one byte."""
    with medium.open("r+b") as out:
        out.seek(offset)
        byte = out.read(1)[0]
        out.seek(offset)
        out.write(bytes([byte ^ 1]))


def edit_root(medium: Path, *requests: str) -> None:
    """Change the root file system on an image or a card file, in debugfs's words."""
    done = run(
        ["debugfs", "-w", "-f", "-", f"{medium}?offset={APP.offset_bytes}"],
        input_text="".join(f"{request}\n" for request in requests),
    )
    complaints = done.stderr.splitlines()[1:]  # behind its version line
    if complaints:
        raise AssertionError(complaints)


def _make_disk(raw: Path) -> None:
    with raw.open("xb") as out:
        out.truncate(IMAGE_BYTES)
    words = [
        word
        for p in (*BOOT_PARTITIONS, APP)
        for word in (
            f"--new={p.number}:{p.first_sector}:{p.last_sector}",
            f"--change-name={p.number}:{p.name}",
        )
    ]
    run(["sgdisk", "--clear", "--disk-guid=6d8a4f0e-51d2-4c08-9c35-0d5e0a3c7b11", *words, raw])


def _fill_boot_partitions(raw: Path) -> None:
    for partition in BOOT_PARTITIONS:
        text = f"{partition.name} ".encode()
        content = text * (partition.size_bytes // len(text) + 1)
        overwrite(raw, partition.offset_bytes, content[: partition.size_bytes])


def _make_root(raw: Path, tree: Path) -> None:
    options = f"offset={APP.offset_bytes},root_owner=0:0"
    blocks = APP.size_bytes // 4096
    run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-E", options, "-d", tree, raw, str(blocks)])
    if os.geteuid() != 0:  # mke2fs keeps the owners of the tree it copies
        edit_root(raw, f"sif {SLOT_PATH} uid 0", f"sif {SLOT_PATH} gid 0")


def _inspected(raw: Path) -> BaseImage:
    table = gpt.read_table(raw)
    spans = [Span(p.offset_bytes, p.offset_bytes + p.size_bytes) for p in BOOT_PARTITIONS]
    digests = rawimage.digests(raw, [*spans, Span(0, IMAGE_BYTES)])
    return BaseImage(
        name="standin",
        path=raw,
        sha256=digests[-1],
        size_bytes=IMAGE_BYTES,
        geometry=Geometry(table.disk_guid, table.partitions),
        boot_partition_sha256={p.number: d for p, d in zip(BOOT_PARTITIONS, digests, strict=False)},
    )
