"""What the engine knows: orders, matches, batches, requests for quotes, and the indices that find them."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Any

from eth_utils import keccak

from ballast.chain.orders import Order, SignedOrder
from ballast.matcher.book import Entry, OrderBook, SelfTrade
from ballast.matcher.records import BatchRecord, FillRecord, FillState, OrderRecord, OrderState, RequestRecord

NO_RECEIPT = "0x" + "00" * 32
# A dead order is remembered until nobody can bring it again, and for a day, so that its owner can look it up.
FORGET_AFTER = 86_400
# Fills and batches that came to their end are remembered up to so many.
KEPT_FILLS = 10_000
KEPT_BATCHES = 1_000


def next_receipt(before: str, order_hash: str, sequence: int, time: int) -> str:
    """keccak(before ‖ order hash ‖ sequence as 8 bytes ‖ ms as 8 bytes): binds an order to all that came before it."""
    data = bytes.fromhex(before[2:]) + bytes.fromhex(order_hash[2:]) + sequence.to_bytes(8, "big")
    return "0x" + keccak(data + time.to_bytes(8, "big")).hex()


class State:
    """Everything but what to do. Public attributes are for reading, but by the engine."""

    def __init__(self, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        self.books: dict[int, OrderBook] = {}
        self.orders: dict[str, OrderRecord] = {}
        self.fills: dict[int, FillRecord] = {}
        self.batches: dict[int, BatchRecord] = {}
        self.requests: dict[int, RequestRecord] = {}
        self.sequence = 0
        self.receipt = NO_RECEIPT
        self._policy = policy
        self.unsent: dict[int, FillRecord] = {}
        self.fill_count = 0
        self.batch_count = 0
        self.request_count = 0
        self.by_nonce: dict[tuple[int, int], str] = {}
        self._by_account: dict[int, dict[str, None]] = {}
        self.groups: dict[Hashable, list[str]] = {}
        self.expiries: list[tuple[int, int, str]] = []
        self.past: list[tuple[int, int, str]] = []

    # What is there ---------------------------------------------------------------------------------------------

    def book(self, instrument: int) -> OrderBook:
        return self.books.setdefault(instrument, OrderBook(self._policy))

    def find(self, account: int, nonce: int) -> OrderRecord | None:
        """The newest order of an account's nonce."""
        key = self.by_nonce.get((account, nonce))
        return None if key is None else self.orders[key]

    def orders_of(self, account: int) -> list[OrderRecord]:
        """Every order of an account that is remembered, oldest first."""
        return [self.orders[key] for key in self._by_account.get(account, ())]

    def crossed(self) -> list[FillRecord]:
        """Fills that wait for a batch, oldest first."""
        return list(self.unsent.values())

    def under_way(self) -> list[BatchRecord]:
        return [batch for batch in self.batches.values() if batch.concluded_at is None]

    def is_due(self, time: int) -> bool:
        """Whether `Clock` would change something."""
        forgets = bool(self.past) and self.past[0][0] < time - FORGET_AFTER
        return forgets or (bool(self.expiries) and self.expiries[0][0] < time)

    def refusal(self, order_hash: str, order: Order) -> str | None:
        """Why the books would not take an order now, or None.

        One of `already-known`, `nonce-in-use`, `group-taken`, and the slugs of `Leaves`.
        """
        known = self._refusal_of_key(order_hash, order)
        if known is not None:
            return known
        record = OrderRecord(order_hash, SignedOrder(order, b""), self.sequence + 1, 0, "")
        if self.winner_of(record.group) is not None:
            return "group-taken"
        if self.is_held(record):
            return "group-taken" if record.fill_or_kill else None
        placement = self.book(order.instrument).preview(entry_of(record))
        return placement.leaves.name.lower().replace("_", "-") if placement.leaves and not placement.filled else None

    def refusal_of_legs(self, orders: dict[str, Order]) -> str | None:
        """Why legs by their hashes would not be taken now, or None.

        One of `already-known`, `nonce-in-use`, and `group-taken`, where another order here is of their group.
        """
        if len({order.nonce for order in orders.values()}) < len(orders):
            return "nonce-in-use"
        first = next(iter(orders.values()))
        taken = any(
            one.order.group == first.group and (one.state is not OrderState.DEAD or one.pending or one.filled)
            for one in self.orders_of(first.account)
        )
        found = (self._refusal_of_key(key, order) for key, order in orders.items())
        return next((code for code in found if code is not None), "group-taken" if taken else None)

    def _refusal_of_key(self, order_hash: str, order: Order) -> str | None:
        if order_hash in self.orders:
            return "already-known"
        known = self.find(order.account, order.nonce)
        in_use = known is not None and (known.state is not OrderState.DEAD or known.pending or known.filled)
        return "nonce-in-use" if in_use else None

    def open_requests(self) -> list[RequestRecord]:
        """Requests for quotes whose time is not over, oldest first."""
        return [one for one in self.requests.values() if one.closed_at is None]

    def mates_of(self, record: OrderRecord) -> list[OrderRecord]:
        """The orders that are filled together with a leg or not at all."""
        request = self.requests.get(record.request)
        keys = () if request is None else request.package_of(record.hash)
        return [self.orders[key] for key in keys if key != record.hash]

    def members_of(self, group: Hashable) -> list[OrderRecord]:
        return [] if group is None else [self.orders[key] for key in self.groups.get(group, ())]

    def winner_of(self, group: Hashable) -> OrderRecord | None:
        return next((one for one in self.members_of(group) if one.filled), None)

    def is_held(self, record: OrderRecord) -> bool:
        return any(one.pending for one in self.members_of(record.group) if one is not record)

    # Growing ---------------------------------------------------------------------------------------------------

    def number(
        self, order_hash: str, terms: dict[str, Any], signature: str, time: int, request: int = 0
    ) -> OrderRecord:
        """Gives an order its place in the order of arrival."""
        values: dict[str, Any] = {name: text if name == "signer" else int(text) for name, text in terms.items()}
        order = Order(**values)
        self.sequence += 1
        self.receipt = next_receipt(self.receipt, order_hash, self.sequence, time)
        signed = SignedOrder(order, bytes.fromhex(signature[2:]))
        record = OrderRecord(order_hash, signed, self.sequence, time, self.receipt, request=request)
        self.remember(record)
        heapq.heappush(self.expiries, (order.expiry, record.sequence, record.hash))
        return record

    def remember(self, record: OrderRecord) -> None:
        """Of orders of one nonce, the last that is remembered is found by it."""
        order = record.order
        self.orders[record.hash] = record
        self.by_nonce[order.account, order.nonce] = record.hash
        self._by_account.setdefault(order.account, {})[record.hash] = None
        if record.group is not None:
            self.groups.setdefault(record.group, []).append(record.hash)

    # Forgetting ------------------------------------------------------------------------------------------------

    def forget(self, record: OrderRecord) -> None:
        order = record.order
        del self.orders[record.hash]
        del self._by_account[order.account][record.hash]
        if not self._by_account[order.account]:
            del self._by_account[order.account]
        if self.by_nonce.get((order.account, order.nonce)) == record.hash:
            del self.by_nonce[order.account, order.nonce]
        if record.group is not None:
            self.groups[record.group].remove(record.hash)
            if not self.groups[record.group]:
                del self.groups[record.group]
        if record.request in self.requests:
            self.requests[record.request].forget(record.hash)

    def forget_requests(self, time: int) -> None:
        for request in list(self.requests.values()):
            is_empty = not request.taker and not request.quotes
            if is_empty and request.until // 1_000 < time - FORGET_AFTER:
                del self.requests[request.id]

    def forget_fills(self) -> None:
        for number in list(self.batches)[: max(0, len(self.batches) - KEPT_BATCHES)]:
            if self.batches[number].concluded_at is not None:
                del self.batches[number]
        excess = len(self.fills) - KEPT_FILLS
        for number in list(self.fills)[: max(0, excess)]:
            fill = self.fills[number]
            finished = fill.state in (FillState.SETTLED, FillState.DROPPED)
            if finished and (fill.batch is None or fill.batch not in self.batches):
                del self.fills[number]


def entry_of(record: OrderRecord) -> Entry:
    return Entry(
        record.hash,
        record.sequence,
        record.owner,
        record.buys,
        record.order.limit,
        record.open,
        record.post_only,
        record.fill_or_kill,
        record.group,
    )
