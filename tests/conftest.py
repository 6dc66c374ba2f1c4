"""The lanes: each folder of tests is one, with its marker, its time limit and what its tests may do.

In CI a skipped test is a failed one: whatever could not be tested must be seen.
"""

import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import guards

_TESTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Lane:
    """One folder of tests; a time limit a test sets for itself goes before the lane's."""

    timeout_s: int
    marker: str = ""


LANES = {
    "unit": Lane(60),
    "firstboot": Lane(60),
    "files": Lane(300),
    "root": Lane(300, "root"),
    "faults": Lane(300, "root"),
    "guestfs": Lane(600, "guestfs"),
    "emulator": Lane(1800, "emulator"),
    "usb": Lane(600, "usb"),
    "wheel": Lane(600),
}

guards.install()

# A shell without job control starts what it puts in the background deaf to SIGINT, and so is all that it
# starts: the tests of Ctrl-C would wait for nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)


def lane_of(path: Path) -> str:
    """Return the folder below tests/ that a test file is in."""
    return path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its lane's marker and time limit; a root test without root is skipped aloud."""
    for item in items:
        lane = LANES.get(lane_of(item.path))
        if lane is None:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(lane.timeout_s))
        if lane.marker:
            item.add_marker(lane.marker)
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: 'make root' asks sudo for it"))


def pytest_report_header() -> list[str]:
    """Say what this machine can test."""
    return [f"root: {'yes' if os.geteuid() == 0 else 'no'}, CI: {'yes' if _in_ci() else 'no'}"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failed one in CI."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be skipped in CI: {report.longrepr}"


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest) -> Iterator[None]:
    if lane_of(request.path) == "unit":
        with guards.pure():
            yield
    else:
        yield


@pytest.fixture(autouse=True)
def _own_folders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what tests remember out of the developer's home; dear caches are shared outside the unit lane."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))
    if lane_of(request.path) == "unit":
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
