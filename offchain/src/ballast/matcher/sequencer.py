"""The one place where the order of things is decided: a command is in the engine, then on disk, then told.

What arrives while the disk is busy shares its next write. Until it is on disk nobody hears of it: neither who brought
it nor who looks at a book. A journal that cannot be written ends all: what the engine knows then may never have been.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from ballast.errors import BallastError, ConfigurationError
from ballast.matcher.book import SelfTrade
from ballast.matcher.engine import Engine
from ballast.matcher.journal import Journal, encode
from ballast.matcher.records import Changes, Command
from ballast.matcher.snapshots import dump, load

Listener = Callable[[Changes], None]
# A start replays that many in some ten seconds.
SEGMENT_ENTRIES = 100_000


class JournalFailed(BallastError):
    """The journal cannot be written, or is closed: it is not known whether what waited for it is on disk."""


def _engine_of(journal: Journal, policy: SelfTrade) -> Engine:
    snapshot = journal.snapshot()
    try:
        return Engine(policy) if snapshot is None else load(snapshot, policy)
    except ValueError as fault:
        raise ConfigurationError(f"the journal's snapshot: {fault}") from None


class Sequencer:
    """An engine before its journal, whole after any kill. Whoever holds `state` may read it."""

    def __init__(
        self, journal: Journal, policy: SelfTrade = SelfTrade.NEWEST, segment_entries: int = SEGMENT_ENTRIES
    ) -> None:
        """Takes up what the journal holds.

        Args:
            segment_entries: Entries after which the journal goes on in a new file: a start replays no more.

        Raises:
            ConfigurationError: It cannot be read.
        """
        self.policy = policy
        self._journal = journal
        self._segment_entries = segment_entries
        self._lock = threading.RLock()
        self._engine = _engine_of(journal, policy)
        self._listeners: list[Listener] = []
        for command in journal.replay():
            self._engine.apply(command)
        # Guards what follows; may be taken with `_lock` held, never the other way round.
        self._waiting = threading.Condition()
        self._unwritten: list[str] = []
        self._outbox: deque[tuple[int, Callable[[], None], Callable[[BallastError], None]]] = deque()
        self._entered = self._written = len(journal)
        self._in_segment = journal.in_segment
        self._fault: JournalFailed | None = None
        self._is_lost = False
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    @contextmanager
    def state(self) -> Iterator[Engine]:
        """The engine, unchanged by others meanwhile. It may be ahead of the disk: tell nobody before `on_disk`."""
        with self._lock:
            yield self._engine

    def listen(self, listener: Listener) -> None:
        """Hears of every change, in order, under the lock, before it is on disk: it must neither wait nor fail."""
        self._listeners.append(listener)

    def enter(self, *commands: Command) -> list[Changes]:
        """Makes commands so, all or none; they are on disk once `on_disk` says so.

        Raises:
            JournalFailed: Nothing happened.
        """
        bodies = [encode(command) for command in commands]
        with self._lock:
            self.require_writable()
            found = [self._engine.apply(command) for command in commands]
            with self._waiting:
                self._unwritten += bodies
                self._entered += len(bodies)
                self._waiting.notify_all()
            for changes in found:
                for listener in self._listeners:
                    listener(changes)
            self._in_segment += len(bodies)
            if self._in_segment >= self._segment_entries:
                self._compact()
            return found

    def commit(self, *commands: Command) -> list[Changes]:
        """The same, and returns when they are on disk.

        Raises:
            JournalFailed: Nothing happened, or it is not known.
        """
        if not commands:
            return []
        with self._lock:
            found = self.enter(*commands)
            written = self.on_disk()
        written.result()
        return found

    def on_disk(self) -> Future[None]:
        """Is done when everything that has been entered so far is on disk; fails with `JournalFailed`."""
        found: Future[None] = Future()
        # Whoever stops waiting does not stop the disk.
        found.set_running_or_notify_cancel()
        self._when_written(lambda: found.set_result(None), found.set_exception)
        return found

    def publish(self, tell: Callable[[], None]) -> None:
        """Tells somebody of the state as it is now, once it is on disk, in the order of the calls.

        Args:
            tell: Called by any thread; it must neither wait nor fail.
        """
        self._when_written(tell, lambda fault: None)

    def require_writable(self) -> None:
        """
        Raises:
            JournalFailed: The journal cannot be written.
        """
        if self._fault is not None:
            raise self._fault

    def page(self, first: int, most: int) -> tuple[int, list[dict[str, Any]]]:
        """How many commands are on disk, and some of them, without signatures."""
        return self._journal.page(first, most)

    def close(self) -> None:
        """Writes what waits, and closes the journal."""
        with self._lock, self._waiting:
            if self._fault is None:
                self._fault = JournalFailed("the journal is closed")
            self._waiting.notify_all()
        self._writer.join()
        self._journal.close()

    def _compact(self) -> None:
        """Goes on in a new file of the journal, once all that has been entered is in the old one."""
        self.on_disk().result()
        try:
            self._journal.start_segment(dump(self._engine))
        except (OSError, sqlite3.Error) as fault:
            self._give_up(fault)
            self.require_writable()
        self._in_segment = 0

    def _when_written(self, tell: Callable[[], None], fail: Callable[[BallastError], None]) -> None:
        with self._waiting:
            if self._written == self._entered:
                tell()
            elif self._is_lost and self._fault is not None:
                fail(self._fault)
            else:
                self._outbox.append((self._entered, tell, fail))

    def _write(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._unwritten or self._fault is not None)
                bodies, self._unwritten = self._unwritten, []
            if not bodies:
                return
            try:
                self._journal.write(bodies)
            except Exception as fault:
                self._give_up(fault)
                return
            with self._waiting:
                self._written += len(bodies)
                while self._outbox and self._outbox[0][0] <= self._written:
                    self._outbox.popleft()[1]()

    def _give_up(self, fault: Exception) -> None:
        with self._waiting:
            self._fault, self._is_lost = JournalFailed(f"the journal cannot be written: {fault}"), True
            for _, _, fail in self._outbox:
                fail(self._fault)
            self._outbox.clear()
