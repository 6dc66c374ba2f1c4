"""All cards at once: a thread each, its own fate each, and a watchdog over them.

Lanes share the image and nothing else. What they tell comes through one queue, so `on_event` is called by one
thread only: the caller's.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

from imagesmith.errors import CardRefusedError, InterruptedRunError, UntrustedSourceError
from imagesmith.flash.image import Image, open_image
from imagesmith.flash.lane import Lane, LaneJob
from imagesmith.flash.record import Batch
from imagesmith.flash.reference import Reference
from imagesmith.host.worker import run_in_worker
from imagesmith.model.events import CardEnded, Event, ImageBytesChecked, ImageCheckStarted
from imagesmith.model.outcome import CardOutcome, FlashReport, Result

STALL_TIMEOUT_S = 120.0
"""Cards whose fast cells are full may take tens of seconds for one write; none recovers after this long."""

RETRY_PAUSES_S = (0.1, 1.0)
"""Pauses before the second and the third try of an operation; there is no fourth."""

_STOP_GRACE_S = 15.0
"""How long a stopped card may take over the operation it is in, and over clearing its table."""

_IMAGE_GRACE_S = 5.0
"""How long a reading of the image may take that nobody needs any more."""

_POLL_S = 0.1


def flash_cards(
    jobs: Sequence[LaneJob],
    *,
    on_event: Callable[[Event], None],
    cancel: threading.Event,
    stall_timeout_s: float = STALL_TIMEOUT_S,
) -> FlashReport:
    """Write and read back all cards at once; the image is checked meanwhile, and no card gets a table before.

    The cards are held by a child process, so that this call returns even when a card never answers again
    (`imagesmith.host.worker`). A bad card is a result, not an exception: read `FlashReport.exit_code`.

    Args:
        jobs: the cards; all plans are of one image.
        on_event: told what happens, in the caller's thread.
        cancel: when set, every card stops at its next operation and loses its table.
        stall_timeout_s: a card that completes no operation for this long is given up.

    Raises:
        UntrustedSourceError: the image cannot be opened, or has another size than its manifest says; no card
            was opened. What is found wrong with it later is in `FlashReport.image_fault`.
        CardRefusedError: a card was in use or another one when it was opened; nothing was written to any.
    """
    images = {job.plan.image for job in jobs}
    if len(images) != 1 or len({job.card for job in jobs}) != len(jobs):
        raise ValueError("one image and distinct cards, at least one")

    def work(send: Callable[[Event], None], stop: threading.Event) -> FlashReport:
        with open_image(images.pop()) as image:
            return run_lanes(jobs, image=image, on_event=send, cancel=stop, stall_timeout_s=stall_timeout_s)

    return run_in_worker(work, on_message=on_event, cancel=cancel)


def run_lanes(
    jobs: Sequence[LaneJob],
    *,
    image: Image,
    on_event: Callable[[Event], None],
    cancel: threading.Event,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    retry_pauses_s: tuple[float, ...] = RETRY_PAUSES_S,
) -> FlashReport:
    """Run a lane for each job in this process. Threads of cards that never answer are left behind.

    Raises:
        UntrustedSourceError: the image has another size than its manifest says; no card was opened.
        CardRefusedError: a card was refused on opening; nothing was written to any.
    """
    reference = Reference(image, jobs[0].plan.manifest)
    reference.require_size()
    return _Run(jobs, reference, on_event, stall_timeout_s, retry_pauses_s).to_end(cancel)


class _Run:
    """The supervisor's side of a run: starts lanes, passes events on, gives up on the silent."""

    def __init__(
        self,
        jobs: Sequence[LaneJob],
        reference: Reference,
        on_event: Callable[[Event], None],
        stall_timeout_s: float,
        retry_pauses_s: tuple[float, ...],
    ) -> None:
        self._on_event = on_event
        self._stall_timeout_s = stall_timeout_s
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._reference = reference
        self._start = threading.Event()
        self._enough = threading.Event()
        """Nobody needs the image any more."""
        self._outcomes: dict[str, CardOutcome] = {}
        self._stopped_at_s: float | None = None
        self._lanes = [
            Lane(job, reference, emit=self._events.put, start=self._start, retry_pauses_s=retry_pauses_s)
            for job in jobs
        ]

    def to_end(self, cancel: threading.Event) -> FlashReport:
        began_s = time.monotonic()
        for lane in self._lanes:
            threading.Thread(target=lane.run, name=f"lane {lane.card}", daemon=True).start()
        checking = threading.Thread(target=self._check_image, name="image", daemon=True)
        while len(self._outcomes) < len(self._lanes):
            if cancel.is_set() or any(lane.image_fault for lane in self._lanes):
                self._stop()
            self._pass_on()
            self._start_together(checking)
            self._give_up_on_silent()
        self._enough.set()
        if checking.ident is not None:
            checking.join(_IMAGE_GRACE_S)
        refusals = [lane.refusal for lane in self._lanes if lane.refusal]
        if refusals:
            raise CardRefusedError(
                "; ".join(refusal.what for refusal in refusals),
                why="; ".join(refusal.why for refusal in refusals),
                remedy=refusals[0].remedy,
            )
        return FlashReport(
            outcomes=tuple(self._outcomes[lane.card] for lane in self._lanes),
            seconds=time.monotonic() - began_s,
            image_fault=next((lane.image_fault for lane in self._lanes if lane.image_fault), ""),
        )

    def _check_image(self) -> None:
        self._events.put(ImageCheckStarted(self._reference.size_bytes))
        told = Batch(lambda count: self._events.put(ImageBytesChecked(count)))
        # Either is for the lanes: each hears of it where it asks for what belongs on its card.
        with contextlib.suppress(UntrustedSourceError, InterruptedRunError):
            self._reference.check(on_bytes=told.add, cancel=self._enough)
        told.settle()

    def _stop(self) -> None:
        if self._stopped_at_s is None:
            self._stopped_at_s = time.monotonic()
            for lane in self._lanes:
                lane.stop.set()

    def _pass_on(self) -> None:
        try:
            event = self._events.get(timeout=_POLL_S)
        except queue.Empty:
            return
        card = getattr(event, "card", None)
        if card in self._outcomes:  # it woke up after we had given up on it
            return
        if isinstance(event, CardEnded):
            self._outcomes[event.card] = event.outcome
        self._on_event(event)

    def _start_together(self, checking: threading.Thread) -> None:
        """Let lanes write once every card is open or lost; one refused, and nothing is written at all."""
        if self._start.is_set():
            return
        if all(lane.opened or lane.card in self._outcomes for lane in self._lanes):
            if any(lane.refusal for lane in self._lanes):
                self._stop()
            else:
                checking.start()
            self._start.set()

    def _give_up_on_silent(self) -> None:
        for lane in self._lanes:
            if lane.card in self._outcomes:
                continue
            silent_s, operation, offset = lane.pulse.silence()
            if not self._is_too_long(silent_s):
                continue
            lane.stop.set()
            outcome = lane.record.outcome(
                Result.FAILED if self._stopped_at_s is None else Result.UNFINISHED,
                cause=f"no answer for {silent_s:.0f} s to: {operation}",
                offset=offset,
            )
            self._outcomes[lane.card] = outcome
            self._on_event(CardEnded(lane.card, outcome))

    def _is_too_long(self, silent_s: float) -> bool:
        if silent_s > self._stall_timeout_s:
            return True
        if self._stopped_at_s is None:
            return False
        return min(silent_s, time.monotonic() - self._stopped_at_s) > _STOP_GRACE_S
