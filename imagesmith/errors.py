"""Every failure a user may see, as a tree; each class carries its exit code (docs/reference.md lists them).

An error says what happened, why, and what to do. Anything that is not an `ImagesmithError` is a bug and keeps
its traceback. Domain code raises; only `imagesmith.__main__` exits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ImagesmithError(Exception):
    """An expected failure.

    Args:
        what: what happened, one sentence without a full stop.
        why: the cause or the evidence; may be empty when `what` says it all.
        remedy: what the user can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def lines(self) -> list[str]:
        """Return the message as the user reads it, one line per part."""
        parts = [f"error: {self.what}"]
        if self.why:
            parts.append(f"  why: {self.why}")
        if self.remedy:
            parts.append(f"  do:  {self.remedy}")
        return parts


class UsageError(ImagesmithError):
    """The command line is wrong; nothing was touched."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a recipe: where, which key, what, and a suggestion (may be empty)."""

    file: str
    line: int
    key: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " + (f"{self.key}: " if self.key else "")
        return where + self.message + (f" ({self.suggestion})" if self.suggestion else "")


class RecipeError(ImagesmithError):
    """The recipe is wrong; nothing was touched. Carries every problem found."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the recipe")

    def lines(self) -> list[str]:
        """Return one line a problem, then the count."""
        return [*map(str, self.problems), f"error: {self.what}; nothing was touched"]


class HostNotReadyError(ImagesmithError):
    """A tool, right or resource is missing on this machine; nothing was touched."""

    exit_code = 4


class UntrustedSourceError(ImagesmithError):
    """A base, download or image is not what it should be; nothing was built from it."""

    exit_code = 5


class BuildError(ImagesmithError):
    """A build step failed; nothing was published."""

    exit_code = 6


class VerificationError(ImagesmithError):
    """An image or a boot is not as it should be; `verify` and `boot` end with this."""

    exit_code = 6


class CardRefusedError(ImagesmithError):
    """A safety rule said no; nothing was written to any card."""

    exit_code = 7


class SomeCardsFailedError(ImagesmithError):
    """Some cards failed and carry no valid partition table; the others are good."""

    exit_code = 8


class AllCardsFailedError(ImagesmithError):
    """No card is good."""

    exit_code = 9


class InterruptedRunError(ImagesmithError):
    """The user (or SIGTERM) stopped the run; what is unfinished is listed."""

    exit_code = 130
