"""Orders and commands for the matcher's engine, without keys or a chain."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import count
from typing import Any

from ballast.chain.ids import perp_of
from ballast.chain.orders import Order, OrderFlags, as_legs
from ballast.matcher.book import SelfTrade
from ballast.matcher.engine import Engine
from ballast.matcher.records import Accept, Answer, Ask, Changes, Close, Command, OrderRecord, OrderState, RequestRecord
from ballast.matcher.snapshots import dump, load

ETH, BTC = perp_of(1), perp_of(2)
FAR = 2_000_000_000


def owner(number: int) -> str:
    return f"0x{number:040x}"


def order_of(
    who: int, size: int, limit: int, nonce: int, instrument: int = ETH, flags: int = OrderFlags.NONE, **others: Any
) -> Order:
    """An owner's order; size and limit are the engine's integers."""
    fields = {"expiry": FAR} | others
    return Order((who << 96), owner(who), instrument, size, limit, int(flags), nonce=nonce, **fields)


def accept_of(order: Order, number: int) -> Accept:
    """Its acceptance, under a made-up hash."""
    values = {name: value if name == "signer" else str(int(value)) for name, value in asdict(order).items()}
    return Accept(f"0x{number:064x}", values, "0x", number)


class Floor:
    """An engine, the commands it was given, and orders with numbers instead of hashes."""

    def __init__(self, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        self.engine = Engine(policy)
        self.commands: list[Command] = []
        self._numbers = count(1)

    def give(self, command: Command) -> Changes:
        self.commands.append(command)
        return self.engine.apply(command)

    def enter(self, who: int, size: int, limit: int, **others: Any) -> OrderRecord:
        """Accepts an order, and returns what is known of it."""
        number = next(self._numbers)
        accept = accept_of(order_of(who, size, limit, number, **others), number)
        self.give(accept)
        return self.engine.orders[accept.hash]

    def legs(self, who: int, *legs: tuple[int, int, int], **others: Any) -> tuple[dict[str, Any], ...]:
        """Orders of (instrument, size, limit) that are filled together, as commands hold them."""
        numbers = [next(self._numbers) for _ in legs]
        orders = [
            order_of(who, size, limit, number, instrument, **others)
            for number, (instrument, size, limit) in zip(numbers, legs, strict=True)
        ]
        accepts = [accept_of(one, number) for one, number in zip(as_legs(orders, numbers[0]), numbers, strict=True)]
        return tuple({"hash": one.hash, "order": one.order, "signature": one.signature} for one in accepts)

    def ask(self, *legs: tuple[int, int, int], who: int = 0, until: int = 100, **others: Any) -> RequestRecord:
        """Opens a request of (instrument, size, limit), signed where it says by whom."""
        named = tuple({"instrument": str(instrument), "size": str(size)} for instrument, size, _ in legs)
        self.give(Ask(named, self.legs(who, *legs, **others) if who else (), 1, until))
        return self.engine.requests[max(self.engine.requests)]

    def quote(self, request: RequestRecord, who: int, *limits: int, time: int = 50, **others: Any) -> list[OrderRecord]:
        """A maker's orders against all legs; none where they were not taken."""
        legs = [(instrument, -size, limit) for (instrument, size), limit in zip(request.legs, limits, strict=True)]
        package = self.legs(who, *legs, **others)
        self.give(Answer(request.id, package, time))
        return [self.engine.orders[one["hash"]] for one in package if one["hash"] in self.engine.orders]

    def close(self, request: RequestRecord) -> None:
        """Its time is over."""
        self.give(Close(request.id, request.until))

    def fills(self) -> list[tuple[str, str, int, int]]:
        """(taker, maker, size, price) of all that wait for a batch."""
        return [(fill.taker, fill.maker, fill.size, fill.price) for fill in self.engine.crossed()]


def snapshot(engine: Engine) -> dict[str, Any]:
    """All that an engine shows."""
    return {
        "orders": engine.orders,
        "fills": engine.fills,
        "batches": engine.batches,
        "requests": engine.requests,
        "sequence": engine.sequence,
        "receipt": engine.receipt,
        "books": {
            (instrument, buys): [(one.key, one.open) for one in book.resting(buys)]
            for instrument, book in engine.books.items()
            for buys in (True, False)
            if any(True for _ in book.resting(buys))
        },
    }


def reloaded(engine: Engine, policy: SelfTrade = SelfTrade.NEWEST) -> Engine:
    """The same engine, written down and read again."""
    return load(json.loads(json.dumps(dump(engine))), policy)


def replayed(commands: Iterable[Command], policy: SelfTrade = SelfTrade.NEWEST) -> Engine:
    engine = Engine(policy)
    for command in commands:
        engine.apply(command)
    return engine


def check_books(engine: Engine) -> None:
    """What holds after every command."""
    for book in engine.books.values():
        bid, ask = book.best(True), book.best(False)
        assert bid is None or ask is None or bid < ask, "the book is crossed"
        for buys in (True, False):
            resting = list(book.resting(buys))
            sign = -1 if buys else 1
            places = [(sign * one.limit, one.sequence) for one in resting]
            assert places == sorted(places), "not by price, then by time"
            assert book.levels(buys) == _levels(resting)
    pending: dict[str, int] = {}
    for fill in engine.crossed():
        for key in (fill.taker, fill.maker):
            pending[key] = pending.get(key, 0) + fill.size
    for batch in engine.under_way():
        for key, rest in batch.left.items():
            pending[key] = pending.get(key, 0) + rest
    for record in engine.orders.values():
        assert record.pending == pending.get(record.hash, 0), "pending is not what is matched"
        unsent = any(record.hash in (fill.taker, fill.maker) for fill in engine.crossed())
        assert record.filled + record.pending <= record.size or not unsent, "matched beyond its size"
        live = record.open if record.state is OrderState.LIVE and not record.request else 0
        assert engine.book(record.order.instrument).open_of(record.hash) == live, "the book differs from the order"


def _levels(resting: list[Any]) -> list[tuple[int, int]]:
    totals: dict[int, int] = {}
    for one in resting:
        totals[one.limit] = totals.get(one.limit, 0) + one.open
    return list(totals.items())
