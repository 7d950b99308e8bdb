"""The one place where the order of things is decided: a command is on disk, then in the engine, then told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ballast.matcher.book import SelfTrade
from ballast.matcher.engine import Engine
from ballast.matcher.journal import Journal
from ballast.matcher.records import Changes, Command

Listener = Callable[[Changes], None]


class Sequencer:
    """An engine behind its journal, whole after any kill. Whoever holds `state` may read it."""

    def __init__(self, journal: Journal, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        self.policy = policy
        self._journal = journal
        self._lock = threading.RLock()
        self._engine = Engine(policy)
        self._listeners: list[Listener] = []
        for command in journal.replay():
            self._engine.apply(command)

    @contextmanager
    def state(self) -> Iterator[Engine]:
        """The engine, unchanged by others meanwhile."""
        with self._lock:
            yield self._engine

    def listen(self, listener: Listener) -> None:
        """Is told of every change, in order, under the lock: it must neither wait nor fail."""
        self._listeners.append(listener)

    def commit(self, *commands: Command) -> list[Changes]:
        """Makes commands so. They are on disk before any of them has an effect.

        Raises:
            sqlite3.Error: They could not be written; nothing happened.
        """
        if not commands:
            return []
        with self._lock:
            self._journal.append(commands)
            told = []
            for command in commands:
                changes = self._engine.apply(command)
                told.append(changes)
                for listener in self._listeners:
                    listener(changes)
            return told

    def page(self, first: int, most: int) -> tuple[int, list[dict[str, Any]]]:
        """How many commands there are, and some of them, without signatures."""
        with self._lock:
            return len(self._journal), self._journal.page(first, most)

    def close(self) -> None:
        with self._lock:
            self._journal.close()
