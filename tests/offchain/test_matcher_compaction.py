"""The journal in several files: killed at any line nothing is lost, and audits see all of them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ballast.errors import BallastError, ConfigurationError
from ballast.matcher import journal as journal_module
from ballast.matcher import segments as segments_module
from ballast.matcher.audit import audited
from ballast.matcher.book import SelfTrade
from ballast.matcher.engine import Engine
from ballast.matcher.journal import Journal
from ballast.matcher.records import Close, Command, Cut, Drop, Filled
from ballast.matcher.segments import UNFINISHED
from ballast.matcher.sequencer import JournalFailed, Sequencer
from ballast.matcher.signatures import MatcherDomain
from ballast.matcher.snapshots import dump, load
from ballast.matcher.views import Names
from tests.support.asking import Direct
from tests.support.counter import DOMAIN, NAMES, Counter
from tests.support.matching import BTC, ETH, Floor, accept_of, order_of, reloaded, replayed, snapshot

KILLED = 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
def commands() -> list[Command]:
    """Orders that rest, meet and are sent, a group, a request for quotes that was answered, and one that died."""
    floor = Floor()
    maker, taker = floor.enter(1, -10, 100), floor.enter(2, 5, 101)
    floor.give(Cut((1,)))
    floor.give(Filled(maker.hash, 5, 7, 1))
    for limit in (90, 91):
        floor.enter(3, 5, limit, group=4)
    request = floor.ask((ETH, 5, 100), (BTC, -2, 200), who=1)
    floor.quote(request, 2, 98, 204)
    floor.give(Close(request.id, 100))
    floor.give(Drop(taker.hash, "margin"))
    return floor.commands


def recovered(path: Path) -> Engine:
    """What a start makes of the files."""
    journal = Journal(path)
    document = journal.snapshot()
    engine = Engine() if document is None else load(document, SelfTrade.NEWEST)
    for command in journal.replay():
        engine.apply(command)
    journal.close()
    return engine


def written(path: Path, commands: list[Command]) -> Journal:
    journal = Journal(path)
    journal.bind(1, "0xaa", "newest")
    journal.append(commands)
    return journal


def test_load__what_was_dumped__is_the_same_after_every_command(commands: list[Command]) -> None:
    for count in range(len(commands) + 1):
        engine = replayed(commands[:count])
        again = reloaded(engine)
        assert snapshot(again) == snapshot(engine)
        for command in commands[count:]:
            assert again.apply(command) == engine.apply(command)
        assert dump(again) == dump(engine)


@pytest.mark.parametrize("document", [{}, {"version": 2}, {"version": 1}, {"version": 1, "orders": [7]}])
def test_load__anything_else__is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        load(document, SelfTrade.NEWEST)


def test_start_segment__a_start__reads_the_last_file_alone_and_pages_span_all(
    path: Path, commands: list[Command]
) -> None:
    journal = written(path, commands)
    engine = replayed(commands)
    for number in range(3):
        journal.start_segment(dump(engine))
        more = [accept_of(order_of(9, 5, 80, 50 + number), 900 + number), Drop("0x77", "gone")]
        journal.append(more)
        commands += more
        for one in more:
            engine.apply(one)
    assert (len(journal), journal.in_segment) == (len(commands), 2)
    assert snapshot(recovered(path)) == snapshot(engine)
    assert len(list(path.parent.glob("*.sqlite"))) == 4
    for first in range(1, len(commands) + 1):
        for most in (1, 3, 100):
            length, found = journal.page(first, most)
            assert length == len(commands)
            assert [one["number"] for one in found] == [*range(first, min(first + most, len(commands) + 1))]
    with pytest.raises(ConfigurationError, match="0xaa"):
        Journal(path).bind(2, "0xaa", "newest")


def killed_at(line: int, path: Path, commands: list[Command], more: Command) -> int:
    """Begins a new file and writes one more command, in a process that ends before a line of it. Returns its status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    files = {journal_module.__file__, segments_module.__file__}
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os._exit(KILLED)
        return trace

    journal = Journal(path)
    document = dump(replayed(commands))
    sys.settrace(trace)
    journal.start_segment(document)
    journal.append([more])
    os._exit(0)


def test_start_segment__killed_at_any_line__nothing_is_lost_and_it_goes_on(
    path: Path, tmp_path: Path, commands: list[Command]
) -> None:
    written(path, commands).close()
    more: Command = Drop(replayed(commands).orders[accept_of(order_of(1, -10, 100, 1), 1).hash].hash, "gone")
    before, after = snapshot(replayed(commands)), snapshot(replayed([*commands, more]))
    seen = set()
    for line in range(1, 500):
        folder = tmp_path / f"killed-{line}"
        shutil.copytree(path.parent, folder)
        status = killed_at(line, folder / path.name, commands, more)
        found = snapshot(recovered(folder / path.name))
        assert found in (before, after)
        seen.add((found == after, len(list(folder.glob("*.sqlite")))))
        assert not list(folder.glob(f"*{UNFINISHED}*")), "what was not finished is gone"
        again = Journal(folder / path.name)
        again.append([more])
        assert [one["number"] for one in again.page(1, 100)[1]] == [*range(1, len(again) + 1)]
        again.close()
        if status == 0:
            break
        assert status == KILLED
    assert found == after
    assert line > 40
    assert seen >= {(False, 1), (False, 2), (True, 2)}, "before the new file, with it, and with what came after"


def test_start_segment__file_is_on_disk_before_it_has_its_name_and_the_name_before_anything_follows(
    path: Path, commands: list[Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = written(path, commands)
    done: list[str] = []
    synchronise, rename = os.fsync, Path.replace

    def noted_synchronise(handle: int) -> None:
        done.append("synchronise " + Path(f"/proc/self/fd/{handle}").readlink().name)
        synchronise(handle)

    def noted_rename(source: Path, target: Path) -> Path:
        done.append(f"rename {source.name}")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_synchronise)
    monkeypatch.setattr(Path, "replace", noted_rename)
    journal.start_segment(dump(replayed(commands)))
    unfinished = f"journal-{len(commands) + 1:012d}.sqlite{UNFINISHED}"
    assert done == [f"synchronise {unfinished}", f"rename {unfinished}", f"synchronise {path.parent.name}"]


def test_open__a_file_that_was_not_finished__is_removed_however_much_of_it_there_is(
    path: Path, tmp_path: Path, commands: list[Command]
) -> None:
    journal = written(path, commands)
    journal.start_segment(dump(replayed(commands)))
    journal.close()
    (whole,) = path.parent.glob("journal-*.sqlite")
    content = whole.read_bytes()
    whole.unlink()
    for size in range(0, len(content) + 1, 997):
        whole.with_name(whole.name + UNFINISHED).write_bytes(content[:size])
        assert snapshot(recovered(path)) == snapshot(replayed(commands))
        assert not list(path.parent.glob(f"*{UNFINISHED}*"))


def test_open__the_file_before_goes_further__is_refused(path: Path, commands: list[Command]) -> None:
    journal = written(path, commands)
    journal.start_segment(dump(replayed(commands)))
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO commands VALUES (?, '{}')", (len(commands) + 1,))
    with pytest.raises(ConfigurationError, match="goes on from"):
        Journal(path)


def test_open__a_file_of_another_name__is_none_of_it(path: Path, commands: list[Command]) -> None:
    written(path, commands).close()
    shutil.copy(path, path.with_name("journal-backup.sqlite"))
    assert snapshot(recovered(path)) == snapshot(replayed(commands))


def test_sequencer__so_many_entries__goes_on_in_a_new_file_and_a_start_leads_to_the_same(
    path: Path, commands: list[Command]
) -> None:
    sequencer = Sequencer(Journal(path), segment_entries=3)
    for command in commands:
        sequencer.commit(command)
    sequencer.close()
    assert len(list(path.parent.glob("*.sqlite"))) == len(commands) // 3 + 1
    again = Sequencer(Journal(path), segment_entries=3)
    with again.state() as engine:
        assert snapshot(engine) == snapshot(replayed(commands))
    again.close()


def test_sequencer__snapshot_of_another_program__is_refused(path: Path, commands: list[Command]) -> None:
    journal = written(path, commands)
    journal.start_segment({**dump(replayed(commands)), "version": 7})
    with pytest.raises(ConfigurationError, match="version 7"):
        Sequencer(journal)


def test_sequencer__new_file_cannot_be_written__ends_and_a_start_has_all(path: Path, commands: list[Command]) -> None:
    sequencer = Sequencer(Journal(path), segment_entries=len(commands))
    in_the_way = path.with_name(f"journal-{len(commands) + 1:012d}.sqlite{UNFINISHED}")
    in_the_way.mkdir()
    with pytest.raises(JournalFailed):
        for command in commands:
            sequencer.commit(command)
    with pytest.raises(JournalFailed):
        sequencer.commit(commands[0])
    sequencer.close()
    in_the_way.rmdir()
    assert snapshot(recovered(path)) == snapshot(replayed(commands))


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ballast.matcher.journal import Journal
from ballast.matcher.records import Drop
from ballast.matcher.sequencer import Sequencer
sequencer = Sequencer(Journal(Path(sys.argv[1])), segment_entries=7)
def run(who):
    for number in range(10_000):
        sequencer.enter(Drop(f"{who}:{number}", "gone"))
        sequencer.on_disk().result()
        sys.stdout.write(f"{who}:{number}\\n")
        sys.stdout.flush()
with ThreadPoolExecutor() as pool:
    list(pool.map(run, range(4)))
"""


@pytest.mark.parametrize("lines", [5, 23, 64])
def test_sequencer__killed_while_files_follow_each_other__whatever_it_acknowledged_is_there(
    path: Path, lines: int
) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = {writer.stdout.readline().strip() for _ in range(lines)}
        writer.kill()
    journal = Journal(path)
    length, found = journal.page(1, 100_000)
    assert [one["number"] for one in found] == [*range(1, length + 1)]
    assert told <= {one["hash"] for one in found}
    assert len(list(path.parent.glob("journal-*.sqlite"))) >= lines // 7
    journal.close()


@pytest.fixture
def counter(path: Path) -> Iterator[Counter]:
    made = Counter(path, segment_entries=2)
    yield made
    made.close()


def test_audit__over_archived_files__nothing_differs_and_without_one_it_says_what_is_missing(
    counter: Counter, path: Path
) -> None:
    matcher = Direct(counter.app)
    terms = [("maker", -10, 100, 1), ("maker", 5, 40, 2), ("taker", 4, 101, 1), ("third", -3, 105, 1)]
    receipts = [matcher.submit(counter.document(*one))["receipt"] for one in terms]
    matcher.ask({"seconds": 15, "orders": counter.legs("taker", (1, 5, 100), (2, -2, 200))})
    matcher.answer(1, counter.legs("maker", (1, -5, 98), (2, 2, 204)))
    counter.wait(15)
    assert len(list(path.parent.glob("journal-*.sqlite"))) == 3
    statements = MatcherDomain(DOMAIN.chain_id, DOMAIN.exchange)
    found = audited(matcher, statements, Names(NAMES), receipts)
    assert (found.entries, found.orders, found.requests, found.differences) == (7, 8, 1, [])
    (archived,) = path.parent.glob("journal-*3.sqlite")
    archived.rename(path.parent / "moved away")
    with pytest.raises(BallastError, match="skips from entry 2 to 5"):
        audited(matcher, statements, Names(NAMES), receipts)
    assert json.dumps(matcher.journal(5)["entries"])
