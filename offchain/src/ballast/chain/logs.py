"""The log cursor: every event of the deployment exactly once, in order, over failures, kills and re-organisations.

The cursor lies in the store and moves only after a range was read whole and processed. A socket may wake the reader
earlier, but the cursor is the only truth about what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_utils import event_abi_to_log_topic

from ballast.chain.codec import decode_log
from ballast.chain.contracts import System, load_abi
from ballast.errors import ChainError, ChainUnreachable, ReorganisedBelow, RequestRefused
from ballast.store import BlockRef, Store

LONGEST_RANGE = 5_000


@dataclass(frozen=True)
class Event:
    """One decoded log."""

    contract: str
    name: str
    arguments: dict[str, Any]
    block: int
    log_index: int
    transaction: str


class EventReader:
    """Decodes the logs of a deployment's contracts in a block range."""

    def __init__(self, system: System, contracts: Iterable[str]) -> None:
        self._system = system
        self._contracts = {system.deployment.addresses[name].lower(): name for name in contracts}

    @cached_property
    def _decoders(self) -> dict[str, dict[bytes, Any]]:
        return {
            address: {event_abi_to_log_topic(e): e for e in load_abi(name) if e["type"] == "event"}  # type: ignore[arg-type]
            for address, name in self._contracts.items()
        }

    def read(self, first: int, last: int) -> list[Event]:
        """Events of blocks `first`..`last`, both included, in chain order.

        Halves a range that the node refuses as too large; gives up only when one block alone is refused.
        """
        try:
            logs = self._system.connection.logs(first, last, list(self._contracts))
        except RequestRefused as fault:
            if first == last:
                raise ChainError(f"the node refuses the logs of block {first}: {fault}") from fault
            middle = (first + last) // 2
            return self.read(first, middle) + self.read(middle + 1, last)
        return [event for log in logs if (event := self._decode(log)) is not None]

    def _decode(self, log: dict[str, Any]) -> Event | None:
        address, topics = log["address"].lower(), [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        abi = self._decoders[address].get(topics[0]) if topics else None
        if abi is None:
            return None
        return Event(
            self._contracts[address],
            abi["name"],
            decode_log(abi, topics, bytes.fromhex(log["data"][2:])).as_dict(),
            int(log["blockNumber"], 16),
            int(log["logIndex"], 16),
            log["transactionHash"],
        )


class LogCursor:
    """Feeds a handler with every new event and keeps the place in the store."""

    def __init__(self, reader: EventReader, system: System, store: Store) -> None:
        self._reader = reader
        self._connection = system.connection
        self._store = store
        self._first = system.deployment.block

    def follow(self, handle: Callable[[list[Event]], Iterable[str]], until: BlockRef) -> Iterator[BlockRef]:
        """Processes ranges up to `until`, yielding the last block of each after it is stored.

        Args:
            handle: Gets a range's events, returns ids of accounts to watch. If it raises, the cursor stays.

        Raises:
            ReorganisedBelow: After rewinding the store; the caller drops what it derived and calls again.
        """
        head = self._store.head()
        if head is None or until.parent != head.hash:
            self._check_fork()
        first = self._first if head is None else head.number + 1
        while first <= until.number:
            last = min(first + LONGEST_RANGE - 1, until.number)
            end = until if last == until.number else self._connection.block(last)
            if end is None:
                raise ChainUnreachable(f"block {last} vanished while it was read")
            accounts = handle(self._reader.read(first, last))
            if (confirmed := self._connection.block(last)) is None or confirmed.hash != end.hash:
                raise ReorganisedBelow(last)
            self._store.advance(end, accounts)
            yield end
            first = last + 1

    def _check_fork(self) -> None:
        recent = self._store.recent_blocks()
        for kept in recent:
            canonical = self._connection.block(kept.number)
            if canonical is not None and canonical.hash == kept.hash:
                if kept.number != recent[0].number:
                    self._store.rewind(kept.number)
                    raise ReorganisedBelow(kept.number)
                return
        if recent:
            self._store.rewind(self._first - 1)
            raise ReorganisedBelow(self._first)
