"""I22 under random settlements: partial fills, rival orders on one nonce, replays, cancels, epochs, expiries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from ballast.chain.orders import Match, SignedOrder
from tests.support.evm import Receipt
from tests.support.trading import WAD, Desk, Seat

STEPS = 800
NONCES = 10
Key = tuple[int, int]


@dataclass
class Book:
    """Signed orders, and a model of what may still become of them."""

    desk: Desk
    random: Random
    seats: list[Seat]
    signed: list[SignedOrder] = field(default_factory=list)
    filled: Counter[Key] = field(default_factory=Counter)
    bound: dict[Key, bytes] = field(default_factory=dict)
    cancelled: set[Key] = field(default_factory=set)
    floors: Counter[int] = field(default_factory=Counter)
    epochs: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    def sign(self) -> None:
        """Nonces collide: several orders of different sizes share one."""
        seat, side = self.random.choice(self.seats), self.random.choice([1, -1])
        nonce = max(self.floors[seat.account], len(self.signed) // 8) + self.random.randrange(NONCES)
        changes = {
            "nonce": nonce,
            "epoch": self.epochs[seat.account] + (self.random.random() < 0.1),
            "expiry": self.desk.evm.timestamp + self.random.choice([60, 86_400]),
        }
        self.signed.append(self.desk.signed(seat, side * self.random.randint(1, 5), self.desk.price, **changes))

    def settle(self) -> None:
        """Random orders of different nonces, matched in random pairs by more and less than they have left."""
        recent = self.random.choices(self.signed[-30:], k=6)
        drawn = {(entry.order.account, entry.order.nonce): entry for entry in recent}
        orders = list(drawn.values())
        pairs = [
            (taker, maker)
            for taker, one in enumerate(orders)
            for maker, other in enumerate(orders)
            if one.order.size * other.order.size < 0 and one.order.account != other.order.account
        ]
        if pairs:
            matches = [Match(*self.random.choice(pairs), self.random.randint(1, 5) * WAD) for _ in range(4)]
            self.check(self.desk.settle(orders, matches), drawn)

    def check(self, receipt: Receipt, drawn: dict[Key, SignedOrder]) -> None:
        for event in receipt.events("OrderFilled"):
            key = (event.account, event.nonce)
            order = drawn[key].order
            assert event.orderHash == self.desk.domain.hash(order)
            assert event.orderHash == self.bound.setdefault(key, event.orderHash), "I22: a rival filled on a used nonce"
            assert self.filled[key] < event.filled <= abs(order.size), f"I22: {event.filled} of {order.size} filled"
            assert key not in self.cancelled and order.nonce >= self.floors[order.account], "a cancelled order filled"
            assert order.epoch == self.epochs[order.account], "an order of another epoch filled"
            assert order.expiry >= self.desk.evm.timestamp, "an expired order filled"
            change = event.filled - self.filled[key]
            self.filled[key] = event.filled
            self.sizes[order.account] += change if order.size > 0 else -change
        for seat in self.seats:
            assert self.desk.size_of(seat) == self.sizes[seat.account], "more was filled than its orders tell"
        self.done["fill"] += len(receipt.events("OrderFilled"))
        self.done["skip"] += len(receipt.events("OrderSkipped"))

    def cancel(self) -> None:
        seat, exchange = self.random.choice(self.seats), self.desk.exchange
        kind = self.random.choice(["cancel", "cancel", "cancel", "cancelBelow", "advanceEpoch"])
        nonce = max(self.floors[seat.account], len(self.signed) // 8) + self.random.randrange(1, NONCES)
        arguments = (seat.account,) if kind == "advanceEpoch" else (seat.account, nonce)
        exchange.transact(kind, *arguments, sender=seat.address)
        if kind == "cancel":
            self.cancelled.add((seat.account, nonce))
        elif kind == "cancelBelow":
            self.floors[seat.account] = nonce
        else:
            self.epochs[seat.account] += 1


@pytest.mark.parametrize("seed", range(3))
def test_random_settlements__of_colliding_orders__never_fill_beyond_a_size_I22(desk: Desk, seed: int) -> None:
    random = Random(seed)
    book = Book(desk, random, [desk.seat(f"seat {number}", funds=1_000_000) for number in range(4)])
    for _ in range(STEPS):
        kinds = [book.sign, book.settle, book.cancel, lambda: desk.market.advance(12)]
        random.choices(kinds if book.signed else [book.sign], [8, 8, 1, 1] if book.signed else [1])[0]()
    assert min(book.done["fill"], book.done["skip"]) > 100
