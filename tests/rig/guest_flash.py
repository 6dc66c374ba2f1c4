"""`imagesmith flash` as people run it, in the bench's guest: to its end, in the background, at a terminal."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.rig.usb_bench import Bench

IMAGE = "/data/rig/rig.img"
RECIPE = "/data/rig.yaml"
FLASH_S = 180.0

_NAME = "flash"
_OUT, _ANSWER = "/run/flash.out", "/run/flash.answer"


@dataclass(frozen=True, slots=True)
class FlashRun:
    """What a run with `--json` printed so far, and its exit code once it ended."""

    returncode: int | None
    lines: tuple[dict[str, Any], ...]

    @property
    def last(self) -> dict[str, Any]:
        """The report, or the error."""
        return self.lines[-1]

    def outcome(self, card: str) -> dict[str, Any]:
        """Return what the report says of one card."""
        (found,) = [outcome for outcome in self.last["cards"] if outcome["card"] == card]
        return dict(found)

    def written_bytes(self, card: str) -> int:
        """Return how much of a card's body was written by now."""
        told = [line["cards"].get(card) for line in self.lines if line["event"] == "progress"]
        return max((counts["written_bytes"] for counts in told if counts), default=0)


def flash_words(cards: Sequence[str], *options: str) -> list[str]:
    """Return the command line for some cards."""
    return ["imagesmith", "flash", "--image", IMAGE, "--recipe", RECIPE, *options, *cards]


def flash(bench: Bench, cards: Sequence[str], *options: str) -> FlashRun:
    """Flash, unasked, to the end."""
    done = bench.run(*flash_words(cards, "--yes", "--json", *options), timeout_s=FLASH_S)
    return _parsed(done.returncode, done.stdout)


def start_flash(bench: Bench, cards: Sequence[str], *options: str) -> None:
    """Start flashing; `flash_so_far` tells how it goes. One at a time."""
    words = shlex.join(flash_words(cards, "--yes", "--json", *options))
    bench.put_file(_OUT, "")
    bench.start(_NAME, f"{words} > {_OUT}")


def flash_so_far(bench: Bench) -> FlashRun:
    """Return what the started run has printed; its exit code is None while it goes on."""
    code = bench.exit_code(_NAME)
    return _parsed(code, bench.say("cat", _OUT))


def await_flash(bench: Bench) -> FlashRun:
    """Return the started run once it has ended."""
    bench.await_end(_NAME, timeout_s=FLASH_S)
    return flash_so_far(bench)


def start_flash_at_terminal(bench: Bench, cards: Sequence[str]) -> str:
    """Start flashing with nobody having agreed yet; return what the terminal shows when it asks."""
    bench.put_file(_OUT, "")
    bench.say("sh", "-c", f"rm -f {_ANSWER}; mkfifo {_ANSWER}")
    words = shlex.quote(shlex.join(flash_words(cards)))
    # Opened for both, so that opening waits for nobody.
    bench.start(_NAME, f"script --quiet --flush --return --command {words} {_OUT} <> {_ANSWER}")
    bench.until(lambda: "to go on" in bench.say("cat", _OUT), "flash asks", timeout_s=FLASH_S)
    return bench.say("cat", _OUT)


def answer_at_terminal(bench: Bench, answer: str) -> tuple[int, str]:
    """Type an answer; return the exit code, and what the terminal shows at the end."""
    bench.say("sh", "-c", f"echo {shlex.quote(answer)} > {_ANSWER}")
    code = bench.await_end(_NAME, timeout_s=FLASH_S)
    return code, bench.say("cat", _OUT)


def _parsed(returncode: int | None, printed: str) -> FlashRun:
    # Of a run that goes on, the last line may be half a line.
    whole = printed[: printed.rfind("\n") + 1] if returncode is None else printed
    return FlashRun(returncode, tuple(json.loads(line) for line in whole.splitlines()))
