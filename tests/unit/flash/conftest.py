"""One small card for all fault tests: 2 MiB of image, 4 MiB of card, every class of content."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesmith.flash.image import Image, open_image
from imagesmith.model.card import CardPlan
from imagesmith.model.units import KIB, MIB
from tests.rig.plans import plan_for, write_image

CARD_BYTES = 4 * MIB


@pytest.fixture(scope="session")
def image_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "rig.img"
    write_image(path, 2 * MIB)
    return path


@pytest.fixture(scope="session")
def plan(image_path: Path) -> CardPlan:
    return plan_for(image_path, card_bytes=CARD_BYTES, chunk_bytes=256 * KIB)


@pytest.fixture(scope="session")
def dirt(plan: CardPlan) -> bytes:
    """A used card: noise, under the very tables it is about to get again."""
    card = bytearray(random.Random(7).randbytes(CARD_BYTES))
    for patch in plan.head_patches:
        card[patch.offset : patch.offset + len(patch.content)] = patch.content
    return bytes(card)


@pytest.fixture
def image(image_path: Path) -> Iterator[Image]:
    with open_image(image_path) as image:
        yield image


@pytest.fixture
def new_plan(tmp_path: Path) -> Callable[[], CardPlan]:
    """Make a plan on an image of its own, for tests that change the image."""

    def make() -> CardPlan:
        write_image(tmp_path / "own.img", 2 * MIB)
        return plan_for(tmp_path / "own.img", card_bytes=CARD_BYTES, chunk_bytes=256 * KIB)

    return make
