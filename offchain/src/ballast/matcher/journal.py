"""The journal: every command on disk before anybody hears of it, so that a kill at any line loses nothing acknowledged.

One file after the other: a new one begins with what all before it came to, so that a start reads the last one alone.
The old ones stay for audits. A command that was being written as the power went is whole or absent after the next
start; the commands before it are all there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ballast.errors import ConfigurationError
from ballast.matcher.records import Command
from ballast.matcher.segments import UNFINISHED, Segment, create_segment

# Read of a file at once.
PAGE = 1_000
# Of the number in a later file's name.
DIGITS = 12


class Journal:
    """Append-only. One writer.

    Args:
        path: Its first file; later ones have the number of their first command in their name.

    Raises:
        ConfigurationError: Entries are missing or unreadable: the files are not as this program left them.
    """

    def __init__(self, path: Path | str) -> None:
        self._first = Path(path)
        self._first.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in self._first.parent.glob(f"{self._first.stem}-*{UNFINISHED}*"):
            unfinished.unlink()
        later = self._first.parent.glob(f"{self._first.stem}-{'[0-9]' * DIGITS}{self._first.suffix}")
        self._paths = [self._first, *sorted(later)]
        self._current = Segment(self._paths[-1])
        if len(self._paths) > 1:
            self._require_no_entry_behind(self._paths[-2])
        # One thread writes, others read pages.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._current.last

    @property
    def in_segment(self) -> int:
        """How many commands a start has to replay."""
        return self._current.last - self._current.base

    def bind(self, chain_id: int, exchange: str, policy: str) -> None:
        """Ties the files to one exchange and one rule for self-trades: a replay under another ends elsewhere.

        Raises:
            ConfigurationError: They belong to another.
        """
        place = self._current.place
        if place is None:
            self._current.place = chain_id, exchange, policy
        elif place != (chain_id, exchange, policy):
            raise ConfigurationError(
                f"the journal is of exchange {place[1]} of chain {place[0]} with --self-trade {place[2]}"
            )

    def append(self, commands: Iterable[Command]) -> None:
        """Writes commands, all or none, and returns when they are on disk."""
        self.write([encode(command) for command in commands])

    def write(self, bodies: Iterable[str]) -> None:
        """The same of commands as `encode` makes them."""
        with self._lock:
            self._current.write(bodies)

    def start_segment(self, snapshot: dict[str, Any]) -> None:
        """Goes on in a new file.

        Args:
            snapshot: What all that is written came to.

        Raises:
            OSError: Or
            sqlite3.Error: It could not be written. Nothing may be written any more: the new file may be the last one.
        """
        with self._lock:
            old = self._current
            name = f"{self._first.stem}-{old.last + 1:0{DIGITS}d}{self._first.suffix}"
            create_segment(self._first.with_name(name), old.last, snapshot, old.place)
            self._current = Segment(self._first.with_name(name))
            self._paths.append(self._current.path)
            old.close()

    def snapshot(self) -> Any:
        """What `replay` goes on from; None where it begins with nothing."""
        return self._current.snapshot()

    def replay(self) -> Iterator[Command]:
        """Every command since the snapshot, oldest first."""
        number = self._current.base
        while rows := self._current.rows(number + 1, PAGE):
            for number, body in rows:
                try:
                    yield Command.of(json.loads(body))
                except ValueError as fault:
                    raise ConfigurationError(f"journal entry {number}: {fault}") from None

    def page(self, first: int, most: int) -> tuple[int, list[dict[str, Any]]]:
        """How many commands there are, and those from a number on as they were written, without signatures."""
        with self._lock:
            length, rows = self._current.last, self._rows(first, most)
        entries = [{"number": number, **json.loads(body)} for number, body in rows]
        return length, [_without_signatures(entry) for entry in entries]

    def close(self) -> None:
        with self._lock:
            self._current.close()

    def _rows(self, first: int, most: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for path, following in zip(self._paths, [*self._paths[1:], None], strict=True):
            if len(found) == most:
                break
            if following is None:
                found += self._current.rows(first, most - len(found))
            elif first < self._number_of(following) and path.exists():
                archived = Segment(path)
                found += archived.rows(first, most - len(found))
                archived.close()
        return found

    def _number_of(self, path: Path) -> int:
        """Of a later file's first command."""
        return int(path.stem.removeprefix(f"{self._first.stem}-"))

    def _require_no_entry_behind(self, path: Path) -> None:
        if not path.exists():
            return
        archived = Segment(path)
        archived.close()
        if archived.last != self._current.base:
            raise ConfigurationError(
                f"{path} ends with entry {archived.last}, {self._current.path} goes on from {self._current.base}"
            )


def encode(command: Command) -> str:
    """A command as the journal holds it."""
    return json.dumps(command.as_dict(), separators=(",", ":"))


def _without_signatures(entry: dict[str, Any]) -> dict[str, Any]:
    if "signature" in entry:
        return {**entry, "signature": "0x"}
    if "orders" in entry:
        return {**entry, "orders": [_without_signatures(one) for one in entry["orders"]]}
    return entry
