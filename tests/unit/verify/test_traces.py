"""Only a card of the same file system that was mounted since shows traces of use."""

import pytest

from imagesmith.verify.traces import traces_of_use

_IMAGE = {
    "Filesystem UUID": "1234",
    "Mount count": "2",
    "Last mount time": "Mon Jan  1 10:00:00 2029",
    "Last mounted on": "/sysroot",
    "Block count": "100",
}
_LATER = "Tue Dec 24 18:00:00 2030"


@pytest.mark.parametrize(
    ("changes", "traces"),
    [
        ({}, ""),
        ({"Block count": "200"}, ""),
        ({"Last mount time": "n/a"}, ""),
        ({"Mount count": "nonsense"}, ""),
        ({"Filesystem UUID": "5678", "Mount count": "9", "Last mount time": _LATER}, ""),
        (
            {"Mount count": "3", "Last mount time": _LATER, "Last mounted on": "/"},
            f"last mounted {_LATER} on /, 1 mounts more than the image",
        ),
        (
            {"Mount count": "1", "Last mount time": _LATER, "Last mounted on": "/", "Block count": "200"},
            f"last mounted {_LATER} on /, grown to its card",
        ),
    ],
)
def test_traces_are_told_from_damage(changes: dict[str, str], traces: str) -> None:
    assert traces == traces_of_use(_IMAGE, {**_IMAGE, **changes})


@pytest.mark.parametrize("card", [{}, {"Mount count": "9"}])
def test_no_superblock_is_no_trace(card: dict[str, str]) -> None:
    assert traces_of_use(_IMAGE, card) == ""
    assert traces_of_use({}, card) == ""
