"""The matcher's state as a function of its journal: books, groups, fills under way, and what the chain made of them.

Every command leads to the same state wherever it is applied, so that a restart is a replay. An order's size is always
filled + pending + open: what the chain filled, what was matched and is not settled yet, and what rests in the book.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from eth_utils import keccak

from ballast.chain.orders import Order, SignedOrder
from ballast.matcher.book import Crossing, Entry, OrderBook, Placement, SelfTrade
from ballast.matcher.records import (
    Accept,
    BatchRecord,
    ChainFill,
    Changes,
    Clock,
    Command,
    Conclude,
    Cut,
    Drop,
    Filled,
    FillRecord,
    FillState,
    Killed,
    OrderRecord,
    OrderState,
    Rewind,
    Withdraw,
)

WITHDRAWN, EXPIRED, FILLED, GROUP_TAKEN = "withdrawn", "expired", "filled", "group taken"
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


class Engine:
    """All books of a matcher. `apply` is the only way to change it."""

    def __init__(self, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        self.books: dict[int, OrderBook] = {}
        self.orders: dict[str, OrderRecord] = {}
        self.fills: dict[int, FillRecord] = {}
        self.batches: dict[int, BatchRecord] = {}
        self.sequence = 0
        self.receipt = NO_RECEIPT
        self._policy = policy
        self._crossed: dict[int, FillRecord] = {}
        self._fill_count = 0
        self._batch_count = 0
        self._by_nonce: dict[tuple[int, int], str] = {}
        self._by_account: dict[int, dict[str, None]] = {}
        self._groups: dict[Hashable, list[str]] = {}
        self._expiries: list[tuple[int, int, str]] = []
        self._past: list[tuple[int, int, str]] = []
        self._changes = Changes()
        self._handlers: dict[type[Command], Callable[[Any], None]] = {
            Accept: self._accept,
            Withdraw: self._withdraw,
            Clock: self._clock,
            Drop: lambda command: self._end(command.hash, command.reason, None),
            Cut: self._cut,
            Filled: self._filled,
            Killed: lambda command: self._end(command.hash, command.reason, command.block),
            Conclude: self._conclude,
            Rewind: self._rewind,
        }

    # What is there ---------------------------------------------------------------------------------------------

    def book(self, instrument: int) -> OrderBook:
        return self.books.setdefault(instrument, OrderBook(self._policy))

    def find(self, account: int, nonce: int) -> OrderRecord | None:
        """The newest order of an account's nonce."""
        key = self._by_nonce.get((account, nonce))
        return None if key is None else self.orders[key]

    def orders_of(self, account: int) -> list[OrderRecord]:
        """Every order of an account that is remembered, oldest first."""
        return [self.orders[key] for key in self._by_account.get(account, ())]

    def crossed(self) -> list[FillRecord]:
        """Fills that wait for a batch, oldest first."""
        return list(self._crossed.values())

    def under_way(self) -> list[BatchRecord]:
        return [batch for batch in self.batches.values() if batch.concluded_at is None]

    def is_due(self, time: int) -> bool:
        """Whether `Clock` would change something."""
        forgets = bool(self._past) and self._past[0][0] < time - FORGET_AFTER
        return forgets or (bool(self._expiries) and self._expiries[0][0] < time)

    def refusal(self, order_hash: str, order: Order) -> str | None:
        """Why the books would not take an order now, or None.

        One of `already-known`, `nonce-in-use`, `group-taken`, and the slugs of `Leaves`.
        """
        if order_hash in self.orders:
            return "already-known"
        known = self.find(order.account, order.nonce)
        if known is not None and (known.state is not OrderState.DEAD or known.pending or known.filled):
            return "nonce-in-use"
        record = OrderRecord(order_hash, SignedOrder(order, b""), self.sequence + 1, 0, "")
        if self._winner(record.group) is not None:
            return "group-taken"
        if self._is_held(record):
            return "group-taken" if record.fill_or_kill else None
        placement = self.book(order.instrument).preview(_entry(record))
        return placement.leaves.name.lower().replace("_", "-") if placement.leaves and not placement.filled else None

    # Commands --------------------------------------------------------------------------------------------------

    def apply(self, command: Command) -> Changes:
        """Does it, and tells what changed.

        What a command names and is not there, such as an order that was forgotten meanwhile, is left out: an entry of
        the journal can never keep a matcher from starting.
        """
        self._changes = Changes()
        self._handlers[type(command)](command)
        for instrument, buys, price in self._changes.levels:
            self._changes.levels[instrument, buys, price] = self.book(instrument).total_at(buys, price)
        self._changes.orders = list(dict.fromkeys(self._changes.orders))
        self._changes.fills = list(dict.fromkeys(self._changes.fills))
        return self._changes

    def _accept(self, command: Accept) -> None:
        terms: dict[str, Any] = {name: text if name == "signer" else int(text) for name, text in command.order.items()}
        order = Order(**terms)
        self.sequence += 1
        self.receipt = next_receipt(self.receipt, command.hash, self.sequence, command.time)
        signed = SignedOrder(order, bytes.fromhex(command.signature[2:]))
        record = OrderRecord(command.hash, signed, self.sequence, command.time, self.receipt)
        self.orders[record.hash] = record
        self._by_nonce[order.account, order.nonce] = record.hash
        self._by_account.setdefault(order.account, {})[record.hash] = None
        if record.group is not None:
            self._groups.setdefault(record.group, []).append(record.hash)
        heapq.heappush(self._expiries, (order.expiry, record.sequence, record.hash))
        if self._is_held(record):
            record.state = OrderState.HELD
        self._tell(record)
        self._sync(record)

    def _withdraw(self, command: Withdraw) -> None:
        if command.hash in self.orders:
            self._die(self.orders[command.hash], WITHDRAWN)

    def _end(self, order_hash: str, reason: str, block: int | None) -> None:
        if order_hash in self.orders:
            self._kill(self.orders[order_hash], reason, block)

    def _clock(self, command: Clock) -> None:
        while self._expiries and self._expiries[0][0] < command.time:
            entry = heapq.heappop(self._expiries)
            heapq.heappush(self._past, entry)
            self._kill(self.orders[entry[2]], EXPIRED, None)
        while self._past and self._past[0][0] < command.time - FORGET_AFTER:
            record = self.orders[heapq.heappop(self._past)[2]]
            if not record.pending:
                self._forget(record)

    def _cut(self, command: Cut) -> None:
        self._batch_count += 1
        fills = [self._crossed[number] for number in command.fills if number in self._crossed]
        batch = BatchRecord(self._batch_count, tuple(fill.id for fill in fills), {})
        for fill in fills:
            del self._crossed[fill.id]
            fill.state, fill.batch = FillState.SENT, batch.id
            for key in (fill.taker, fill.maker):
                batch.left[key] = batch.left.get(key, 0) + fill.size
            self._changes.fills.append(fill.id)
        self.batches[batch.id] = batch

    def _filled(self, command: Filled) -> None:
        record = self.orders.get(command.hash)
        if record is None or command.total <= record.filled:
            return
        size = command.total - record.filled
        used, batch = 0, self.batches.get(command.batch or 0)
        if batch is not None:
            used = min(size, batch.left.get(record.hash, 0))
            _move(batch.left, batch.done, record.hash, used)
        record.chain_fills.append(ChainFill(command.block, size, command.batch, used))
        record.filled += size
        record.pending -= used
        if record.filled >= record.size:
            self._kill(record, FILLED, command.block)
        self._trim(record)
        self._refresh_group(record.group, command.block)
        self._tell(record)
        self._sync(record)

    def _conclude(self, command: Conclude) -> None:
        batch = self.batches.get(command.batch)
        if batch is None:
            return
        batch.concluded_at, batch.reopened = command.block, False
        for key, rest in batch.left.items():
            self.orders[key].pending -= rest
        batch.left = dict.fromkeys(batch.left, 0)
        available = dict(batch.done)
        for fill in map(self.fills.__getitem__, batch.fills):
            fill.settled = min(fill.size, available.get(fill.taker, 0), available.get(fill.maker, 0))
            fill.state = FillState.SETTLED if fill.settled else FillState.DROPPED
            fill.transaction = command.transaction if fill.settled else ""
            for key in (fill.taker, fill.maker):
                available[key] = available.get(key, 0) - fill.settled
            self._changes.fills.append(fill.id)
        self._resume(self.orders[key] for key in batch.left)
        self._forget_fills()

    def _rewind(self, command: Rewind) -> None:
        touched: list[OrderRecord] = []
        for record in self.orders.values():
            undone = [step for step in record.chain_fills if step.block > command.block]
            if undone or (record.died_at is not None and record.died_at > command.block):
                touched.append(record)
            for step in undone:
                self._undo(record, step)
            record.chain_fills = [step for step in record.chain_fills if step.block <= command.block]
            if record.died_at is not None and record.died_at > command.block:
                record.state, record.reason, record.died_at = OrderState.LIVE, "", None
        self._resume(touched)

    def _undo(self, record: OrderRecord, step: ChainFill) -> None:
        record.filled -= step.size
        batch = self.batches.get(step.batch or 0)
        if batch is None or not step.used:
            return
        record.pending += step.used
        _move(batch.done, batch.left, record.hash, step.used)
        batch.reopened, batch.concluded_at = True, None
        for fill in map(self.fills.__getitem__, batch.fills):
            if record.hash in (fill.taker, fill.maker) and fill.state is FillState.SETTLED:
                fill.state, fill.settled, fill.transaction = FillState.SENT, 0, ""
                self._changes.fills.append(fill.id)

    # Orders and their books ------------------------------------------------------------------------------------

    def _sync(self, record: OrderRecord) -> None:
        """Brings the book to what an order has open."""
        book = self.book(record.order.instrument)
        wanted = record.open if record.state is OrderState.LIVE else 0
        found = book.open_of(record.hash)
        if wanted == found:
            return
        self._touch_level(record)
        if wanted < found:
            book.shrink(record.hash, found - wanted)
            return
        book.remove(record.hash)
        self._enter(record, book)

    def _enter(self, record: OrderRecord, book: OrderBook) -> None:
        placement = book.place(_entry(record))
        met = self._cross_all(record, placement)
        for key, leaves in placement.removed:
            self._touch_level(self.orders[key])
            self._die(self.orders[key], leaves.value)
        if placement.leaves is not None:
            self._die(record, placement.leaves.value)
        for group in dict.fromkeys(one.group for one in met):
            self._refresh_group(group, None)

    def _cross_all(self, record: OrderRecord, placement: Placement) -> list[OrderRecord]:
        unit = self._fill_count + 1
        met: list[OrderRecord] = [record] if placement.crossings else []
        for crossing in placement.crossings:
            fill = self._cross(crossing, record.order.instrument)
            fill.unit = unit if record.fill_or_kill else fill.id
            met += [self.orders[key] for key in (crossing.taker, crossing.maker) if key != record.hash]
        return met

    def _cross(self, crossing: Crossing, instrument: int) -> FillRecord:
        self._fill_count += 1
        number, taker, maker = self._fill_count, crossing.taker, crossing.maker
        fill = FillRecord(number, number, instrument, taker, maker, crossing.size, crossing.price)
        self.fills[number] = self._crossed[number] = fill
        self._changes.fills.append(number)
        for key in (taker, maker):
            self.orders[key].pending += crossing.size
            self._touch_level(self.orders[key])
            self._tell(self.orders[key])
        return fill

    def _die(self, record: OrderRecord, reason: str, block: int | None = None) -> None:
        """No more of it is matched; what is pending goes on."""
        if record.state is OrderState.DEAD:
            return
        record.state, record.reason, record.died_at = OrderState.DEAD, reason, block
        self._tell(record)
        self._sync(record)
        self._refresh_group(record.group, block)

    def _kill(self, record: OrderRecord, reason: str, block: int | None) -> None:
        """As `_die`, and what is matched and not sent is undone."""
        self._die(record, reason, block)
        self._release(record, lambda fill: True)

    def _trim(self, record: OrderRecord) -> None:
        """Undoes the newest matches not sent, where the chain filled more of the order than was expected."""
        for fill in reversed(self._unsent(record)):
            if record.filled + record.pending <= record.size:
                return
            self._release(record, lambda one, number=fill.id: one.id == number)  # type: ignore[misc]

    def _unsent(self, record: OrderRecord) -> list[FillRecord]:
        return [fill for fill in self.crossed() if record.hash in (fill.taker, fill.maker)] if record.pending else []

    def _release(self, record: OrderRecord, chosen: Callable[[FillRecord], bool]) -> None:
        """Undoes matches not sent, each with its whole unit; whoever is met by that goes back to its place."""
        units = {fill.unit for fill in self._unsent(record) if chosen(fill)}
        if not units:
            return
        put_back: list[OrderRecord] = []
        for fill in self.crossed():
            if fill.unit in units:
                del self._crossed[fill.id]
                fill.state = FillState.DROPPED
                self._changes.fills.append(fill.id)
                for key in (fill.taker, fill.maker):
                    self.orders[key].pending -= fill.size
                    put_back.append(self.orders[key])
        self._resume(put_back)

    def _resume(self, records: Iterable[OrderRecord]) -> None:
        """Orders with more open than before go back to the book, in the order in which they came."""
        for record in sorted({one.hash: one for one in records}.values(), key=lambda one: one.sequence):
            self._tell(record)
            self._refresh_group(record.group, None)
            self._sync(record)

    def _touch_level(self, record: OrderRecord) -> None:
        self._changes.levels[record.order.instrument, record.buys, record.order.limit] = 0

    def _tell(self, record: OrderRecord) -> None:
        self._changes.orders.append(record.hash)

    # Groups ----------------------------------------------------------------------------------------------------

    def _members(self, group: Hashable) -> list[OrderRecord]:
        return [] if group is None else [self.orders[key] for key in self._groups.get(group, ())]

    def _winner(self, group: Hashable) -> OrderRecord | None:
        return next((one for one in self._members(group) if one.filled), None)

    def _is_held(self, record: OrderRecord) -> bool:
        return any(one.pending for one in self._members(record.group) if one is not record)

    def _refresh_group(self, group: Hashable, block: int | None) -> None:
        """The first of a group that is filled kills the others; while one is about to be, the others wait."""
        winner = self._winner(group)
        for record in self._members(group):
            if record.state is OrderState.DEAD or record is winner:
                continue
            if winner is not None:
                self._kill(record, GROUP_TAKEN, block)
                continue
            state = OrderState.HELD if self._is_held(record) else OrderState.LIVE
            if state is not record.state:
                record.state = state
                self._tell(record)
                self._sync(record)

    # Forgetting ------------------------------------------------------------------------------------------------

    def _forget(self, record: OrderRecord) -> None:
        order = record.order
        del self.orders[record.hash]
        del self._by_account[order.account][record.hash]
        if not self._by_account[order.account]:
            del self._by_account[order.account]
        if self._by_nonce.get((order.account, order.nonce)) == record.hash:
            del self._by_nonce[order.account, order.nonce]
        if record.group is not None:
            self._groups[record.group].remove(record.hash)
            if not self._groups[record.group]:
                del self._groups[record.group]

    def _forget_fills(self) -> None:
        for number in list(self.batches)[: max(0, len(self.batches) - KEPT_BATCHES)]:
            if self.batches[number].concluded_at is not None:
                del self.batches[number]
        excess = len(self.fills) - KEPT_FILLS
        for number in list(self.fills)[: max(0, excess)]:
            fill = self.fills[number]
            finished = fill.state in (FillState.SETTLED, FillState.DROPPED)
            if finished and (fill.batch is None or fill.batch not in self.batches):
                del self.fills[number]


def _entry(record: OrderRecord) -> Entry:
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


def _move(source: dict[str, int], target: dict[str, int], key: str, size: int) -> None:
    source[key] = source.get(key, 0) - size
    target[key] = target.get(key, 0) + size
