"""QEMU's monitor (QMP): questions, and what happens to devices meanwhile."""

import socket
import time
from typing import Any

from imagesmith.emulator.lines import JsonLines

_ANSWER_S = 60.0


class MonitorError(Exception):
    """QEMU refused a command, or said nothing."""


class Monitor:
    """One conversation with one QEMU; `connection` is our end of its control socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = JsonLines(connection)
        self._events: list[dict[str, Any]] = []
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command and return its answer."""
        self._lines.send({"execute": command, "arguments": arguments, "id": command})
        while (message := self._lines.receive(timeout_s=_ANSWER_S)) is not None:
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise MonitorError(f"{command}: {message['error']['desc']}")
            elif "return" in message:
                return message["return"]
        raise MonitorError(f"{command}: no answer within {_ANSWER_S:.0f} s")

    def remove(self, device: str) -> None:
        """Pull a device out of its port, as a hand does: the guest is not asked. Return when it is gone."""
        self.ask("device_del", id=device)
        deadline_s = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline_s:
            for event in self._events:
                if event["event"] == "DEVICE_DELETED" and event["data"].get("device") == device:
                    self._events.remove(event)
                    return
            message = self._lines.receive(timeout_s=1)
            if message is not None:
                self._events.append(message)
        raise MonitorError(f"{device} did not go within {_ANSWER_S:.0f} s")
