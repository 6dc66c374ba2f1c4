"""A card booted as itself: QEMU with a true `/dev/mmcblk0`, on an overlay, so that the card is only read.

Honest scope: the kernel and the board are QEMU's. No Tegra boot chain, no GPU, no speed.
"""

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from subprocess import Popen, TimeoutExpired  # noqa: TID251 -- names of types; programs are run by host.programs

from imagesmith.emulator.console import Console
from imagesmith.emulator.kernel import KernelFiles
from imagesmith.emulator.lines import ChannelClosedError, JsonLines
from imagesmith.emulator.network import SSH_PORT, network_for
from imagesmith.emulator.probe import PORT_NAME, Probe
from imagesmith.errors import VerificationError
from imagesmith.host import programs
from imagesmith.model.units import MIB

QEMU = "qemu-system-aarch64"
MEMORY_MIB = 1024
# The stock board's own line (l4t facts 1.4), but for the console's name.
KERNEL_COMMAND_LINE = "root=/dev/mmcblk0p1 rw rootwait rootfstype=ext4 console=ttyAMA0 net.ifnames=0"

_SMALLEST_CARD_BYTES = 64 * MIB
_TAIL_LINES = 20
_LAST_WORDS_S = 5.0
_QMP_ANSWER_S = 30.0
_FORWARDED = re.compile(rf"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+{SSH_PORT}\b")


class BootError(VerificationError):
    """A guest that does not boot, panicked, ended early or is silent; `why` holds its last console lines."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Descriptors that QEMU inherits."""

    probe_fd: int
    monitor_fd: int


def card_bytes(size_bytes: int) -> int:
    """Return the size of the emulated card that holds so much: QEMU has SD cards in powers of two only."""
    return max(_SMALLEST_CARD_BYTES, 1 << (size_bytes - 1).bit_length())


def qemu_argv(
    *, kernel: KernelFiles, overlay: Path, netdev: str, channels: Channels, memory_mib: int
) -> list[str]:
    """Return QEMU's command line for one node; `netdev` is the value of `-netdev` and names itself `lan`."""
    words: list[str | Path] = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", f"{memory_mib}M",
        "-accel", "tcg,thread=multi",
        "-kernel", kernel.kernel, "-initrd", kernel.initramfs, "-append", KERNEL_COMMAND_LINE,
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        # Nothing on the overlay outlives this run: flushing it to the host's disk buys nothing.
        "-drive", f"if=none,id=card,format=qcow2,cache=unsafe,file={_escaped(overlay)}",
        "-device", "sdhci-pci", "-device", "sd-card,drive=card",
        "-netdev", netdev, "-device", "virtio-net-pci,netdev=lan,romfile=",
        "-device", "virtio-rng-pci",
        "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=probe,fd={channels.probe_fd}",
        "-device", f"virtserialport,chardev=probe,name={PORT_NAME}",
        "-chardev", f"socket,id=monitor,fd={channels.monitor_fd}", "-mon", "chardev=monitor,mode=control",
    ]  # fmt: skip
    return [str(word) for word in words]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")


class Machine:
    """A running guest. Made by `booted` alone."""

    def __init__(
        self, child: Popen[bytes], console: Console, *, probe: JsonLines, monitor: JsonLines, log: Path
    ) -> None:
        self._child = child
        self._console = console
        self._monitor = monitor
        self._log = log
        self.probe = Probe(probe, self.check)

    @property
    def has_ended(self) -> bool:
        """Whether QEMU is gone."""
        return self._child.poll() is not None

    def console_tail(self, count: int) -> list[str]:
        """Return the last lines of the console, at most `count`."""
        return self._console.tail(count)

    def check(self) -> None:
        """Return while the guest lives.

        Raises:
            BootError: it panicked or ended.
        """
        if self._console.panic is not None:
            raise self.failure(f"the guest's kernel panicked: {self._console.panic}")
        if not self.has_ended:
            return
        self._console.wait_for_end(timeout_s=_LAST_WORDS_S)
        if self._console.given_up is not None:
            raise self.failure(f"the card does not boot: {self._console.given_up}")
        code = self._child.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        raise self.failure(
            f"the guest ended early: {QEMU} {how}", why=self._log.read_text(errors="replace").strip()
        )

    def failure(self, what: str, *, why: str = "", remedy: str = "") -> BootError:
        """Return an error that carries the console's last lines behind `why`."""
        tail = self.console_tail(_TAIL_LINES) or ["(nothing)"]
        lines = [*why.splitlines(), "the console's last lines:", *tail]
        return BootError(what, why="\n       ".join(lines), remedy=remedy)

    def wait_for_probe(self, *, timeout_s: float) -> None:
        """Wait until the guest answers questions: its systemd runs, whatever target it is heading for.

        Raises:
            BootError: it does not within `timeout_s`, or it panicked or ended.
        """
        try:
            self.probe.run(["true"], timeout_s=timeout_s)
        except programs.ProgramTimeoutError as exc:
            raise self.failure(
                f"the guest did not start its services within {timeout_s:.0f} s",
                remedy="the probe needs systemd and /usr/bin/python3 on the card; or this host is very slow",
            ) from exc

    def ssh_port(self) -> int:
        """Return the port of the host's 127.0.0.1 that leads to the guest's sshd."""
        # The monitor's first word has to be this; a second time it is refused, which does no harm.
        self._ask_monitor("qmp_capabilities")
        printed = self._ask_monitor("human-monitor-command", {"command-line": "info usernet"})
        match = _FORWARDED.search(printed)
        if match is None:
            raise self.failure("QEMU forwards no port to the guest's ssh", why=printed)
        return int(match[1])

    def power_off(self, *, timeout_s: float = 120.0) -> None:
        """Shut the guest down in order, so that its file system is clean in the overlay.

        Raises:
            BootError: it does not end within `timeout_s`.
        """
        with contextlib.suppress(BootError):  # it may be gone before it has answered
            self.probe.run(["systemctl", "--no-block", "poweroff"])
        try:
            self._child.wait(timeout_s)
        except TimeoutExpired as exc:
            raise self.failure(f"the guest did not power off within {timeout_s:.0f} s") from exc

    def _ask_monitor(self, command: str, arguments: dict[str, str] | None = None) -> str:
        with contextlib.suppress(ChannelClosedError):
            self._monitor.send({"execute": command, "arguments": arguments or {}, "id": command})
            while (answer := self._monitor.receive(timeout_s=_QMP_ANSWER_S)) is not None:
                if answer.get("id") == command:
                    return str(answer.get("return", answer.get("error")))
        self.check()
        raise self.failure(f"QEMU's monitor does not answer {command!r}")


@contextlib.contextmanager
def booted(
    card: Path,
    *,
    kernel: KernelFiles,
    scratch: Path,
    address: IPv4Interface | None = None,
    gateway: IPv4Address | None = None,
    outside: bool = False,
    least_card_bytes: int = 0,
    memory_mib: int = MEMORY_MIB,
    on_console_line: Callable[[str], None] | None = None,
) -> Iterator[Machine]:
    """Boot a card for the length of the block; QEMU is dead afterwards, and the card unchanged.

    Args:
        card: a raw image, a card file or a block device; it must not change meanwhile.
        kernel: what `ensure_kernel` returned.
        scratch: folder for the overlay and `console.log`; what the guest writes goes there.
        address: the node's static address; None: it uses DHCP.
        gateway: the node's default route.
        outside: whether the guest reaches the host's network.
        least_card_bytes: the guest sees a card of at least this size; for an image, which is no card yet.
            What lies behind its end reads as zeros.
        memory_mib: the guest's memory.
        on_console_line: called with every console line, from another thread.

    Raises:
        HostNotReadyError: QEMU is not installed.
        ProgramError: the card cannot be read as a raw image.
    """
    overlay = scratch / "card.qcow2"
    _make_overlay(card, overlay, least_bytes=least_card_bytes)
    log = scratch / "qemu.log"
    with contextlib.ExitStack() as stack:
        ours, theirs = zip(*(_socket_pair(stack) for _ in range(2)), strict=True)
        probe, monitor = map(JsonLines, ours)
        argv = qemu_argv(
            kernel=kernel,
            overlay=overlay,
            netdev=network_for(address, gateway, outside=outside).netdev(name="lan"),
            channels=Channels(probe_fd=theirs[0].fileno(), monitor_fd=theirs[1].fileno()),
            memory_mib=memory_mib,
        )
        console_fd, terminal_fd = os.pipe()
        console = stack.enter_context(Console(console_fd, scratch / "console.log", on_console_line))
        with os.fdopen(terminal_fd, "wb") as terminal, log.open("wb") as said:
            child = stack.enter_context(
                programs.running(
                    argv, stdout=terminal, stderr=said, pass_fds=[end.fileno() for end in theirs]
                )
            )
        # QEMU alone holds its ends from here, so that we see it go.
        for end in theirs:
            end.close()
        yield Machine(child, console, probe=probe, monitor=monitor, log=log)


def _socket_pair(stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    return stack.enter_context(ours), stack.enter_context(theirs)


def _make_overlay(card: Path, overlay: Path, *, least_bytes: int) -> None:
    with card.open("rb") as source:  # stat knows no size of a block device
        size_bytes = max(source.seek(0, os.SEEK_END), least_bytes)
    programs.run(
        [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "raw",
            "-b",
            card.resolve(),
            overlay,
            str(card_bytes(size_bytes)),
        ]
    )
