"""One card, from clearing its old table to reading back the new one.

The order is the promise: at no moment is there a valid partition table over an incomplete body. The old table
is cleared and that is read back; then the body is written, flushed and read back from the medium; the new one
comes last, and is read back too. Whatever goes wrong in between, the table is cleared again. A delta reads
the card first, and touches nothing when it finds nothing to do.
"""

import contextlib
import errno
import mmap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from imagesmith.errors import CardRefusedError, ImagesmithError, UntrustedSourceError
from imagesmith.flash.passes import MismatchError, differing, read_back, write_pieces, write_thriftily
from imagesmith.flash.pieces import (
    Piece,
    body_pieces,
    cleared_spans,
    clearing_pieces,
    head_pieces,
    overlapping,
)
from imagesmith.flash.probe import CounterfeitError, Probe
from imagesmith.flash.record import LaneRecord
from imagesmith.flash.reference import Reference
from imagesmith.flash.transfer import Patience, Pulse, StoppedError, Transfer
from imagesmith.host.media import Medium, MediumError
from imagesmith.model.card import CardPlan
from imagesmith.model.events import CardEnded, Event
from imagesmith.model.outcome import Approach, CardOutcome, Phase, Result, TableState
from imagesmith.model.units import MIB

_UNREAD_AFTER_BYTES = 64 * MIB
"""When resuming: so much in a row that differs was never written, and neither was what follows."""


@dataclass(frozen=True, slots=True)
class LaneJob:
    """What one lane is to do, and how it gets at its card."""

    card: str
    """As the user named it: unique in a run."""
    plan: CardPlan
    open_medium: Callable[[], AbstractContextManager[Medium]]
    """Opens the card; leaving the block without an exception completes it (`imagesmith.host.media`)."""
    recheck: Callable[[], None]
    """Raises CardRefusedError when the opened device is no longer the one that was judged."""
    slot: str = ""
    approach: Approach = Approach.WRITE
    is_probed: bool = True
    """Whether it is asked for its true capacity; a file needs no asking."""


class Lane:
    """A card on its way. `run` never raises: whatever happens becomes one `CardEnded` event."""

    def __init__(
        self,
        job: LaneJob,
        reference: Reference,
        *,
        emit: Callable[[Event], None],
        start: threading.Event,
        retry_pauses_s: tuple[float, ...],
    ) -> None:
        self.card = job.card
        self.stop = threading.Event()
        self.opened = False
        """The card is open and the lane waits for `start`."""
        self.refusal: CardRefusedError | None = None
        """Why the card was refused on opening; nothing was written to it."""
        self.image_fault = ""
        """What this lane found wrong with the image."""
        self.pulse = Pulse()
        self.record = LaneRecord(job.card, job.slot, job.plan, emit)
        self._job = job
        self._reference = reference
        self._emit = emit
        self._start = start
        self._retry_pauses_s = retry_pauses_s
        self._body = body_pieces(job.plan)
        self._head = head_pieces(job.plan)
        self._clearing = clearing_pieces(job.plan.size_bytes)

    def run(self) -> None:
        """Write the card, and tell how it went."""
        try:
            with self._job.open_medium() as medium:
                self.record.readback = medium.readback
                self._await_start()
                self._flash(medium)
                self._enter(Phase.CLOSE)
        except Exception as error:  # noqa: BLE001 -- nothing may take the other cards along, nor pass in silence
            outcome = self._failed(error)
        else:
            outcome = self.record.close(Result.DONE)
        self._emit(CardEnded(self.card, outcome))

    def _failed(self, error: Exception) -> CardOutcome:
        match error:
            case StoppedError():
                return self.record.close(Result.UNFINISHED, cause="stopped")
            case MismatchError() | CounterfeitError():
                return self.record.close(Result.FAILED, cause=str(error), offset=error.offset)
            case MediumError():
                # Writing from the mapping of an unreadable image: the kernel says EFAULT.
                if error.code == errno.EFAULT:
                    self.image_fault = f"it cannot be read at byte {error.offset}"
                    return self.record.close(
                        Result.FAILED, cause="the image cannot be read", offset=error.offset
                    )
                cause = f"{error.operation} failed: {error.cause}"
                return self.record.close(Result.FAILED, cause=cause, offset=error.offset)
            case ImagesmithError():
                if isinstance(error, UntrustedSourceError):
                    self.image_fault = error.why
                if isinstance(error, CardRefusedError) and self.record.phase is Phase.OPEN:
                    self.refusal = error
                return self.record.close(Result.FAILED, cause=f"{error.what}: {error.why}")
            case _:
                return self.record.close(Result.FAILED, cause=f"internal error, please report: {error!r}")

    def _await_start(self) -> None:
        self.opened = True
        self.record.opened()
        while not self._start.wait(timeout=0.5):
            self.pulse.beat("wait for the other cards")
        if self.stop.is_set():  # before the first write: the card stays what it was
            raise StoppedError

    def _flash(self, medium: Medium) -> None:
        patience = Patience(self.stop, self._retry_pauses_s, self.record.retried, self.record.timed)
        transfer = Transfer(medium, self.pulse, patience)
        longest = max(piece.length_bytes for piece in (*self._body, *self._head, *self._clearing))
        with _page_aligned(longest) as buffer:
            try:
                self._bring_to_plan(transfer, buffer)
            except BaseException as error:
                was_spared = isinstance(error, StoppedError) and self.record.table is TableState.UNTOUCHED
                if not was_spared:
                    self._clear_again(medium, buffer)
                raise
        medium.reread_table()

    def _bring_to_plan(self, transfer: Transfer, buffer: memoryview) -> None:
        if self._job.approach is Approach.WRITE:
            wrong = self._body
        else:
            wrong = self._compare(transfer, buffer)
            if not wrong and self._has_head(transfer, buffer):
                self._confirm(transfer)
                return
            wrong = self._with(wrong, overlapping(self._body, cleared_spans(self._job.plan.size_bytes)))
        self._clear(transfer, buffer)
        probe = self._probe(transfer, buffer)
        touched = overlapping(self._body, probe.points) if probe else ()
        self._write_body(wrong, self._with(wrong, touched), transfer, buffer)
        if probe:
            probe.after_body(transfer, buffer)
        self._reference.require_right(waiting=transfer.await_image)
        self._job.recheck()
        self._enter(Phase.HEAD)
        self._write(self._head, transfer, buffer)
        self._read_back(self._head, transfer, buffer)
        self.record.table = TableState.VALID

    def _compare(self, transfer: Transfer, buffer: memoryview) -> tuple[Piece, ...]:
        """Return what of the body the card does not hold."""
        self._enter(Phase.COMPARE, sum(piece.length_bytes for piece in self._body))
        is_resumed = self._job.approach is Approach.RESUME
        wrong = differing(
            self._body,
            transfer=transfer,
            reference=self._reference,
            buffer=buffer,
            on_bytes=self.record.compared,
            most_in_a_row_bytes=_UNREAD_AFTER_BYTES if is_resumed else None,
        )
        self.record.kept(sum(p.length_bytes for p in self._body) - sum(p.length_bytes for p in wrong))
        return wrong

    def _has_head(self, transfer: Transfer, buffer: memoryview) -> bool:
        return not differing(
            self._head,
            transfer=transfer,
            reference=self._reference,
            buffer=buffer,
            on_bytes=_uncounted,
        )

    def _confirm(self, transfer: Transfer) -> None:
        """End a delta that has found everything right, table included: nothing is written."""
        self._reference.require_right(waiting=transfer.await_image)
        self._job.recheck()
        self.record.table = TableState.VALID

    def _clear(self, transfer: Transfer, buffer: memoryview) -> None:
        self._enter(Phase.CLEAR)
        self._write(self._clearing, transfer, buffer)
        self._read_back(self._clearing, transfer, buffer)
        self.record.table = TableState.ABSENT

    def _probe(self, transfer: Transfer, buffer: memoryview) -> Probe | None:
        if not self._job.is_probed:
            return None
        self._enter(Phase.PROBE)
        probe = Probe(self._job.plan.size_bytes)
        probe.before_body(transfer, buffer)
        return probe

    def _write_body(
        self, wrong: Sequence[Piece], touched: Sequence[Piece], transfer: Transfer, buffer: memoryview
    ) -> None:
        self._enter(Phase.WRITE, sum(piece.length_bytes for piece in wrong))
        write_thriftily(
            wrong,
            transfer=transfer,
            reference=self._reference,
            buffer=buffer,
            on_bytes=self.record.wrote,
            on_kept=self.record.spared,
        )
        transfer.flush()
        self._enter(Phase.VERIFY, sum(piece.length_bytes for piece in touched))
        self._read_back(touched, transfer, buffer, on_bytes=self.record.verified)

    def _with(self, pieces: Sequence[Piece], more: Sequence[Piece]) -> tuple[Piece, ...]:
        """Return both, in the order of the card."""
        starts = {piece.start for piece in (*pieces, *more)}
        return tuple(piece for piece in self._body if piece.start in starts)

    def _enter(self, phase: Phase, size_bytes: int = 0) -> None:
        if phase in {Phase.CLEAR, Phase.HEAD}:
            self.record.table = TableState.UNKNOWN
        self.record.enter(phase, size_bytes)

    def _write(self, pieces: Sequence[Piece], transfer: Transfer, buffer: memoryview) -> None:
        write_pieces(pieces, transfer=transfer, reference=self._reference, buffer=buffer, on_bytes=_uncounted)
        transfer.flush()

    def _read_back(
        self,
        pieces: Sequence[Piece],
        transfer: Transfer,
        buffer: memoryview,
        *,
        on_bytes: Callable[[int], None] = lambda _count: None,
    ) -> None:
        read_back(pieces, transfer=transfer, reference=self._reference, buffer=buffer, on_bytes=on_bytes)

    def _clear_again(self, medium: Medium, buffer: memoryview) -> None:
        """Leave no valid table on a card that failed: as well as the card still lets us.

        Each piece is tried by itself, once. A card that is gone keeps the state last read back from it.
        """
        transfer = Transfer(medium, self.pulse, Patience(threading.Event(), (), self.record.retried))
        try:
            for piece in self._clearing:
                with contextlib.suppress(MediumError):
                    self._write([piece], transfer, buffer)
            self._read_back(self._clearing, transfer, buffer)
        except MediumError:
            return
        except MismatchError:
            self.record.table = TableState.UNKNOWN
        else:
            self.record.table = TableState.ABSENT


def _uncounted(_count_bytes: int) -> None:
    """Clearing and tables take no part in progress and rates: they are small and written among flushes."""


@contextlib.contextmanager
def _page_aligned(size_bytes: int) -> Iterator[memoryview]:
    with mmap.mmap(-1, size_bytes) as pages, memoryview(pages) as buffer:
        yield buffer
