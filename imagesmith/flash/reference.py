"""What belongs on the cards: the image's bytes, each checked once for all cards, while they are written.

The manifest's sha256 says what the image is. Hashing every card with it would cost a core at 0.9 GB/s; so the
bytes that were just found right are fingerprinted too, and what comes back from cards is compared with that:
XXH3 runs at the memory's speed, and a card is no adversary who could forge 128 bits of it.
"""

import functools
import hashlib
import threading
from collections.abc import Callable

import xxhash

from imagesmith.errors import InterruptedRunError, UntrustedSourceError
from imagesmith.flash.image import Image
from imagesmith.flash.pieces import Piece, Source, zero_digest
from imagesmith.model.blockmap import BlockClass
from imagesmith.model.manifest import Manifest

_WAIT_S = 0.5


class Reference:
    """An image and what is known of it. `check` runs in one thread, everything else in any number."""

    def __init__(self, image: Image, manifest: Manifest) -> None:
        self.image = image
        self._manifest = manifest
        self._progress = threading.Condition()
        self._fingerprints: dict[int, bytes] = {}
        self._is_checked = False
        self._fault = ""

    @property
    def size_bytes(self) -> int:
        """Bytes that `check` goes through."""
        return sum(chunk.end - chunk.start for chunk in self._manifest.chunks)

    def require_size(self) -> None:
        """Confirm that the image is as long as its manifest says.

        Raises:
            UntrustedSourceError: it is not.
        """
        if self.image.size_bytes != self._manifest.size_bytes:
            raise self.image.untrusted(
                f"it has {self.image.size_bytes} bytes, its manifest says {self._manifest.size_bytes}"
            )

    def check(self, *, on_bytes: Callable[[int], None], cancel: threading.Event) -> None:
        """Compare every chunk with its digest. Zero chunks are written from memory: only their digest is.

        Raises:
            UntrustedSourceError: the image is not the one the manifest describes; the text names the byte.
            InterruptedRunError: `cancel` was set.
        """
        fault = "it could not be checked to its end"
        try:
            self.require_size()
            self._check_chunks(on_bytes, cancel)
            fault = ""
        except UntrustedSourceError as exc:
            fault = exc.why
            raise
        finally:
            with self._progress:
                self._is_checked, self._fault = True, fault
                self._progress.notify_all()

    def _check_chunks(self, on_bytes: Callable[[int], None], cancel: threading.Event) -> None:
        longest = max((chunk.end - chunk.start for chunk in self._manifest.chunks), default=0)
        buffer = memoryview(bytearray(longest))
        for chunk in self._manifest.chunks:
            if cancel.is_set():
                raise InterruptedRunError("stopped while the image was checked")
            length = chunk.end - chunk.start
            if chunk.kind is BlockClass.ZERO:
                found, mark = zero_digest(length), zero_fingerprint(length)
            else:
                content = buffer[:length]
                self.image.read_into(chunk.start, content)
                found, mark = hashlib.sha256(content).hexdigest(), xxhash.xxh3_128_digest(content)
            if found != chunk.sha256:
                raise self.image.untrusted(
                    f"the {length} bytes at byte {chunk.start} are not what the manifest says"
                )
            with self._progress:
                self._fingerprints[chunk.start] = mark
                self._progress.notify_all()
            on_bytes(length)

    def fingerprint(self, piece: Piece, *, waiting: Callable[[], None]) -> bytes:
        """Return the XXH3 (128 bits) of what belongs in a piece, as soon as its chunk is checked.

        Args:
            piece: one of a plan on this image.
            waiting: called at least twice a second while it is not.

        Raises:
            UntrustedSourceError: the check has failed.
        """
        if piece.source is Source.PATCH:
            return xxhash.xxh3_128_digest(piece.content)
        if piece.source is Source.ZERO:
            return zero_fingerprint(piece.length_bytes)
        with self._progress:
            while piece.start not in self._fingerprints:
                self._raise_fault()
                waiting()
                self._progress.wait(_WAIT_S)
            return self._fingerprints[piece.start]

    def require_right(self, *, waiting: Callable[[], None]) -> None:
        """Wait until the whole image is checked, and confirm that nobody has written to it since.

        Raises:
            UntrustedSourceError: it is not what it should be.
        """
        with self._progress:
            while not self._is_checked:
                waiting()
                self._progress.wait(_WAIT_S)
            self._raise_fault()
        self.image.require_unchanged()

    def content(self, piece: Piece) -> bytes:
        """Return what belongs in a piece, byte by byte: to say where a card differs.

        Raises:
            UntrustedSourceError: the image cannot be read, or was changed.
        """
        if piece.source is Source.PATCH:
            return piece.content
        content = bytearray(piece.length_bytes)
        if piece.source is Source.IMAGE:
            self.image.read_into(piece.start, memoryview(content))
            if hashlib.sha256(content).hexdigest() != piece.sha256:
                raise self.image.untrusted(
                    f"it was changed at byte {piece.start} while cards were being written"
                )
        return bytes(content)

    def _raise_fault(self) -> None:
        if self._fault:
            raise self.image.untrusted(self._fault)


@functools.lru_cache(maxsize=256)
def zero_fingerprint(length_bytes: int) -> bytes:
    """Return the XXH3 (128 bits) of so many zeros."""
    return xxhash.xxh3_128_digest(bytes(length_bytes))
