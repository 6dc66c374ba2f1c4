"""Real block devices with real faults: nbdkit → nbdfuse → a loop device with direct I/O.

Without direct I/O the page cache hides every fault. What a card really holds is in its backing file, whatever
it says of itself. Every context manager ends, detaches and unmounts what it made and nothing else.
"""

import contextlib
import fcntl
import os
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imagesmith.flash.lane import LaneJob
from imagesmith.host.media import open_medium
from imagesmith.host.programs import run, running
from imagesmith.model.card import CardPlan, Identity
from imagesmith.model.layout import GPT_BACKUP_BYTES, HEAD_BYTES
from imagesmith.model.units import KIB

_FAULTY_CARD = Path(__file__).with_name("faulty_card.py")
_READY_S = 20.0

_BLKROSET = 0x125D
# linux/loop.h: struct loop_info64, and lo_sizelimit in it
_LOOP_SET_STATUS64, _LOOP_GET_STATUS64 = 0x4C04, 0x4C05
_LOOP_INFO_BYTES, _LOOP_SIZE_LIMIT_AT = 232, 32


@dataclass(frozen=True, slots=True)
class RigCard:
    """A card in its reader."""

    device: Path
    backing: Path
    """What the medium holds."""
    server: int
    """Process id of its nbdkit: killing it pulls the card, stopping it makes the card hang."""
    log: Path
    """A line for each request that came to a card with a fault."""

    def pull(self) -> None:
        """Take the card out."""
        os.kill(self.server, signal.SIGKILL)

    def hang(self) -> None:
        """Let the card answer no more."""
        os.kill(self.server, signal.SIGSTOP)

    def identity(self) -> Identity:
        """Return what the guard would have judged."""
        return identity_of(self.device)

    def job(self, plan: CardPlan, *, slot: str = "") -> LaneJob:
        """Return the work of writing `plan` to this card."""
        opens = partial(
            open_medium, self.device, size_bytes=plan.size_bytes, expected=self.identity(), create=False
        )
        return LaneJob(str(self.device), plan, opens, lambda: None, slot=slot)


@contextlib.contextmanager
def rig_card(
    folder: Path,
    name: str,
    *,
    size_bytes: int,
    fault: str = "",
    rate_bytes_per_s: int = 0,
    burst_s: float = 2.0,
    content: bytes = b"",
) -> Iterator[RigCard]:
    """Give a used card.

    Args:
        folder: where its backing file and sockets go.
        name: of those.
        size_bytes: what it claims to have.
        fault: as faulty_card.py takes it: `flip at=4096`; empty for an honest card.
        rate_bytes_per_s: how fast it is, in either direction; 0: as fast as it can.
        burst_s: how many seconds' worth it takes at once after a rest.
        content: what is on it; noise by default.
    """
    backing, sock, disk, log = (
        folder / f"{name}{ending}" for ending in (".backing", ".sock", ".disk", ".log")
    )
    write_sparsely(backing, content or random.Random(name).randbytes(size_bytes))
    disk.touch()
    words: list[str | Path] = ["file", backing]
    if fault:
        kind, *options = fault.split()
        words = ["python", _FAULTY_CARD, f"backing={backing}", f"disk={disk}", f"log={log}"]
        words += [f"fault={kind}", *options]
    if rate_bytes_per_s:
        words = ["--filter=rate", *words, f"rate={rate_bytes_per_s * 8}", f"burstiness={burst_s}"]
    # To a file: nobody reads a pipe, and a server that complains a lot would hang on a full one.
    with (
        (folder / f"{name}.said").open("wb") as said,
        running(["nbdkit", "-f", "-U", sock, *words], stdout=said, stderr=said) as server,
    ):
        _until(sock.exists, "nbdkit")
        with (
            running(["nbdfuse", disk, "--unix", sock]),
            _unmounted(disk),
        ):
            _until(lambda: disk.stat().st_size == size_bytes, "nbdfuse")
            with loop_device(disk, direct=True) as device, _resumed(server.pid):
                yield RigCard(device, backing, server.pid, log)


def write_sparsely(path: Path, content: bytes) -> None:
    """Write a file with holes where there are 64 KiB of zeros."""
    step = 64 * KIB
    zeros = bytes(step)
    with path.open("wb") as out:
        out.truncate(len(content))
        for start in range(0, len(content), step):
            part = content[start : start + step]
            if part != zeros:
                out.seek(start)
                out.write(part)


@contextlib.contextmanager
def loop_device(path: Path, *, direct: bool) -> Iterator[Path]:
    """Give a loop device on a file."""
    mode = "on" if direct else "off"
    device = Path(run(["losetup", "--find", "--show", f"--direct-io={mode}", path]).stdout.strip())
    try:
        assert str(int(direct)) == _attribute(device, "loop/dio")
        yield device
    finally:
        # A card that went read-only would leave its mark on whatever gets this loop device next.
        _ask_loop(device, _BLKROSET, bytes(4))
        run(["losetup", "--detach", device])


def resize_loop(device: Path, size_bytes: int) -> None:
    """Give a loop device another size, and leave everything else about it."""
    info = bytearray(_ask_loop(device, _LOOP_GET_STATUS64, bytes(_LOOP_INFO_BYTES)))
    struct.pack_into("=Q", info, _LOOP_SIZE_LIMIT_AT, size_bytes)
    _ask_loop(device, _LOOP_SET_STATUS64, bytes(info))


def identity_of(device: Path) -> Identity:
    """Return what the guard would judge of a block device."""
    return Identity(
        device_number=device.stat().st_rdev,
        size_bytes=int(_attribute(device, "size")) * 512,
        disk_sequence=int(_attribute(device, "diskseq")),
    )


def gpt_heads(folder: Path, card_bytes: int) -> tuple[bytes, bytes]:
    """Return a real table for a card of this size, always the same: its first MiB, its last 33 sectors."""
    disk = folder / f"table-{card_bytes}"
    with disk.open("wb") as out:
        out.truncate(card_bytes)
    guid = "0d6f2f7c-2d8a-5c0e-9b55-5f1b6e1f3a10"
    run(["sgdisk", f"--disk-guid={guid}", "--new=1:2048:0", f"--partition-guid=1:{guid}", disk])
    content = disk.read_bytes()
    disk.unlink()
    return content[:HEAD_BYTES], content[-GPT_BACKUP_BYTES:]


def _ask_loop(device: Path, request: int, argument: bytes) -> bytes:
    handle = os.open(device, os.O_RDONLY)
    try:
        return fcntl.ioctl(handle, request, argument)
    finally:
        os.close(handle)


def _attribute(device: Path, name: str) -> str:
    return Path("/sys/block", device.name, name).read_text().strip()


@contextlib.contextmanager
def _resumed(server: int) -> Iterator[None]:
    # A stopped nbdkit would neither end nor let go of those who wait for it.
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGCONT)


@contextlib.contextmanager
def _unmounted(disk: Path) -> Iterator[None]:
    try:
        yield
    finally:
        run(["fusermount3", "-u", "-z", disk], ok=(0, 1))  # 1: nbdfuse has already gone by itself


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what} was not ready within {_READY_S:.0f} s")
        time.sleep(0.02)
