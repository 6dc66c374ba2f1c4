"""One card, from clearing its old table to reading back the new one.

The order is the promise: at no moment is there a valid partition table over an incomplete body. The old table
is cleared and that is read back; then the body is written, flushed and read back from the medium; the new one
comes last, and is read back too. Whatever goes wrong in between, the table is cleared again.
"""

import contextlib
import errno
import mmap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from imagesmith.errors import CardRefusedError, ImagesmithError
from imagesmith.flash.image import Image
from imagesmith.flash.passes import MismatchError, read_back, write_pieces
from imagesmith.flash.pieces import Piece, body_pieces, clearing_pieces, head_pieces
from imagesmith.flash.record import LaneRecord
from imagesmith.flash.transfer import Patience, Pulse, StoppedError, Transfer
from imagesmith.host.media import Medium, MediumError
from imagesmith.model.card import CardPlan
from imagesmith.model.events import CardEnded, Event
from imagesmith.model.outcome import CardOutcome, Phase, Result, TableState


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


class Lane:
    """A card on its way. `run` never raises: whatever happens becomes one `CardEnded` event."""

    def __init__(
        self,
        job: LaneJob,
        image: Image,
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
        self.pulse = Pulse()
        self.record = LaneRecord(job.card, job.slot, job.plan, emit)
        self._job = job
        self._image = image
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
            case MismatchError():
                return self.record.close(Result.FAILED, cause=str(error), offset=error.offset)
            case MediumError():
                # Writing from the mapping of an unreadable image: the kernel says EFAULT.
                is_image = error.code == errno.EFAULT
                cause = "the image cannot be read" if is_image else f"{error.operation} failed: {error.cause}"
                return self.record.close(Result.FAILED, cause=cause, offset=error.offset)
            case ImagesmithError():
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
        transfer = Transfer(
            medium, self.pulse, Patience(self.stop, self._retry_pauses_s, self.record.retried)
        )
        longest = max(piece.length_bytes for piece in (*self._body, *self._head, *self._clearing))
        with _page_aligned(longest) as buffer:
            try:
                self._write_in_order(transfer, buffer)
            except BaseException:
                self._clear_again(medium, buffer)
                raise
        medium.reread_table()

    def _write_in_order(self, transfer: Transfer, buffer: memoryview) -> None:
        self._enter(Phase.CLEAR)
        self._write(self._clearing, transfer, buffer, counted=False)
        self._read_back(self._clearing, transfer, buffer, counted=False)
        self.record.table = TableState.ABSENT

        self._enter(Phase.WRITE, sum(piece.length_bytes for piece in self._body))
        self._write(self._body, transfer, buffer)
        self._enter(Phase.VERIFY, sum(piece.length_bytes for piece in self._body))
        self._read_back(self._body, transfer, buffer)

        self._image.require_unchanged()
        self._job.recheck()
        self._enter(Phase.HEAD)
        self._write(self._head, transfer, buffer, counted=False)
        self._read_back(self._head, transfer, buffer, counted=False)
        self.record.table = TableState.VALID

    def _enter(self, phase: Phase, size_bytes: int = 0) -> None:
        if phase in {Phase.CLEAR, Phase.HEAD}:
            self.record.table = TableState.UNKNOWN
        self.record.enter(phase, size_bytes)

    def _write(
        self, pieces: Sequence[Piece], transfer: Transfer, buffer: memoryview, *, counted: bool = True
    ) -> None:
        on_bytes = self.record.wrote if counted else _uncounted
        write_pieces(pieces, transfer=transfer, image=self._image, buffer=buffer, on_bytes=on_bytes)
        transfer.flush()

    def _read_back(
        self, pieces: Sequence[Piece], transfer: Transfer, buffer: memoryview, *, counted: bool = True
    ) -> None:
        on_bytes = self.record.verified if counted else _uncounted
        read_back(pieces, transfer=transfer, image=self._image, buffer=buffer, on_bytes=on_bytes)

    def _clear_again(self, medium: Medium, buffer: memoryview) -> None:
        """Leave no valid table on a card that failed: as well as the card still lets us.

        Each piece is tried by itself, once. A card that is gone keeps the state last read back from it.
        """
        transfer = Transfer(medium, self.pulse, Patience(threading.Event(), (), self.record.retried))
        try:
            for piece in self._clearing:
                with contextlib.suppress(MediumError):
                    self._write([piece], transfer, buffer, counted=False)
            self._read_back(self._clearing, transfer, buffer, counted=False)
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
