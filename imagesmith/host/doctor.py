"""Whether this machine can do the work: each prerequisite, and the exact command that brings what is missing.

Changes nothing.
"""

import importlib.util
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from imagesmith.host import kvm
from imagesmith.host.folders import cache_folder
from imagesmith.host.prerequisites import (
    PREREQUISITES,
    RUN_TIME,
    Machine,
    Prerequisite,
    apt_command,
    packages,
)
from imagesmith.model.units import format_size

# Room for one stand-in base and its layers, and for one published image: a floor, not a promise.
_CACHE_WANTED_BYTES = 8 << 30
_HERE_WANTED_BYTES = 8 << 30
# Before 6.7 binfmt_misc is one table for the whole machine, which only root may write.
_PRIVATE_BINFMT_KERNEL = (6, 7)


class Status(Enum):
    """How a prerequisite stands. Only MISSING keeps imagesmith from working."""

    OK = "ok"
    NOTED = "noted"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One prerequisite as found: what it is, how it stands, the evidence, and what to do (may be empty)."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """What the examination asks of the world; tests answer for it."""

    machine: Machine = field(default_factory=Machine)
    uid: int = field(default_factory=os.geteuid)
    user: str = field(default_factory=lambda: pwd.getpwuid(os.geteuid()).pw_name)
    folders: tuple[Path, Path] = field(default_factory=lambda: (cache_folder(), Path.cwd()))
    kvm_is_usable: Callable[[], bool] = kvm.is_usable
    sees_guestfs: Callable[[], bool] = lambda: importlib.util.find_spec("guestfs") is not None
    may_read: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK)
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free


def examine(host: Host | None = None) -> tuple[Finding, ...]:
    """Return every prerequisite as found on this machine, in the order a build meets them."""
    host = host or Host()
    return (
        *(_program(host.machine, row) for row in PREREQUISITES),
        *_guestfs(host),
        *_kernel(host),
        _acceleration(host),
        *_foreign_programs(host),
        *_user_namespaces(host),
        *_space(host),
    )


def is_ready(findings: tuple[Finding, ...]) -> bool:
    """Return whether everything the program itself needs is there."""
    return all(finding.status is not Status.MISSING for finding in findings)


def install_command(host: Host | None = None) -> str:
    """Return the one command that installs every missing package; empty when none is missing."""
    machine = (host or Host()).machine
    absent = packages(machine, (row for row in PREREQUISITES if machine.find(row) is None))
    return apt_command(absent) if absent else ""


def _program(machine: Machine, row: Prerequisite) -> Finding:
    wanted, found = machine.look_for(row), machine.find(row)
    name = machine.package(row) if wanted.startswith("/") else wanted
    if found is not None:
        return Finding(name, Status.OK, f"{found}, for {row.purpose}")
    if row.needs & RUN_TIME:
        status, detail = Status.MISSING, f"for {row.purpose}"
    else:
        status, detail = (
            Status.NOTED,
            f"not here; only a checkout's set-up and tests use it, for {row.purpose}",
        )
    return Finding(name, status, detail, apt_command([machine.package(row)]))


def _guestfs(host: Host) -> Iterator[Finding]:
    if not host.machine.below("/usr/lib/python3/dist-packages/guestfs.py").exists():
        return  # the table has said so already
    if host.sees_guestfs():
        yield Finding("guestfs in this Python", Status.OK, "can be imported")
    else:
        yield Finding(
            "guestfs in this Python",
            Status.MISSING,
            "python3-guestfs is installed, but the Python that runs imagesmith does not see it",
            "/usr/bin/python3 -m venv --system-site-packages VENV, and install imagesmith there",
        )


def _kernel(host: Host) -> Iterator[Finding]:
    kernels = sorted(host.machine.below("/boot").glob("vmlinuz-*"))
    if not kernels:
        return  # the table has said so already
    name = "appliance kernel"
    modules = host.machine.below("/lib/modules")
    whole = [kernel for kernel in kernels if (modules / kernel.name.removeprefix("vmlinuz-")).is_dir()]
    if not whole:
        row = next(row for row in PREREQUISITES if row.look_for == "/boot/vmlinuz-*")
        detail = f"{kernels[-1]} has no modules in {modules}"
        yield Finding(name, Status.MISSING, detail, apt_command([host.machine.package(row)]))
    elif readable := [kernel for kernel in whole if host.may_read(kernel)]:
        yield Finding(name, Status.OK, f"{readable[-1]}, with its modules")
    else:
        # Ubuntu ships its kernels 0600; the override survives the next update of this very package.
        yield Finding(
            name,
            Status.MISSING,
            f"{whole[-1]} cannot be read by {host.user}",
            f"sudo dpkg-statoverride --update --add root root 0644 {whole[-1]}",
        )


def _acceleration(host: Host) -> Finding:
    if host.kvm_is_usable():
        return Finding("KVM", Status.OK, "a guest starts under it")
    if not host.machine.below("/dev/kvm").exists():
        why = "there is no /dev/kvm"
    elif not host.may_read(host.machine.below("/dev/kvm")):
        why = f"/dev/kvm is closed to {host.user}; 'sudo adduser {host.user} kvm' opens it at the next login"
    else:
        why = "/dev/kvm is there, but a guest does not start under it"
    return Finding("KVM", Status.NOTED, f"{why}: software emulation is used instead, which is slower")


def _foreign_programs(host: Host) -> Iterator[Finding]:
    if host.machine.architecture == "aarch64":
        return
    name, release = "running arm64 programs", host.machine.text("/proc/sys/kernel/osrelease")
    numbers = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
    if host.machine.below("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        yield Finding(name, Status.OK, "registered with this machine's kernel")
    elif numbers >= _PRIVATE_BINFMT_KERNEL:
        yield Finding(name, Status.OK, f"kernel {release} gives each user namespace its own binfmt_misc")
    else:
        yield Finding(
            name,
            Status.MISSING,
            f"kernel {release or '?'} is older than 6.7, and qemu-aarch64 is not registered with it",
            "sudo apt-get install --reinstall qemu-user-static binfmt-support",
        )


def _user_namespaces(host: Host) -> Iterator[Finding]:
    if host.uid == 0:
        return
    name = "user namespaces"
    for setting, refusing in (
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),  # Ubuntu 23.10 and later
        ("user.max_user_namespaces", "0"),
    ):
        if host.machine.text("/proc/sys/" + setting.replace(".", "/")) == refusing:
            allowing = {"0": "1", "1": "0"}[refusing] if not setting.startswith("user.") else "15000"
            detail = f"{setting} is {refusing}: {host.user} may not make one"
            yield Finding(name, Status.MISSING, detail, f"sudo sysctl -w {setting}={allowing}")
            break
    else:
        yield Finding(name, Status.OK, f"{host.user} may make them")
    for table in ("/etc/subuid", "/etc/subgid"):
        owners = {line.split(":")[0] for line in host.machine.text(table).splitlines()}
        if owners.isdisjoint({host.user, str(host.uid)}):
            yield Finding(
                table,
                Status.MISSING,
                f"gives {host.user} no range of ids",
                f"sudo usermod --add-sub{table[-3:]}s 100000-165535 {host.user}",
            )
        else:
            yield Finding(table, Status.OK, f"gives {host.user} a range of ids")


def _space(host: Host) -> Iterator[Finding]:
    wanted = (("cache", _CACHE_WANTED_BYTES), ("this folder", _HERE_WANTED_BYTES))
    for folder, (name, wanted_bytes) in zip(host.folders, wanted, strict=True):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free_bytes = host.free_bytes(there)
        detail = f"{format_size(free_bytes)} free in {folder}"
        if free_bytes >= wanted_bytes:
            yield Finding(f"space: {name}", Status.OK, detail)
        else:
            yield Finding(
                f"space: {name}",
                Status.NOTED,
                f"{detail}; a build may want {format_size(wanted_bytes)}",
                "free some, or set XDG_CACHE_HOME to a larger disk" if name == "cache" else "free some",
            )
