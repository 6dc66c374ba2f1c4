"""Short names of cards: `sdb` for /dev/sdb; the whole path where that alone would not tell them apart."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path


def short_names(cards: Collection[str]) -> dict[str, str]:
    """Return each card's short name."""
    counts = Counter(Path(card).name for card in cards)
    return {card: Path(card).name if counts[Path(card).name] == 1 else card for card in cards}


def clipped(text: str, most_characters: int) -> str:
    """Return a text of at most so many characters. Its end is kept: there slots and paths differ."""
    return text if len(text) <= most_characters else "…" + text[1 - most_characters :]
