"""What one check came to, whichever tool made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PASSED = "passed"
ANSWERED = "answered"
FAILED = "failed"
GOOD = (PASSED, ANSWERED)


class AuditError(Exception):
    """A tool could not do its work; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """One line of the audit's table.

    Attributes:
        tool: slither, halmos or fuzz.
        target: Detector, or contract and property.
        status: PASSED; ANSWERED where every finding has its answer in the triage list; FAILED.
        seconds: What it took; of slither's detectors, 0.
        detail: Findings, paths, runs, or what is wrong.
    """

    tool: str
    target: str
    status: str
    seconds: float
    detail: str

    @property
    def good(self) -> bool:
        return self.status in GOOD

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": round(self.seconds, 1)}
