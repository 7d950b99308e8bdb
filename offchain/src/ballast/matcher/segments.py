"""Files of the journal: what everything before came to, and the commands after it.

Each is a SQLite database in WAL mode with full synchronisation. A new one is written beside, synchronised, renamed, and
its folder synchronised, before anything is written to it: a kill at any line leaves the old one or the new one the
last, and both say the same.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ballast.errors import ConfigurationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS place (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 0),
    chain_id INTEGER NOT NULL,
    exchange TEXT NOT NULL,
    policy TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS snapshot (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 0),
    base INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS commands (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
UNFINISHED = ".next"
Place = tuple[int, str, str]
"""Chain, exchange, and rule for self-trades."""


class Segment:
    """One file of a journal. Not to be shared between threads.

    Attributes:
        base: Number of the last command before it.
        last: Number of its last command; `base` while it has none.

    Raises:
        ConfigurationError: Commands are missing: the file is not as this program left it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        (self.base,) = self._db.execute("SELECT COALESCE(MAX(base), 0) FROM snapshot").fetchone()
        query = "SELECT COALESCE(MAX(number), ?), COUNT(*) FROM commands"
        self.last, count = self._db.execute(query, (self.base,)).fetchone()
        if self.last - self.base != count:
            missing = self.last - self.base - count
            self._db.close()
            raise ConfigurationError(f"{path}: {missing} journal entries are missing; restore it from a copy")

    @property
    def place(self) -> Place | None:
        """Whose journal it is; None where nobody has said so."""
        found: Place | None = self._db.execute("SELECT chain_id, exchange, policy FROM place").fetchone()
        return found

    @place.setter
    def place(self, place: Place) -> None:
        self._db.execute("INSERT INTO place VALUES (0, ?, ?, ?)", place)

    def snapshot(self) -> Any:
        """What all before it came to; None where there is nothing before."""
        row = self._db.execute("SELECT body FROM snapshot").fetchone()
        return None if row is None else json.loads(row[0])

    def write(self, bodies: Iterable[str]) -> None:
        """Appends commands, all or none, and returns when they are on disk."""
        rows = list(enumerate(bodies, self.last + 1))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT INTO commands VALUES (?, ?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self.last += len(rows)

    def rows(self, first: int, most: int) -> Sequence[tuple[int, str]]:
        """Commands from a number on, oldest first, each with its number."""
        wanted = "SELECT number, body FROM commands WHERE number >= ? ORDER BY number LIMIT ?"
        return self._db.execute(wanted, (first, most)).fetchall()

    def close(self) -> None:
        self._db.close()


def create_segment(path: Path, base: int, snapshot: dict[str, Any], place: Place | None) -> None:
    """A new last file: it is not there, or it is whole and stays.

    Raises:
        OSError: Or
        sqlite3.Error: It could not be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)
    database = sqlite3.connect(unfinished, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous=FULL")
        database.executescript(_SCHEMA)
        database.execute("BEGIN")
        if place is not None:
            database.execute("INSERT INTO place VALUES (0, ?, ?, ?)", place)
        body = json.dumps(snapshot, separators=(",", ":"))
        database.execute("INSERT INTO snapshot VALUES (0, ?, ?)", (base, body))
        database.execute("COMMIT")
    finally:
        database.close()
    _synchronise(unfinished)
    unfinished.replace(path)
    _synchronise(path.parent)


def _synchronise(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
