"""The list of rules to remove fits the sources, and the tool judges by assertions alone. `./dev mutate` runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tools.mutation.__main__ import document, merged, select
from tools.mutation.bench import BROKEN, KILLED, SURVIVED, Verdict, judge
from tools.mutation.catalogue import CatalogueError, Mutation, faults, faults_of, load, reachable

PARTS = ("clearinghouse", "exchange", "liquidation", "margin", "oracle")
PASSED = {"test": "a", "end": "passed"}
ASSERTED = {"test": "b", "end": "assertion"}
REVERTED = {"test": "c", "end": "error", "error": "Locked", "text": "Locked()"}


@pytest.fixture(scope="module")
def entries() -> list[Mutation]:
    return load()


def test_catalogue__every_entry__fits_the_sources_and_names_tests_that_exist(entries: list[Mutation]) -> None:
    assert faults(entries) == []


def test_catalogue__every_part_of_the_protocol__has_its_rules_in_it(entries: list[Mutation]) -> None:
    by_part = {part: [e for e in entries if e.file.startswith(f"contracts/{part}/")] for part in PARTS}
    assert {part: len(found) >= 15 for part, found in by_part.items()} == dict.fromkeys(PARTS, True)
    assert len([e for e in entries if e.file.startswith("offchain/")]) >= 10


def test_faults_of__text_moved_or_test_renamed__say_so(entries: list[Mutation]) -> None:
    entry = entries[0]
    stale = replace(entry, find="text that no source has", tests=("tests/unit/test_mutations.py::test_gone",))
    assert faults_of(stale) == [
        f"{entry.id}: the text to replace occurs 0 times in {entry.file}",
        f"{entry.id}: there is no test tests/unit/test_mutations.py::test_gone",
    ]


def test_faults_of__contract_that_does_not_rest_on_the_source__says_so(entries: list[Mutation]) -> None:
    entry = next(e for e in entries if e.file == "contracts/exchange/Exchange.sol")
    assert faults_of(replace(entry, builds=("OracleHub",))) == [
        f"{entry.id}: OracleHub does not rest on contracts/exchange/Exchange.sol"
    ]


def test_applied__text_twice__is_refused() -> None:
    twice = Mutation("id", "rule", "I0", "file", find="x", replace="y", tests=("t",))
    with pytest.raises(CatalogueError, match="occurs 2 times"):
        twice.applied("x x")
    assert twice.applied("a x b") == "a y b"


@pytest.mark.parametrize("text", ["- {id: a, rule: r}", "- {id: a, colour: red}"])
def test_load__entry_that_is_none__is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(CatalogueError, match="a"):
        load(tmp_path)


def test_load__one_id_twice__is_refused(tmp_path: Path) -> None:
    entry = "- {id: a, rule: r, guards: I0, file: f, find: x, replace: y, tests: [t]}\n"
    (tmp_path / "rules.yaml").write_text(entry * 2)
    with pytest.raises(CatalogueError, match="twice: a"):
        load(tmp_path)


def test_judge__how_tests_ended__an_assertion_kills_and_nothing_else_does() -> None:
    assert judge([PASSED, ASSERTED], ()) == (KILLED, ("b",), "")
    assert judge([PASSED], ()) == (SURVIVED, (), "")
    assert judge([PASSED, REVERTED], ()) == (BROKEN, (), "c: Locked: Locked()")
    assert judge([REVERTED], ("Locked",)) == (KILLED, ("c",), "")
    assert judge([], ()) == (BROKEN, (), "no test ran")


def test_select__ids_and_beginnings__those_entries_in_their_order(entries: list[Mutation]) -> None:
    chosen = select(entries, ["lane-status", "delegate-*"])
    assert [e.id for e in chosen] == [e.id for e in entries if e.id.startswith("delegate-") or e.id == "lane-status"]
    assert select(entries, []) == entries
    with pytest.raises(CatalogueError, match="no mutation is named nothing"):
        select(entries, ["nothing"])


def test_document__verdicts__counts_and_the_test_that_failed(entries: list[Mutation]) -> None:
    verdicts = [Verdict("a", KILLED, ("t::x", "t::y"), "", 1.0), Verdict("b", SURVIVED, (), "", 1.0)]
    summary = document(entries[:2], verdicts, 7)
    assert (summary["mutations"], summary["killed"], summary["seconds"]) == (2, 1, 7)
    assert [row["killed_by"] for row in summary["rules"]] == ["t::x", None]


def test_merged__a_run_of_some__keeps_what_is_known_of_the_others(entries: list[Mutation]) -> None:
    first, second, third = entries[:3]
    killed = [Verdict(entry.id, KILLED, ("t::x",), "", 1.0) for entry in (first, second)]
    earlier = document([first, second], killed, 9)
    changed = replace(second, rule="Another rule.")
    now = document([first], [Verdict(first.id, SURVIVED, (), "", 1.0)], 2)
    found = merged([first, changed, third], now, earlier)
    assert [row["status"] for row in found["rules"]] == [SURVIVED, "not run", "not run"]
    assert (found["mutations"], found["killed"], found["seconds"]) == (3, 0, 9)


def test_reachable__clearinghouse__its_bases_and_their_types_but_no_test() -> None:
    found = reachable("contracts/clearinghouse/Clearinghouse.sol", Path(__file__).resolve().parents[2])
    assert {"contracts/clearinghouse/Vault.sol", "contracts/types/Margin.sol"} <= found
    assert not any(name.startswith("contracts/test/") for name in found)
