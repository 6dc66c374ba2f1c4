"""A first boot watched from inside: waits for its end, tells each step, and judges the result."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imagesmith.emulator.machine import Machine
from imagesmith.host.programs import ProgramTimeoutError

STATE_PATH = "/var/lib/imagesmith/state.json"
RESULT_PATH = "/var/lib/imagesmith/ready"
_LOOK_EVERY_S = 2.0


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
    "hosts": 'getent hosts "$(hostname)"',
    "address": "ip -4 -o addr show dev eth0 scope global | awk '{print $4}'",
    "default route": "ip -4 route show default",
    "swap": "swapon --show=NAME,TYPE,SIZE --noheadings",
    "users": 'getent passwd | awk -F: \'$3>=1000 && $3<60000 {print $1":"$3":"$7}\'',
    "groups": "getent passwd | awk -F: '$3>=1000 && $3<60000 {print $1}' | xargs -r -n1 id",
    "OEM wizard": "systemctl is-active nv-oem-config.service nv-oem-config.target; true",
    "default target": "systemctl get-default",
    "root file system": "df -h --output=source,size,used,avail /",
    "partitions": "lsblk -rbno NAME,SIZE,PARTLABEL /dev/mmcblk0 | sort -V | tail -n 3",
    "ssh": "systemctl is-active ssh; ss -Hltn 'sport = :22' | wc -l",
    "machine-id": "cat /etc/machine-id",
    "host keys": "ls /etc/ssh/ssh_host_*_key | wc -l",
    "time zone": "readlink /etc/localtime",
    "agent": f"cat {RESULT_PATH} >/dev/null && echo ready",
}
"""Questions in shell, each a line a person would type."""


def wait_until_ready(
    machine: Machine, *, timeout_s: float, on_step: Callable[[Step], None]
) -> tuple[Step, ...]:
    """Wait until the agent has written its result; returns its steps.

    Raises:
        BootError: the agent gave up, or the guest ended, or it is not ready in time.
    """
    deadline_s = time.monotonic() + timeout_s
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
        time.sleep(_LOOK_EVERY_S)
    raise machine.failure(
        f"the node was not ready within {timeout_s:.0f} s", why=f"its state: {json.dumps(state)}"
    )


def _state(machine: Machine) -> dict[str, Any] | None:
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


def inspect(machine: Machine) -> Inside:
    """Ask a node everything in `QUESTIONS`.

    Raises:
        BootError: the guest has ended.
    """
    answers = {}
    for name, line in QUESTIONS.items():
        said = machine.probe.run(["sh", "-c", line])
        answers[name] = (said.stdout.strip() or said.stderr.strip()).strip()
    return Inside(answers)


def complaints_about(inside: Inside, cluster: Mapping[str, Any], node: Mapping[str, Any] | None) -> list[str]:
    """Return what of a node is not as its two documents say; empty when all is. Pure.

    Args:
        inside: the node's answers.
        cluster: `cluster.json`.
        node: `node.json`; None for a card without identity.
    """
    wrong = [
        (inside["agent"] != "ready", f"the agent has written no result: {inside['agent']}"),
        (inside["default target"] != "multi-user.target", f"default target is {inside['default target']}"),
        ("active" in inside["OEM wizard"].split(), "the OEM wizard runs"),
        (not inside["machine-id"], "machine-id is empty"),
        (inside["host keys"] in {"", "0"}, "there are no ssh host keys"),
        (not inside["ssh"].startswith("active"), f"ssh is {inside['ssh'].split()[:1]}"),
        (inside["hostname"] not in inside["hosts"].split(), "host name and /etc/hosts do not agree"),
        (not inside["address"], "eth0 has no address"),
        (not inside["time zone"].endswith(cluster["timezone"]), f"time zone is {inside['time zone']}"),
        *_swap(inside, cluster),
        *_users(inside, cluster),
    ]
    if node:
        wanted = node["network"]["address"]
        wrong += [
            (inside["hostname"] != node["hostname"], f"its name is {inside['hostname']}"),
            (bool(wanted) and wanted not in inside["address"].split(), f"its address is {inside['address']}"),
        ]
    return [text for is_wrong, text in wrong if is_wrong]


def _swap(inside: Inside, cluster: Mapping[str, Any]) -> list[tuple[bool, str]]:
    on_card = "/dev/mmcblk0p15" in inside["swap"]
    if cluster["swap"]["size_bytes"]:
        return [(not on_card, f"no swap on the card: {inside['swap'] or 'none'}")]
    k8s = cluster["mode"]["kind"] == "k8s"
    return [(on_card, "swap on the card"), (k8s and bool(inside["swap"]), f"swap is on: {inside['swap']}")]


def _users(inside: Inside, cluster: Mapping[str, Any]) -> list[tuple[bool, str]]:
    there = inside["users"].split()
    wanted = [f"{user['name']}:{user['uid']}:{user['shell']}" for user in cluster["users"]]
    return [(user not in there, f"user {user} is missing") for user in wanted]
