"""The faults of the matrix: what each card does, and what a run must make of it."""

from dataclasses import dataclass, field
from enum import Enum

from imagesmith.model.outcome import Phase
from imagesmith.model.units import MIB

CARD_BYTES = 96 * MIB
AT = 10 * MIB + 12_345
"""Where faults of the body strike: in the third chunk of the image, and in no block that the probe marks."""
CAPACITY_BYTES = 64 * MIB
"""What a counterfeit truly has."""
SHRUNK_BYTES = 17 * MIB + 512 * 1024
"""Inside the fifth chunk: the write that crosses it is a short one."""


class Ends(Enum):
    """How a run on one such card must end."""

    WELL = "well"
    BADLY = "badly"
    REFUSED = "refused"
    """Before anything is written to any card."""


class Left(Enum):
    """What lies on a card, by what a kernel would take for a partition table."""

    PLANNED = "the planned card"
    AS_IT_WAS = "the card as it was"
    BARE = "the card as it was, without a table"
    NO_TABLE = "no table"
    OLD = "its old table over its old body"
    """It let nobody clear the table."""
    COMPLETE = "a table over the complete body"
    """It went while the table was written: all but that had been read back."""
    TORN = "A TABLE OVER AN INCOMPLETE BODY"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the offset in the report must lie."""

    first: int
    last: int


BODY = Place(AT - 4 * MIB, AT)
EXACT = Place(AT, AT)
FRONT = Place(0, MIB - 1)
BACK = Place(CARD_BYTES - MIB, CARD_BYTES - 1)
ANYWHERE = Place(0, CARD_BYTES - 1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix.

    Args:
        name: the row.
        card: as faulty_card.py takes it; `{…}` are settings of the run.
        ends: how a run on it must end.
        phase: in which it fails; None where that depends on the mode.
        sooner: another phase in which it may fail already.
        cause: words of the report.
        place: where the report says it is; None where there is no such place.
        left: what may lie on the card then; where that is no table, it may be as it was without one, too.
        retries: least number of operations asked again.
        modes: those in which it can happen; empty for all.
        is_short: each call moves half of what it was asked.
        is_resized: the card changes its size between the question and the opening.
        note: what the reader of the table should know.
    """

    name: str
    card: str
    ends: Ends = Ends.BADLY
    phase: Phase | None = None
    sooner: Phase | None = None
    cause: str = ""
    place: Place | None = None
    left: frozenset[Left] = frozenset({Left.NO_TABLE})
    retries: int = 0
    modes: frozenset[str] = field(default=frozenset())
    is_short: bool = False
    is_resized: bool = False
    note: str = ""


def _harmless(name: str, card: str, *, retries: int = 0, is_short: bool = False, note: str = "") -> Fault:
    left = frozenset({Left.PLANNED})
    return Fault(name, card, Ends.WELL, left=left, retries=retries, is_short=is_short, note=note)


def _left(*what: Left) -> frozenset[Left]:
    return frozenset(what)


_AT = f"at={AT}"
_COUNTERFEIT = f"at={CAPACITY_BYTES}"

FAULTS = (
    _harmless("none", f"none {_AT}"),
    _harmless("a write fails once", f"eio-write {_AT} in=body times=1", retries=1),
    Fault(
        "writes to one place fail",
        f"eio-write {_AT}",
        phase=Phase.WRITE,
        cause="write failed: EIO",
        place=BODY,
    ),
    Fault(
        "writes fail from an offset on",
        f"eio-write {_AT} onward=yes",
        phase=Phase.CLEAR,
        cause="write failed: EIO",
        place=BACK,
        left=_left(Left.NO_TABLE, Left.OLD),
        note="the old backup table lies behind the offset: nobody can clear it, so nothing else is touched",
    ),
    Fault(
        "writes of the new table fail",
        f"eio-write {_AT} in=table",
        phase=Phase.HEAD,
        cause="write failed: EIO",
        place=FRONT,
    ),
    _harmless("a read fails once", f"eio-read {_AT} in=verify times=1", retries=1),
    Fault(
        "reads of one place fail", f"eio-read {_AT}", phase=Phase.VERIFY, cause="read failed: EIO", place=BODY
    ),
    Fault(
        "reads fail from an offset on",
        f"eio-read {_AT} onward=yes",
        phase=Phase.CLEAR,
        cause="read failed: EIO",
        place=BACK,
    ),
    Fault(
        "a bit flips as it is stored",
        f"flip {_AT} in=body",
        phase=Phase.VERIFY,
        cause="read back wrong",
        place=EXACT,
    ),
    Fault(
        "a bit flips as it is read back",
        f"flip-read {_AT} in=verify",
        phase=Phase.VERIFY,
        cause="read back wrong",
        place=EXACT,
    ),
    Fault(
        "a bit flips in the new table",
        f"flip {_AT} in=table",
        phase=Phase.HEAD,
        cause="read back wrong",
        place=Place(600, 600),
    ),
    Fault(
        "a write is acknowledged and dropped",
        f"drop {_AT} in=body",
        phase=Phase.VERIFY,
        cause="read back wrong",
        place=BODY,
    ),
    Fault(
        "clearing the old table is dropped",
        f"drop {_AT} in=clear",
        phase=Phase.CLEAR,
        cause="read back wrong",
        place=FRONT,
        left=_left(Left.OLD),
        modes=frozenset({"write", "delta"}),
        note="the card keeps its old table whatever it is told: nothing else is touched",
    ),
    Fault(
        "the new table is dropped",
        f"drop {_AT} in=table",
        phase=Phase.HEAD,
        cause="read back wrong",
        place=FRONT,
    ),
    Fault(
        "counterfeit: wraps at a false capacity",
        f"wrap {_COUNTERFEIT}",
        phase=Phase.PROBE,
        cause="the card wraps: it holds 64 MiB or less",
        place=ANYWHERE,
    ),
    Fault(
        "counterfeit: forgets beyond its capacity",
        f"limbo {_COUNTERFEIT}",
        phase=Phase.PROBE,
        cause="what is written there does not stay",
        place=Place(CAPACITY_BYTES, CARD_BYTES - 1),
    ),
    _harmless("hangs, then goes on", f"hang {_AT} in=body times=1 seconds={{hang_s}}"),
    Fault(
        "hangs for ever",
        f"hang {_AT} in=body",
        phase=Phase.WRITE,
        cause="no answer for {stall_s} s to: write",
        place=BODY,
    ),
    Fault(
        "yanked while compared",
        f"yank {_AT} in=compare",
        phase=Phase.CLEAR,
        sooner=Phase.COMPARE,
        cause=" failed: E",
        place=ANYWHERE,
        left=_left(Left.AS_IT_WAS, Left.BARE),
        modes=frozenset({"delta", "resume"}),
        note="up to eight places where reading says EIO are taken for bad ones that writing mends;"
        " the rig may say EINVAL, too, and that ends it at once",
    ),
    Fault("yanked in the body", f"yank {_AT} in=body", phase=Phase.WRITE, cause="write failed: ", place=BODY),
    Fault("yanked in verify", f"yank {_AT} in=verify", phase=Phase.VERIFY, cause="read failed: ", place=BODY),
    Fault(
        "yanked in the head", f"yank {_AT} in=backup", phase=Phase.HEAD, cause="write failed: ", place=BACK
    ),
    Fault(
        "yanked between the two tables",
        f"yank {_AT} in=table",
        phase=Phase.HEAD,
        cause="write failed: ",
        place=FRONT,
        left=_left(Left.COMPLETE),
        note="the backup table is on it; all it describes was read back before",
    ),
    Fault(
        "goes read-only",
        f"read-only {_AT} in=body",
        phase=Phase.WRITE,
        cause="write failed: EPERM",
        place=BODY,
    ),
    _harmless("slows to a crawl", f"crawl {_AT} in=body rate={{crawl_bytes_per_s}}"),
    _harmless(
        "short writes and reads",
        f"none {_AT}",
        is_short=True,
        note="the block layer makes none of a whole device: halved between imagesmith and the kernel",
    ),
    Fault(
        "shrinks while it is written",
        f"shrink {_AT} in=body times=1 to={SHRUNK_BYTES}",
        phase=Phase.WRITE,
        cause="write failed: ENOSPC",
        place=Place(SHRUNK_BYTES, SHRUNK_BYTES),
        note="the write that crosses the new end is short, truly so; the next one finds no space",
    ),
    Fault(
        "has another size than when it was judged",
        f"none {_AT}",
        Ends.REFUSED,
        cause="it is not the card that was judged",
        left=_left(Left.AS_IT_WAS, Left.BARE),
        is_resized=True,
    ),
    Fault(
        "dead",
        "dead",
        phase=Phase.CLEAR,
        cause="write failed: EIO",
        place=FRONT,
        left=_left(Left.AS_IT_WAS, Left.BARE),
    ),
)
