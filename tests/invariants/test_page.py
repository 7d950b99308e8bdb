"""docs/invariants.md against the tests as they are: every id once, and what it names is there, runs and can fail."""

import ast
import re
from pathlib import Path

import pytest

from tests.invariants import checks, fairness
from tests.support.evm import ROOT

ROW = re.compile(r"^\| (I\d+[ab]?) \| .* \| (yes|no) \| (.*) \|$", re.MULTILINE)
PAGE = (ROOT / "docs" / "invariants.md").read_text()
HELD_BY = {invariant: held_by for invariant, _, held_by in ROW.findall(PAGE)}
IDS = [*(f"I{number}" for number in range(1, 33) if number != 3), "I3a", "I3b"]
OF_THEIR_OWN = [f"I{number}" for number in (*range(6, 14), *range(19, 33)) if number != 27]
SOURCES = [Path(module.__file__) for module in (checks, fairness)]
TAMPERING = "".join(
    (ROOT / "tests" / "invariants" / name).read_text() for name in ("test_fairness.py", "test_protocol.py")
)


def functions() -> dict[str, ast.FunctionDef]:
    found = [node for source in SOURCES for node in ast.parse(source.read_text()).body]
    return {node.name: node for node in found if isinstance(node, ast.FunctionDef) and node.name != "check_all"}


def called_after_each_act() -> set[str]:
    """Names that `check_all` of either module calls, and those that these call."""
    bodies = [source.read_text() for source in SOURCES]
    roots = [node for body in bodies for node in ast.parse(body).body if getattr(node, "name", "") == "check_all"]
    known, reached, waiting = functions(), set(), list(roots)
    while waiting:
        for call in ast.walk(waiting.pop()):
            name = getattr(getattr(call, "func", None), "id", None)
            if name in known and name not in reached:
                reached.add(name)
                waiting.append(known[name])
    return reached


def test_page__table__names_every_invariant_once():
    assert sorted(HELD_BY) == sorted(IDS)
    assert len(ROW.findall(PAGE)) == len(IDS)


@pytest.mark.parametrize("invariant", IDS)
def test_page__tests_it_names__are_there(invariant):
    for name in re.findall(r"`([a-z]+/test_\w+)`", HELD_BY[invariant]):
        assert (ROOT / "tests" / f"{name}.py").is_file(), f"{invariant}: there is no {name}"
    assert re.search(r"`[a-z]+/test_\w+`|\bS\b|\bR\b|\bbooks\b", HELD_BY[invariant]), f"{invariant} is held by nothing"


@pytest.mark.parametrize("invariant", OF_THEIR_OWN)
def test_page__check_of_an_invariant__follows_every_act_and_can_fail(invariant):
    named = re.findall(r"`(check_\w+)`", HELD_BY[invariant])
    assert named, f"{invariant} has no check of its own"
    for name in named:
        assert name in called_after_each_act(), f"{invariant}: {name} does not follow every act"
        assert re.search(rf"\b{invariant}\b", ast.unparse(functions()[name])), f"{name} does not say {invariant}"
    assert f'match="{invariant}"' in TAMPERING, f"nothing shows that {invariant} can fail"


@pytest.mark.parametrize("name", sorted(functions()))
def test_page__every_check__is_made_and_named(name):
    if name.startswith("check_"):
        assert name in called_after_each_act()
        assert name in PAGE or re.search(r"I(1|2|3a|5|17|18)\b", ast.unparse(functions()[name])), name
