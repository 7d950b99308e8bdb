"""The engine's state as users see it: decimal text for every amount, names for instruments, no signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.instruments import label_of, parse_instrument
from ballast.chain.orders import OrderFlags
from ballast.matcher.engine import Engine
from ballast.matcher.records import Changes, FillRecord, OrderRecord, OrderState
from ballast.matcher.refusals import Refused
from ballast.matcher.sequencer import Sequencer

SHOWN_TRADES = 100
BOOK, TRADES, ORDERS = "book", "trades", "orders"


class Names:
    """Instruments by what people call them, by a deployment's underlyings."""

    def __init__(self, underlyings: dict[int, str]) -> None:
        self._symbols = underlyings
        self._numbers = {symbol: number for number, symbol in underlyings.items() if number}

    @classmethod
    def of(cls, system: System) -> Names:
        return cls(system.deployment.underlyings)

    def label(self, instrument: int) -> str:
        return label_of(instrument, lambda number: self._symbols.get(number, f"#{number}"))

    def instrument(self, label: str) -> int:
        """The id of an instrument.

        Raises:
            Refused: It is none.
        """
        try:
            return parse_instrument(label, self._number)
        except ValueError as fault:
            raise Refused("not-found", str(fault)) from None

    def _number(self, symbol: str) -> int:
        if symbol not in self._numbers:
            raise ValueError(f"no underlying named {symbol}")
        return self._numbers[symbol]


def parse_account(text: str) -> int:
    """An account's id, in hex or decimal.

    Raises:
        Refused: It is none.
    """
    try:
        account = int(text, 0)
    except ValueError:
        raise Refused("not-found", f"{text!r} is no account's id") from None
    if not 0 < account < 1 << 256:
        raise Refused("not-found", f"{text!r} is no account's id")
    return account


class Views:
    """What is shown, read off an engine whose lock the caller holds or which the sequencer just changed."""

    def __init__(self, sequencer: Sequencer, names: Names) -> None:
        self._sequencer = sequencer
        self.names = names

    def order(self, record: OrderRecord) -> dict[str, Any]:
        order = record.order
        return {
            "hash": record.hash,
            "account": hex(order.account),
            "nonce": str(order.nonce),
            "instrument": self.names.label(order.instrument),
            "side": "buy" if record.buys else "sell",
            "size": str(record.size),
            "limit": str(order.limit),
            "flags": [str(flag.name).lower().replace("_", "-") for flag in OrderFlags if flag & order.flags & 0xFF],
            "group": str(order.group),
            "expiry": order.expiry,
            "state": record.state.value,
            "reason": record.reason,
            "filled": str(record.filled),
            "pending": str(record.pending),
            "open": str(record.open if record.state is not OrderState.DEAD else 0),
            "sequence": record.sequence,
            "time": record.time,
        }

    def trade(self, engine: Engine, fill: FillRecord) -> dict[str, Any]:
        taker, maker = engine.orders.get(fill.taker), engine.orders.get(fill.maker)
        return {
            "id": fill.id,
            "instrument": self.names.label(fill.instrument),
            "side": None if taker is None else "buy" if taker.buys else "sell",
            "size": str(fill.size),
            "price": str(fill.price),
            "taker": fill.taker,
            "maker": fill.maker,
            "takerSequence": None if taker is None else taker.sequence,
            "makerSequence": None if maker is None else maker.sequence,
            "state": fill.state.value,
            "settled": str(fill.settled),
            "transaction": fill.transaction or None,
        }

    def book(self, instrument: int, depth: int | None = None) -> dict[str, Any]:
        """Levels from the best, (price, size) each."""
        with self._sequencer.state() as engine:
            book = engine.books.get(instrument)
            bids, asks = ([], []) if book is None else (book.levels(True, depth), book.levels(False, depth))
        return {"bids": [_level(*one) for one in bids], "asks": [_level(*one) for one in asks]}

    def trades(self, instrument: int | None = None, most: int = SHOWN_TRADES) -> list[dict[str, Any]]:
        """The newest first."""
        with self._sequencer.state() as engine:
            found: list[dict[str, Any]] = []
            for fill in reversed(engine.fills.values()):
                if len(found) == most:
                    break
                if instrument in (None, fill.instrument):
                    found.append(self.trade(engine, fill))
            return found

    def trades_of(self, order_hash: str) -> list[dict[str, Any]]:
        """Of one order, oldest first."""
        with self._sequencer.state() as engine:
            fills = [one for one in engine.fills.values() if order_hash in (one.taker, one.maker)]
            return [self.trade(engine, fill) for fill in fills]

    def canonical(self, channel: str) -> str:
        """The name under which a channel's deltas are told.

        Raises:
            Refused: There is no such channel.
        """
        kind, _, name = channel.partition(":")
        if kind in (BOOK, TRADES):
            return f"{kind}:{self.names.label(self.names.instrument(name))}"
        if kind == ORDERS:
            return f"{kind}:{hex(parse_account(name))}"
        raise Refused("not-found", f"{channel!r} is no channel: book:INSTRUMENT, trades:INSTRUMENT, orders:ACCOUNT")

    def snapshot(self, channel: str) -> dict[str, Any]:
        """What a subscriber of a channel, in its canonical name, starts from."""
        kind, _, name = channel.partition(":")
        if kind == BOOK:
            return self.book(self.names.instrument(name))
        if kind == TRADES:
            return {"trades": self.trades(self.names.instrument(name))}
        with self._sequencer.state() as engine:
            records = engine.orders_of(parse_account(name))
            return {"orders": [self.order(one) for one in records if one.state is not OrderState.DEAD or one.pending]}

    def deltas(self, changes: Changes) -> Iterator[tuple[str, dict[str, Any]]]:
        """Channel and body of each message that tells of changes."""
        books: dict[int, dict[str, Any]] = {}
        for (instrument, is_bid, price), size in changes.levels.items():
            body = books.setdefault(instrument, {"bids": [], "asks": []})
            body["bids" if is_bid else "asks"].append(_level(price, size))
        for instrument, body in books.items():
            yield f"{BOOK}:{self.names.label(instrument)}", body
        with self._sequencer.state() as engine:
            for fill in (engine.fills[one] for one in changes.fills if one in engine.fills):
                yield f"{TRADES}:{self.names.label(fill.instrument)}", {"trade": self.trade(engine, fill)}
            for record in (engine.orders[one] for one in changes.orders if one in engine.orders):
                yield f"{ORDERS}:{hex(record.order.account)}", {"order": self.order(record)}


def _level(price: int, size: int) -> list[str]:
    return [str(price), str(size)]
