"""The engine's state as users see it: decimal text for every amount, names for instruments, no signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.instruments import label_of, parse_instrument
from ballast.chain.orders import OrderFlags
from ballast.matcher.records import Changes, FillRecord, OrderRecord, OrderState, RequestRecord
from ballast.matcher.refusals import Refused
from ballast.matcher.requests import cost_of
from ballast.matcher.sequencer import Sequencer
from ballast.matcher.state import State
from ballast.risk.margin_terms import WAD, div_up

SHOWN_TRADES = 100
BOOK, TRADES, ORDERS, REQUESTS = "book", "trades", "orders", "rfq"


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
            "request": record.request or None,
        }

    def trade(self, engine: State, fill: FillRecord) -> dict[str, Any]:
        taker, maker = engine.orders.get(fill.taker), engine.orders.get(fill.maker)
        return {
            "id": fill.id,
            "unit": fill.unit,
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

    def request(self, engine: State, request: RequestRecord) -> dict[str, Any]:
        """A request for quotes and its quotes, the oldest first."""
        return request_view(self.names, engine, request)

    def requests(self, most: int) -> list[dict[str, Any]]:
        """The newest first."""
        with self._sequencer.state() as engine:
            newest = list(reversed(engine.requests.values()))[:most]
            return [self.request(engine, one) for one in newest]

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
        if channel == REQUESTS:
            return channel
        if kind in (BOOK, TRADES):
            return f"{kind}:{self.names.label(self.names.instrument(name))}"
        if kind == ORDERS:
            return f"{kind}:{hex(parse_account(name))}"
        raise Refused(
            "not-found", f"{channel!r} is no channel: book:INSTRUMENT, trades:INSTRUMENT, orders:ACCOUNT, rfq"
        )

    def snapshot(self, channel: str) -> dict[str, Any]:
        """What a subscriber of a channel, in its canonical name, starts from."""
        kind, _, name = channel.partition(":")
        if kind == BOOK:
            return self.book(self.names.instrument(name))
        if kind == REQUESTS:
            with self._sequencer.state() as engine:
                return {"requests": [self.request(engine, one) for one in engine.open_requests()]}
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
            for request in (engine.requests[one] for one in changes.requests if one in engine.requests):
                yield REQUESTS, {"request": self.request(engine, request)}


def request_view(names: Names, engine: State, request: RequestRecord) -> dict[str, Any]:
    """A request for quotes and its quotes, the oldest first; the taker's limits are not shown."""
    state = _state_of([engine.orders[key] for key in request.taker])
    is_open = state == "live" and request.closed_at is None
    return {
        "id": request.id,
        "legs": [{"instrument": names.label(one), "size": str(size)} for one, size in request.legs],
        "time": request.time,
        "until": request.until,
        "closedAt": request.closed_at,
        "state": "open" if is_open else state if state in ("matched", "settled") else "over",
        "taker": list(request.taker),
        "quotes": [_quote_view(request, [engine.orders[key] for key in quote]) for quote in request.quotes],
    }


def _quote_view(request: RequestRecord, quote: list[OrderRecord]) -> dict[str, Any]:
    return {
        "orders": [one.hash for one in quote],
        "limits": [str(one.order.limit) for one in quote],
        "cost": str(div_up(cost_of(request, quote), WAD)),
        "state": _state_of(quote),
        "sequence": quote[0].sequence,
        "time": quote[0].time,
    }


def _state_of(package: list[OrderRecord]) -> str:
    """Of orders that are filled together or not at all; of none, `live`."""
    if any(one.pending for one in package):
        return "matched"
    if package and all(one.filled == one.size for one in package):
        return "settled"
    return "dead" if any(one.state is OrderState.DEAD for one in package) else "live"


def _level(price: int, size: int) -> list[str]:
    return [str(price), str(size)]
