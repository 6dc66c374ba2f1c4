"""A report is good when something was checked and nothing is wrong."""

from imagesmith.verify.finding import Finding, Report, judged

_GOOD = Finding("size", ok=True, detail="7 bytes")
_BAD = Finding("digest", ok=False, detail="sha256 x, not y")


def test_a_report_without_findings_is_not_good() -> None:
    assert not Report("x", ()).ok


def test_one_bad_finding_makes_a_report_bad() -> None:
    assert Report("x", (_GOOD,)).ok
    assert not Report("x", (_GOOD, _BAD)).ok


def test_a_report_as_json_says_all() -> None:
    assert {
        "subject": "x",
        "ok": False,
        "findings": [{"check": "digest", "ok": False, "detail": "sha256 x, not y"}],
    } == Report("x", (_BAD,)).to_json()


def test_what_is_wrong_decides_what_is_said() -> None:
    assert Finding("c", ok=True, detail="fine") == judged("c", "", good="fine")
    assert Finding("c", ok=False, detail="bad") == judged("c", "bad", good="fine")
