"""The answers to slither's findings, and which findings have none.

A finding is known by its detector and by the function (or variable, or event) it is in, not by a line: an answer holds
while the code moves, and a finding in another function is a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.audit.bench import ROOT
from tools.audit.verdict import AuditError

TRIAGE = ROOT / "tools" / "audit" / "triage.yaml"
EVERYWHERE = "*"
_DECLARED = r"\b(?:function|modifier|event|constructor|fallback|receive|error|struct)\b"
_LEAST_ANSWER = 40  # characters: shorter is no reason


@dataclass(frozen=True)
class Finding:
    """One result of a detector.

    Attributes:
        check: The detector.
        impact: High, Medium, Low, Informational, Optimization.
        place: `Contract.function`, or `path.function` of a free one.
        text: First line of slither's description.
    """

    check: str
    impact: str
    place: str
    text: str


@dataclass(frozen=True)
class Answer:
    """Why findings of a detector are no fault, at these places or, for `*`, wherever they are."""

    check: str
    places: tuple[str, ...]
    answer: str

    def covers(self, finding: Finding) -> bool:
        return self.check == finding.check and (EVERYWHERE in self.places or finding.place in self.places)


def load(path: Path = TRIAGE) -> list[Answer]:
    """The list as committed.

    Raises:
        AuditError: An entry is malformed, gives no reason, or answers what another one does.
    """
    answers: list[Answer] = []
    for entry in yaml.safe_load(path.read_text()):
        if set(entry) != {"check", "places", "answer"} or not entry["places"]:
            raise AuditError(f"an answer needs check, places and answer: {entry}")
        found = Answer(entry["check"], tuple(entry["places"]), " ".join(entry["answer"].split()))
        if len(found.answer) < _LEAST_ANSWER:
            raise AuditError(f"{found.check}: {found.answer!r} is no reason")
        answers.append(found)
    pairs = [(answer.check, place) for answer in answers for place in answer.places]
    if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
        raise AuditError(f"answered twice: {twice}")
    return answers


def place_of(element: Mapping[str, Any]) -> str:
    """The contract and the function around an element of slither's report; locals and statements are their function."""
    inner, parent = element, element.get("type_specific_fields", {}).get("parent")
    while parent and parent["type"] == "function":
        inner, parent = parent, parent.get("type_specific_fields", {}).get("parent")
    if element["type"] == "contract":
        return str(element["name"])
    if parent and parent["type"] == "contract":
        return f"{parent['name']}.{inner['name']}"
    return f"{element['source_mapping']['filename_relative']}.{inner['name']}"


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """Out of slither's JSON."""
    return [
        Finding(one["check"], one["impact"], place_of(one["elements"][0]), one["description"].strip().split("\n")[0])
        for one in report["results"].get("detectors", ())
    ]


def unanswered(found: Iterable[Finding], answers: Sequence[Answer]) -> list[Finding]:
    return [finding for finding in found if not any(answer.covers(finding) for answer in answers)]


def idle(found: Sequence[Finding], answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """Detector and place of answers that no finding asks for any more."""
    asked = {(finding.check, finding.place) for finding in found}
    checks = {finding.check for finding in found}
    return [
        (answer.check, place)
        for answer in answers
        for place in answer.places
        if (answer.check, place) not in asked and not (place == EVERYWHERE and answer.check in checks)
    ]


def lost(answers: Sequence[Answer], root: Path = ROOT) -> list[tuple[str, str]]:
    """Detector and place of answers whose contract or function the sources no longer declare."""
    sources = {path: path.read_text() for path in (root / "contracts").rglob("*.sol")}
    return [
        (answer.check, place)
        for answer in answers
        for place in answer.places
        if place != EVERYWHERE and not _is_declared(place, sources, root)
    ]


def _is_declared(place: str, sources: Mapping[Path, str], root: Path) -> bool:
    owner, _, name = place.rpartition(".")
    owns = re.compile(rf"\b(?:contract|library|interface)\s+{re.escape(owner)}\b")
    declares = re.compile(rf"{_DECLARED}\s*{re.escape(name)}\b|[\w)\]]\s+{re.escape(name)}\s*(?:=|;)|\b{name}\s*\(")
    texts = [text for path, text in sources.items() if str(path.relative_to(root)) == owner or owns.search(text)]
    return any(declares.search(text) for text in texts)
