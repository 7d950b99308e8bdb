"""The matcher's journal: whatever was acknowledged is there after a kill at any byte, and nothing is there by half."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ballast.errors import ConfigurationError
from ballast.matcher.engine import Engine
from ballast.matcher.journal import Journal
from ballast.matcher.records import Command, Cut, Drop, Filled
from tests.support.matching import Floor, replayed, snapshot

# One page of the write-ahead log, its header included.
FRAME = 4_096 + 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def commands() -> list[Command]:
    """Orders that meet, are sent, and settle."""
    floor = Floor()
    maker, taker = floor.enter(1, -10, 100), floor.enter(2, 5, 101)
    floor.give(Cut((1,)))
    for record in (maker, taker):
        floor.give(Filled(record.hash, 5, 7, 1))
    floor.enter(3, 5, 99)
    floor.give(Drop(maker.hash, "margin"))
    return floor.commands


def kept(path: Path) -> list[Command]:
    journal = Journal(path)
    try:
        return list(journal.replay())
    finally:
        journal.close()


def cuts(size: int) -> Iterator[int]:
    """Places to cut a log of that size at: every border of a page and its neighbours, and every 61st byte."""
    borders = (32 + FRAME * number + near for number in range(size // FRAME + 1) for near in (-1, 0, 1))
    return iter(sorted({*range(0, size + 1, 61), *(at for at in borders if 0 <= at <= size)}))


def test_replay__log_cut_anywhere__all_that_was_acknowledged_and_nothing_by_half(
    path: Path, tmp_path: Path, commands: list[Command]
) -> None:
    journal, log = Journal(path), path.with_name(path.name + "-wal")
    acknowledged = []
    for command in commands:
        journal.append([command])
        acknowledged.append(log.stat().st_size)
    whole, data = log.read_bytes(), path.read_bytes()
    copy = tmp_path / "copy.sqlite"
    states = [snapshot(replayed(commands[:count])) for count in range(len(commands) + 1)]
    lengths = set()
    for at in cuts(len(whole)):
        copy.write_bytes(data)
        copy.with_name("copy.sqlite-wal").write_bytes(whole[:at])
        found = kept(copy)
        assert found == commands[: len(found)]
        assert len(found) >= sum(size <= at for size in acknowledged)
        assert snapshot(replayed(found)) == states[len(found)]
        lengths.add(len(found))
    assert lengths == set(range(len(commands) + 1)), "every length came about"
    journal.close()


WRITER = """
import sys
from ballast.matcher.journal import Journal
from ballast.matcher.records import Drop
journal = Journal(sys.argv[1])
while True:
    journal.append([Drop("0x01", "first"), Drop("0x02", "second")])
    print(len(journal), flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 17, 60])
def test_append__writer_is_killed__whatever_it_told_is_on_disk(path: Path, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            told = int(writer.stdout.readline())
        writer.kill()
    found = kept(path)
    assert len(found) >= told == 2 * lines
    assert len(found) % 2 == 0, "a pair was written by half"


def test_append__several_and_one_cannot_be_written__none_is(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(TypeError):
        journal.append([Drop("0x01", "first"), Drop(b"0x02", "second")])  # type: ignore[arg-type]
    assert len(journal) == 0
    journal.append([Drop("0x01", "first")])
    assert list(journal.replay()) == [Drop("0x01", "first")]


def test_open__an_entry_is_missing__is_refused(path: Path) -> None:
    journal = Journal(path)
    journal.append([Drop(f"0x0{number}", "gone") for number in range(3)])
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM commands WHERE number = 2")
    with pytest.raises(ConfigurationError, match="1 journal entries are missing"):
        Journal(path)


def test_replay__an_entry_of_no_kind__is_refused(path: Path) -> None:
    journal = Journal(path)
    journal.append([Drop("0x01", "gone")])
    with sqlite3.connect(path) as database:
        database.execute('UPDATE commands SET body = \'{"kind":"Dance"}\'')
    with pytest.raises(ConfigurationError, match="journal entry 1"):
        list(journal.replay())


@pytest.mark.parametrize("other", [(2, "0xaa", "newest"), (1, "0xbb", "newest"), (1, "0xaa", "oldest")])
def test_bind__another_place_or_rule__is_refused(path: Path, other: tuple[int, str, str]) -> None:
    journal = Journal(path)
    journal.bind(1, "0xaa", "newest")
    journal.bind(1, "0xaa", "newest")
    with pytest.raises(ConfigurationError, match="0xaa"):
        journal.bind(*other)


def test_replay__copied_while_it_is_written__is_whole(path: Path, tmp_path: Path, commands: list[Command]) -> None:
    journal, engine = Journal(path), Engine()
    for command in commands:
        journal.append([command])
        engine.apply(command)
        for name in (path.name, path.name + "-wal"):
            shutil.copy(path.with_name(name), tmp_path / f"copy-{name}")
        assert snapshot(replayed(kept(tmp_path / f"copy-{path.name}"))) == snapshot(engine)
    journal.close()
