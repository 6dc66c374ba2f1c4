"""Kernel modules of the emulated board: what boots it, what a cluster node may load later. Does no I/O."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

BOOT = (
    "virtio_pci",
    "virtio_console",
    "virtio_net",
    "virtio_rng",
    "sdhci_pci",
    "mmc_block",
    "crc32c_generic",
    "ext4",
)
"""Loaded before the card is mounted, in this order."""

LATER = (
    "virtio_blk", "overlay", "zram", "lzo", "lzo_rle", "lz4", "loop", "fuse", "autofs4", "configfs", "tun",
    "veth", "vxlan", "dummy", "macvlan", "ipvlan", "xfrm_user", "nls_utf8", "nls_ascii", "vfat",
)  # fmt: skip
"""There for modprobe: swap in RAM, NFS (by folder), containers and their networks."""

LATER_FOLDERS = (
    "kernel/fs/lockd", "kernel/fs/nfs", "kernel/fs/nfs_common", "kernel/fs/nfsd", "kernel/net/sunrpc",
    "kernel/net/bridge", "kernel/net/netfilter", "kernel/net/ipv4/netfilter", "kernel/net/ipv6/netfilter",
)  # fmt: skip


def parse_dependencies(modules_dep: str) -> dict[str, tuple[str, ...]]:
    """Return the content of `modules.dep`: path of a module → paths of all it needs."""
    table = {}
    for line in modules_dep.splitlines():
        path, _, needs = line.partition(":")
        table[path] = tuple(needs.split())
    return table


def module_name(path: str) -> str:
    """Return the name modprobe knows a file by: `kernel/…/sdhci-pci.ko` is `sdhci_pci`."""
    return PurePosixPath(path).name.partition(".")[0].replace("-", "_")


def chosen_files(
    dependencies: Mapping[str, tuple[str, ...]],
    *,
    built_in: Iterable[str],
    names: Iterable[str],
    folders: Iterable[str],
) -> tuple[str, ...]:
    """Return the files of the named modules and folders and of all they need, sorted.

    Args:
        dependencies: as `parse_dependencies` gives them.
        built_in: lines of `modules.builtin`; a name found there needs no file.
        names: modules that must exist.
        folders: every module below these.

    Raises:
        KeyError: the kernel has no module of a name.
    """
    by_name = {module_name(path): path for path in dependencies}
    in_kernel = {module_name(path) for path in built_in}
    wanted = {by_name[name] for name in names if name not in in_kernel}
    below = tuple(f"{folder}/" for folder in folders)
    wanted.update(path for path in dependencies if path.startswith(below))
    return tuple(sorted(wanted.union(*(dependencies[path] for path in wanted))))
