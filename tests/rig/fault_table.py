"""The fault matrix as a page of the docs, made from a run of it."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagesmith.host import kvm
from imagesmith.model.units import GIB, MIB
from tests.rig.faults import FAULTS, Ends, Fault
from tests.rig.matrix import MODES, Cell, Seen, Setting

COMMAND = "make test-faults"
_COMPANIES = (True, False)

_INTRO = """# The fault matrix

Each row is a card with one fault, in front of the command `imagesmith flash --json`; each column a way to
write it, alone or as the second of four cards of which three are good. Every cell is a run, and this page is
made of what it did: the exit code, what the report says of the bad card, and what then lies on its medium,
read behind its back and judged by the sums of both partition tables.

In every cell the good cards were compared with their plan byte by byte, the report named each card's slot,
device and node, and the run ended within its watchdog's time; a cell in which something of that is not so
says WRONG. Exit codes: 0 all cards done, 7 refused before anything was written, 8 some cards failed, 9 all
failed.

*write*: the card held other data under a valid table. *delta* (`--delta`): it held an older version of its
node. *resume* (`--resume`): it was as a run leaves it that was interrupted after two chunks.
"""

_HOW = """
## How it is done

A card is a file behind nbdkit (a plugin that lies, `tests/rig/faulty_card.py`), nbdfuse and a loop device
with direct I/O, so that no page cache hides a fault. What differs from a reader on USB:

- A card that is yanked goes on being a block device on which everything fails (EIO, or EINVAL when libnbd
  has noticed); a USB reader says ENODEV. The lane `usb` pulls real ones.
- No label comes with a loop device: the runs are given labels for its slots.
- The image has 22 MiB to write, and each card 96 MiB.
"""

_KILLED = """
## Killed

`kill -9` at {moments} random moments (seed {seed}), half of them around a write of a table, of runs in all
three modes that write two cards each; now of all processes, now of the first alone, which leaves the other to
clean up. What was then on the cards:
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a cell came to."""

    seen: Seen
    is_right: bool


@dataclass(frozen=True, slots=True)
class Kills:
    """What random kills came to: how many moments, their seed, and how many left what."""

    moments: int
    seed: int
    left: Mapping[str, int]


def render(results: Sequence[Result], kills: Kills | None, setting: Setting) -> str:
    """Return the page."""
    by_cell = {_key(result.seen.cell): result for result in results}
    return "\n".join(
        [_INTRO, *_facts(setting), "", *_table(by_cell), "", *_notes(), *_killed(kills), _HOW.rstrip(), ""]
    )


def _facts(setting: Setting) -> list[str]:
    memory_gib = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB)
    accelerated = "KVM" if kvm.is_usable() else "no KVM"
    stall_s, hang_s, crawl = setting.stall_timeout_s, setting.hang_s, setting.crawl_bytes_per_s // MIB
    return [
        f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        f"- machine: {os.cpu_count()} cores, {memory_gib} GiB, {accelerated}, Linux {platform.release()}",
        f"- command: `{COMMAND}`",
        f"- a card is given up after {stall_s:.0f} s without an answer",
        f"- the one that hangs goes on after {hang_s:.0f} s; the slow one crawls at {crawl} MiB/s",
    ]


def _table(by_cell: Mapping[tuple[str, str, bool], Result]) -> list[str]:
    columns = [(mode.name, is_alone) for mode in MODES for is_alone in _COMPANIES]
    titles = [f"{mode}, {'alone' if is_alone else 'among four'}" for mode, is_alone in columns]
    lines = [_row(["fault", *titles]), _row(["---"] * (len(titles) + 1))]
    numbers = {fault.name: number for number, fault in enumerate(_noted(), start=1)}
    for fault in FAULTS:
        name = fault.name + (f" [{numbers[fault.name]}]" if fault.note else "")
        lines.append(
            _row(
                [
                    name,
                    *(_cell(by_cell.get((fault.name, mode, alone)), fault, mode) for mode, alone in columns),
                ]
            )
        )
    return lines


def _cell(result: Result | None, fault: Fault, mode: str) -> str:
    if result is None:
        return "cannot happen" if fault.modes and mode not in fault.modes else "not run"
    seen = result.seen
    wrong = "" if result.is_right else "**WRONG** "
    left = str(seen.left[seen.cell.bad].value)
    if fault.ends is Ends.REFUSED:
        return f"{wrong}{seen.flown.code}: refused; left: {left}"
    outcome = seen.outcome
    if outcome["result"] == "done":
        extra = f", {outcome['retries']} retried" if outcome["retries"] else ""
        slowest = outcome["slowest"][0]
        if slowest["seconds"] >= seen.setting.hang_s:
            extra = f", {slowest['operation']} at {slowest['offset']} took {slowest['seconds']:.0f} s"
        outliers = seen.flown.last["outliers"]
        extra += (
            ", slower than its siblings" if any(each["card"] == outcome["card"] for each in outliers) else ""
        )
        return f"{wrong}{seen.flown.code}: done{extra}"
    cause = outcome["cause"].partition(" (")[0]
    return f"{wrong}{seen.flown.code}: {outcome['phase']} at {outcome['offset']}: {cause}; left: {left}"


def _notes() -> list[str]:
    return [f"[{number}] {fault.note}  " for number, fault in enumerate(_noted(), start=1)]


def _noted() -> list[Fault]:
    return [fault for fault in FAULTS if fault.note]


def _killed(kills: Kills | None) -> list[str]:
    if kills is None:
        return []
    told = _KILLED.format(moments=kills.moments, seed=kills.seed)
    lines = [told, _row(["left on a card", "times"]), _row(["---", "---"])]
    return [*lines, *(_row([what, str(times)]) for what, times in sorted(kills.left.items()))]


def _row(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


def _key(cell: Cell) -> tuple[str, str, bool]:
    return (cell.fault.name, cell.mode.name, cell.is_alone)


def write(page: Path, results: Sequence[Result], kills: Kills | None, setting: Setting) -> None:
    """Write the page."""
    page.write_text(render(results, kills, setting), encoding="utf-8")
