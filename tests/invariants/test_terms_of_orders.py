"""Random settlements of legs and triggered orders: all legs or none, and nothing before its price was there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import pytest

from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder, settlement
from tests.support.clearing import imbalance
from tests.support.evm import Receipt, Revert
from tests.support.trading import SYMBOL, WAD, Desk, Seat

STEPS = 900
TENTH = Decimal("0.1")
Key = tuple[int, int]
EXPECTED = {"OutsidePriceBand", "OrdersDoNotCross"}
ARMING = {"TriggerNotReached", "ReportTooOld", "AlreadyArmed", "OrderDead"}


@dataclass
class Floor:
    """Packages and triggered orders, the prices that there were, and what was filled."""

    desk: Desk
    random: Random
    seats: list[Seat]
    executor: Seat
    packages: list[list[SignedOrder]] = field(default_factory=list)
    stops: list[SignedOrder] = field(default_factory=list)
    prices: list[tuple[int, int]] = field(default_factory=list)
    filled: Counter[Key] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    def sign_package(self) -> None:
        seat, side, group = self.random.choice(self.seats), self.random.choice([1, -1]), len(self.packages) + 1
        legs = [self.desk.order(seat, side, self.desk.price), self.desk.other_order(seat, TENTH * -side)]
        if self.random.random() < 0.2:
            legs.append(self.desk.order(seat, side, self.desk.price))
        self.packages.append(self.desk.legs(seat, group, *legs))

    def sign_stop(self) -> None:
        seat, side = self.random.choice(self.seats), self.random.choice([1, -1])
        index = int(self.desk.market.prices[SYMBOL])
        trigger = index + self.random.randint(-30, 30)
        limit = index + side * 60
        changes = {"flags": OrderFlags.REDUCE_ONLY} if self.random.random() < 0.3 else {}
        self.stops.append(
            self.desk.stop(seat, side, limit, trigger, above=self.random.random() < 0.5, maxFee=1_000_000, **changes)
        )

    def move(self) -> None:
        self.desk.evm.advance(self.random.randint(1, 200))
        price = 2_500 + self.random.randint(-40, 40)
        self.desk.market.set_price(SYMBOL, price)
        self.prices.append((self.desk.evm.timestamp, price * WAD))

    def arm(self) -> None:
        signed = self.random.choice(self.stops[-6:])
        try:
            self.desk.arm(signed)
        except Revert as refusal:
            assert refusal.name in ARMING, refusal
            return
        assert self.was_reached(signed), "an order was armed before its price was there"
        self.done["armed"] += 1

    def settle(self) -> None:
        """Some of the newest packages and stops, some legs left away, against plain orders and each other."""
        drawn = [
            leg for package in self.random.sample(self.packages[-4:], min(2, len(self.packages))) for leg in package
        ]
        drawn += self.random.sample(self.stops[-6:], min(3, len(self.stops)))
        drawn = [signed for signed in drawn if self.random.random() < 0.9]
        answers = [self._answer(signed) for signed in drawn]
        matches = [
            Match(place, len(drawn) + place, self.random.choice([abs(signed.order.size), abs(signed.order.size) // 2]))
            for place, signed in enumerate(drawn)
        ]
        orders, moved = settlement([*drawn, *answers], matches)
        try:
            receipt = self.desk.exchange.transact("execute", orders, moved, self.executor.account)
        except Revert as refusal:
            assert refusal.name in EXPECTED, refusal
            self.done[refusal.name] += 1
            return
        self.check(receipt, {(signed.order.account, signed.order.nonce): signed for signed in drawn})

    def _answer(self, signed: SignedOrder) -> SignedOrder:
        """Somebody else's plain order for all of it, sometimes expired."""
        other = self.random.choice([seat for seat in self.seats if seat.account != signed.order.account])
        late = self.desk.evm.timestamp - 1
        changes = {"expiry": late} if self.random.random() < 0.1 else {}
        is_stop = bool(signed.order.trigger)
        limit = int(self.desk.market.prices[SYMBOL] * WAD) if is_stop else signed.order.limit
        order = self.desk.order(other, 1, 1, **changes)
        terms = {"size": -signed.order.size, "limit": limit, "instrument": signed.order.instrument}
        return self.desk.domain.sign(type(order)(**(vars(order) | terms)), other.key)

    def check(self, receipt: Receipt, drawn: dict[Key, SignedOrder]) -> None:
        for event in receipt.events("OrderFilled"):
            self.filled[event.account, event.nonce] = event.filled
            signed = drawn.get((event.account, event.nonce))
            if signed is not None and signed.order.trigger:
                assert self.was_reached(signed), "a triggered order filled before its price was there"
                self.done["stop filled"] += 1
        for package in self.packages:
            shares = {self.filled[leg.order.account, leg.order.nonce] == abs(leg.order.size) for leg in package}
            parts = [self.filled[leg.order.account, leg.order.nonce] for leg in package]
            assert len(shares) == 1 and (shares == {True} or not any(parts)), f"legs filled in part: {parts}"
        self.done["package filled"] += sum(event.nonce in self._leg_nonces() for event in receipt.events("OrderFilled"))
        self.done["skipped"] += len(receipt.events("OrderSkipped"))
        self.done["bounty"] += len(receipt.events("BountyPaid"))

    def _leg_nonces(self) -> set[int]:
        return {leg.order.nonce for package in self.packages for leg in package}

    def was_reached(self, signed: SignedOrder) -> bool:
        """By a price told after the order, at the latest when it was filled."""
        order, since = signed.order, signed.order.flags >> 16
        above = bool(order.flags & OrderFlags.TRIGGER_ABOVE)
        told = [price for time, price in self.prices if time > since]
        return any(price >= order.trigger if above else price <= order.trigger for price in told)


@pytest.mark.parametrize("seed", range(3))
def test_random_settlements__of_legs_and_stops__all_or_none_and_nothing_too_early(desk: Desk, seed: int) -> None:
    random = Random(seed)
    seats = [desk.seat(f"seat {number}", funds=1_000_000) for number in range(4)]
    floor = Floor(desk, random, seats, Seat.named("executor"))
    floor.sign_package()
    floor.sign_stop()
    for _ in range(STEPS):
        random.choices([floor.sign_package, floor.sign_stop, floor.arm, floor.settle, floor.move], [2, 3, 4, 6, 3])[0]()
    assert min(floor.done[name] for name in ("package filled", "stop filled", "skipped", "armed", "bounty")) > 10
    accounts = [seat.account for seat in (*seats, floor.executor)]
    assert imbalance(desk.system, accounts) == 0, "I3a"
    assert {desk.status(stop.order)[1] for stop in floor.stops} >= {DeadReason.FILLED, DeadReason.NOT_ARMED}
