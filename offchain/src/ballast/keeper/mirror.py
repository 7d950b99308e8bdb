"""The keeper's copy of every account: refreshed where events touched it, read at one block.

Storage is read, not inferred: an event only says whose account to read again. An account whose read fails is *unknown*
until one succeeds; unknown accounts are asked for on chain every block and never taken for healthy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.logs import Event
from ballast.errors import ChainError
from ballast.store import BlockRef

# Arguments of events that hold account ids.
_ACCOUNT_FIELDS = ("account", "from", "to", "taker", "maker", "bidder")
_CONTRACTS_WITH_ACCOUNTS = frozenset({"Clearinghouse", "Auctions"})


def accounts_of(events: Iterable[Event]) -> set[int]:
    """Accounts that the events may have changed."""
    return {
        event.arguments[name]
        for event in events
        if event.contract in _CONTRACTS_WITH_ACCOUNTS
        for name in _ACCOUNT_FIELDS
        if isinstance(event.arguments.get(name), int)
    }


@dataclass
class Mirror:
    """Accounts as last read. `stale` ones changed since, `unknown` ones could not be read."""

    accounts: dict[int, Any] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)

    def touch(self, accounts: Iterable[int]) -> None:
        self.stale.update(accounts)

    def refresh(self, system: System, block: BlockRef) -> None:
        """Reads what is stale or unknown at a block."""
        due = sorted(self.stale | self.unknown)
        answers = system.read_many([("Clearinghouse", "accountOf", [account]) for account in due], block)
        for account, answer in zip(due, answers, strict=True):
            if isinstance(answer, ChainError):
                self.unknown.add(account)
            else:
                self.accounts[account] = answer
                self.unknown.discard(account)
        self.stale.clear()

    def forget(self) -> None:
        """After a re-organisation nothing read before can be trusted: everything is read again."""
        self.stale.update(self.accounts)
