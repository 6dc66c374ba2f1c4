"""Whether it pays to read a zero piece before writing it: decided on each card by what that card has shown.

Reading first costs R a byte and saves W when the piece is zero already, which it is with a chance p: it pays
while p·W > R. Fresh cards are zero nearly everywhere (p ≈ 1) and read two to five times as fast as they
write; a card that was used before is not (p ≈ 0). What is spared is read back at the end like all else.
"""

from imagesmith.model.units import MIB

_FORGETTING = 0.7
"""Weight of what was known before, at each new piece: the last five or so decide."""
_LEAST_BYTES = MIB
"""Shorter pieces measure the latency of a call more than the card."""
_TRY_EVERY = 64
"""After so many zero pieces written unread, one is read again: the next part of the card may be fresh."""


class Thrift:
    """What one card has shown so far, and the decision it leads to."""

    def __init__(self) -> None:
        self._chance = 1.0
        self._write_s_per_byte: float | None = None
        self._read_s_per_byte: float | None = None
        self._unread = 0

    def is_worth_reading(self, count_bytes: int) -> bool:
        """Return whether the next zero piece, of so many bytes, should be read before it is written."""
        if count_bytes < _LEAST_BYTES or self._write_s_per_byte is None:
            return False
        if self._read_s_per_byte is None or self._unread >= _TRY_EVERY:
            return True
        if self._chance * self._write_s_per_byte > self._read_s_per_byte:
            return True
        self._unread += 1
        return False

    def wrote(self, count_bytes: int, spent_s: float) -> None:
        """Learn from a piece that was written."""
        if count_bytes >= _LEAST_BYTES:
            self._write_s_per_byte = _blend(self._write_s_per_byte, spent_s / count_bytes)

    def read(self, count_bytes: int, spent_s: float, *, was_zero: bool) -> None:
        """Learn from a zero piece that was read first."""
        self._unread = 0
        self._read_s_per_byte = _blend(self._read_s_per_byte, spent_s / count_bytes)
        self._chance = _blend(self._chance, float(was_zero))


def _blend(known: float | None, new: float) -> float:
    return new if known is None else _FORGETTING * known + (1 - _FORGETTING) * new
