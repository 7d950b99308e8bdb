"""Requests for quotes at work: who may ask, answer and take, and when a request's time is over."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from ballast.chain.orders import OrderDomain, SignedOrder
from ballast.matcher.admission import Admission, Exposure, require_legs
from ballast.matcher.records import Answer, Ask, Close, OrderRecord, OrderState, RequestRecord, Take
from ballast.matcher.refusals import Refused
from ballast.matcher.requests import MOST_LEGS, best_quote, may_be_answered
from ballast.matcher.sequencer import Sequencer
from ballast.matcher.state import State
from ballast.matcher.views import Views

# Requests that take quotes at once.
MOST_REQUESTS = 200
Package = Sequence[SignedOrder]
Leg = tuple[int, int]
"""Instrument, and signed size as the taker trades it, wad."""


class QuoteDesk:
    """Everything behind `/rfq`. Its caller does one thing at a time, and tells of none before it is on disk.

    Args:
        receipt: Of an order that was taken.
        clock: Wall clock, ms.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        admission: Admission,
        views: Views,
        domain: OrderDomain,
        receipt: Callable[[OrderRecord], dict[str, Any]],
        most_orders: int,
        clock: Callable[[], int],
    ) -> None:
        self._sequencer = sequencer
        self._admission = admission
        self._views = views
        self._domain = domain
        self._receipt = receipt
        self._most_orders = most_orders
        self.clock = clock

    def ask(self, legs: Sequence[Leg], package: Package, seconds: int) -> dict[str, Any]:
        """Opens a request for so many seconds.

        Args:
            package: The taker's orders, one a leg; none where he signs once he has seen quotes.

        Raises:
            Refused: It is none, or the orders may not enter.
        """
        if not 2 <= len(legs) <= MOST_LEGS or len({instrument for instrument, _ in legs}) < len(legs):
            raise Refused("unsupported-terms", f"Legs are two to {MOST_LEGS}, each of another instrument.")
        if any(size == 0 for _, size in legs):
            raise Refused("size-step", size="0")
        with self._sequencer.state() as engine:
            if len(engine.open_requests()) >= MOST_REQUESTS:
                raise Refused("too-many-requests", f"{MOST_REQUESTS} requests take quotes already.")
        if package:
            self._admit(package, 0)
        with self._sequencer.state() as engine:
            if package:
                self._require_new(engine, package)
            now = self.clock()
            named = tuple({"instrument": str(instrument), "size": str(size)} for instrument, size in legs)
            self._sequencer.enter(Ask(named, self._entries(package), now, now + 1_000 * seconds))
            return self._told(engine, next(reversed(engine.requests.values())), package)

    def answer(self, number: int, package: Package) -> dict[str, Any]:
        """Takes a maker's quote.

        Raises:
            Refused: The request takes none, it is against other legs, or its orders may not enter.
        """
        package = self._in_order(number, package, -1)
        self._admit(package, number)
        with self._sequencer.state() as engine:
            request = self._open(engine, number)
            self._require_new(engine, package)
            owner = package[0].order.account >> 96
            if any(engine.orders[key].owner == owner for key in request.taker):
                raise Refused("self-trade")
            self._sequencer.enter(Answer(number, self._entries(package), self.clock()))
            return self._told(engine, request, package)

    def take(self, number: int, package: Package) -> dict[str, Any]:
        """A taker who had asked without signing takes the best quote within his limits.

        Raises:
            Refused: There is none, the request is over, or his orders may not enter.
        """
        package = self._in_order(number, package, 1)
        self._admit(package, number)
        with self._sequencer.state() as engine:
            request = self._open(engine, number)
            if request.taker:
                raise Refused("request-over", "Its taker has signed.")
            self._require_new(engine, package)
            if not self._is_answered(engine, request, package):
                raise Refused("no-quote")
            self._sequencer.enter(Take(number, self._entries(package), self.clock()))
            return self._told(engine, request, package)

    def close_due(self) -> None:
        """Ends the requests whose time is over; the best quote of each is matched."""
        with self._sequencer.state() as engine:
            now = self.clock()
            self._sequencer.commit(*(Close(one.id, now) for one in engine.open_requests() if one.until <= now))

    def _admit(self, package: Package, request: int) -> None:
        require_legs([signed.order for signed in package])
        account = package[0].order.account
        with self._sequencer.state() as engine:
            self._require_new(engine, package)
            alive = sum(one.state is not OrderState.DEAD for one in engine.orders_of(account))
            exposure = Exposure.of(engine, account, request)
        if alive + len(package) > self._most_orders:
            raise Refused("too-many-orders", most=self._most_orders)
        self._admission.admit_legs(package, exposure)

    def _open(self, engine: State, number: int) -> RequestRecord:
        request = engine.requests.get(number)
        if request is None:
            raise Refused("not-found")
        if not may_be_answered(request, engine.orders, self.clock()):
            raise Refused("request-over")
        return request

    def _in_order(self, number: int, package: Package, sign: int) -> list[SignedOrder]:
        """Orders in the order of a request's legs: `sign` is 1 for the taker's, -1 for a maker's."""
        with self._sequencer.state() as engine:
            legs = self._open(engine, number).legs
        found = {signed.order.instrument: signed for signed in package}
        if len(package) != len(legs) or any(
            instrument not in found or found[instrument].order.size != sign * size for instrument, size in legs
        ):
            raise Refused("other-legs")
        return [found[instrument] for instrument, _ in legs]

    def _require_new(self, engine: State, package: Package) -> None:
        code = engine.refusal_of_legs({self._hash(signed): signed.order for signed in package})
        if code is not None:
            raise Refused(code)

    def _is_answered(self, engine: State, request: RequestRecord, package: Package) -> bool:
        takers = {self._hash(signed): OrderRecord(self._hash(signed), signed, 0, 0, "") for signed in package}
        return best_quote(replace(request, taker=tuple(takers)), ChainMap(takers, engine.orders)) is not None

    def _hash(self, signed: SignedOrder) -> str:
        return "0x" + self._domain.hash(signed.order).hex()

    def _entries(self, package: Package) -> tuple[dict[str, Any], ...]:
        return tuple(
            {
                "hash": self._hash(one),
                "order": {
                    name: value if name == "signer" else str(int(value)) for name, value in asdict(one.order).items()
                },
                "signature": "0x" + one.signature.hex(),
            }
            for one in package
        )

    def _told(self, engine: State, request: RequestRecord, package: Package) -> dict[str, Any]:
        records = [engine.orders[self._hash(signed)] for signed in package]
        return {
            "request": self._views.request(engine, request),
            "receipts": [self._receipt(record) for record in records],
            "orders": [self._views.order(record) for record in records],
            "trades": [trade for record in records for trade in self._views.trades_of(record.hash)],
        }
