"""`ballast risk`: what it prints, what it writes, and when it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ballast.cli.risk import risk

ROOT = Path(__file__).parents[2]
DATA = ROOT / "offchain" / "src" / "ballast" / "data"
FIRST_BOOK = DATA / "books" / "first.json"
TERMS = DATA / "book_terms.json"


def invoke(*arguments):
    return CliRunner().invoke(risk, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """A run on the shipped history: its result, and the file it was to write."""
    out = tmp_path_factory.mktemp("accepted") / "book.json"
    return invoke("book", "--json", "--out", out), out


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A run on half the history whose terms let no LINK be listed: its result, and the file it must not write."""
    folder = tmp_path_factory.mktemp("refused")
    terms = json.loads(TERMS.read_text())
    terms["assets"][3]["haircut"] = 800_000_000
    (folder / "terms.json").write_text(json.dumps(terms))
    arguments = ("--terms", folder / "terms.json", "--until", "2023-06-30", "--out", folder / "book.json")
    return invoke("book", "--json", *arguments), folder / "book.json"


def report_of(result):
    return json.JSONDecoder().raw_decode(result.stdout)[0]


def test_risk_book__shipped_history__accepted_and_reported(accepted):
    result, _ = accepted
    report = report_of(result)
    assert (result.exit_code, report["accepted"]) == (0, True)
    assert report["quality"]["worst"] >= report["quality"]["least"] == 0.9
    assert {line["kind"] for line in report["coverage"]} == {"directional", "hedged", "basis"}


def test_risk_book__out__writes_the_committed_book(accepted):
    _, out = accepted
    assert out.read_text() == FIRST_BOOK.read_text()


def test_risk_book__collateral_that_may_not_be_listed__refused_and_not_written(refused):
    result, out = refused
    assert (result.exit_code, report_of(result)["accepted"]) == (1, False)
    assert report_of(result)["refusal"].startswith("LINK")
    assert not out.exists()


def test_risk_book__until__counts_coverage_after_the_book(refused):
    report = report_of(refused[0])
    assert report["book"]["metadata"]["span"][1].startswith("2023-06-30")
    assert not any(row["name"].startswith("2024") for row in report["book"]["stress"])
    assert all(0 < line["windows"] < 18_000 for line in report["coverage"])


def test_risk_book__folder_without_archives__cannot_run(tmp_path):
    assert invoke("book", "--data", tmp_path).exit_code == 3


def test_risk_show__rows_grids_and_charges(tmp_path):
    result = invoke("show", FIRST_BOOK)
    assert result.exit_code == 0
    for shown in ("2020-03-12 Black Thursday", "price shocks", "hedged basis", "haircut"):
        assert shown in result.output


def test_risk_show__no_book__cannot_run(tmp_path):
    path = tmp_path / "none.json"
    path.write_text("{}")
    assert invoke("show", path).exit_code == 3
