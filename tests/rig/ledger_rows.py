"""Rows of the ledger and facts of the cards they are about, for tests that care for a few of their fields."""

from pathlib import Path

from imagesmith.model.card import CardFacts, Identity, TargetKind
from imagesmith.model.ledger import LedgerRow
from imagesmith.model.outcome import Result

A, B = "a" * 64, "b" * 64
LEFT, RIGHT = (f"pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:{lun}" for lun in (0, 1))


def row(node: str = "jetson0-node", **values: object) -> LedgerRow:
    fields: dict[str, object] = {
        "run": "1",
        "started_at": "2026-11-24T03:00:00Z",
        "ended_at": "2026-11-24T03:10:00Z",
        "card": "/dev/sdb",
        "path": "/dev/sdb",
        "slot": "",
        "slot_path": LEFT,
        "transport": "usb",
        "serial": "reader",
        "model": "",
        "size_bytes": 64,
        "cluster": "mpi",
        "node_index": 0,
        "node": node,
        "image": "mpi.img",
        "image_sha256": A,
        "result": Result.DONE,
    }
    return LedgerRow(**{**fields, **values})  # type: ignore[arg-type]  # a table of values


def facts(
    *,
    transport: str = "usb",
    serial: str = "reader",
    slot_path: str = LEFT,
    path: str = "/dev/sdb",
    size_bytes: int = 64,
) -> CardFacts:
    kind = TargetKind.WHOLE_DISK if transport else TargetKind.REGULAR_FILE
    return CardFacts(
        path=Path(path),
        real_path=Path(path),
        kind=kind,
        identity=Identity(1, size_bytes, serial),
        transport=transport,
        slot_path=slot_path,
    )
