"""Waiting for a first boot and judging a node, with a guest that answers from a script."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from imagesmith.emulator.first_boot import (
    QUESTIONS,
    Inside,
    Step,
    complaints_about,
    inspect,
    wait_until_ready,
)
from imagesmith.emulator.machine import BootError
from imagesmith.host.programs import Finished, ProgramTimeoutError


@dataclass
class ScriptedGuest:
    """Answers `cat state.json` from a list, the last one for ever; None: the question times out."""

    states: Sequence[str | None]
    has_agent: bool = True
    asked: list[Sequence[str]] = field(default_factory=list)
    looks: int = 0

    @property
    def probe(self) -> "ScriptedGuest":
        return self

    def run(self, argv: Sequence[str], *, timeout_s: float = 60.0) -> Finished:
        self.asked.append(argv)
        if argv[0] == "systemctl":
            return Finished(0 if self.has_agent else 1, "", "")
        if argv[0] == "sh":
            return Finished(0, f" said: {argv[2]}\n", "")
        state = self.states[min(self.looks, len(self.states) - 1)]
        self.looks += 1
        if state is None:
            raise ProgramTimeoutError(argv, timeout_s)
        return Finished(0 if state else 1, state, "" if state else "No such file")

    def failure(self, what: str, *, why: str = "", remedy: str = "") -> BootError:
        return BootError(what, why=f"{why}\nconsole", remedy=remedy)


def _state(status: str, *steps: tuple[str, str, str], error: Mapping[str, str] | None = None) -> str:
    rows = [{"name": n, "status": s, "detail": d, "seconds": 1.5} for n, s, d in steps]
    return json.dumps({"schema": 1, "status": status, "steps": rows, "error": error})


def _wait(guest: ScriptedGuest, *, timeout_s: float = 5) -> tuple[tuple[Step, ...], list[Step]]:
    told: list[Step] = []
    steps = wait_until_ready(guest, timeout_s=timeout_s, on_step=told.append, look_every_s=0)
    return steps, told


def test_each_step_is_told_once_when_it_is_over() -> None:
    guest = ScriptedGuest(
        [
            "",
            None,
            "{ half a fi",
            _state("running", ("clock", "done", "sane"), ("swap", "pending", "")),
            _state("running", ("clock", "done", "sane"), ("swap", "pending", "")),
            _state("ready", ("clock", "done", "sane"), ("swap", "baked", "4 GiB")),
        ]
    )
    steps, told = _wait(guest)

    assert [Step("clock", "done", "sane", 1.5), Step("swap", "baked", "4 GiB", 1.5)] == told == list(steps)


def test_a_step_that_fails_and_then_works_is_told_both_times() -> None:
    guest = ScriptedGuest(
        [
            _state(
                "retrying", ("mounts", "failed", "no route"), error={"step": "mounts", "message": "no route"}
            ),
            _state("ready", ("mounts", "done", "2 mounted")),
        ]
    )
    _, told = _wait(guest)

    assert ["failed", "done"] == [step.status for step in told]


def test_a_first_boot_that_gave_up_names_step_message_and_console() -> None:
    failed = _state("failed", ("swap", "failed", "no room"), error={"step": "swap", "message": "no room"})

    with pytest.raises(BootError, match=r"^first boot gave up in step 'swap'$") as caught:
        _wait(ScriptedGuest([failed]))

    assert caught.value.why == "no room\nconsole"
    assert caught.value.exit_code == 6


def test_a_card_without_an_agent_is_not_waited_for() -> None:
    guest = ScriptedGuest([""], has_agent=False)

    with pytest.raises(BootError, match=r"^this card has no first-boot agent$") as caught:
        _wait(guest)

    assert caught.value.remedy == "boot what 'imagesmith build' made, not a base"
    assert [["systemctl", "cat", "imagesmith-firstboot.service"]] == guest.asked


def test_a_node_that_is_never_ready_shows_the_state_it_got_to() -> None:
    guest = ScriptedGuest([_state("running", ("clock", "done", "sane")), ""])

    with pytest.raises(BootError, match=r"^the node was not ready within 0 s$") as caught:
        _wait(guest, timeout_s=0.05)

    assert '"name": "clock"' in caught.value.why


def test_every_question_is_asked_as_shell_about_the_recipe_s_interface() -> None:
    inside = inspect(ScriptedGuest([""]), interface="enp3s0")

    assert list(QUESTIONS) == list(inside.answers)
    assert inside["address"] == "said: ip -4 -o addr show dev enp3s0 scope global | awk '{print $4}'"
    assert not [line for line in inside.answers.values() if "{{" in line or "{interface}" in line]


CLUSTER: dict[str, Any] = {
    "mode": {"kind": "mpi"},
    "timezone": "Europe/Paris",
    "interface": "eth0",
    "swap": {"size_bytes": 4 << 30},
    "users": [{"name": "guest", "uid": 1000, "shell": "/bin/bash", "groups": ["sudo", "video"]}],
}
NODE: dict[str, Any] = {
    "hostname": "jetson1-node",
    "network": {"address": "192.168.0.11/24", "gateway4": "192.168.0.1"},
    "peers": [
        {"hostname": "jetson0-node", "address": "192.168.0.10"},
        {"hostname": "jetson1-node", "address": "192.168.0.11"},
    ],
}
GOOD = {
    "hostname": "jetson1-node",
    "hosts": "127.0.0.1 localhost\n127.0.1.1 jetson1-node\n192.168.0.10 jetson0-node # a peer",
    "address": "192.168.0.11/24",
    "default route": "default via 192.168.0.1 dev eth0 proto static metric 100",
    "network": "eth0:connected:imagesmith",
    "swap": "/dev/mmcblk0p15 partition 4294967296",
    "users": "guest:1000:/bin/bash",
    "groups": "guest : guest sudo video",
    "OEM wizard": "inactive\ninactive",
    "default target": "multi-user.target",
    "root file system": "/dev/mmcblk0p1 11G 1G 10G",
    "root bytes": "980 of 1000",
    "partitions": "mmcblk0p1 1048576000 APP",
    "ssh": "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*",
    "host keys": "3",
    "machine-id": "0123456789abcdef0123456789abcdef",
    "time zone": "/usr/share/zoneinfo/Europe/Paris",
    "failed units": "nvphs.service",
    "agent": "ready",
}


def _complaints(
    *, cluster: Mapping[str, Any] = CLUSTER, node: Mapping[str, Any] | None = NODE, **changed: str
) -> list[str]:
    answers = {**GOOD, **{name.replace("_", " "): answer for name, answer in changed.items()}}
    return complaints_about(Inside(answers), cluster, node)


def test_a_node_as_its_documents_say_gives_no_complaint() -> None:
    assert sorted(QUESTIONS) == sorted(GOOD)
    assert _complaints() == []


@pytest.mark.parametrize(
    ("question", "answer", "complaint"),
    [
        ("agent", "cat: no such file", "the agent has written no result: cat: no such file"),
        ("default target", "nv-oem-config.target", "default target is nv-oem-config.target"),
        ("OEM wizard", "activating\ninactive", "the OEM wizard runs"),
        ("OEM wizard", "inactive\nactive", "the OEM wizard runs"),
        ("machine-id", "", "machine-id is empty"),
        ("machine-id", "uninitialized", "machine-id is uninitialized"),
        ("host keys", "0", "there are no ssh host keys"),
        ("ssh", "", "nothing listens on port 22"),
        ("time zone", "/usr/share/zoneinfo/Etc/UTC", "time zone is /usr/share/zoneinfo/Etc/UTC"),
        ("root bytes", "700 of 1000", "root does not fill its partition: 700 of 1000"),
        ("root bytes", "of", "root does not fill its partition: of"),
        ("hosts", "192.168.0.10 jetson0-node", "/etc/hosts does not know its own name jetson1-node"),
        ("hosts", "127.0.1.1 jetson1-node", "/etc/hosts has no jetson0-node at 192.168.0.10"),
        ("swap", "/dev/zram0 partition 500", "no swap on the card: /dev/zram0 partition 500"),
        ("users", "guest:1001:/bin/bash", "user guest:1000:/bin/bash is missing"),
        ("groups", "guest : guest sudo", "user guest is not in video"),
        ("address", "192.168.0.110/24", "its address is 192.168.0.110/24"),
        ("default route", "", "its default route is missing"),
        ("default route", "default via 192.168.0.12", "its default route is default via 192.168.0.12"),
    ],
)  # fmt: skip
def test_whatever_differs_is_one_complaint(question: str, answer: str, complaint: str) -> None:
    assert [complaint] == complaints_about(Inside({**GOOD, question: answer}), CLUSTER, NODE)


def test_a_wrong_name_is_a_complaint() -> None:
    assert "its name is localhost" in _complaints(hostname="localhost")


def test_a_card_without_identity_is_not_asked_for_a_name_or_a_fixed_address() -> None:
    assert [] == _complaints(
        node=None, hostname="jetson-42", hosts="127.0.1.1 jetson-42", address="10.0.2.3/24", default_route=""
    )
    assert ["eth0 has no address"] == _complaints(
        node=None, hostname="jetson-42", hosts="127.0.1.1 jetson-42", address=""
    )


@pytest.mark.parametrize(
    ("kind", "swap", "complaints"),
    [
        ("k8s", "", []),
        ("k8s", "/dev/zram0 partition 500", ["swap is on: /dev/zram0 partition 500"]),
        ("none", "/dev/zram0 partition 500", []),
        ("none", "/dev/mmcblk0p15 partition 500", ["swap on the card"]),
    ],
)
def test_a_recipe_without_swap_allows_zram_alone_and_kubernetes_none(
    kind: str, swap: str, complaints: list[str]
) -> None:
    cluster = {**CLUSTER, "swap": {"size_bytes": 0}, "mode": {"kind": kind}}

    assert complaints == _complaints(cluster=cluster, swap=swap)
