"""One small image for all command line tests."""

import pytest

from tests.rig.images import Published, publish_small_image


@pytest.fixture(scope="session")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_small_image(tmp_path_factory.mktemp("image"))
