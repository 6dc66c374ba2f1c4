"""The machine's own system disk, a removable USB stick here, is refused whatever it is called."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.rig.guest_flash import flash_words
from tests.rig.usb_bench import PLACES, Bench

DISK, ROOT, SWAP = "/dev/sda", "/dev/sda1", "/dev/sda2"
BY_ID = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_SERIAL-SYSTEM-0:0"
BY_PATH = "/dev/disk/by-path/pci-0000:00:05.0-usb-0:8:1.0-scsi-0:0:0:0"

MOUNTED = "it is mounted on /"
SWAPPED_ON = f"this machine swaps on it: {SWAP}"
CARRIES = "this machine keeps there: /, /boot, /home, the cache"
PARTITION = "it is a partition of sda: name the whole disk"
OF_DISK = (MOUNTED, SWAPPED_ON, CARRIES)
OF_ROOT = (PARTITION, MOUNTED, CARRIES)

PREPARE = f"""
ln -s {DISK} /tmp/card.img
ln -s card.img /tmp/card-of-a-card.img
mknod /tmp/node b 8 0
ln {DISK} /dev/card
touch /tmp/bound
mount --bind {DISK} /tmp/bound
"""
CLEAN_UP = "umount /tmp/bound; rm /tmp/card.img /tmp/card-of-a-card.img /tmp/node /dev/card /tmp/bound"

NAMES = {
    "its node": (DISK, OF_DISK),
    "its root partition": (ROOT, OF_ROOT),
    "its swap partition": (SWAP, (PARTITION, SWAPPED_ON)),
    "udev's link by id": (BY_ID, OF_DISK),
    "udev's link by place": (BY_PATH, OF_DISK),
    "udev's link to a partition": (f"{BY_ID}-part1", OF_ROOT),
    "a link by number": ("/dev/block/8:0", OF_DISK),
    "a link by label": ("/dev/disk/by-label/guest-root", OF_ROOT),
    "a relative path": ("dev/sda", OF_DISK),
    "a path with detours": ("/tmp/../dev/disk/../sda", OF_DISK),
    "another process's root": ("/proc/1/root/dev/sda", OF_DISK),
    "a link that looks like a file": ("/tmp/card.img", OF_DISK),
    "a link to a link": ("/tmp/card-of-a-card.img", OF_DISK),
    "a node of the same number": ("/tmp/node", OF_DISK),
    "a second name of its node": ("/dev/card", OF_DISK),
    "a bind mount of its node": ("/tmp/bound", OF_DISK),
}
OPTIONS = {
    "agreed beforehand": ["--yes"],
    "not agreed": [],
    "only what differs": ["--yes", "--delta"],
    "the rest of a run": ["--yes", "--resume"],
    "shown only": ["--yes", "--dry-run"],
    "not probed": ["--yes", "--no-probe"],
    "any size allowed": ["--yes", "--max-card-size", "64TiB"],
}

ASK = """
import json, os, sys
from imagesmith.cli import run
import imagesmith.cli.flash  # once for all

def ask(words):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(theirs, 1)
        os.closerange(3, 64)
        code = run(words)
        sys.stdout.flush()
        os._exit(code)
    os.close(theirs)
    with os.fdopen(ours) as said:
        lines = said.read().splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), json.loads(lines[-1])

print(json.dumps({name: ask(words) for name, words in json.loads(sys.argv[1]).items()}))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code, and the error in words."""

    code: int
    what: str
    why: str


def refusal(name: str, reasons: tuple[str, ...], *, cards: int = 1) -> Answer:
    why = "\n       ".join(f"{name}: {reason}" for reason in reasons)
    return Answer(7, f"1 of {cards} cards refused, nothing was written", why)


def answers(bench: Bench, questions: Mapping[str, list[str]]) -> dict[str, Answer]:
    """Run command lines one after another, each in a process of its own, none waiting for Python to start."""
    questions = {name: [*words[1:], "--json"] for name, words in questions.items()}
    found: dict[str, tuple[int, dict[str, Any]]] = bench.python(ASK, json.dumps(questions))
    return {name: Answer(code, said["what"], said["why"]) for name, (code, said) in found.items()}


def ends_of_disk(bench: Bench) -> str:
    """Return the first and the last MiB of the system disk, past every cache: what flash clears first."""
    mib = int(bench.say("blockdev", "--getsize64", DISK)) >> 20
    command = "for at in 0 $2; do dd if=$1 bs=1M count=1 skip=$at iflag=direct status=none; done | sha256sum"
    return bench.say("sh", "-c", command, "sh", DISK, str(mib - 1))


@dataclass(frozen=True, slots=True)
class Asked:
    """All answers, and what the disk's ends and all cards held before and after."""

    answers: Mapping[str, Answer]
    before: tuple[str, ...]
    after: tuple[str, ...]


@pytest.fixture(scope="module")
def asked(machine: Bench) -> Asked:
    machine.plug(*PLACES)
    machine.say("sh", "-euc", PREPARE)
    questions = {way: flash_words([name], "--yes") for way, (name, _reasons) in NAMES.items()}
    questions |= {way: flash_words([DISK], *options) for way, options in OPTIONS.items()}
    questions["a pattern it is among"] = flash_words(["/dev/sd<a..i>"], "--yes")
    before = contents(machine)
    found = answers(machine, questions)
    after = contents(machine)
    machine.say("sh", "-euc", CLEAN_UP)
    return Asked(found, before, after)


def contents(bench: Bench) -> tuple[str, ...]:
    cards = [bench.backing(place).read_bytes() for place in PLACES]
    return (ends_of_disk(bench), *(hashlib.sha256(card).hexdigest() for card in cards))


@pytest.mark.parametrize("way", NAMES)
def test_the_system_disk_is_refused_by_whatever_name(asked: Asked, way: str) -> None:
    assert refusal(*NAMES[way]) == asked.answers[way]


@pytest.mark.parametrize("way", OPTIONS)
def test_the_system_disk_is_refused_with_whatever_options(asked: Asked, way: str) -> None:
    assert refusal(DISK, OF_DISK) == asked.answers[way]


def test_a_pattern_that_takes_in_the_system_disk_is_refused_as_a_whole(asked: Asked) -> None:
    assert refusal(DISK, OF_DISK, cards=9) == asked.answers["a pattern it is among"]


def test_none_of_these_refusals_touched_the_system_disk_or_a_card(asked: Asked) -> None:
    assert asked.before == asked.after


@pytest.mark.parametrize(("below", "reasons"), [(DISK, OF_DISK), (ROOT, (MOUNTED, CARRIES))])
def test_a_loop_device_over_the_system_disk_is_refused(
    full_bench: Bench, below: str, reasons: tuple[str, ...]
) -> None:
    loop = full_bench.say("losetup", "--find", "--show", below)
    try:
        (answer,) = answers(full_bench, {"": flash_words([loop], "--yes")}).values()
    finally:
        full_bench.say("losetup", "--detach", loop)

    over = f"it is a loop over the block device {below[5:]}: name that device itself"
    assert refusal(loop, (over, *reasons)) == answer


CONTAINER = """
mkdir -p /run/layers /run/container
mount -t tmpfs none /run/layers
mkdir /run/layers/upper /run/layers/work
mount -t overlay -o lowerdir=/,upperdir=/run/layers/upper,workdir=/run/layers/work none /run/container
for shared in dev proc sys data; do mount --rbind /$shared /run/container/$shared; done
cd /run/container
pivot_root . mnt
umount -l /mnt
exec "$@"
"""


def test_from_inside_a_container_the_system_disk_is_refused_for_what_cannot_be_found_out(
    full_bench: Bench,
) -> None:
    words = flash_words([DISK], "--yes", "--json")

    done = full_bench.run(
        "unshare", "--mount", "--propagation=private", "sh", "-euc", CONTAINER, "sh", *words
    )

    said = json.loads(done.stdout)
    assert (7, "1 of 1 cards refused, nothing was written") == (done.returncode, said["what"])
    swapped, unknown = said["why"].split("\n       ")
    assert f"{DISK}: {SWAPPED_ON}" == swapped
    assert unknown.startswith(f"{DISK}: it could not be found out: where / lies (")


def test_the_drive_with_the_image_is_refused(full_bench: Bench) -> None:
    (answer,) = answers(full_bench, {"": flash_words(["/dev/vda"], "--yes")}).values()

    assert (
        refusal(
            "/dev/vda",
            (
                "it is not removable and hangs on neither USB nor an SD slot (virtio)",
                "it is read-only (look for the switch on the card's side)",
                "it is mounted on /data",
                "this machine keeps there: the image",
            ),
        )
        == answer
    )
