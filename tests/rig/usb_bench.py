"""A bench as a person has it: a machine, two hubs, six sticks and a reader with two slots. In QEMU.

The machine's own system disk is a removable USB stick too, so that nothing but what lies on it protects it.
What a medium holds is in its backing file on the host, whatever the guest says of it.
"""

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagesmith.emulator.console import Console
from imagesmith.emulator.lines import JsonLines
from imagesmith.emulator.probe import PORT_NAME, Probe
from imagesmith.host import programs
from imagesmith.host.programs import Finished
from imagesmith.model.units import MIB, SECTOR_BYTES
from tests.rig.guest_disk import CHECKOUT, GuestDisk
from tests.rig.monitor import Monitor

QEMU = "qemu-system-x86_64"
BOOT_S = 240.0
SETTLE_S = 60.0
STICK_BYTES = 128 * MIB

_CONTROLLER_ADDRESS = "05.0"
_DATA_BYTES = 512 * MIB
_TAIL_LINES = 30
_CHECKOUT_PARTS = ("imagesmith", "recipes", "overlays", "firstboot")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card goes: a port of the hubs, and the slot of what sits there.

    Args:
        name: of the card that lies there.
        port: as QEMU and the kernel count: `1.3` is the third port of the first hub.
        lun: of a reader with several slots.
        reader: its QEMU id; empty for a stick, which is its own reader.
    """

    name: str
    port: str
    lun: int = 0
    reader: str = ""

    @property
    def device(self) -> str:
        """The QEMU id of what hangs on the port."""
        return self.reader or self.name

    @property
    def serial(self) -> str:
        """What the device on the port says of itself: the slots of one reader say the same."""
        return f"SERIAL-{self.device.upper()}"

    @property
    def slot_path(self) -> str:
        """What udev calls the place."""
        return f"pci-0000:00:{_CONTROLLER_ADDRESS}-usb-0:{self.port}:1.0-scsi-0:0:0:{self.lun}"


PLACES = (
    *(Place(f"stick{index}", f"1.{index + 1}") for index in range(4)),
    *(Place(f"stick{index}", f"2.{index - 3}") for index in range(4, 6)),
    *(Place(f"slot{lun}", "2.3", lun, "reader") for lun in range(2)),
)
PLACES_OF_READER = tuple(place for place in PLACES if place.reader)


@dataclass(slots=True)
class Bench:
    """The running guest and its cards. Made by `bench` alone."""

    probe: Probe
    monitor: Monitor
    folder: Path
    """Of the cards' backing files."""
    console: Console
    plugged: set[str] = field(default_factory=set)

    def backing(self, place: Place) -> Path:
        """Return the file with what the card in a place holds."""
        return self.folder / f"{place.name}.card"

    def run(self, *argv: str, timeout_s: float = 120.0) -> Finished:
        """Run a command as root in the guest, to whatever end it comes."""
        return self.probe.run(argv, timeout_s=timeout_s)

    def say(self, *argv: str) -> str:
        """Run a command that must succeed; return what it said."""
        done = self.run(*argv)
        assert 0 == done.returncode, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def python(self, code: str, *words: str) -> Any:
        """Run Python in the guest, with imagesmith at hand; return what it printed, as JSON."""
        env = "PYTHONPATH=/data/checkout:/data/python"
        prefix = "PYTHONPYCACHEPREFIX=/var/cache/imagesmith-pyc"
        done = self.run("env", env, prefix, "python3", "-c", code, *words, timeout_s=300)
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)

    def put_file(self, path: str, text: str) -> None:
        """Write a file in the guest."""
        self.say("sh", "-c", 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"', "sh", path, text)

    def node(self, place: Place) -> str:
        """Return the device node of the card in a place."""
        return self.say("readlink", "-e", f"/dev/disk/by-path/{place.slot_path}")

    def nodes(self, places: Sequence[Place] = PLACES) -> list[str]:
        """Return the device nodes of the cards in some places, in their order."""
        links = [f"/dev/disk/by-path/{place.slot_path}" for place in places]
        return self.say("readlink", "-e", *links).split()

    def settle(self) -> None:
        """Wait until the kernel has told udev all, and udev has done all."""
        self.say("udevadm", "settle", f"--timeout={SETTLE_S:.0f}")

    def until(self, accept: Callable[[], bool], what: str, *, timeout_s: float = SETTLE_S) -> None:
        """Wait until something is so."""
        deadline_s = time.monotonic() + timeout_s
        while not accept():
            assert time.monotonic() < deadline_s, f"not within {timeout_s:.0f} s: {what}"
            time.sleep(0.2)

    def plug(self, *places: Place) -> None:
        """Put what is not there yet into its ports, and wait until the guest has taken notice."""
        for device in dict.fromkeys(place.device for place in places):
            if device not in self.plugged:
                self._attach([place for place in PLACES if place.device == device])
                self.plugged.add(device)
        links = [f"/dev/disk/by-path/{place.slot_path}" for place in places]
        self.until(lambda: self.run("ls", *links).returncode == 0, f"{links} are there")
        self.settle()

    def yank(self, place: Place) -> None:
        """Pull a stick, or a reader with all its cards, out of its port."""
        self.monitor.remove(place.device)
        self.plugged.discard(place.device)

    def take_card(self, place: Place) -> None:
        """Take the card out of a reader's slot; the reader stays. The guest looks by itself, now and then.

        From the first slot alone: of another one without a card QEMU 7.2 says that there is no such slot.
        """
        assert place in PLACES_OF_READER[:1], place
        self.monitor.ask("blockdev-open-tray", id=place.name, force=True)
        self.monitor.ask("blockdev-remove-medium", id=place.name)
        self.monitor.ask("blockdev-del", **{"node-name": place.name})

    def put_card(self, place: Place, backing: Path) -> None:
        """Put a card into a reader's empty slot."""
        self._add_medium(place, backing)
        self.monitor.ask("blockdev-insert-medium", id=place.name, **{"node-name": place.name})
        self.monitor.ask("blockdev-close-tray", id=place.name)

    def has_noticed(self, place: Place, size_bytes: int) -> None:
        """Wait until the guest knows that the card in a place has this size; 0: that there is none."""
        size = f"/sys/class/block/{Path(self.node(place)).name}/size"
        self.until(lambda: int(self.say("cat", size)) * SECTOR_BYTES == size_bytes, f"{size} is {size_bytes}")
        self.settle()

    def start(self, name: str, command: str) -> None:
        """Start a shell command; its exit code will be in /run/NAME.code. It has no terminal."""
        code = f"/run/{name}.code"
        self.say("sh", "-c", f"rm -f {code}; ({command}; echo $? > {code}) > /dev/null 2>&1 &")

    def exit_code(self, name: str) -> int | None:
        """Return the exit code of a started command; None while it goes on."""
        code = self.run("cat", f"/run/{name}.code").stdout.strip()
        return int(code) if code else None

    def await_end(self, name: str, *, timeout_s: float) -> int:
        """Return the exit code of a started command once it has one."""
        self.until(lambda: self.exit_code(name) is not None, f"{name} ends", timeout_s=timeout_s)
        return int(self.say("cat", f"/run/{name}.code"))

    def replace_cards(self) -> None:
        """Have used cards of nobody in all places."""
        for place in PLACES:
            if place.device in self.plugged:
                self.yank(place)
            make_card(self.backing(place))
        self.plug(*PLACES)

    def swap_stick(self, place: Place, backing: Path) -> None:
        """Replace a stick by another one of the same make, size and serial."""
        self.yank(place)
        link = f"/dev/disk/by-path/{place.slot_path}"
        self.until(lambda: self.run("ls", link).returncode != 0, f"{link} is gone")
        self.monitor.ask("blockdev-del", **{"node-name": place.name})
        self._add_medium(place, backing)
        self.plug(place)

    def slow_down(self, place: Place, bytes_per_s: int) -> None:
        """Make a card this slow at writing from now on; 0: as fast as it can."""
        limits = {"bps-write": bytes_per_s}
        self.monitor.ask("qom-set", path=f"/objects/brake-{place.name}", property="limits", value=limits)

    def _attach(self, places: Sequence[Place]) -> None:
        first = places[0]
        common = {"bus": "xhci.0", "port": first.port, "serial": first.serial, "id": first.device}
        if not first.reader:
            self.monitor.ask("device_add", driver="usb-storage", drive=first.name, removable=True, **common)
            return
        self.monitor.ask("device_add", driver="usb-bot", **common)
        for place in places:
            self.monitor.ask(
                "device_add", driver="scsi-hd", id=place.name, drive=place.name, removable=True,
                bus=f"{place.reader}.0", **{"scsi-id": 0, "lun": place.lun},
            )  # fmt: skip
        # Only now: the guest asks a reader once how many slots it has.
        self.monitor.ask(
            "qom-set", path=f"/machine/peripheral/{first.device}", property="attached", value=True
        )

    def _add_medium(self, place: Place, backing: Path) -> None:
        self.monitor.ask("blockdev-add", **_medium(place, backing))


@contextlib.contextmanager
def bench(disk: GuestDisk, data: Path, folder: Path) -> Iterator[Bench]:
    """Boot the machine with empty ports for the length of the block.

    Args:
        disk: the system disk; what the guest writes to it is forgotten.
        data: read-only drive, as `make_data_drive` makes it.
        folder: gets the cards' backing files, which hold noise, and the logs.
    """
    overlay, log = folder / "system.qcow2", folder / "qemu.log"
    programs.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk.disk, overlay])
    for place in PLACES:
        make_card(folder / f"{place.name}.card")
    with contextlib.ExitStack() as stack:
        ours, theirs = zip(*(_socket_pair(stack) for _ in range(2)), strict=True)
        argv = _qemu_argv(disk, overlay, data, folder, [end.fileno() for end in theirs])
        console_fd, terminal_fd = os.pipe()
        console = stack.enter_context(Console(console_fd, folder / "console.log"))
        with os.fdopen(terminal_fd, "wb") as terminal, log.open("wb") as said:
            child = stack.enter_context(
                programs.running(
                    argv, stdout=terminal, stderr=said, pass_fds=[end.fileno() for end in theirs]
                )
            )
        for end in theirs:
            end.close()

        def check() -> None:
            assert child.poll() is None, f"QEMU ended: {log.read_text()}"
            assert console.panic is None, "\n".join(console.tail(_TAIL_LINES))

        probe = Probe(JsonLines(ours[0]), check)
        made = Bench(probe, Monitor(ours[1]), folder, console)
        probe.run(["true"], timeout_s=BOOT_S)
        yield made


def make_card(path: Path) -> None:
    """Make a used card: some dirt in every 64 KiB of it."""
    dirt = b"\xa5" * 4096
    with path.open("wb") as out:
        out.truncate(STICK_BYTES)
        for start in range(0, STICK_BYTES, 64 * 1024):
            out.seek(start)
            out.write(dirt)


def make_data_drive(drive: Path, python: Path, published: Path, recipe: str) -> None:
    """Make the drive with which a guest gets imagesmith as it is in the checkout, an image and a recipe.

    Args:
        drive: the file to be made.
        python: folder with imagesmith's dependencies.
        published: folder of a published image; it becomes `/data/rig`.
        recipe: text of `/data/rig.yaml`.
    """
    tree = drive.with_suffix(".tree")
    for part in _CHECKOUT_PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / part, tree / "checkout" / part, ignore=ignored)
    shutil.copytree(python, tree / "python", ignore=shutil.ignore_patterns("__pycache__", "bin"))
    shutil.copyfile(CHECKOUT / "imagesmith/emulator/guest/probe.py", tree / "probe.py")
    programs.run(["cp", "-r", "--sparse=always", published, tree / "rig"])
    (tree / "rig.yaml").write_text(recipe)
    with drive.open("wb") as out:
        out.truncate(_DATA_BYTES)
    programs.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "guest-data", "-d", tree, drive])


def _medium(place: Place, backing: Path) -> dict[str, Any]:
    """Return a block device for QEMU: a raw file behind a brake."""
    return {
        "driver": "throttle",
        "node-name": place.name,
        "throttle-group": f"brake-{place.name}",
        # Nothing here outlives the run: flushing it to the host's disk buys nothing.
        "file": {"driver": "file", "filename": str(backing), "cache": {"no-flush": True}},
    }


def _qemu_argv(
    disk: GuestDisk, overlay: Path, data: Path, folder: Path, ends: Sequence[int]
) -> list[str | Path]:
    probe_fd, monitor_fd = ends
    words: list[str | Path] = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "1024", "-accel", "tcg,thread=multi",
        "-kernel", disk.kernel, "-initrd", disk.initramfs,
        "-append", "root=LABEL=guest-root ro console=ttyS0 net.ifnames=0",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-drive", f"if=none,id=system,format=qcow2,cache=unsafe,file={overlay}",
        "-drive", f"if=none,id=data,format=raw,readonly=on,file={data}",
        "-device", "virtio-blk-pci,drive=data",
        "-device", f"qemu-xhci,id=xhci,p2=8,p3=8,addr={_CONTROLLER_ADDRESS}",
        "-device", "usb-storage,bus=xhci.0,port=8,removable=on,serial=SERIAL-SYSTEM,drive=system",
        "-device", "usb-hub,bus=xhci.0,port=1", "-device", "usb-hub,bus=xhci.0,port=2",
        "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=probe,fd={probe_fd}",
        "-device", f"virtserialport,chardev=probe,name={PORT_NAME}",
        "-chardev", f"socket,id=monitor,fd={monitor_fd}", "-mon", "chardev=monitor,mode=control",
    ]  # fmt: skip
    for place in PLACES:
        words += ["-object", f"throttle-group,id=brake-{place.name}"]
        words += ["-blockdev", json.dumps(_medium(place, folder / f"{place.name}.card"))]
    return words


def _socket_pair(stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    return stack.enter_context(ours), stack.enter_context(theirs)
