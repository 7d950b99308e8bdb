"""What becomes of orders, as it happens: the exchange's events by the log cursor, and deaths that have no event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.logs import Event, EventReader, LogCursor
from ballast.chain.order_desk import domain_of
from ballast.chain.orders import DeadReason, SignedOrder
from ballast.errors import ReorganisedBelow
from ballast.store import BlockRef, Store

WAITING = frozenset({DeadReason.NONE, DeadReason.NOT_ARMED})
"""Reasons that time may take away; all others are for good, but for a delegate's or a wallet's change of mind."""


@dataclass(frozen=True)
class Note:
    """One thing that happened to an order, or (`nonce` None) to all of an account's. Amounts wad."""

    block: int
    event: str
    account: int
    nonce: int | None
    detail: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """Whose notes: an account's, or those of known orders, by (account, nonce) and hash."""

    account: int | None = None
    orders: Mapping[tuple[int, int], bytes] = field(default_factory=dict)

    def takes(self, account: int, nonce: int | None = None, order_hash: bytes | None = None) -> bool:
        if self.account is not None:
            return account == self.account
        if nonce is None:
            return any(account == known for known, _ in self.orders)
        # Anyone can list a forged order: only the hash tells that it is this one.
        return self.orders.get((account, nonce), b"") == (order_hash or self.orders.get((account, nonce)))


_DETAILS: Mapping[str, tuple[str, Callable[[dict[str, Any]], dict[str, int | str]]]] = {
    "OrderFilled": ("filled", lambda a: {"filled": a["filled"]}),
    "OrderSkipped": ("skipped", lambda a: {"reason": reason_name(a["reason"])}),
    "OrderArmed": ("armed", lambda a: {"price": a["price"]}),
    "OrderCancelled": ("cancelled", lambda a: {}),
    "NoncesCancelledBelow": ("cancelled below", lambda a: {"below": a["minNonce"]}),
    "EpochAdvanced": ("all cancelled", lambda a: {"epoch": a["epoch"]}),
    "KeptAlive": ("kept alive", lambda a: {"until": a["until"]}),
}


def reason_name(reason: int) -> str:
    """A `DeadReason` in words."""
    return DeadReason(reason).name.lower().replace("_", " ")


def notes_of(events: Iterable[Event], wanted: Wanted) -> list[Note]:
    """Of the exchange's events, those that are wanted."""
    found = []
    for event in events:
        arguments = event.arguments
        if event.name not in _DETAILS or "account" not in arguments:
            continue
        account, nonce = arguments["account"], arguments.get("nonce")
        if wanted.takes(account, nonce, arguments.get("orderHash")):
            name, detail = _DETAILS[event.name]
            found.append(Note(event.block, name, account, nonce, detail(arguments)))
    return found


class OrderWatch:
    """Follows orders, or an account's, from a block on. Never loses a block: after a fault, call `step` again."""

    def __init__(self, system: System, start: BlockRef, orders: Sequence[SignedOrder] = (), account: int | None = None):
        self._system = system
        self._orders = list(orders)
        domain = domain_of(system)
        keys = {(one.order.account, one.order.nonce): domain.hash(one.order) for one in orders}
        self._wanted = Wanted(account, keys)
        store = Store(":memory:")
        store.advance(start, [])
        self._cursor = LogCursor(EventReader(system, ["Exchange"]), system, store)
        self._reasons: dict[int, DeadReason] = {}

    @property
    def is_over(self) -> bool:
        """Whether none of the orders can be filled any more; never of an account's."""
        known = self._reasons.values()
        return bool(self._orders) and len(known) == len(self._orders) and WAITING.isdisjoint(known)

    def step(self, head: BlockRef) -> list[Note]:
        """What happened since the last step, up to `head`; then orders that died without an event.

        Raises:
            ChainError: The chain could not be read; nothing is lost.
        """
        notes: list[Note] = []

        def keep(events: list[Event]) -> list[str]:
            notes.extend(notes_of(events, self._wanted))
            return []

        try:
            for _ in self._cursor.follow(keep, head):
                pass
        except ReorganisedBelow as fault:
            self._reasons.clear()
            return [*notes, *(self._reorganised(fault.number))]
        return notes + self._deaths(head)

    def _reorganised(self, number: int) -> list[Note]:
        accounts = {account for account, _ in self._wanted.orders} or {self._wanted.account or 0}
        return [Note(number, "reorganised", account, None) for account in sorted(accounts)]

    def _deaths(self, head: BlockRef) -> list[Note]:
        """Orders are dead for good now that were not before; what was filled has told so itself."""
        calls = [("Exchange", "orderStatus", [one.order]) for one in self._orders]
        found = []
        for place, (_, reason) in enumerate(self._system.read_all(calls, head)):
            before, now = self._reasons.get(place, DeadReason.NONE), DeadReason(reason)
            self._reasons[place] = now
            if now != before and now not in WAITING and now != DeadReason.FILLED:
                order = self._orders[place].order
                found.append(Note(head.number, "dead", order.account, order.nonce, {"reason": reason_name(now)}))
        return found
