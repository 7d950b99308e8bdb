"""The list of rules that can be removed: `tests/mutations/*.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from tools.forget_stale import imports_of

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "tests" / "mutations"


class CatalogueError(Exception):
    """An entry is not what an entry must be."""


@dataclass(frozen=True)
class Mutation:
    """One rule, how to remove it, and the tests of which one must fail without it.

    Attributes:
        id: Unique, of the form `contract-rule`.
        rule: What holds, in words.
        guards: Invariants (I6) and attacks (docs/attacks.md) that rest on it.
        file: Source, from the checkout's root.
        find: Text of the source, which occurs in it exactly once.
        replace: What it becomes.
        builds: Contracts to compile anew; none where the source is Python.
        tests: `path::test_name`; every parameter of it runs.
        reverts: Typed errors that count as a failure beside assertions, where the rule keeps an act from reverting.
    """

    id: str
    rule: str
    guards: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    builds: tuple[str, ...] = ()
    reverts: tuple[str, ...] = ()

    def applied(self, text: str) -> str:
        """The source without the rule.

        Raises:
            CatalogueError: The text to replace is not there once.
        """
        if (count := text.count(self.find)) != 1:
            raise CatalogueError(f"{self.id}: the text to replace occurs {count} times in {self.file}")
        return text.replace(self.find, self.replace)


def load(folder: Path = FOLDER) -> list[Mutation]:
    """Every entry, by file and place.

    Raises:
        CatalogueError: An entry lacks a field, has an unknown one, or shares its id with another.
    """
    lists = {file.name: yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))}
    entries = [_entry(raw, name) for name, listed in lists.items() for raw in listed]
    twice = {entry.id for entry in entries if sum(entry.id == other.id for other in entries) > 1}
    if twice:
        raise CatalogueError(f"ids given twice: {', '.join(sorted(twice))}")
    return entries


def _entry(raw: Mapping[str, Any], source: str) -> Mutation:
    known = {field.name for field in fields(Mutation)}
    if unknown := raw.keys() - known:
        raise CatalogueError(f"{source}: {raw.get('id')}: unknown fields {', '.join(sorted(unknown))}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    try:
        return Mutation(**values)
    except TypeError as fault:
        raise CatalogueError(f"{source}: {raw.get('id')}: {fault}") from None


def faults(entries: Iterable[Mutation], root: Path = ROOT) -> list[str]:
    """What of the entries no longer fits the checkout, in words; empty where all do."""
    return [fault for entry in entries for fault in faults_of(entry, root)]


def faults_of(entry: Mutation, root: Path = ROOT) -> list[str]:
    """The same of one entry."""
    found = []
    try:
        if entry.applied((root / entry.file).read_text()) == (root / entry.file).read_text():
            found.append(f"{entry.id}: changes nothing")
    except CatalogueError as fault:
        found.append(str(fault))
    except FileNotFoundError:
        return [f"{entry.id}: there is no {entry.file}"]
    if entry.file.endswith(".sol") != bool(entry.builds):
        found.append(f"{entry.id}: contracts to build are named for Solidity alone")
    sources = sources_by_contract(root)
    for contract in entry.builds:
        if contract not in sources or entry.file not in reachable(sources[contract], root):
            found.append(f"{entry.id}: {contract} does not rest on {entry.file}")
    found += [f"{entry.id}: there is no test {test}" for test in entry.tests if not _exists(test, root)]
    return found if entry.tests else [*found, f"{entry.id}: names no test"]


def _exists(test: str, root: Path) -> bool:
    file, _, name = test.partition("::")
    path = root / file
    return path.is_file() and re.search(rf"^ *def {re.escape(name)}\(", path.read_text(), re.MULTILINE) is not None


def sources_by_contract(root: Path) -> dict[str, str]:
    """The source of each contract that has a file of its name."""
    return {path.stem: path.relative_to(root).as_posix() for path in (root / "contracts").rglob("*.sol")}


def reachable(source: str, root: Path) -> set[str]:
    """A source and the project's own sources that it imports, at any depth."""
    found, left = set(), {source}
    while left:
        name = left.pop()
        found.add(name)
        left |= {target for target in imports_of(name, (root / name).read_text()) if target not in found}
    return found
