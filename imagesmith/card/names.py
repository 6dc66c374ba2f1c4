"""What people write for cards: plain paths, `/dev/sd<b..i>`, `/dev/sd[b-i]`, `card<01..04>.img`."""

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from imagesmith.errors import UsageError

MOST_CARDS = 256
"""More cards than any host has readers for: a range this long is a slip of the hand."""

_PIECE = re.compile(r"<(?P<angle>[^<>]*)>|\[(?P<square>[^\[\]]*)\]|(?P<stray>[<>\[\]])|(?P<plain>[^<>\[\]]+)")
_ANGLE = re.compile(r"(?P<first>[0-9]+|[A-Za-z])\.\.(?P<last>[0-9]+|[A-Za-z])")
_NUMBERS = re.compile(r"(?P<first>[0-9]+)-(?P<last>[0-9]+)")
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9](?:-[A-Za-z0-9])?)+")
_BRACES = re.compile(r"\{(?:[0-9]+|[A-Za-z])\.\.(?:[0-9]+|[A-Za-z])\}")


def expand_card_names(
    words: Sequence[str], *, exists: Callable[[str], bool] = os.path.lexists
) -> tuple[str, ...]:
    """Return the card names that words of the command line stand for, in the order written.

    Args:
        words: plain paths or patterns. `<b..i>` counts letters or numbers (`<01..12>` keeps the zeros),
            `[b-i]`, `[bdf]` and `[0-3]` choose characters as in a shell, `[08-12]` counts numbers.
        exists: whether a name is there as written; such a name is never a pattern.

    Raises:
        UsageError: a malformed pattern, or a name that appears twice.
    """
    names = [name for word in words for name in _expand(word, exists)]
    seen: set[PurePath] = set()
    for name in names:
        if PurePath(name) in seen:
            raise UsageError(f"the card {name} is named twice", remedy="name each card once")
        seen.add(PurePath(name))
    return tuple(names)


def _expand(word: str, exists: Callable[[str], bool]) -> tuple[str, ...]:
    if not word:
        raise UsageError("a card name is empty", remedy="name a block device or a file")
    if exists(word):
        return (word,)
    if _BRACES.search(word):
        angle = _BRACES.sub(lambda match: f"<{match[0][1:-1]}>", word)
        raise UsageError(
            f"{word!r} reached imagesmith unexpanded",
            why="braces are the shell's own, and it leaves them alone between quotes",
            remedy=f"take the quotes off, or write '{angle}'",
        )
    choices = [_choices(match, word) for match in _PIECE.finditer(word)]
    if math.prod(map(len, choices)) > MOST_CARDS:
        raise UsageError(f"{word!r} names more than {MOST_CARDS} cards", remedy="shorten the range")
    return tuple("".join(parts) for parts in itertools.product(*choices))


def _choices(piece: re.Match[str], word: str) -> tuple[str, ...]:
    if (plain := piece["plain"]) is not None:
        return (plain,)
    if (angle := piece["angle"]) is not None:
        match = _ANGLE.fullmatch(angle)
        if match is None:
            raise _malformed(word, f"<{angle}> is not a range", "write <b..i>, <1..4> or <01..12>")
        return _count(match["first"], match["last"], word)
    if (square := piece["square"]) is not None:
        numbers = _NUMBERS.fullmatch(square)
        if numbers and len(square) > len("0-9"):
            return _count(numbers["first"], numbers["last"], word)
        if not _CHARACTERS.fullmatch(square):
            raise _malformed(word, f"[{square}] is not a set of characters", "write [b-i], [bdf] or [0-3]")
        return tuple(_characters(square, word))
    raise _malformed(word, f"{piece['stray']!r} has no partner", "write <b..i> or [b-i]")


def _characters(square: str, word: str) -> Iterator[str]:
    for match in re.finditer(r"(.)(?:-(.))?", square):
        yield from _count(match[1], match[2] or match[1], word)


def _count(first: str, last: str, word: str) -> tuple[str, ...]:
    """Count from `first` to `last`, both included: numbers as wide as `first`, or letters of one case."""
    if first.isdigit() and last.isdigit():
        low, high = int(first), int(last)
        width = len(first)
    elif first.islower() == last.islower() and first.isalpha() and last.isalpha():
        low, high = ord(first), ord(last)
        width = 0
    else:
        raise _malformed(
            word, f"{first} and {last} are not of one kind", "count letters of one case, or numbers"
        )
    if low > high:
        raise _malformed(word, f"{first} comes after {last}", "write the lower end first")
    # One more than allowed is enough for the caller to refuse it, and no number is too long to count to.
    span = range(low, min(high, low + MOST_CARDS) + 1)
    return tuple(f"{n:0{width}d}" if width else chr(n) for n in span)


def _malformed(word: str, why: str, remedy: str) -> UsageError:
    return UsageError(f"cannot tell which cards {word!r} names", why=why, remedy=remedy)
