"""Every operation of a clean run, with every fault: never silent, never a table over an incomplete body."""

import itertools
import threading
from collections.abc import Callable

import pytest

from imagesmith.errors import CardRefusedError
from imagesmith.flash.image import Image
from imagesmith.flash.lane import Lane, LaneJob
from imagesmith.flash.reference import Reference
from imagesmith.model.card import CardPlan
from imagesmith.model.events import CardEnded, Event
from imagesmith.model.layout import HEAD_BYTES
from imagesmith.model.outcome import Approach, CardOutcome, Phase, Result, TableState
from tests.rig.plans import card_after, has_table
from tests.rig.scripted import ScriptedMedium, holding

FAULTS = "ERLS"


def fly(
    plan: CardPlan,
    image: Image,
    medium: ScriptedMedium,
    *,
    retries: int = 0,
    recheck: Callable[[], None] = lambda: None,
    on_event: Callable[[Event], None] = lambda _event: None,
    approach: Approach = Approach.WRITE,
    is_probed: bool = True,
) -> CardOutcome:
    """Run one lane to its end, in this thread."""
    start = threading.Event()
    start.set()
    ends: list[CardOutcome] = []

    def emit(event: Event) -> None:
        on_event(event)
        if isinstance(event, CardEnded):
            ends.append(event.outcome)

    job = LaneJob(
        "card", plan, lambda: holding(medium), recheck, slot="slot 1", approach=approach, is_probed=is_probed
    )
    reference = Reference(image, plan.manifest)
    reference.check(on_bytes=lambda _count: None, cancel=threading.Event())
    Lane(job, reference, emit=emit, start=start, retry_pauses_s=(0.0,) * retries).run()
    (outcome,) = ends
    return outcome


class Guard:
    """Looks at the card after every write, as a power cut would."""

    def __init__(self, plan: CardPlan, dirt: bytes) -> None:
        self._body = [(c.start, c.end) for c in plan.chunks]
        self._body += [(p.offset, p.offset + len(p.content)) for p in plan.body_patches]
        self._dirt = dirt
        self.goal = card_after(plan, dirt)

    def is_whole(self, content: bytearray) -> bool:
        """Whether all that the plan speaks of is there; what lies in free blocks is nobody's affair."""
        head, tail = self.goal[:HEAD_BYTES], self.goal[-HEAD_BYTES:]
        is_ended = content.startswith(head) and content.endswith(tail)
        return is_ended and self._holds(content, self.goal)

    def __call__(self, content: bytearray) -> None:
        assert self.is_safe(content), "a valid table over an incomplete body"

    def is_safe(self, content: bytearray) -> bool:
        return not has_table(content) or self._holds(content, self.goal) or self._holds(content, self._dirt)

    def _holds(self, content: bytearray, wanted: bytes) -> bool:
        return all(content[start:end] == wanted[start:end] for start, end in self._body)


@pytest.fixture
def clean_run(plan: CardPlan, image: Image, dirt: bytes) -> tuple[str, ...]:
    medium = ScriptedMedium(dirt)
    fly(plan, image, medium)
    return tuple(medium.operations)


def test_a_clean_run_leaves_exactly_the_plan_and_says_so(plan: CardPlan, image: Image, dirt: bytes) -> None:
    medium = ScriptedMedium(dirt, watch=Guard(plan, dirt))

    outcome = fly(plan, image, medium)

    assert card_after(plan, dirt) == medium.content
    size = plan.body_bytes
    assert (Result.DONE, TableState.VALID, Phase.CLOSE) == (outcome.result, outcome.table, outcome.phase)
    assert (size, size, 0, "") == (
        outcome.written_bytes,
        outcome.verified_bytes,
        outcome.retries,
        outcome.cause,
    )
    assert ("slot 1", "jetson0-node", "scripted") == (outcome.slot, outcome.node, outcome.readback)
    assert set(Phase) - {Phase.COMPARE} == set(outcome.seconds)
    assert medium.tables_reread == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_no_single_fault_passes_in_silence(
    plan: CardPlan, image: Image, dirt: bytes, clean_run: tuple[str, ...], fault: str
) -> None:
    guard = Guard(plan, dirt)
    for position in range(len(clean_run)):
        medium = ScriptedMedium(dirt, "." * position + fault, watch=guard)

        outcome = fly(plan, image, medium)

        _assert_honest(outcome, medium, guard)
        if fault == "S" and clean_run[position] != "flush":
            assert outcome.result is Result.DONE, position
        elif fault in "ER":
            assert outcome.result is Result.FAILED, position
            assert outcome.cause, position


def test_the_old_table_is_gone_whenever_the_card_could_still_be_asked(
    plan: CardPlan, image: Image, dirt: bytes, clean_run: tuple[str, ...]
) -> None:
    for position, fault in itertools.product(range(len(clean_run)), "EL"):
        medium = ScriptedMedium(dirt, "." * position + fault)

        outcome = fly(plan, image, medium)

        if outcome.result is Result.FAILED:
            assert TableState.ABSENT is outcome.table, position
            assert not has_table(medium.content), position


@pytest.mark.parametrize("faults", list(itertools.product("ERL", "ERL")), ids="".join)
def test_no_two_faults_pass_in_silence(
    plan: CardPlan, image: Image, dirt: bytes, clean_run: tuple[str, ...], faults: tuple[str, str]
) -> None:
    guard = Guard(plan, dirt)
    # The second fault may hit the clean-up after the first, which is longer than what was left of the run.
    for first, gap in itertools.product(range(0, len(clean_run), 2), range(9)):
        script = "." * first + faults[0] + "." * gap + faults[1]
        medium = ScriptedMedium(dirt, script, watch=guard)

        _assert_honest(fly(plan, image, medium), medium, guard)


def _assert_honest(outcome: CardOutcome, medium: ScriptedMedium, guard: Guard) -> None:
    assert guard.is_whole(medium.content) or outcome.result is not Result.DONE
    assert (outcome.result is Result.DONE) == (outcome.table is TableState.VALID)
    assert guard.is_safe(medium.content)
    if outcome.table is TableState.ABSENT:
        assert not has_table(medium.content)


def test_a_transient_error_is_repeated_counted_and_told(
    plan: CardPlan, image: Image, dirt: bytes, clean_run: tuple[str, ...]
) -> None:
    for position, operation in enumerate(clean_run):
        medium = ScriptedMedium(dirt, "." * position + "EE")
        told: list[Event] = []

        outcome = fly(plan, image, medium, retries=2, on_event=told.append)

        if operation == "flush":
            assert (Result.FAILED, 0) == (outcome.result, outcome.retries)
        else:
            assert (Result.DONE, 2) == (outcome.result, outcome.retries)
            assert card_after(plan, dirt) == medium.content
            assert sum(type(event).__name__ == "OperationRetried" for event in told) == 2


def test_a_lasting_error_is_not_repeated_for_ever(plan: CardPlan, image: Image, dirt: bytes) -> None:
    medium = ScriptedMedium(dirt, "." * 10 + "E" * 500)

    outcome = fly(plan, image, medium, retries=2)

    assert (Result.FAILED, 2) == (outcome.result, outcome.retries)
    assert "failed: EIO" in outcome.cause
    assert len(medium.operations) < 40


def test_a_pulled_card_is_not_asked_again(plan: CardPlan, image: Image, dirt: bytes) -> None:
    outcome = fly(plan, image, ScriptedMedium(dirt, "." * 14 + "R"), retries=2)

    assert (Result.FAILED, 0) == (outcome.result, outcome.retries)
    assert "failed: ENODEV" in outcome.cause
    assert outcome.offset is not None


def test_a_flipped_bit_is_located_to_the_byte(plan: CardPlan, image: Image, dirt: bytes) -> None:
    chunk = plan.chunks[2]
    wrong = chunk.start + 70_001

    class Flipping(ScriptedMedium):
        def flush(self) -> None:
            super().flush()
            self.content[wrong] ^= 1

    outcome = fly(plan, image, Flipping(dirt))

    assert (Result.FAILED, Phase.VERIFY, wrong) == (outcome.result, outcome.phase, outcome.offset)
    assert outcome.cause == "read back wrong: the sector there holds other data"


def test_a_card_that_is_another_one_gets_no_table(plan: CardPlan, image: Image, dirt: bytes) -> None:
    def changed() -> None:
        raise CardRefusedError("card is refused", why="another serial")

    medium = ScriptedMedium(dirt)

    outcome = fly(plan, image, medium, recheck=changed)

    assert (Result.FAILED, Phase.VERIFY) == (outcome.result, outcome.phase)
    assert (TableState.ABSENT, "card is refused: another serial") == (outcome.table, outcome.cause)
    assert not has_table(medium.content)


def test_a_bug_is_a_failed_card_and_not_a_lost_thread(plan: CardPlan, image: Image, dirt: bytes) -> None:
    def buggy() -> None:
        raise KeyError("x")

    medium = ScriptedMedium(dirt)

    outcome = fly(plan, image, medium, recheck=buggy)

    assert (Result.FAILED, TableState.ABSENT) == (outcome.result, outcome.table)
    assert outcome.cause == "internal error, please report: KeyError('x')"
    assert not has_table(medium.content)
