"""Group commit: what arrives while the disk is busy shares its next write, and nobody hears of it before."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ballast.matcher.journal import Journal
from ballast.matcher.records import Command, Drop
from ballast.matcher.sequencer import JournalFailed, Sequencer
from tests.support.asking import asking, code_of
from tests.support.counter import Counter
from tests.support.matching import accept_of, order_of

PATIENCE = 20.0
# Long enough for an answer that is not held back.
SOON = 0.3


class BusyDisk(Journal):
    """A journal on a disk that writes when it is told to, or fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes: list[int] = []
        self.is_writing, self.may_write = threading.Event(), threading.Event()
        self.fault: Exception | None = None

    def write(self, bodies: Any) -> None:
        self.writes.append(len(bodies))
        self.is_writing.set()
        assert self.may_write.wait(PATIENCE)
        if self.fault is not None:
            raise self.fault
        super().write(bodies)


@pytest.fixture
def disk(tmp_path: Path) -> BusyDisk:
    return BusyDisk(tmp_path / "journal.sqlite")


@pytest.fixture
def sequencer(disk: BusyDisk) -> Iterator[Sequencer]:
    made = Sequencer(disk)
    yield made
    disk.may_write.set()
    made.close()


def drop(number: int) -> Command:
    return Drop(f"0x{number:02x}", "gone")


def entered(sequencer: Sequencer, *numbers: int) -> Future[None]:
    sequencer.enter(*map(drop, numbers))
    return sequencer.on_disk()


def test_enter__while_the_disk_is_busy__shares_the_next_write(sequencer: Sequencer, disk: BusyDisk) -> None:
    first = entered(sequencer, 1)
    assert disk.is_writing.wait(PATIENCE)
    others = [entered(sequencer, 2), entered(sequencer, 3, 4), entered(sequencer, 5)]
    assert not any(one.done() for one in (first, *others))
    disk.may_write.set()
    for one in (first, *others):
        one.result(PATIENCE)
    assert disk.writes == [1, 4]
    assert list(disk.replay()) == [drop(number) for number in (1, 2, 3, 4, 5)]


def test_enter__has_its_effect_at_once__and_the_page_shows_what_is_on_disk(
    sequencer: Sequencer, disk: BusyDisk
) -> None:
    sequencer.enter(accept_of(order_of(1, 5, 100, 1), 1))
    with sequencer.state() as engine:
        assert engine.sequence == 1, "the next order is admitted beside it"
    assert sequencer.page(1, 10) == (0, [])
    disk.may_write.set()
    sequencer.on_disk().result(PATIENCE)
    assert sequencer.page(1, 10)[0] == 1


def test_publish__before_it_is_on_disk__is_held_back_and_keeps_its_order(sequencer: Sequencer, disk: BusyDisk) -> None:
    told: list[str] = []
    sequencer.publish(lambda: told.append("at rest"))
    assert told == ["at rest"], "nothing waits"
    sequencer.enter(drop(1))
    sequencer.publish(lambda: told.append("first"))
    assert disk.is_writing.wait(PATIENCE)
    sequencer.enter(drop(2))
    sequencer.publish(lambda: told.append("second"))
    assert told == ["at rest"]
    disk.may_write.set()
    sequencer.commit(drop(3))
    assert told == ["at rest", "first", "second"]


def test_enter__one_of_several_cannot_be_written__none_has_an_effect(sequencer: Sequencer, disk: BusyDisk) -> None:
    disk.may_write.set()
    with pytest.raises(TypeError):
        sequencer.enter(accept_of(order_of(1, 5, 100, 1), 1), Drop(b"0x02", "second"))  # type: ignore[arg-type]
    with sequencer.state() as engine:
        assert engine.sequence == 0
    assert sequencer.page(1, 10) == (0, [])


def test_disk__fails__whoever_waits_is_told_and_nothing_is_taken_any_more(sequencer: Sequencer, disk: BusyDisk) -> None:
    told: list[str] = []
    waiting = entered(sequencer, 1)
    sequencer.publish(lambda: told.append("never"))
    disk.fault = sqlite3.OperationalError("disk is full")
    disk.may_write.set()
    for act in (lambda: waiting.result(PATIENCE), lambda: sequencer.commit(drop(2)), sequencer.require_writable):
        with pytest.raises(JournalFailed, match="disk is full"):
            act()
    with pytest.raises(JournalFailed):
        sequencer.on_disk().result(PATIENCE)
    assert told == []
    assert list(disk.replay()) == []


def test_close__with_entries_that_wait__writes_them_first(tmp_path: Path) -> None:
    disk = BusyDisk(tmp_path / "journal.sqlite")
    sequencer = Sequencer(disk)
    written = entered(sequencer, 1)
    assert disk.is_writing.wait(PATIENCE)
    sequencer.enter(drop(2))
    disk.may_write.set()
    sequencer.close()
    assert written.done()
    assert list(Journal(tmp_path / "journal.sqlite").replay()) == [drop(1), drop(2)]
    with pytest.raises(JournalFailed, match="closed"):
        sequencer.enter(drop(3))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path / "counter.sqlite", journal=BusyDisk)
    yield made
    disk_of(made).may_write.set()
    made.close()


def disk_of(counter: Counter) -> BusyDisk:
    assert isinstance(counter.opened, BusyDisk)
    return counter.opened


@pytest.mark.parametrize("path", ["/book/PERP:ETH", "/trades", "/receipts", "/rfq", "/orders/{hash}"])
def test_get__what_is_not_on_disk_yet__is_not_answered_before(counter: Counter, path: str) -> None:
    disk, ask = disk_of(counter), asking(counter)
    document = counter.document("maker", 5, 100)
    with ThreadPoolExecutor() as clients:
        posted = clients.submit(ask, "POST", "/orders", json=document)
        assert disk.is_writing.wait(PATIENCE)
        got = clients.submit(ask, "GET", path.format(**document))
        with pytest.raises(TimeoutError):
            got.result(SOON)
        assert not posted.done()
        disk.may_write.set()
        assert (posted.result(PATIENCE).status_code, got.result(PATIENCE).status_code) == (201, 200)


def await_numbered(sequencer: Sequencer, count: int) -> None:
    """Until so many orders have their number."""
    reached = threading.Event()
    with sequencer.state() as engine:
        sequencer.listen(lambda _: reached.set() if engine.sequence >= count else None)
        if engine.sequence >= count:
            return
    assert reached.wait(PATIENCE)


def test_submit__while_another_is_written__is_admitted_and_numbered(counter: Counter) -> None:
    disk, ask = disk_of(counter), asking(counter)
    with ThreadPoolExecutor() as clients:
        posted = [clients.submit(ask, "POST", "/orders", json=counter.document("maker", 5, 100))]
        assert disk.is_writing.wait(PATIENCE)
        posted += [
            clients.submit(ask, "POST", "/orders", json=counter.document("maker", 5, 101 + number))
            for number in range(3)
        ]
        await_numbered(counter.sequencer, 4)
        disk.may_write.set()
        sequences = sorted(one.result(PATIENCE).json()["receipt"]["sequence"] for one in posted)
    assert sequences == [1, 2, 3, 4]
    assert disk.writes[0] == 1 and sum(disk.writes) == 4


def test_submit__disk_fails__is_not_recorded_and_so_is_all_that_follows(counter: Counter) -> None:
    disk, ask = disk_of(counter), asking(counter)
    disk.fault = sqlite3.OperationalError("disk is full")
    disk.may_write.set()
    answers = [ask("POST", "/orders", json=counter.document("maker", 5, 100)) for _ in range(2)]
    answers.append(ask("GET", "/book/PERP:ETH"))
    assert [code_of(one) for one in answers] == ["not-recorded"] * 3
    assert all("disk" not in one.text for one in answers)
    with pytest.raises(JournalFailed):
        counter.matcher.look(None, None)  # type: ignore[arg-type]


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ballast.matcher.journal import Journal
from ballast.matcher.records import Drop
from ballast.matcher.sequencer import Sequencer
sequencer = Sequencer(Journal(Path(sys.argv[1])))
def run(who):
    for number in range(10_000):
        sequencer.enter(Drop(f"{who}:{number}", "first"), Drop(f"{who}:{number}", "second"))
        sequencer.on_disk().result()
        sys.stdout.write(f"{who}:{number}\\n")
        sys.stdout.flush()
with ThreadPoolExecutor() as pool:
    list(pool.map(run, range(8)))
"""


@pytest.mark.parametrize("lines", [1, 9, 100])
def test_enter__writer_of_many_is_killed__whatever_it_acknowledged_is_on_disk(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(lines)]
        writer.kill()
    found = list(Journal(path).replay())
    assert set(told) <= {one.hash for one in found if isinstance(one, Drop) and one.reason == "second"}
    assert len(found) % 2 == 0, "a pair was written by half"
