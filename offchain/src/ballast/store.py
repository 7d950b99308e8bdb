"""The local SQLite store: what the keeper must remember over a kill at any line.

Every write is one transaction; the file is opened in WAL mode so that readers (`ballast keeper status`) never block the
writer. The chain stays the truth: losing the file costs a re-scan, never money.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chain (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 0),
    chain_id INTEGER NOT NULL,
    clearinghouse TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS handled (singleton INTEGER PRIMARY KEY CHECK (singleton = 0), number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, first_seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS transactions (
    nonce INTEGER PRIMARY KEY,
    purpose TEXT NOT NULL,
    sender TEXT NOT NULL,
    hashes TEXT NOT NULL,
    first_block INTEGER NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    block INTEGER NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
"""

# Reorganisations deeper than this are not expected on any chain Ballast targets; the cursor then starts afresh.
KEPT_BLOCKS = 256


@dataclass(frozen=True)
class BlockRef:
    """One block by number and hash; reads pinned to the hash can never mix two forks. `parent` is the one before."""

    number: int
    hash: str
    parent: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PendingTransaction:
    """A transaction that was sent and is not known to be final. `hashes` holds every replacement, newest last."""

    nonce: int
    purpose: str
    sender: str
    hashes: tuple[str, ...]
    first_block: int


class Store:
    """Typed access to the SQLite file. One writer; any number of readers."""

    def __init__(self, path: Path | str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside land together or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def bind(self, chain_id: int, clearinghouse: str) -> bool:
        """Ties the file to one deployment. Returns False where it belongs to another: then it must not be used."""
        row = self._db.execute("SELECT chain_id, clearinghouse FROM chain").fetchone()
        if row is None:
            self._db.execute("INSERT INTO chain VALUES (0, ?, ?)", (chain_id, clearinghouse))
            return True
        return row == (chain_id, clearinghouse)

    # Cursor --------------------------------------------------------------------------------------------------

    def head(self) -> BlockRef | None:
        """The last block whose logs are fully processed."""
        row = self._db.execute("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        return BlockRef(*row) if row else None

    def recent_blocks(self) -> list[BlockRef]:
        """Processed blocks still remembered, newest first."""
        rows = self._db.execute("SELECT number, hash FROM blocks ORDER BY number DESC").fetchall()
        return [BlockRef(*row) for row in rows]

    def advance(self, block: BlockRef, accounts: Iterable[str]) -> None:
        """Records a processed range: its last block and the accounts first seen in it, in one transaction."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO accounts VALUES (?, ?)", [(account, block.number) for account in accounts]
            )
            self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?)", (block.number, block.hash))
            self._db.execute("DELETE FROM blocks WHERE number < ?", (block.number - KEPT_BLOCKS,))

    def rewind(self, number: int) -> None:
        """Forgets processed blocks above `number`. Accounts stay: watching one too many costs a read, never money."""
        self._db.execute("DELETE FROM blocks WHERE number > ?", (number,))

    def record_handled(self, number: int) -> None:
        """The block of the last step that was done to its end, acts and all."""
        self._db.execute("INSERT OR REPLACE INTO handled VALUES (0, ?)", (number,))

    def handled(self) -> int | None:
        """That block; None before the first."""
        row = self._db.execute("SELECT number FROM handled").fetchone()
        return int(row[0]) if row else None

    # Accounts ------------------------------------------------------------------------------------------------

    def accounts(self) -> list[int]:
        """Every account ever seen, oldest first: an account is never dropped from the watch."""
        return [int(row[0], 16) for row in self._db.execute("SELECT id FROM accounts ORDER BY rowid")]

    # Transactions --------------------------------------------------------------------------------------------

    def record_transaction(self, pending: PendingTransaction) -> None:
        """Written before the transaction is sent, so that a kill between the two cannot lose or repeat it."""
        self._db.execute(
            "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, 'pending')",
            (pending.nonce, pending.purpose, pending.sender, " ".join(pending.hashes), pending.first_block),
        )

    def pending_transactions(self, sender: str) -> list[PendingTransaction]:
        rows = self._db.execute(
            "SELECT nonce, purpose, sender, hashes, first_block FROM transactions"
            " WHERE state = 'pending' AND sender = ? ORDER BY nonce",
            (sender,),
        ).fetchall()
        return [
            PendingTransaction(n, purpose, who, tuple(hashes.split()), block) for n, purpose, who, hashes, block in rows
        ]

    def transaction_hashes(self, purpose: str) -> tuple[str, ...]:
        """Every hash that a purpose was sent under, whatever became of it, newest last."""
        wanted = "SELECT hashes FROM transactions WHERE purpose = ? ORDER BY nonce"
        rows = self._db.execute(wanted, (purpose,)).fetchall()
        return tuple(one for (hashes,) in rows for one in hashes.split())

    def settle_transaction(self, nonce: int, state: str) -> None:
        self._db.execute("UPDATE transactions SET state = ? WHERE nonce = ?", (state, nonce))

    # Actions -------------------------------------------------------------------------------------------------

    def record_action(self, block: int, kind: str, account: str, outcome: str, detail: str) -> None:
        self._db.execute(
            "INSERT INTO actions (block, kind, account, outcome, detail) VALUES (?, ?, ?, ?, ?)",
            (block, kind, account, outcome, detail),
        )

    def actions(self, limit: int = 100) -> list[tuple[int, str, str, str, str]]:
        """Newest first: block, kind, account, outcome, detail."""
        return self._db.execute(
            "SELECT block, kind, account, outcome, detail FROM actions ORDER BY id DESC LIMIT ?", (limit,)
        ).fetchall()
