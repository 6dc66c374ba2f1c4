"""JSON, a line each way, over a socket pair whose other end QEMU holds: no path, nothing left over."""

import json
import socket
import time
from typing import Any


class ChannelClosedError(Exception):
    """QEMU closed its end: it is gone."""


class JsonLines:
    """One conversation. Not for use by several threads at once."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending = b""

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            ChannelClosedError: QEMU is gone.
        """
        self._connection.settimeout(None)
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise ChannelClosedError from exc

    def receive(self, *, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message, or None when none came in time; what came of it so far is kept.

        What is not a JSON object is passed over: a guest that restarts may break off in the middle of a line.

        Raises:
            ChannelClosedError: QEMU is gone.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            while b"\n" in self._pending:
                line, self._pending = self._pending.split(b"\n", 1)
                message = _parsed(line)
                if message is not None:
                    return message
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            self._connection.settimeout(left_s)
            try:
                received = self._connection.recv(65536)
            except TimeoutError:
                return None
            except ConnectionResetError as exc:
                raise ChannelClosedError from exc
            if not received:
                raise ChannelClosedError
            self._pending += received


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
