"""The only door to udev: its names for a device, and news of devices that come, change and go.

Works without udev's daemon: then there are no names, and the news are the kernel's own.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyudev

from imagesmith.errors import HostNotReadyError

_DAEMON = Path("/run/udev/control")
_QUIET_S = 0.5
_MOST_S = 5.0


def properties(number: int) -> Mapping[str, str]:
    """Return what udev's database holds on a block device; nothing where it knows none."""
    try:
        device = pyudev.Devices.from_device_number(pyudev.Context(), "block", number)
    except (pyudev.DeviceNotFoundError, ImportError):  # ImportError: no libudev on this machine
        return {}
    return dict(device.properties)


class BlockNews:
    """News of block devices since it was opened. It can be waited for with select."""

    def __init__(self, monitor: pyudev.Monitor) -> None:
        self._monitor = monitor

    def fileno(self) -> int:
        """Return what becomes readable when there is news."""
        return int(self._monitor.fileno())

    def wait(self) -> None:
        """Block until there is news and then half a second without: a card comes as a dozen of them."""
        self._monitor.poll(timeout=None)
        self.settle()

    def settle(self) -> None:
        """Drop news until half a second passes without any, or 5 s in all: some devices never rest."""
        deadline_s = time.monotonic() + _MOST_S
        while self._monitor.poll(timeout=_QUIET_S) is not None and time.monotonic() < deadline_s:
            pass


@contextlib.contextmanager
def block_news() -> Iterator[BlockNews]:
    """Listen for the length of the block; nothing that happens in it is missed.

    Raises:
        HostNotReadyError: this machine has no libudev, or does not let this process listen.
    """
    try:
        # The daemon tells after it has given the device its names; the kernel alone tells before.
        source = "udev" if _DAEMON.exists() else "kernel"
        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source=source)
        monitor.filter_by("block")
        monitor.start()
    except (ImportError, OSError) as exc:
        raise HostNotReadyError(
            "cards that come and go cannot be watched on this machine",
            why=str(exc),
            remedy="install libudev1",
        ) from exc
    yield BlockNews(monitor)
