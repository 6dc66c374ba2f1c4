"""Run commands for the emulator's host, inside the guest: JSON lines over a virtio-serial port.

Question: {"id": 7, "argv": ["hostname"], "timeout_s": 10}.
Answer: {"id": 7, "returncode": 0, "stdout": "…", "stderr": "…"}; or, killed: {"id": 7, "timed_out": true}.
One question at a time. Python 3.6, standard library: it runs on whatever the card brings.
"""

import json
import os
import signal
import subprocess
import time
from typing import Any, Dict, Iterator

PORT_NAME = "imagesmith.probe"
PORTS = "/sys/class/virtio-ports"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
POLL_S = 0.2


def open_port() -> int:
    """Return a descriptor of the port, once it is there."""
    while True:
        for entry in os.listdir(PORTS) if os.path.isdir(PORTS) else []:
            with open(os.path.join(PORTS, entry, "name")) as name:
                if name.read().strip() == PORT_NAME:
                    return os.open(os.path.join("/dev", entry), os.O_RDWR)
        time.sleep(POLL_S)


def read_lines(port: int) -> Iterator[bytes]:
    """Yield whole lines for ever."""
    pending = b""
    while True:
        received = os.read(port, 65536)
        if not received:  # the host's end is closed for now
            time.sleep(POLL_S)
            continue
        *lines, pending = (pending + received).split(b"\n")
        yield from lines


def answer(question: Dict[str, Any]) -> Dict[str, Any]:
    """Run the command of a question; return the answer."""
    try:
        child = subprocess.Popen(
            question["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        return {"id": question["id"], "returncode": 127, "stdout": "", "stderr": str(exc)}
    try:
        out, err = child.communicate(timeout=question["timeout_s"])
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return {"id": question["id"], "timed_out": True}
    return {
        "id": question["id"],
        "returncode": child.returncode,
        "stdout": out.decode("utf-8", "replace"),
        "stderr": err.decode("utf-8", "replace"),
    }


def main() -> None:
    """Answer until the machine ends."""
    port = open_port()
    for line in read_lines(port):
        left = json.dumps(answer(json.loads(line.decode("utf-8")))).encode("ascii") + b"\n"
        while left:
            left = left[os.write(port, left) :]


if __name__ == "__main__":
    main()
