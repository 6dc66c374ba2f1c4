"""The fault matrix: a representative part of it, or with `--whole` all, whose table `--table` writes."""

from pathlib import Path

import pytest

from tests.rig.fault_table import Kills, Result, write
from tests.rig.matrix import QUICK, WHOLE, Setting, Stage, set_stage

RESULTS = pytest.StashKey[list[Result]]()
KILLS = pytest.StashKey[list[Kills]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much is to be run."""
    parser.addoption(
        "--whole", action="store_true", help="run every cell of the fault matrix, with true times"
    )
    parser.addoption("--table", type=Path, help="write the results as a page to this file")
    parser.addoption("--seed", type=int, help="of the random moments of killing")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what is found."""
    found: list[Result] = []
    killed: list[Kills] = []
    config.stash[RESULTS], config.stash[KILLS] = found, killed


def is_whole(config: pytest.Config) -> bool:
    """Return whether all of it is asked for; without the option (the whole suite is run), it is not."""
    return bool(config.getoption("--whole", default=False))


@pytest.fixture(scope="session")
def setting(request: pytest.FixtureRequest) -> Setting:
    return WHOLE if is_whole(request.config) else QUICK


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return set_stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> list[Result]:
    return request.config.stash[RESULTS]


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> list[Kills]:
    return request.config.stash[KILLS]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page, wrong cells and all."""
    config = session.config
    page = config.getoption("--table", default=None)
    found, killed = config.stash[RESULTS], config.stash[KILLS]
    if page and found:
        write(page, found, killed[0] if killed else None, WHOLE if is_whole(config) else QUICK)
