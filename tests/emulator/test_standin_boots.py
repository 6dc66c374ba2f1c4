"""The stand-in, stock and with its one switch turned: what the whole customising rests on."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.emulator.kernel import KernelFiles
from imagesmith.emulator.machine import Machine, booted
from imagesmith.host.programs import ProgramTimeoutError
from tests.emulator.conftest import qemus_using, until

BOOT_TIMEOUT_S = 600


def _greeting(port: int) -> bytes:
    """Return what the guest's port 22 says first; nothing when nobody listens there.

    QEMU takes the connection itself: reset when the guest refuses it, silent when the guest has no address.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            return connection.recv(64)
        except (ConnectionResetError, TimeoutError):
            return b""


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _only_the_wizard_is_left(jobs: str) -> bool:
    units = {line.split()[1] for line in jobs.splitlines()}
    return "nv-oem-config.service" in units and units <= {"nv-oem-config.service", "nv-oem-config.target"}


def test_an_uncustomised_standin_waits_for_its_owner_and_never_reaches_ssh(
    standin: Path, kernel: KernelFiles, tmp_path: Path
) -> None:
    with booted(standin, kernel=kernel, scratch=tmp_path) as machine:
        machine.wait_for_probe(timeout_s=BOOT_TIMEOUT_S)
        # No time proves "never". An empty queue does: nothing but the wizard is left to be started.
        until(machine, ["systemctl", "list-jobs", "--no-legend"], _only_the_wizard_is_left)
        states = machine.probe.run(
            ["systemctl", "is-active", "nv-oem-config.service", "multi-user.target", "ssh.service"]
        ).stdout.split()
        listeners = machine.probe.run(["ss", "-Hltn", "sport = :22"]).stdout

        assert ["activating", "inactive", "inactive"] == states
        assert "" == listeners
        assert b"" == _greeting(machine.ssh_port())

    assert [] == qemus_using(tmp_path)


@pytest.fixture(scope="module")
def node(
    customised: Path, kernel: KernelFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    scratch = tmp_path_factory.mktemp("boot")
    before = _sha256(customised)
    with booted(customised, kernel=kernel, scratch=scratch) as machine:
        machine.wait_for_probe(timeout_s=BOOT_TIMEOUT_S)
        yield machine

    assert [] == qemus_using(scratch)
    assert before == _sha256(customised), "the card is only read"


def test_with_default_target_turned_it_reaches_multi_user_and_ssh_answers(node: Machine) -> None:
    until(node, ["systemctl", "is-active", "multi-user.target"], lambda state: state == "active")
    until(node, ["ss", "-Hltn", "sport = :22"], bool)

    assert _greeting(node.ssh_port()).startswith(b"SSH-2.0-")


def test_the_guest_sees_a_card_of_fourteen_partitions_and_boots_from_the_first(node: Machine) -> None:
    names = node.probe.run(["lsblk", "-rno", "NAME", "/dev/mmcblk0"]).stdout.split()

    assert {"mmcblk0", *(f"mmcblk0p{number}" for number in range(1, 15))} == set(names)
    assert "/dev/mmcblk0p1\n" == node.probe.run(["findmnt", "-no", "SOURCE", "/"]).stdout


def test_modules_come_from_ram_and_what_a_cluster_needs_loads(node: Machine) -> None:
    wanted = ["nfs", "overlay", "zram", "br_netfilter", "ip_vs", "vxlan", "nf_nat", "xt_MASQUERADE"]
    loaded = node.probe.run(["modprobe", "-a", *wanted])

    assert (0, "") == (loaded.returncode, loaded.stderr)
    assert "tmpfs\n" == node.probe.run(["findmnt", "-no", "FSTYPE", "/lib/modules"]).stdout


def test_the_probe_answers_every_kind_of_end(node: Machine) -> None:
    said = node.probe.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    missing = node.probe.run(["no-such-program"])

    assert (3, "out\n", "err\n") == (said.returncode, said.stdout, said.stderr)
    assert 127 == missing.returncode

    with pytest.raises(ProgramTimeoutError, match=r"^sleep did not end within 3 s and was killed$"):
        node.probe.run(["sleep", "987"], timeout_s=3)

    assert 1 == node.probe.run(["pgrep", "-f", "^sleep 987"]).returncode


def test_a_large_answer_arrives_whole(node: Machine) -> None:
    said = node.probe.run(["head", "-c", "1000000", "/dev/zero"]).stdout

    assert 1_000_000 == len(said)


def test_the_outside_is_out_of_reach(node: Machine) -> None:
    gateway = "import socket; socket.create_connection(('10.0.2.1', 22), 10)"
    tried = node.probe.run(["python3", "-c", gateway], timeout_s=60)

    assert 1 == tried.returncode


def test_the_node_powers_off_in_order(node: Machine) -> None:
    node.power_off(timeout_s=BOOT_TIMEOUT_S)

    assert node.has_ended
    assert any("Power down" in line for line in node.console_tail(20))
