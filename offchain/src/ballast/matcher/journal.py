"""The journal: every command on disk before anybody hears of it, so that a kill at any line loses nothing acknowledged.

One SQLite file of its own in WAL mode with full synchronisation. A command that was being written as the power went is
whole or absent after the next start; the commands before it are all there.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ballast.errors import ConfigurationError
from ballast.matcher.records import Command

_SCHEMA = """
CREATE TABLE IF NOT EXISTS place (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 0),
    chain_id INTEGER NOT NULL,
    exchange TEXT NOT NULL,
    policy TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS commands (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""


class Journal:
    """Append-only. One writer.

    Raises:
        ConfigurationError: Entries are missing or unreadable: the file is not as this program left it.
    """

    def __init__(self, path: Path | str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        last, count = self._db.execute("SELECT COALESCE(MAX(number), 0), COUNT(*) FROM commands").fetchone()
        if last != count:
            raise ConfigurationError(f"{path}: {last - count} journal entries are missing; restore it from a copy")
        self._last = last
        # One thread writes, others read pages.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._last

    def bind(self, chain_id: int, exchange: str, policy: str) -> None:
        """Ties the file to one exchange and one rule for self-trades: a replay under another ends elsewhere.

        Raises:
            ConfigurationError: It belongs to another.
        """
        row = self._db.execute("SELECT chain_id, exchange, policy FROM place").fetchone()
        if row is None:
            self._db.execute("INSERT INTO place VALUES (0, ?, ?, ?)", (chain_id, exchange, policy))
        elif row != (chain_id, exchange, policy):
            raise ConfigurationError(
                f"the journal is of exchange {row[1]} of chain {row[0]} with --self-trade {row[2]}"
            )

    def append(self, commands: Iterable[Command]) -> None:
        """Writes commands, all or none, and returns when they are on disk."""
        self.write([encode(command) for command in commands])

    def write(self, bodies: Iterable[str]) -> None:
        """The same of commands as `encode` makes them."""
        with self._lock:
            rows = list(enumerate(bodies, self._last + 1))
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO commands VALUES (?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._last += len(rows)

    def replay(self) -> Iterator[Command]:
        """Every command, oldest first."""
        for number, body in self._db.execute("SELECT number, body FROM commands ORDER BY number"):
            try:
                yield Command.of(json.loads(body))
            except ValueError as fault:
                raise ConfigurationError(f"journal entry {number}: {fault}") from None

    def page(self, first: int, most: int) -> tuple[int, list[dict[str, Any]]]:
        """How many commands there are, and those from a number on as they were written, without signatures."""
        wanted = "SELECT number, body FROM commands WHERE number >= ? ORDER BY number LIMIT ?"
        with self._lock:
            length, rows = self._last, self._db.execute(wanted, (first, most)).fetchall()
        entries = [{"number": number, **json.loads(body)} for number, body in rows]
        return length, [_without_signatures(entry) for entry in entries]

    def close(self) -> None:
        self._db.close()


def encode(command: Command) -> str:
    """A command as the journal holds it."""
    return json.dumps(command.as_dict(), separators=(",", ":"))


def _without_signatures(entry: dict[str, Any]) -> dict[str, Any]:
    if "signature" in entry:
        return {**entry, "signature": "0x"}
    if "orders" in entry:
        return {**entry, "orders": [_without_signatures(one) for one in entry["orders"]]}
    return entry
