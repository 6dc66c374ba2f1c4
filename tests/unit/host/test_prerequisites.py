"""The table of what imagesmith needs: found on a pretended machine, and complete for the code as it is."""

import ast
import os
from pathlib import Path

import pytest

import imagesmith
from imagesmith.host.prerequisites import (
    PREREQUISITES,
    Machine,
    Need,
    Prerequisite,
    apt_command,
    main,
    missing,
    packages,
)

_PACKAGE = Path(imagesmith.__file__).parent
_DOORS = frozenset({"run", "running", "require_program", "find_program"})
# From Debian's essential packages and apt, which every machine has.
_ALWAYS_THERE = frozenset(
    {"tar", "cp", "sh", "dd", "apt-get", "apt-cache", "apt-config", "dpkg", "dpkg-deb", "dpkg-query"}
)


def _row(look_for: str) -> Prerequisite:
    return next(row for row in PREREQUISITES if row.look_for == look_for)


def _place(root: Path, absolute: str, *, mode: int = 0o755) -> None:
    path = root / absolute.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(mode)


def _programs_run_by(source: str) -> set[str]:
    """Return the literal program names that a module hands to the door to other programs."""
    names = set()
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        if ast.unparse(call.func).removeprefix("programs.") not in _DOORS or not call.args:
            continue
        first = call.args[0]
        word = first.elts[0] if isinstance(first, ast.List) and first.elts else first
        if isinstance(word, ast.Constant) and isinstance(word.value, str):
            names.add(word.value)
    return names


def test_a_program_is_found_where_administrators_keep_theirs_even_outside_path(tmp_path: Path) -> None:
    _place(tmp_path, "/usr/sbin/sgdisk")

    found = Machine(root=tmp_path, architecture="x86_64", path="/usr/bin").find(_row("sgdisk"))

    assert found == tmp_path / "usr/sbin/sgdisk"


def test_a_file_that_cannot_be_executed_is_no_program(tmp_path: Path) -> None:
    _place(tmp_path, "/usr/bin/sgdisk", mode=0o644)

    assert Machine(root=tmp_path, path="/usr/bin").find(_row("sgdisk")) is None


def test_a_glob_finds_a_file_of_any_version(tmp_path: Path) -> None:
    _place(tmp_path, "/boot/vmlinuz-6.1.0-1-cloud-amd64", mode=0o600)

    found = Machine(root=tmp_path).find(_row("/boot/vmlinuz-*"))

    assert found == tmp_path / "boot/vmlinuz-6.1.0-1-cloud-amd64"


def test_a_bare_machine_lacks_every_row_and_names_each_package_once(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path, architecture="x86_64", path="/usr/bin")

    rows = missing(machine, frozenset(Need))
    names = packages(machine, rows)

    assert list(PREREQUISITES) == rows
    assert sorted(set(names)) == sorted(names)
    assert {"linux-image-cloud-amd64", "qemu-system-x86", "qemu-system-arm"} < set(names)


def test_an_arm_machine_asks_for_its_own_kernel_and_emulator(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path, architecture="aarch64", path="/usr/bin")

    names = packages(machine, missing(machine, {Need.BUILD}))

    assert "linux-image-cloud-arm64" in names
    assert "qemu-system-arm" in names
    assert "qemu-system-x86" not in names


def test_ubuntu_has_its_own_name_for_the_small_kernel(tmp_path: Path) -> None:
    _place(tmp_path, "/etc/os-release")
    (tmp_path / "etc/os-release").write_text('NAME="Ubuntu"\nID=ubuntu\n')

    machine = Machine(root=tmp_path, architecture="x86_64")

    assert machine.package(_row("/boot/vmlinuz-*")) == "linux-image-virtual"


def test_flashing_alone_asks_for_no_emulator_and_no_test_tool(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path, path="/usr/bin")

    assert packages(machine, missing(machine, {Need.FLASH})) == ["gdisk", "util-linux"]


def test_every_program_the_code_runs_is_in_the_table() -> None:
    known_packages = {row.package for row in PREREQUISITES}
    known = {row.look_for for row in PREREQUISITES} | _ALWAYS_THERE | _SHIPPED_WITH.keys()

    run = {
        (name, str(module.relative_to(_PACKAGE)))
        for module in _PACKAGE.rglob("*.py")
        for name in _programs_run_by(module.read_text())
    }

    assert {"qemu-img", "sgdisk"} <= {name for name, _module in run}, "the walk finds no calls any more"
    assert {(name, module) for name, module in run if name not in known} == set()
    assert set(_SHIPPED_WITH.values()) <= known_packages


# Further programs of a package that the table looks for by another of its programs.
_SHIPPED_WITH = {
    "dumpe2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "unshare": "util-linux",
    "partx": "util-linux",
    "newgidmap": "uidmap",
}


def test_the_apt_command_can_be_pasted() -> None:
    assert apt_command(["gdisk", "cpio"]) == "sudo apt-get install --no-install-recommends gdisk cpio"


def test_the_script_prints_package_names_for_the_needs_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr("imagesmith.host.prerequisites.ADMIN_FOLDERS", ())

    code = main(["--apt", "--for", "flash"])

    assert (code, capsys.readouterr().out) == (0, "gdisk util-linux")
