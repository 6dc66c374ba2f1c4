"""Eight cards on two hubs, with real udev: written at once, pulled in mid-write, changed behind our back."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesmith.app.verify import verify_written
from imagesmith.model.units import MIB
from imagesmith.verify.card import CardState
from tests.rig.guest_flash import (
    answer_at_terminal,
    await_flash,
    flash,
    flash_so_far,
    start_flash,
    start_flash_at_terminal,
)
from tests.rig.images import Published
from tests.rig.plans import has_table
from tests.rig.usb_bench import PLACES, PLACES_OF_READER, STICK_BYTES, Bench, Place, make_card

STICK, OTHER_STICK, *_ = PLACES
SLOTS = PLACES_OF_READER
SLOW_BYTES_PER_S = 2 * MIB
PARTITION_COUNT = 14
UNDISTURBED_S = 3.0
AUTOMOUNTER_LOG = "/run/automounter.log"


def words_on(
    bench: Bench, published: Published, places: Sequence[Place]
) -> list[tuple[bool, CardState, str]]:
    """Return what `verify` says of the media themselves, read on the host."""
    reports = [
        verify_written(bench.backing(place), published.image, on_progress=lambda _done, _total: None)
        for place in places
    ]
    return [(r.ok, r.state, r.owner.hostname if r.owner else "") for r in reports]


def good(*numbers: int) -> list[tuple[bool, CardState, str]]:
    return [(True, CardState.AS_WRITTEN, f"jetson{number}-node") for number in numbers]


def digest_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def test_eight_cards_are_written_at_once_and_the_kernel_sees_their_partitions(
    full_bench: Bench, published: Published
) -> None:
    nodes = full_bench.nodes()

    run = flash(full_bench, nodes)

    assert 0 == run.returncode, run.last
    assert [place.slot_path for place in PLACES] == [run.outcome(node)["slot"] for node in nodes]
    assert good(*range(8)) == words_on(full_bench, published, PLACES)
    known = full_bench.say("cat", "/proc/partitions").split()
    assert {f"{node[5:]}{n + 1}" for node in nodes for n in range(PARTITION_COUNT)} <= set(known)


def test_a_stick_pulled_while_it_is_written_costs_the_others_nothing(
    full_bench: Bench, published: Published
) -> None:
    nodes = full_bench.nodes()
    full_bench.slow_down(STICK, SLOW_BYTES_PER_S)
    start_flash(full_bench, nodes)
    full_bench.until(
        lambda: flash_so_far(full_bench).written_bytes(nodes[0]) > 0, "the stick is being written"
    )

    full_bench.yank(STICK)
    run = await_flash(full_bench)

    assert 8 == run.returncode, run.last
    lost = run.outcome(nodes[0])
    assert ("failed", "write", "jetson0-node", STICK.slot_path) == tuple(
        lost[key] for key in ("result", "phase", "node", "slot")
    )
    assert "failed: E" in lost["cause"]
    assert lost["table"] in {"absent", "unknown"}
    assert ["done"] * 7 == [run.outcome(node)["result"] for node in nodes[1:]]
    assert good(*range(1, 8)) == words_on(full_bench, published, PLACES[1:])
    assert not has_table(full_bench.backing(STICK).read_bytes())


def test_a_stick_that_was_pulled_is_whole_again_after_the_next_run(
    full_bench: Bench, published: Published
) -> None:
    full_bench.yank(STICK)
    full_bench.plug(STICK)

    run = flash(full_bench, full_bench.nodes([STICK]))

    assert 0 == run.returncode, run.last
    assert good(0) == words_on(full_bench, published, [STICK])


def test_a_reader_pulled_takes_the_cards_in_all_its_slots_and_no_other(
    full_bench: Bench, published: Published
) -> None:
    chosen = (STICK, *SLOTS)
    nodes = full_bench.nodes(chosen)
    for slot in SLOTS:
        full_bench.slow_down(slot, SLOW_BYTES_PER_S)
    start_flash(full_bench, nodes)
    full_bench.until(
        lambda: all(flash_so_far(full_bench).written_bytes(node) > 0 for node in nodes[1:]),
        "both slots are being written",
    )

    full_bench.yank(SLOTS[0])
    run = await_flash(full_bench)

    assert 8 == run.returncode, run.last
    assert ["done", "failed", "failed"] == [run.outcome(node)["result"] for node in nodes]
    assert [slot.slot_path for slot in SLOTS] == [run.outcome(node)["slot"] for node in nodes[1:]]
    assert good(0) == words_on(full_bench, published, [STICK])
    assert [False, False] == [has_table(full_bench.backing(slot).read_bytes()) for slot in SLOTS]


def test_a_stick_replaced_by_its_twin_after_the_question_is_refused(
    full_bench: Bench, tmp_path: Path
) -> None:
    twin = tmp_path / "twin.card"
    make_card(twin)
    nodes = full_bench.nodes([STICK, OTHER_STICK])
    media = [twin, full_bench.backing(STICK), full_bench.backing(OTHER_STICK)]
    before = [digest_of(medium) for medium in media]
    shown = start_flash_at_terminal(full_bench, nodes)
    assert "Everything on 2 of these is lost. Type 2 to go on" in shown

    full_bench.swap_stick(STICK, twin)
    assert nodes[0] == full_bench.node(STICK), "the twin has the same name, serial and size"
    code, shown = answer_at_terminal(full_bench, "2")

    assert 7 == code, shown
    assert f"{nodes[0]} is refused" in shown
    assert before == [digest_of(medium) for medium in media]
    full_bench.swap_stick(STICK, full_bench.backing(STICK))


def test_a_card_changed_in_its_slot_after_the_question_is_refused(full_bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.card"
    make_card(other)
    slot = SLOTS[0]
    (node,) = full_bench.nodes([slot])
    media = [other, full_bench.backing(slot)]
    before = [digest_of(medium) for medium in media]
    start_flash_at_terminal(full_bench, [node])

    full_bench.take_card(slot)
    full_bench.put_card(slot, other)
    code, shown = answer_at_terminal(full_bench, "1")

    assert 7 == code, shown
    assert f"{node} is refused" in shown
    assert before == [digest_of(medium) for medium in media]
    full_bench.take_card(slot)
    full_bench.put_card(slot, full_bench.backing(slot))


def test_a_slot_without_a_card_is_refused_and_one_with_a_card_again_is_not(
    full_bench: Bench, published: Published
) -> None:
    slot = SLOTS[0]
    (node,) = full_bench.nodes([slot])
    full_bench.take_card(slot)
    full_bench.has_noticed(slot, 0)

    empty = flash(full_bench, [node])
    full_bench.put_card(slot, full_bench.backing(slot))
    full_bench.has_noticed(slot, STICK_BYTES)
    full = flash(full_bench, [node])

    assert (7, f"{node}: there is no card in it (size 0)") == (empty.returncode, empty.last["why"])
    assert 0 == full.returncode, full.last
    assert good(0) == words_on(full_bench, published, [slot])


AUTOMOUNTER = f"""\
ACTION=="remove", GOTO="end"
SUBSYSTEM!="block", GOTO="end"
ENV{{ID_SERIAL_SHORT}}!="{STICK.serial}", GOTO="end"
RUN+="/bin/sh -c 'echo $name >> {AUTOMOUNTER_LOG}'"
ENV{{ID_FS_USAGE}}!="filesystem", GOTO="end"
RUN+="/usr/bin/systemd-mount --no-block --automount=no --collect --fsck=no -o ro $devnode"
LABEL="end"
"""
"""The rule many have: a file system that comes in by USB is mounted. It keeps a log."""


@pytest.fixture
def automounter(full_bench: Bench) -> Iterator[Bench]:
    rule = "/run/udev/rules.d/99-automounter.rules"
    full_bench.put_file(rule, AUTOMOUNTER)
    full_bench.put_file(AUTOMOUNTER_LOG, "")
    full_bench.say("udevadm", "control", "--reload")
    yield full_bench
    full_bench.say("rm", rule)
    full_bench.say("udevadm", "control", "--reload")
    for point in mounts_of(full_bench, STICK):
        full_bench.say("umount", point)


def mounts_of(bench: Bench, place: Place) -> list[str]:
    """Return where partitions of a card are mounted."""
    printed = bench.say("lsblk", "--noheadings", "--list", "--output", "MOUNTPOINT", bench.node(place))
    return printed.split()


def test_udev_and_an_automounter_leave_a_card_alone_until_it_is_closed(
    automounter: Bench, published: Published
) -> None:
    node = automounter.node(STICK)
    automounter.slow_down(STICK, SLOW_BYTES_PER_S)
    start_flash(automounter, [node])
    automounter.until(lambda: flash_so_far(automounter).written_bytes(node) > 0, "the stick is being written")

    automounter.say("udevadm", "trigger", "--action=change", node)
    time.sleep(UNDISTURBED_S)
    meanwhile = automounter.say("cat", AUTOMOUNTER_LOG)
    is_going_on = flash_so_far(automounter).returncode is None
    automounter.slow_down(STICK, 0)
    run = await_flash(automounter)

    assert is_going_on, "too quick to be disturbed: nothing was shown"
    assert "" == meanwhile, "an unlocked card is looked at within a second"
    assert 0 == run.returncode, run.last
    automounter.until(
        lambda: len(mounts_of(automounter, STICK)) == 1, "the card is mounted once it is closed"
    )
    assert good(0) == words_on(automounter, published, [STICK])


def test_a_card_that_the_automounter_took_first_is_refused_and_says_where_it_is(automounter: Bench) -> None:
    node = automounter.node(STICK)
    automounter.say("udevadm", "trigger", "--action=change", f"{node}1")
    automounter.until(lambda: mounts_of(automounter, STICK) != [], "the card is mounted")
    (point,) = mounts_of(automounter, STICK)
    before = digest_of(automounter.backing(STICK))

    run = flash(automounter, [node])

    assert (7, f"{node}: it is mounted on {point}") == (run.returncode, run.last["why"])
    assert before == digest_of(automounter.backing(STICK))


def test_a_card_mounted_where_this_program_cannot_see_it_is_refused_when_it_is_opened(
    full_bench: Bench,
) -> None:
    nodes = full_bench.nodes([OTHER_STICK, STICK])
    assert 0 == flash(full_bench, nodes[1:]).returncode
    before = [digest_of(full_bench.backing(place)) for place in (OTHER_STICK, STICK)]
    mount = f"mount -o ro,noload {nodes[1]}1 /mnt && touch /run/hidden-mount && exec sleep 600"
    full_bench.say("systemd-run", "--unit=hidden-mount", "--property=PrivateMounts=yes", "sh", "-c", mount)
    full_bench.until(lambda: full_bench.run("ls", "/run/hidden-mount").returncode == 0, "it is mounted")
    assert [] == mounts_of(full_bench, STICK)

    run = flash(full_bench, nodes)
    full_bench.say("systemctl", "stop", "hidden-mount")

    assert (7, f"{nodes[1]} is refused", "it is in use: mounted, or held by another program") == (
        run.returncode,
        run.last["what"],
        run.last["why"],
    )
    assert before == [digest_of(full_bench.backing(place)) for place in (OTHER_STICK, STICK)]
