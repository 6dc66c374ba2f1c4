"""What a check found, good or bad. A check that was not made has no finding."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its outcome; `detail` says what was seen, and holds no secret."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one image."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether something was checked and nothing is wrong."""
        return bool(self.findings) and all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "findings": [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in self.findings],
        }


def judged(check: str, wrong: str, *, good: str) -> Finding:
    """Return the finding of a check that says what is wrong, or nothing."""
    return Finding(check, ok=not wrong, detail=wrong or good)
