"""Killed at any moment, a run leaves no card with a valid partition table over an incomplete body."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesmith.model.card import CardPlan
from imagesmith.model.units import SECTOR_BYTES
from tests.faults.conftest import is_whole
from tests.rig.cards import RigCard, rig_card, write_sparsely
from tests.rig.fault_table import Kills
from tests.rig.faults import CARD_BYTES, Left
from tests.rig.matrix import MODES, Mode, Stage, left_on, start_flight
from tests.rig.tables import valid_tables

MOMENTS, FEW_MOMENTS = 100, 10
LATENCY_S = 0.002
"""Of each request: so long a run can be met in it."""
IN_PRIMARY, IN_BACKUP = SECTOR_BYTES + 88, CARD_BYTES - SECTOR_BYTES + 88
"""In a sum that the header's own sum covers."""
OPTIONS = {"stall_timeout_s": 30.0, "slots": ["left", "right"]}


@pytest.fixture
def cards(tmp_path: Path) -> Iterator[list[RigCard]]:
    """Two cards that write down what they are asked."""
    with contextlib.ExitStack() as readers:
        yield [
            readers.enter_context(
                rig_card(tmp_path, name, size_bytes=CARD_BYTES, fault=f"none pause={LATENCY_S}")
            )
            for name in ("left", "right")
        ]
    for path in tmp_path.glob("*.backing"):
        path.unlink()


@pytest.mark.timeout(1800)
def test_killed_at_random_moments_it_leaves_no_table_over_an_incomplete_body(
    cards: list[RigCard], stage: Stage, kills: list[Kills], request: pytest.FixtureRequest
) -> None:
    given = request.config.getoption("--seed", default=None)
    seed = int.from_bytes(os.urandom(3)) if given is None else given
    count = MOMENTS if is_whole(request.config) else FEW_MOMENTS
    print(f"seed {seed}")  # noqa: T201 -- pytest shows it with a failure
    chance = random.Random(seed)
    requests = {mode.name: requests_of_a_run(mode, cards, stage) for mode in MODES}
    left: Counter[str] = Counter()

    for number, mode in zip(range(count), itertools.cycle(MODES), strict=False):
        moment = a_moment(chance, requests[mode.name])
        is_all = chance.random() < 0.5
        befores = put_back(mode, cards, stage)
        flight = start_flight(OPTIONS, stage, mode.words, cards)
        await_requests(cards[0], moment, flight)
        time.sleep(chance.uniform(0, 2 * LATENCY_S))
        kill(flight, with_children=is_all)
        for card in cards:
            await_release(card)
        found = [
            left_on(card.backing.read_bytes(), before, planned)
            for card, before, planned in zip(cards, befores, stage.planned, strict=False)
        ]
        values = [each.value for each in found]
        told = f"{number}: {mode.name}, request {moment}, {'all' if is_all else 'the first'} killed: {values}"
        print(told)  # noqa: T201 -- likewise
        assert Left.TORN not in found, told
        left.update(values)

    kills.append(Kills(count, seed, left))
    flight = start_flight(OPTIONS, stage, ["--resume"], cards)
    out, said = flight.communicate(timeout=60)
    assert 0 == flight.returncode, (out, said)
    for card, plan, planned in zip(cards, stage.plans, stage.planned, strict=False):
        assert_holds(card.backing.read_bytes(), plan, planned)


def assert_holds(found: bytes, plan: CardPlan, planned: bytes) -> None:
    """Confirm that all that is planned is there; what was killed may have left marks in free blocks."""
    patches = (*plan.body_patches, *plan.head_patches)
    spans = [slice(chunk.start, chunk.end) for chunk in plan.chunks]
    spans += [slice(patch.offset, patch.offset + len(patch.content)) for patch in patches]
    assert [] == [span for span in spans if found[span] != planned[span]]


def put_back(mode: Mode, cards: list[RigCard], stage: Stage) -> list[bytes]:
    """Give the cards what lies on them before a run; return it."""
    befores = []
    for card, plan, planned in zip(cards, stage.plans, stage.planned, strict=False):
        befores.append(mode.before(plan, planned))
        write_sparsely(card.backing, befores[-1])
        card.log.write_text("")
    return befores


def requests_of_a_run(mode: Mode, cards: list[RigCard], stage: Stage) -> list[str]:
    """Return what the first card is asked in a run that is left alone."""
    put_back(mode, cards, stage)
    flight = start_flight(OPTIONS, stage, mode.words, cards)
    out, said = flight.communicate(timeout=60)
    assert 0 == flight.returncode, (out, said)
    return cards[0].log.read_text().splitlines()


def a_moment(chance: random.Random, requests: list[str]) -> int:
    """Return after how many requests to kill: half of the time around a write of a table."""
    writes = [number for number, line in enumerate(requests) if line.startswith("write")]
    tables = [number for number in writes if is_table(requests[number])]
    return chance.choice([chance.randrange(writes[0], len(requests)), chance.choice(tables)])


def is_table(line: str) -> bool:
    offset = int(line.split()[1])
    return offset < 64 * 1024 or offset >= CARD_BYTES - 64 * 1024


def await_requests(card: RigCard, count: int, flight: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 60
    while card.log.read_text().count("\n") < count and flight.poll() is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def kill(flight: subprocess.Popen[str], *, with_children: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if with_children:
            os.killpg(flight.pid, signal.SIGKILL)
        else:
            os.kill(flight.pid, signal.SIGKILL)
    out, said = flight.communicate()
    assert flight.returncode in {0, -signal.SIGKILL}, (out, said)


def await_release(card: RigCard) -> None:
    """Wait until nobody holds the card: its requests have ended, and who was left has cleaned up."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            os.close(os.open(card.device, os.O_RDWR | os.O_EXCL))
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        else:
            return


def test_the_judgement_tells_a_torn_card_from_all_others(stage: Stage) -> None:
    plan, planned = stage.plans[0], stage.planned[0]
    before = MODES[0].before(plan, planned)
    torn = flipped(planned, plan.chunks[2].start)
    one_table = flipped(torn, IN_PRIMARY)
    no_table = flipped(one_table, IN_BACKUP)

    assert Left.PLANNED is left_on(planned, before, planned)
    assert Left.AS_IT_WAS is left_on(before, before, planned)
    assert Left.TORN is left_on(torn, before, planned)
    assert Left.TORN is left_on(one_table, before, planned)
    assert Left.NO_TABLE is left_on(no_table, before, planned)
    assert Left.COMPLETE is left_on(flipped(planned, IN_PRIMARY), before, planned)
    assert Left.OLD is left_on(flipped(before, IN_PRIMARY), before, planned)


def test_a_table_is_valid_by_its_sums_alone(stage: Stage) -> None:
    planned = stage.planned[0]

    assert ("primary", "backup") == valid_tables(planned)
    assert ("backup",) == valid_tables(flipped(planned, IN_PRIMARY))
    assert ("primary",) == valid_tables(flipped(planned, CARD_BYTES - 20 * SECTOR_BYTES))  # in its entries
    assert () == valid_tables(bytes(CARD_BYTES))


def flipped(card: bytes, offset: int) -> bytes:
    return card[:offset] + bytes([card[offset] ^ 1]) + card[offset + 1 :]
