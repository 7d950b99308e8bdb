"""The audit's list of answers fits the sources, and its tools' reports are read as they are meant."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.audit import properties, slither
from tools.audit.__main__ import COMMITTED, document
from tools.audit.bench import ROOT
from tools.audit.triage import Answer, Finding, findings, idle, load, lost, place_of, unanswered
from tools.audit.verdict import ANSWERED, FAILED, PASSED, AuditError

SYMBOLIC = ROOT / "tests" / "symbolic"
REASON = "a reason that is long enough to be one, in a sentence"
CONTRACT = {"type": "contract", "name": "Vault"}
PULL = {"type": "function", "name": "_pull", "type_specific_fields": {"parent": CONTRACT}}
LOCAL = {"type": "variable", "name": "held", "type_specific_fields": {"parent": PULL}}
FREE = {"type": "function", "name": "divUp", "source_mapping": {"filename_relative": "contracts/math/FixedPoint.sol"}}


def _finding(check: str, place: str) -> Finding:
    return Finding(check, "Medium", place, "text")


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return load()


def test_triage__every_answer__refers_to_code_that_exists(answers: list[Answer]) -> None:
    assert len(answers) > 20
    assert lost(answers) == []


def test_lost__function_renamed_or_moved_away__is_named(answers: list[Answer]) -> None:
    gone = Answer(
        "timestamp", ("Vault._pull", "Vault._push", "Cellar._pull", "contracts/math/FixedPoint.sol.div"), REASON
    )
    assert lost([gone]) == [("timestamp", place) for place in gone.places[1:]]


@pytest.mark.parametrize(
    "entry",
    [
        "- {check: a, places: [b]}",
        f"- {{check: a, places: [], answer: '{REASON}'}}",
        "- {check: a, places: [b], answer: fine}",
        f"- {{check: a, places: [b, b], answer: '{REASON}'}}",
    ],
)
def test_load__entry_without_place_or_reason_or_twice__is_refused(tmp_path: Path, entry: str) -> None:
    (tmp_path / "triage.yaml").write_text(entry)
    with pytest.raises(AuditError):
        load(tmp_path / "triage.yaml")


@pytest.mark.parametrize(
    ("element", "place"),
    [
        (CONTRACT, "Vault"),
        (PULL, "Vault._pull"),
        (LOCAL, "Vault._pull"),
        (FREE, "contracts/math/FixedPoint.sol.divUp"),
    ],
)
def test_place_of__element_of_a_report__is_the_function_around_it(element: dict[str, Any], place: str) -> None:
    assert place_of(element) == place


def test_findings__report__check_impact_place_and_first_line() -> None:
    one = {"check": "timestamp", "impact": "Low", "elements": [LOCAL], "description": "held is\n\tdangerous\n"}
    assert findings({"results": {"detectors": [one]}}) == [Finding("timestamp", "Low", "Vault._pull", "held is")]
    assert findings({"results": {}}) == []


def test_judge__finding_in_another_function__fails_its_detector() -> None:
    found = [_finding("reentrancy", "A.f"), _finding("reentrancy", "A.g"), _finding("style", "B.h")]
    answered = [Answer("reentrancy", ("A.f",), REASON), Answer("style", ("*",), REASON)]
    new = unanswered(found, answered)
    assert new == [found[1]]
    verdicts = slither.judge(found, 1.0, idle(found, answered), new)
    assert {one.target: one.status for one in verdicts} == {
        "all detectors": PASSED,
        "reentrancy": FAILED,
        "style": ANSWERED,
    }
    assert "A.g" in next(one.detail for one in verdicts if one.target == "reentrancy")


def test_judge__answer_that_nothing_asks_for__fails() -> None:
    answered = [Answer("style", ("*",), REASON), Answer("style", ("B.h",), REASON)]
    assert idle([], answered) == [("style", "*"), ("style", "B.h")]
    assert idle([_finding("style", "B.h")], answered) == []
    verdicts = slither.judge([], 1.0, idle([], answered[:1]), [])
    assert [(one.target, one.good) for one in verdicts] == [("all detectors", True), ("style", False)]


@pytest.mark.parametrize(
    ("exitcode", "cut", "status", "detail"),
    [
        (0, 0, PASSED, "proved over 4 paths"),
        (0, 1, FAILED, "1 loops cut"),
        (1, 0, FAILED, "counterexample"),
        (2, 0, FAILED, "not decided in time"),
        (4, 0, FAILED, "every path reverts"),
    ],
)
def test_proofs__outcome__only_a_complete_one_passes(exitcode: int, cut: int, status: str, detail: str) -> None:
    one = {
        "name": "check_x(int256)",
        "exitcode": exitcode,
        "num_paths": [4, 1, 0],
        "time": [0.5, 0.4, 0.1],
        "num_bounded_loops": cut,
    }
    (verdict,) = properties.proofs({"test_results": {"tests/symbolic/A.t.sol:ATest": [one]}})
    assert (verdict.target, verdict.status, verdict.detail) == ("ATest.check_x", status, detail)


def test_trials__failure__fails_and_tells_the_input() -> None:
    passed = {"status": "Success", "kind": {"Fuzz": {"runs": 7}}, "duration": "1s 500ms"}
    failed = {
        "status": "Failure",
        "reason": "panic",
        "counterexample": {"Single": {"raw_args": "(1, 2)"}},
        "kind": {"Fuzz": {"runs": 3}},
        "duration": {"secs": 1, "nanos": 0},
    }
    results = {"test_a(int256)": passed, "test_b(int256)": failed}
    first, second = properties.trials({"tests/symbolic/A.t.sol:ATest": {"test_results": results}})
    assert (first.status, first.detail, first.seconds) == (PASSED, "7 runs", 1.5)
    assert (second.status, second.detail, second.seconds) == (FAILED, "panic (1, 2)", 1.0)


def test_document__verdicts__are_counted_by_tool() -> None:
    verdicts = slither.judge([_finding("style", "B.h")], 1.26, [], [])
    summary = document(verdicts, {"slither": 1})
    assert summary["tools"] == {"slither": {PASSED: 1, ANSWERED: 1}}
    assert summary["verdicts"][0]["seconds"] == 1.3


def test_committed_summary__every_line__is_good_and_its_counts_are_those_of_the_page() -> None:
    summary = json.loads(COMMITTED.read_text())
    assert {one["status"] for one in summary["verdicts"]} == {PASSED, ANSWERED}
    counts = summary["tools"]
    page = " ".join((ROOT / "docs" / "audit.md").read_text().split())
    assert f"by {counts['slither'][ANSWERED]} detectors, each answered; {counts['halmos'][PASSED]} properties" in page
    assert f"{counts['fuzz'][PASSED]} tried by forge" in page
    assert f"{summary['verdicts'][0]['detail'].split()[0]} findings of slither" in page


def test_audit_lock__every_package__is_pinned_with_hashes_and_no_host() -> None:
    text = (ROOT / "tools" / "audit-requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", text)
    assert {"slither-analyzer", "halmos", "bitwuzla", "cvc5"} <= {entry.split("==")[0] for entry in entries}
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|file://|index-url|find-links", text) == []


def test_symbolic__every_contract__states_properties_and_is_not_among_the_contracts() -> None:
    texts = {path.name: path.read_text() for path in SYMBOLIC.glob("*.t.sol")}
    assert len(texts) >= 5
    stated = {name: re.findall(r"function (?:check|test)_\w+", text) for name, text in texts.items()}
    assert [name for name, found in stated.items() if not found] == []


def test_lemmas__every_one__is_proved_of_all_words_without_a_condition() -> None:
    lemmas = re.findall(r"function (\w+)\((.*)\) pure returns \(bool holds\)", (SYMBOLIC / "Lemmas.sol").read_text())
    proofs = " ".join((SYMBOLIC / "Lemmas.t.sol").read_text().split())
    assert len(lemmas) >= 8
    for name, parameters in lemmas:
        given = ", ".join(re.findall(r"uint256 (\w+)", parameters))
        assert f"check_{name}({parameters}) external pure {{ assert({name}({given})); }}" in proofs
