"""A cell of the fault matrix: cards in readers, one of them bad, a run, and the judgement of it."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesmith.card.plan import plan_card
from imagesmith.flash.lanes import STALL_TIMEOUT_S
from imagesmith.model.card import CardPlan
from imagesmith.model.layout import HEAD_BYTES
from imagesmith.model.node import node_document, nodes_of, slot_bytes
from imagesmith.model.units import KIB, MIB
from imagesmith.recipe.load import load_recipe
from tests.rig.cards import RigCard, resize_loop, rig_card
from tests.rig.faults import AT, CAPACITY_BYTES, CARD_BYTES, Ends, Fault, Left
from tests.rig.images import Published, publish_small_image
from tests.rig.plans import card_after
from tests.rig.tables import valid_tables

CHECKOUT = Path(__file__).parents[2]
RECIPE = """version: 1
name: rig
base: standin
nodes: {count: 4, hostname: "jetson{n}-node", interface: eth0, addresses: 192.168.0.10/24}
users: [{name: guest, uid: 1000, groups: [sudo]}]
mode: {mpi: {}}
"""
_DIRT = (b"\xa5" * (64 * KIB)).ljust(MIB, b"\0") * (CARD_BYTES // MIB)
_GRACE_S = 60.0
"""What a run may take besides its faults: it writes 22 MiB to each card."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to write cards, and what lies on one before, given its plan and what it shall hold."""

    name: str
    words: tuple[str, ...]
    before: Callable[[CardPlan, bytes], bytes]


def used(plan: CardPlan, _planned: bytes) -> bytes:
    """Return a card that somebody has used: dirt in every MiB, under a valid table."""
    card = bytearray(_DIRT)
    for patch in plan.head_patches:
        card[patch.offset : patch.offset + len(patch.content)] = patch.content
    return bytes(card)


def outdated(plan: CardPlan, planned: bytes) -> bytes:
    """Return a whole card of ours that differs from its plan in three chunks and in the identity slot."""
    card = bytearray(planned)
    for place in (AT, AT + 4 * MIB, AT + 8 * MIB, plan.body_patches[0].offset):
        card[place] ^= 0xFF
    return bytes(card)


def interrupted(plan: CardPlan, planned: bytes) -> bytes:
    """Return a card as a killed run leaves it: no table, and nothing from the third chunk on."""
    start = next(chunk.start for chunk in plan.chunks if chunk.start <= AT < chunk.end)
    zeros = bytes(HEAD_BYTES)
    return zeros + planned[HEAD_BYTES:start] + _DIRT[start:-HEAD_BYTES] + zeros


MODES = (
    Mode("write", (), used),
    Mode("delta", ("--delta",), outdated),
    Mode("resume", ("--resume",), interrupted),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """How patient the runs are, and how bad the slow faults."""

    stall_timeout_s: float
    hang_s: float
    crawl_bytes_per_s: int


QUICK = Setting(stall_timeout_s=4.0, hang_s=2.0, crawl_bytes_per_s=16 * MIB)
WHOLE = Setting(stall_timeout_s=STALL_TIMEOUT_S, hang_s=20.0, crawl_bytes_per_s=MIB)


@dataclass(frozen=True, slots=True)
class Cell:
    """A fault, alone or among three good cards, in a mode."""

    fault: Fault
    mode: Mode
    is_alone: bool

    @property
    def name(self) -> str:
        """What the test is called by."""
        return f"{self.fault.name}, {self.company}, {self.mode.name}"

    @property
    def company(self) -> str:
        """The cards beside it."""
        return "alone" if self.is_alone else "among three good ones"

    @property
    def bad(self) -> int:
        """Place of the bad card."""
        return 0 if self.is_alone else 1


@dataclass(frozen=True, slots=True)
class Stage:
    """What all cells share: an image, its recipe, and what belongs on the card of each of four nodes."""

    image: Path
    recipe: Path
    plans: tuple[CardPlan, ...]
    planned: tuple[bytes, ...]
    """What each plan makes of any card that holds the dirt of these tests where nothing is planned."""


def set_stage(folder: Path) -> Stage:
    """Make the image and plan the cards."""
    path = folder / "rig.yaml"
    path.write_text(RECIPE)
    recipe = load_recipe(path).recipe
    published: Published = publish_small_image(folder, recipe=recipe)
    plans = tuple(
        plan_card(
            published.image,
            published.manifest,
            size_bytes=CARD_BYTES,
            node=node,
            slot_content=slot_bytes(node_document(recipe, node)),
            swap_bytes=recipe.swap_bytes,
        )
        for node in nodes_of(recipe)
    )
    return Stage(published.image, path, plans, tuple(card_after(plan, _DIRT) for plan in plans))


@dataclass(frozen=True, slots=True)
class Flown:
    """A run that has ended."""

    code: int
    seconds: float
    lines: tuple[dict[str, Any], ...]
    said: str
    """On standard error."""

    @property
    def last(self) -> dict[str, Any]:
        """The report, or the error."""
        return self.lines[-1]


@dataclass(frozen=True, slots=True)
class Seen:
    """All there is to be judged of a cell."""

    cell: Cell
    setting: Setting
    flown: Flown
    left: tuple[Left, ...]
    """On each card."""
    devices: tuple[str, ...]
    slots: tuple[str, ...]
    nodes: tuple[str, ...]
    has_struck: bool
    """Whether the fault did happen."""

    @property
    def outcome(self) -> dict[str, Any]:
        """What the report says of the bad card; empty when there is no report."""
        cards: list[dict[str, Any]] = self.flown.last.get("cards", [])
        return cards[self.cell.bad] if cards else {}


def run_cell(cell: Cell, stage: Stage, setting: Setting) -> Seen:
    """Put cards into readers, flash them, and see what came of it."""
    plans = stage.plans[:1] if cell.is_alone else stage.plans
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as readers:
        folder = Path(name)
        contents = [
            cell.mode.before(plan, planned) for plan, planned in zip(plans, stage.planned, strict=False)
        ]
        cards = [
            readers.enter_context(_reader(folder, cell, setting, place, content))
            for place, content in enumerate(contents)
        ]
        flown = _fly(cell, stage, setting, cards, folder)
        log = cards[cell.bad].log.read_text().splitlines()
        return Seen(
            cell=cell,
            setting=setting,
            flown=flown,
            left=tuple(
                left_on(
                    _medium(cell, place, card.backing.read_bytes()),
                    _medium(cell, place, contents[place]),
                    stage.planned[place],
                )
                for place, card in enumerate(cards)
            ),
            devices=tuple(str(card.device) for card in cards),
            slots=_slots(cards),
            nodes=tuple(plan.node.hostname if plan.node else "" for plan in plans),
            has_struck=any(len(line.split()) == 4 for line in log) or _is_unlogged(cell.fault),
        )


def left_on(found: bytes, before: bytes, planned: bytes) -> Left:
    """Return what lies on a card, given what the medium holds, what it held before and what it shall hold."""
    has_table = bool(valid_tables(found))
    if found == before:
        return Left.AS_IT_WAS if has_table else Left.BARE
    if not has_table:
        return Left.NO_TABLE
    if found == planned:
        return Left.PLANNED
    body = slice(HEAD_BYTES, -HEAD_BYTES)
    if found[body] == planned[body]:
        return Left.COMPLETE
    return Left.OLD if found[body] == before[body] else Left.TORN


def judge(seen: Seen) -> None:
    """Confirm that the run was honest about every card.

    Raises:
        AssertionError: it was not.
    """
    fault, flown, outcome = seen.cell.fault, seen.flown, seen.outcome
    assert seen.has_struck, "the fault did not happen"
    assert "Traceback" not in flown.said, flown.said
    assert flown.seconds < _limit_s(seen.setting, fault), f"it took {flown.seconds:.0f} s"
    assert Left.TORN not in seen.left
    if fault.ends is Ends.REFUSED:
        assert 7 == flown.code
        assert {Left.AS_IT_WAS, Left.BARE} >= set(seen.left), seen.left
        assert seen.devices[seen.cell.bad] in flown.said
        assert fault.cause in flown.said
        return
    is_bad = fault.ends is Ends.BADLY
    assert (0, 9, 8)[is_bad * (1 if seen.cell.is_alone else 2)] == flown.code
    assert "report" == flown.last["event"]
    for place, card in enumerate(flown.last["cards"]):
        assert (seen.devices[place], seen.slots[place], seen.nodes[place]) == (
            card["card"], card["slot"], card["node"],
        )  # fmt: skip
        if place != seen.cell.bad or not is_bad:
            assert ("done", "valid", Left.PLANNED) == (card["result"], card["table"], seen.left[place]), card
    assert fault.retries <= outcome["retries"]
    if is_bad:
        _judge_bad(seen, fault, outcome)
    elif "hang" in fault.card:
        assert seen.setting.hang_s <= outcome["slowest"][0]["seconds"]
    elif "crawl" in fault.card and len(seen.devices) > 1 and not seen.cell.mode.words:
        assert outcome["card"] in {each["card"] for each in flown.last["outliers"]}


def _judge_bad(seen: Seen, fault: Fault, outcome: dict[str, Any]) -> None:
    assert "failed" == outcome["result"]
    assert outcome["phase"] in {fault.phase, fault.sooner}, outcome
    assert _told(fault.cause, seen.setting) in outcome["cause"]
    assert fault.place is not None
    assert outcome["offset"] is not None, outcome
    assert fault.place.first <= outcome["offset"] <= fault.place.last, outcome
    left = seen.left[seen.cell.bad]
    assert left in fault.left or (left is Left.BARE and Left.NO_TABLE in fault.left), left
    if "absent" == outcome["table"]:
        assert left in {Left.NO_TABLE, Left.BARE}, left
    elif "untouched" == outcome["table"]:
        assert left in {Left.AS_IT_WAS, Left.BARE}, left
    else:
        assert "unknown" == outcome["table"]


def _limit_s(setting: Setting, fault: Fault) -> float:
    crawling_s = CARD_BYTES / setting.crawl_bytes_per_s if "crawl" in fault.card else 0.0
    hanging_s = setting.stall_timeout_s if "hang" in fault.card else 0.0
    return _GRACE_S + hanging_s + crawling_s


def _told(text: str, setting: Setting) -> str:
    return text.format(
        hang_s=setting.hang_s,
        stall_s=f"{setting.stall_timeout_s:.0f}",
        crawl_bytes_per_s=setting.crawl_bytes_per_s,
    )


@contextlib.contextmanager
def _reader(folder: Path, cell: Cell, setting: Setting, place: int, content: bytes) -> Iterator[RigCard]:
    fault = _told(cell.fault.card, setting) if place == cell.bad else ""
    with rig_card(folder, f"card{place}", size_bytes=CARD_BYTES, fault=fault, content=content) as card:
        yield card


def _fly(cell: Cell, stage: Stage, setting: Setting, cards: Sequence[RigCard], folder: Path) -> Flown:
    gate = folder / "gate"
    options: dict[str, Any] = {"stall_timeout_s": setting.stall_timeout_s, "slots": _slots(cards)}
    if cell.fault.is_short:
        options["short"] = cell.bad
    if cell.fault.is_resized:
        options["gate"] = str(gate)
    began_s = time.monotonic()
    process = start_flight(options, stage, cell.mode.words, cards)
    try:
        if cell.fault.is_resized:
            _await(gate.exists, process)
            resize_loop(cards[cell.bad].device, CARD_BYTES - MIB)
            gate.unlink()
        out, said = process.communicate(timeout=_limit_s(setting, cell.fault))
    finally:
        process.kill()
        process.wait()
    lines = tuple(json.loads(line) for line in out.splitlines())
    return Flown(process.returncode, time.monotonic() - began_s, lines, said)


def start_flight(
    options: dict[str, Any], stage: Stage, words: Sequence[str], cards: Sequence[RigCard]
) -> subprocess.Popen[str]:
    """Start a run on some cards, in a process group of its own."""
    argv = [sys.executable, "-m", "tests.rig.flight", json.dumps(options), "flash", "--json", "--yes"]
    argv += ["--image", str(stage.image), "--recipe", str(stage.recipe), *words]
    argv += [str(card.device) for card in cards]
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=CHECKOUT,
        text=True,
        start_new_session=True,
    )


def _await(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + _GRACE_S
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _slots(cards: Sequence[RigCard]) -> tuple[str, ...]:
    return tuple(f"slot {place}" for place, _card in enumerate(cards))


def _is_unlogged(fault: Fault) -> bool:
    # These are no answer to one request: they are there from the beginning.
    return fault.card.split()[0] in {"none", "wrap", "limbo"}


def _medium(cell: Cell, place: int, backing: bytes) -> bytes:
    """Return what can be read of a card: of a counterfeit, that is less than its file holds."""
    kind = cell.fault.card.split()[0] if place == cell.bad else ""
    true = backing[:CAPACITY_BYTES]
    if kind == "wrap":
        return (true + true)[:CARD_BYTES]
    return true + bytes(CARD_BYTES - CAPACITY_BYTES) if kind == "limbo" else backing
