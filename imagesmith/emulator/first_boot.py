"""A first boot watched from inside: waits for its end, tells each step, and judges the result."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from imagesmith.emulator.machine import BootError
from imagesmith.host.programs import Finished, ProgramTimeoutError

STATE_PATH = "/var/lib/imagesmith/state.json"
AGENT_UNIT = "imagesmith-firstboot.service"
RESULT_PATH = "/var/lib/imagesmith/ready"
_ANSWER_S = 120.0


class Questioned(Protocol):
    """What answers for a guest: a `Probe`."""

    def run(self, argv: Sequence[str], *, timeout_s: float = ...) -> Finished:
        """Run a command in the guest."""


class Guest(Protocol):
    """What is needed of a `Machine` here."""

    @property
    def probe(self) -> Questioned:
        """Ask it."""

    def failure(self, what: str, *, why: str = ..., remedy: str = ...) -> BootError:
        """Return an error that holds its last console lines."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the agent that is over."""

    name: str
    status: str
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Inside:
    """What a booted node says of itself: the text each question was answered with, stripped."""

    answers: Mapping[str, str]

    def __getitem__(self, question: str) -> str:
        return self.answers[question]


QUESTIONS: Mapping[str, str] = {
    "hostname": "hostname",
    "hosts": "cat /etc/hosts",
    "address": "ip -4 -o addr show dev {interface} scope global | awk '{{print $4}}'",
    "default route": "ip -4 route show default",
    "network": "nmcli -t -f DEVICE,STATE,CONNECTION device",
    "swap": "swapon --show=NAME,TYPE,SIZE --bytes --noheadings",
    "users": 'getent passwd | awk -F: \'$3>=1000 && $3<60000 {{print $1":"$3":"$7}}\'',
    "groups": "getent passwd | awk -F: '$3>=1000 && $3<60000 {{print $1}}' | xargs -r -n1 groups",
    "OEM wizard": "systemctl is-active nv-oem-config.service nv-oem-config.target; true",
    "default target": "systemctl get-default",
    "root file system": "df -h --output=source,size,used,avail / | tail -n 1",
    "root bytes": "echo $(df -B1 --output=size / | tail -n 1) of $(lsblk -bndo SIZE /dev/mmcblk0p1)",
    "partitions": "lsblk -rbno NAME,SIZE,PARTLABEL /dev/mmcblk0 | sort -V",
    # sshd is started a second time once its keys are there (l4t facts 11); the agent waits for neither.
    "ssh": "timeout 60 sh -c 'until ss -Hltn sport = :22 | grep .; do sleep 1; done'",
    "host keys": "ls /etc/ssh/ssh_host_*_key | wc -l",
    "machine-id": "cat /etc/machine-id",
    "time zone": "readlink /etc/localtime",
    "failed units": "systemctl list-units --failed --no-legend --plain | awk '{{print $1}}'",
    "agent": f"cat {RESULT_PATH} >/dev/null && echo ready",
}
"""Questions in shell, each a line a person would type. Foreign failed units are told, not judged: some of a
Nano's own services miss their hardware here (l4t facts 11)."""

_OEM_RUNS = {"active", "activating", "reloading"}
_MACHINE_ID_DIGITS = 32
_ROOT_FILLS = 0.9
"""df leaves out the inode tables and the journal, a few percent of the partition."""


def wait_until_ready(
    machine: Guest, *, timeout_s: float, on_step: Callable[[Step], None], look_every_s: float = 2.0
) -> tuple[Step, ...]:
    """Wait until the agent has written its result; return its steps.

    Args:
        machine: a guest whose probe answers.
        timeout_s: how long to wait.
        on_step: told of each step once it is over, and again when it comes out differently.
        look_every_s: pause between two looks.

    Raises:
        BootError: there is no agent, it gave up, the guest ended, or it is not ready in time.
    """
    deadline_s = time.monotonic() + timeout_s
    if machine.probe.run(["systemctl", "cat", AGENT_UNIT]).returncode != 0:
        raise machine.failure(
            "this card has no first-boot agent",
            why=f"its systemd knows no {AGENT_UNIT}",
            remedy="boot what 'imagesmith build' made, not a base",
        )
    told: dict[str, Step] = {}
    state: dict[str, Any] = {}
    while time.monotonic() < deadline_s:
        state = _state(machine) or state
        for step in _steps(state):
            if told.get(step.name) != step:
                told[step.name] = step
                on_step(step)
        if state.get("status") == "ready":
            return tuple(_steps(state))
        if state.get("status") == "failed":
            error = state.get("error") or {}
            raise machine.failure(
                f"first boot gave up in step {error.get('step')!r}", why=str(error.get("message", ""))
            )
        time.sleep(look_every_s)
    raise machine.failure(
        f"the node was not ready within {timeout_s:.0f} s", why=f"its state: {json.dumps(state)}"
    )


def _state(machine: Guest) -> dict[str, Any] | None:
    try:
        found = machine.probe.run(["cat", STATE_PATH])
    except ProgramTimeoutError:
        return None
    if found.returncode != 0:
        return None
    try:
        state = json.loads(found.stdout)
    except ValueError:
        return None
    return state if isinstance(state, dict) else None


def _steps(state: Mapping[str, Any]) -> list[Step]:
    return [
        Step(step["name"], step["status"], str(step.get("detail") or ""), float(step.get("seconds") or 0))
        for step in state.get("steps", [])
        if step["status"] in {"done", "baked", "failed"}
    ]


def inspect(machine: Guest, *, interface: str = "eth0") -> Inside:
    """Ask a node everything in `QUESTIONS`.

    Raises:
        BootError: the guest has ended.
        ProgramTimeoutError: it does not answer.
    """
    answers = {}
    for name, line in QUESTIONS.items():
        said = machine.probe.run(["sh", "-c", line.format(interface=interface)], timeout_s=_ANSWER_S)
        answers[name] = said.stdout.strip() or said.stderr.strip()
    return Inside(answers)


def complaints_about(inside: Inside, cluster: Mapping[str, Any], node: Mapping[str, Any] | None) -> list[str]:
    """Return what of a node is not as its two documents say; empty when all is. Pure.

    Args:
        inside: the node's answers.
        cluster: `cluster.json`.
        node: `node.json`; None for a card without identity.
    """
    oem_states = _OEM_RUNS.intersection(inside["OEM wizard"].split())
    wrong = [
        (inside["agent"] != "ready", f"the agent has written no result: {inside['agent']}"),
        (inside["default target"] != "multi-user.target", f"default target is {inside['default target']}"),
        (bool(oem_states), "the OEM wizard runs"),
        (not _is_machine_id(inside["machine-id"]), f"machine-id is {inside['machine-id'] or 'empty'}"),
        (inside["host keys"] == "0", "there are no ssh host keys"),
        (":22" not in inside["ssh"], "nothing listens on port 22"),
        (not inside["address"], f"{cluster['interface']} has no address"),
        (not inside["time zone"].endswith(f"/{cluster['timezone']}"), f"time zone is {inside['time zone']}"),
        (not _root_fills(inside["root bytes"]), f"root does not fill its partition: {inside['root bytes']}"),
        *_names(inside, node),
        *_swap(inside, cluster),
        *_users(inside, cluster),
    ]
    if node:
        wanted = node["network"]
        route = f"default via {wanted['gateway4']} "
        wrong += [
            (inside["hostname"] != node["hostname"], f"its name is {inside['hostname']}"),
            (
                bool(wanted["address"]) and wanted["address"] not in inside["address"].split(),
                f"its address is {inside['address']}",
            ),
            (
                bool(wanted["gateway4"]) and route not in f"{inside['default route']} ",
                f"its default route is {inside['default route'] or 'missing'}",
            ),
        ]
    return [text for is_wrong, text in wrong if is_wrong]


def _is_machine_id(text: str) -> bool:
    return len(text) == _MACHINE_ID_DIGITS and set(text) <= set("0123456789abcdef")


def _root_fills(answer: str) -> bool:
    file_system, _, partition = answer.partition(" of ")
    if not (file_system.isdigit() and partition.isdigit()):
        return False
    return int(file_system) >= int(partition) * _ROOT_FILLS


def _names(inside: Inside, node: Mapping[str, Any] | None) -> list[tuple[bool, str]]:
    known = {
        name: words[0]
        for words in (line.split("#")[0].split() for line in inside["hosts"].splitlines())
        for name in words[1:]
    }
    own = inside["hostname"]
    peers = [
        (peer["hostname"], peer["address"])
        for peer in (node or {}).get("peers", [])
        if peer["address"] and peer["hostname"] != own
    ]
    return [
        (own not in known, f"/etc/hosts does not know its own name {own}"),
        *((known.get(name) != address, f"/etc/hosts has no {name} at {address}") for name, address in peers),
    ]


def _swap(inside: Inside, cluster: Mapping[str, Any]) -> list[tuple[bool, str]]:
    on_card = "/dev/mmcblk0p15" in inside["swap"]
    if cluster["swap"]["size_bytes"]:
        return [(not on_card, f"no swap on the card: {inside['swap'] or 'none'}")]
    k8s = cluster["mode"]["kind"] == "k8s"
    return [(on_card, "swap on the card"), (k8s and bool(inside["swap"]), f"swap is on: {inside['swap']}")]


def _users(inside: Inside, cluster: Mapping[str, Any]) -> list[tuple[bool, str]]:
    there = inside["users"].split()
    groups = {
        name.strip(): set(names.split())
        for name, _, names in (line.partition(":") for line in inside["groups"].splitlines())
    }
    wrong = []
    for user in cluster["users"]:
        entry = f"{user['name']}:{user['uid']}:{user['shell']}"
        missing = sorted(set(user["groups"]) - groups.get(user["name"], set()))
        wrong += [
            (entry not in there, f"user {entry} is missing"),
            (bool(missing), f"user {user['name']} is not in {', '.join(missing)}"),
        ]
    return wrong
