"""The matcher's state as a function of its journal: books, groups, fills under way, and what the chain made of them.

Every command leads to the same state wherever it is applied, so that a restart is a replay. An order's size is always
filled + pending + open: what the chain filled, what was matched and is not settled yet, and what rests in the book.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from ballast.matcher.book import Crossing, OrderBook, Placement, SelfTrade
from ballast.matcher.records import (
    Accept,
    Answer,
    Ask,
    BatchRecord,
    ChainFill,
    Changes,
    Clock,
    Close,
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
    RequestRecord,
    Rewind,
    Take,
    Withdraw,
)
from ballast.matcher.requests import best_quote, may_be_answered
from ballast.matcher.state import FORGET_AFTER, State, entry_of

WITHDRAWN, EXPIRED, FILLED, GROUP_TAKEN = "withdrawn", "expired", "filled", "group taken"
NO_QUOTE, REQUEST_OVER = "no quote", "the request is over"


class Engine(State):
    """All books of a matcher. `apply` is the only way to change it."""

    def __init__(self, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        super().__init__(policy)
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
            Ask: self._ask,
            Answer: self._answer,
            Take: self._take,
            Close: self._close,
        }

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
        self._changes.requests = list(dict.fromkeys(self._changes.requests))
        return self._changes

    def _accept(self, command: Accept) -> None:
        record = self.number(command.hash, command.order, command.signature, command.time)
        if self.is_held(record):
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
        while self.expiries and self.expiries[0][0] < command.time:
            entry = heapq.heappop(self.expiries)
            heapq.heappush(self.past, entry)
            self._kill(self.orders[entry[2]], EXPIRED, None)
        while self.past and self.past[0][0] < command.time - FORGET_AFTER:
            record = self.orders[heapq.heappop(self.past)[2]]
            if not record.pending:
                self.forget(record)
        self.forget_requests(command.time)

    def _cut(self, command: Cut) -> None:
        self.batch_count += 1
        fills = [self.unsent[number] for number in command.fills if number in self.unsent]
        batch = BatchRecord(self.batch_count, tuple(fill.id for fill in fills), {})
        for fill in fills:
            del self.unsent[fill.id]
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
        self.forget_fills()

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

    # Requests for quotes ---------------------------------------------------------------------------------------

    def _ask(self, command: Ask) -> None:
        self.request_count += 1
        legs = tuple((int(leg["instrument"]), int(leg["size"])) for leg in command.legs)
        request = RequestRecord(self.request_count, legs, command.time, command.until)
        self.requests[request.id] = request
        request.taker = self._number_legs(request, command.orders, command.time)

    def _answer(self, command: Answer) -> None:
        request = self.requests.get(command.request)
        if request is not None and may_be_answered(request, self.orders, command.time):
            request.quotes.append(self._number_legs(request, command.orders, command.time))

    def _take(self, command: Take) -> None:
        request = self.requests.get(command.request)
        if request is None or request.taker or not may_be_answered(request, self.orders, command.time):
            return
        request.taker = self._number_legs(request, command.orders, command.time)
        request.closed_at = command.time
        self._attend(request)

    def _close(self, command: Close) -> None:
        request = self.requests.get(command.request)
        if request is not None and request.closed_at is None and command.time >= request.until:
            request.closed_at = command.time
            self._attend(request)

    def _number_legs(self, request: RequestRecord, orders: Iterable[dict[str, Any]], time: int) -> tuple[str, ...]:
        self._changes.requests.append(request.id)
        records = [self.number(one["hash"], one["order"], one["signature"], time, request.id) for one in orders]
        for record in records:
            self._tell(record)
        return tuple(record.hash for record in records)

    def _attend(self, request: RequestRecord) -> None:
        """Matches what can be matched, whole or not at all; quotes outlive a match until the taker has been filled."""
        self._changes.requests.append(request.id)
        takers = [self.orders[key] for key in request.taker]
        if any(one.pending for one in takers):
            return
        over = next((one for one in takers if one.state is OrderState.DEAD), None)
        if over is not None or (request.closed_at is not None and not takers):
            self._end_quotes(request, None if over is None else over.died_at)
        elif request.closed_at is not None:
            quote = best_quote(request, self.orders)
            if quote is None:
                self._die(takers[0], NO_QUOTE)
                return
            unit = self.fill_count + 1
            for taker, maker in zip(takers, quote, strict=True):
                crossing = Crossing(taker.hash, maker.hash, taker.size, maker.order.limit)
                self._cross(crossing, taker.order.instrument).unit = unit

    def _end_quotes(self, request: RequestRecord, block: int | None) -> None:
        for record in (self.orders[key] for quote in request.quotes for key in quote):
            if not record.pending:
                self._bury(record, REQUEST_OVER, block)

    # Orders and their books ------------------------------------------------------------------------------------

    def _sync(self, record: OrderRecord) -> None:
        """Brings the book to what an order has open; of a leg, sees to its request."""
        if record.request:
            if record.request in self.requests:
                self._attend(self.requests[record.request])
            return
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
        placement = book.place(entry_of(record))
        met = self._cross_all(record, placement)
        for key, leaves in placement.removed:
            self._touch_level(self.orders[key])
            self._die(self.orders[key], leaves.value)
        if placement.leaves is not None:
            self._die(record, placement.leaves.value)
        for group in dict.fromkeys(one.group for one in met):
            self._refresh_group(group, None)

    def _cross_all(self, record: OrderRecord, placement: Placement) -> list[OrderRecord]:
        unit = self.fill_count + 1
        met: list[OrderRecord] = [record] if placement.crossings else []
        for crossing in placement.crossings:
            fill = self._cross(crossing, record.order.instrument)
            fill.unit = unit if record.fill_or_kill else fill.id
            met += [self.orders[key] for key in (crossing.taker, crossing.maker) if key != record.hash]
        return met

    def _cross(self, crossing: Crossing, instrument: int) -> FillRecord:
        self.fill_count += 1
        number, taker, maker = self.fill_count, crossing.taker, crossing.maker
        fill = FillRecord(number, number, instrument, taker, maker, crossing.size, crossing.price)
        self.fills[number] = self.unsent[number] = fill
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
        for one in (record, *(self.mates_of(record) if reason != FILLED else ())):
            self._bury(one, reason, block)
        self._sync(record)
        self._refresh_group(record.group, block)

    def _bury(self, record: OrderRecord, reason: str, block: int | None) -> None:
        if record.state is not OrderState.DEAD:
            record.state, record.reason, record.died_at = OrderState.DEAD, reason, block
            self._tell(record)

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
                del self.unsent[fill.id]
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
        if not record.request:
            self._changes.levels[record.order.instrument, record.buys, record.order.limit] = 0

    def _tell(self, record: OrderRecord) -> None:
        self._changes.orders.append(record.hash)

    # Groups ----------------------------------------------------------------------------------------------------

    def _refresh_group(self, group: Hashable, block: int | None) -> None:
        """The first of a group that is filled kills the others; while one is about to be, the others wait."""
        winner = self.winner_of(group)
        for record in self.members_of(group):
            if record.state is OrderState.DEAD or record is winner:
                continue
            if winner is not None:
                self._kill(record, GROUP_TAKEN, block)
                continue
            state = OrderState.HELD if self.is_held(record) else OrderState.LIVE
            if state is not record.state:
                record.state = state
                self._tell(record)
                self._sync(record)


def _move(source: dict[str, int], target: dict[str, int], key: str, size: int) -> None:
    source[key] = source.get(key, 0) - size
    target[key] = target.get(key, 0) + size
