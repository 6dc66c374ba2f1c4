"""`imagesmith boot`: a card or an image boots in the emulator; what it became is asked from inside."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from imagesmith.app.published import read_manifest
from imagesmith.build.content import CLUSTER_PATH
from imagesmith.emulator.first_boot import Inside, Step, complaints_about, inspect, wait_until_ready
from imagesmith.emulator.kernel import ensure_kernel
from imagesmith.emulator.machine import booted
from imagesmith.errors import VerificationError
from imagesmith.host import ext4
from imagesmith.host.cardread import open_for_reading
from imagesmith.host.folders import cache_folder
from imagesmith.host.scratch import scratch_folder
from imagesmith.model.layout import APP_NUMBER
from imagesmith.model.units import GIB
from imagesmith.verify.identity import ForeignSlotError, read_identity

PROBE_TIMEOUT_S = 300.0
READY_TIMEOUT_S = 900.0
ROOMY_CARD_BYTES = 16 * GIB
"""What an image is booted on: it is no card yet, and its agent is to find room to grow and to swap."""


@dataclass(frozen=True, slots=True)
class BootReport:
    """A first boot that came to its end, seen from inside."""

    card: str
    node: str
    """Host name in the identity slot; empty for a card without identity."""
    steps: tuple[Step, ...]
    inside: Inside
    complaints: tuple[str, ...]
    seconds: float
    """From power-on to ready."""

    @property
    def ok(self) -> bool:
        """Whether the node is as its documents say."""
        return not self.complaints

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "card": self.card,
            "ok": self.ok,
            "node": self.node,
            "seconds": round(self.seconds, 1),
            "steps": [asdict(step) for step in self.steps],
            "inside": dict(self.inside.answers),
            "complaints": list(self.complaints),
        }


def boot_and_check(card: Path, image: Path, *, say: Callable[[str], None]) -> BootReport:
    """Boot a card (or the image itself) to the end of its first boot. The card is only read.

    Args:
        card: a card, a card file, or the image.
        image: the image it was written from: its manifest says where the identity lies.
        say: told of every step.

    Raises:
        HostNotReadyError: the emulator or its kernel is missing.
        BootError: it does not get to the end of its first boot.
    """
    cluster, node = _documents(card, image)
    address, gateway = _network(node)
    kernel = ensure_kernel(say)
    started = time.monotonic()
    with (
        scratch_folder(cache_folder() / "emulator", prefix=".boot-") as scratch,
        booted(
            card,
            kernel=kernel,
            scratch=scratch,
            address=address,
            gateway=gateway,
            least_card_bytes=ROOMY_CARD_BYTES if card == image else 0,
        ) as machine,
    ):
        say(f"{card}: powered on (no Tegra boot chain, no GPU: QEMU's board and a Debian kernel)")
        machine.wait_for_probe(timeout_s=PROBE_TIMEOUT_S)
        steps = wait_until_ready(
            machine,
            timeout_s=READY_TIMEOUT_S,
            on_step=lambda step: say(f"  {step.name}: {step.status} ({step.detail})"),
        )
        seconds = time.monotonic() - started
        inside = inspect(machine, interface=cluster["interface"])
        with suppress(VerificationError):  # it is a copy that is thrown away; how it ends proves nothing
            machine.power_off()
    return BootReport(
        card=str(card),
        node=str(node["hostname"]) if node else "",
        steps=steps,
        inside=inside,
        complaints=tuple(complaints_about(inside, cluster, node)),
        seconds=seconds,
    )


def _documents(card: Path, image: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    manifest = read_manifest(image)
    try:
        with open_for_reading(card) as reader:
            node = read_identity(reader, manifest)
        text = ext4.read_file(card, manifest.geometry.partition(APP_NUMBER), CLUSTER_PATH)
        return json.loads(text), node
    except (OSError, ValueError, ext4.Ext4Error, ForeignSlotError) as exc:
        raise VerificationError(
            f"{card} was not written from {image}", why=str(exc), remedy="name its image with --image"
        ) from exc


def _network(node: dict[str, Any] | None) -> tuple[IPv4Interface | None, IPv4Address | None]:
    network = node["network"] if node else {}
    address, gateway = network.get("address"), network.get("gateway4")
    return (IPv4Interface(address) if address else None, IPv4Address(gateway) if gateway else None)
