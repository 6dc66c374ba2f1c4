"""One small published image for all, and a copy a test may spoil."""

from pathlib import Path

import pytest

from tests.rig.images import Published, copy_of, publish_small_image


@pytest.fixture(scope="session")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_small_image(tmp_path_factory.mktemp("small-image"))


@pytest.fixture
def spoilt(small_image: Published, tmp_path: Path) -> Published:
    return copy_of(small_image, tmp_path)
