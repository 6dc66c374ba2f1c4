"""Trying again: the cards of the last run that are not good, each for the node it was meant for."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagesmith.app.ledger import failed_of_last_run
from imagesmith.errors import CardRefusedError, UsageError
from imagesmith.model.card import CardFacts
from imagesmith.model.ledger import LedgerRow


@dataclass(frozen=True, slots=True)
class Retry:
    """What a run that tries again is asked for, as a user would have written it."""

    rows: tuple[LedgerRow, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The cards' names."""
        return tuple(row.path for row in self.rows)

    @property
    def nodes(self) -> str | None:
        """The nodes, in the order of the cards; None for cards without identity."""
        return ",".join(str(row.node_index) for row in self.rows) if self.is_personalised else None

    @property
    def is_personalised(self) -> bool:
        """Whether the cards get an identity."""
        return self.rows[0].node_index is not None

    @property
    def file_bytes(self) -> int:
        """Size of card files, which a failed run does not leave behind."""
        return self.rows[0].size_bytes

    def require_image(self, sha256: str) -> None:
        """Confirm that it is still the same image.

        Raises:
            UsageError: it is another one.
        """
        if any(row.image_sha256 != sha256 for row in self.rows):
            raise UsageError(
                "the last run's cards were of another image",
                why=f"they were of {self.rows[0].image}, sha256 {self.rows[0].image_sha256[:12]}…",
                remedy="name that image with --image, or name the cards to be written",
            )

    def require_cards(self, facts: Sequence[CardFacts]) -> None:
        """Confirm that the same cards are in the same places.

        Raises:
            CardRefusedError: a name stands for another card now; nothing was written.
        """
        for row, found in zip(self.rows, facts, strict=True):
            was = (row.serial, row.slot_path)
            now = (found.identity.serial, found.slot_path)
            if row.transport and (was != now or row.size_bytes != found.identity.size_bytes):
                raise CardRefusedError(
                    f"{row.path} is not the card that failed",
                    why=f"then {' '.join(was)} of {row.size_bytes} bytes, "
                    f"now {' '.join(now)} of {found.identity.size_bytes}",
                    remedy="name the card and its node: imagesmith flash CARD --nodes N",
                )


def last_failed() -> Retry:
    """Return what is to be tried again.

    Raises:
        UsageError: there was no run yet, or all its cards are good.
        LedgerError: the ledger cannot be read.
    """
    rows = failed_of_last_run()
    if not rows:
        raise UsageError("no card of the last run failed", remedy="name the cards to be written")
    return Retry(rows)
