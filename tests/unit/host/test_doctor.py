"""The examination of a machine, on pretended machines: what is said, and which command is offered."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesmith.host.doctor import Finding, Host, Status, examine, install_command, is_ready
from imagesmith.host.prerequisites import PREREQUISITES, RUN_TIME, Machine

_KERNEL = "6.1.0-1-cloud-amd64"


def _whole(root: Path) -> Host:
    """Return a Debian machine that has everything, for an ordinary user."""
    machine = Machine(root=root, architecture="x86_64", path="/usr/bin")
    for row in PREREQUISITES:
        wanted = machine.look_for(row)
        if wanted.startswith("/"):
            path = machine.below(wanted.replace("vmlinuz-*", f"vmlinuz-{_KERNEL}").replace("*", "x"))
        else:
            path = machine.below("/usr/bin") / wanted
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    machine.below(f"/lib/modules/{_KERNEL}").mkdir(parents=True)
    _write(machine, "/proc/sys/kernel/osrelease", "6.12.3-amd64\n")
    _write(machine, "/etc/subuid", "ann:100000:65536\n")
    _write(machine, "/etc/subgid", "1000:100000:65536\n")
    return Host(
        machine=machine,
        uid=1000,
        user="ann",
        folders=(root / "cache/not/made/yet", root),
        kvm_is_usable=lambda: True,
        sees_guestfs=lambda: True,
        may_read=lambda _path: True,
        free_bytes=lambda _path: 100 << 30,
    )


def _write(machine: Machine, absolute: str, text: str) -> None:
    path = machine.below(absolute)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _not_ok(host: Host) -> list[Finding]:
    return [finding for finding in examine(host) if finding.status is not Status.OK]


def _only(host: Host) -> Finding:
    found = _not_ok(host)
    assert len(found) == 1, found
    return found[0]


def test_a_machine_with_everything_is_ready_and_needs_no_command(tmp_path: Path) -> None:
    host = _whole(tmp_path)

    assert _not_ok(host) == []
    assert is_ready(examine(host))
    assert install_command(host) == ""


@pytest.mark.parametrize("row", PREREQUISITES, ids=lambda row: row.package)
def test_each_missing_row_is_named_with_the_command_that_brings_it(tmp_path: Path, row: object) -> None:
    host = _whole(tmp_path)
    wanted = next(each for each in PREREQUISITES if each is row)
    found = host.machine.find(wanted)
    assert found is not None
    found.unlink()

    finding = _only(host)

    package = host.machine.package(wanted)
    assert finding.status is (Status.MISSING if wanted.needs & RUN_TIME else Status.NOTED)
    assert finding.remedy == f"sudo apt-get install --no-install-recommends {package}"
    assert install_command(host) == finding.remedy
    assert is_ready(examine(host)) is not bool(wanted.needs & RUN_TIME)


def test_several_missing_packages_make_one_command(tmp_path: Path) -> None:
    host = _whole(tmp_path)
    for name in ("sgdisk", "mmdebstrap", "nbdkit"):
        host.machine.below(f"/usr/bin/{name}").unlink()

    assert install_command(host) == "sudo apt-get install --no-install-recommends mmdebstrap gdisk nbdkit"


def test_guestfs_that_this_python_does_not_see_asks_for_a_venv_and_not_for_a_package(tmp_path: Path) -> None:
    finding = _only(replace(_whole(tmp_path), sees_guestfs=lambda: False))

    assert finding.status is Status.MISSING
    assert "--system-site-packages" in finding.remedy
    assert "apt" not in finding.remedy


def test_an_unreadable_kernel_offers_the_override_that_opens_it(tmp_path: Path) -> None:
    finding = _only(replace(_whole(tmp_path), may_read=lambda path: "vmlinuz" not in path.name))

    kernel = tmp_path / f"boot/vmlinuz-{_KERNEL}"
    assert finding.status is Status.MISSING
    assert finding.detail == f"{kernel} cannot be read by ann"
    assert finding.remedy == f"sudo dpkg-statoverride --update --add root root 0644 {kernel}"


def test_a_kernel_without_its_modules_is_no_appliance_kernel(tmp_path: Path) -> None:
    host = _whole(tmp_path)
    host.machine.below(f"/lib/modules/{_KERNEL}").rmdir()

    finding = _only(host)

    assert (finding.name, finding.status) == ("appliance kernel", Status.MISSING)
    assert "has no modules" in finding.detail
    assert finding.remedy.endswith("linux-image-cloud-amd64")


def test_one_readable_kernel_among_closed_ones_is_enough(tmp_path: Path) -> None:
    host = _whole(tmp_path)
    host.machine.below("/boot/vmlinuz-9.9.9-generic").touch()
    host.machine.below("/lib/modules/9.9.9-generic").mkdir()

    assert _not_ok(replace(host, may_read=lambda path: "generic" not in path.name)) == []


@pytest.mark.parametrize(
    ("device_there", "readable", "why"),
    [
        (False, True, "there is no /dev/kvm"),
        (True, False, "/dev/kvm is closed to ann; 'sudo adduser ann kvm' opens it at the next login"),
        (True, True, "/dev/kvm is there, but a guest does not start under it"),
    ],
)
def test_kvm_that_cannot_be_used_is_noted_and_not_fatal(
    tmp_path: Path, why: str, *, device_there: bool, readable: bool
) -> None:
    host = _whole(tmp_path)
    if device_there:
        _write(host.machine, "/dev/kvm", "")
    host = replace(host, kvm_is_usable=lambda: False, may_read=lambda path: path.name != "kvm" or readable)

    finding = _only(host)

    assert finding.status is Status.NOTED
    assert finding.detail == f"{why}: software emulation is used instead, which is slower"
    assert is_ready(examine(host))


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_forbidden_user_namespaces_stop_an_ordinary_user_but_not_root(
    tmp_path: Path, setting: str, value: str, remedy: str
) -> None:
    host = _whole(tmp_path)
    _write(host.machine, f"/proc/sys/{setting}", f"{value}\n")

    finding = _only(host)

    assert (finding.name, finding.status, finding.remedy) == ("user namespaces", Status.MISSING, remedy)
    assert _not_ok(replace(host, uid=0, user="root")) == []


@pytest.mark.parametrize("table", ["subuid", "subgid"])
def test_a_user_without_a_range_of_ids_is_told_how_to_get_one(tmp_path: Path, table: str) -> None:
    host = _whole(tmp_path)
    _write(host.machine, f"/etc/{table}", "annabel:100000:65536\n")

    finding = _only(host)

    assert finding.status is Status.MISSING
    option = {"subuid": "--add-subuids", "subgid": "--add-subgids"}[table]
    assert finding.remedy == f"sudo usermod {option} 100000-165535 ann"


@pytest.mark.parametrize(
    ("release", "registered", "status"),
    [
        ("6.7.0", False, Status.OK),
        ("6.6.99-amd64", True, Status.OK),
        ("6.6.99-amd64", False, Status.MISSING),
        ("10.0.1", False, Status.OK),
        ("", False, Status.MISSING),
    ],
)
def test_an_old_kernel_needs_qemu_registered_for_the_whole_machine(
    tmp_path: Path, release: str, status: Status, *, registered: bool
) -> None:
    host = _whole(tmp_path)
    _write(host.machine, "/proc/sys/kernel/osrelease", release)
    if registered:
        _write(host.machine, "/proc/sys/fs/binfmt_misc/qemu-aarch64", "enabled\n")

    finding = next(each for each in examine(host) if each.name == "running arm64 programs")

    assert finding.status is status


def test_little_space_is_noted_for_the_folder_it_concerns(tmp_path: Path) -> None:
    host = replace(_whole(tmp_path), free_bytes=lambda _path: 1 << 30)

    assert [(each.name, each.status) for each in _not_ok(host)] == [
        ("space: cache", Status.NOTED),
        ("space: this folder", Status.NOTED),
    ]
    assert is_ready(examine(host))
