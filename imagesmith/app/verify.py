"""`imagesmith verify`: the image against its manifest and itself, cards against what they should hold."""

from collections.abc import Callable
from pathlib import Path

from imagesmith.app.published import read_manifest
from imagesmith.errors import VerificationError
from imagesmith.host.cardread import open_for_reading
from imagesmith.verify.card import CardReport, inspect_card
from imagesmith.verify.content import verify_content
from imagesmith.verify.finding import Report
from imagesmith.verify.image import verify_image

Progress = Callable[[int, int], None]


def verify_published(image: Path, *, on_progress: Progress) -> Report:
    """Check an image: digests, classes, map, partition table, file system, content.

    Raises:
        UntrustedSourceError: there is no image or no manifest.
    """
    manifest = read_manifest(image)
    findings = verify_image(image, manifest, on_progress=on_progress)
    return Report(str(image), (*findings, *verify_content(image, manifest)))


def verify_written(card: Path, image: Path, *, on_progress: Progress) -> CardReport:
    """Check a card that was written from an image, by us or by any flasher; says which node it carries.

    Raises:
        UntrustedSourceError: there is no image or no manifest, or the image is not what it was.
        VerificationError: the card cannot be opened.
    """
    manifest = read_manifest(image)
    try:
        with open_for_reading(card) as reader:
            return inspect_card(reader, device=card, image=image, manifest=manifest, on_progress=on_progress)
    except OSError as exc:
        raise VerificationError(
            f"the card {card} cannot be read: {exc.strerror}", remedy="name a card or a card file"
        ) from exc
