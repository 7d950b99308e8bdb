"""Orders a second through the matcher, part by part, beside the plainest matcher there is.

Random, the same at each run: limits around a mid price that wanders, one order in four reaching across it.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ballast.chain.ids import perp_of
from ballast.chain.orders import Order
from ballast.matcher.book import Entry, OrderBook
from ballast.matcher.engine import Engine
from ballast.matcher.journal import Journal
from ballast.matcher.records import Accept
from ballast.matcher.sequencer import Sequencer

SEED = 7
WAD = 10**18
TICK = WAD // 100
FAR = 4_000_000_000
# Orders that arrive before the first of them is acknowledged.
IN_FLIGHT = (4, 16, 64)


@dataclass(frozen=True)
class Speed:
    """Orders a second of one part, and what share of them met another."""

    name: str
    orders: int
    seconds: float
    met: float

    @property
    def per_second(self) -> float:
        return self.orders / self.seconds


def arrivals(count: int) -> Iterator[Entry]:
    """Orders in the order in which they come, of as many owners."""
    dice, mid = random.Random(SEED), 250_000
    for number in range(1, count + 1):
        mid += dice.choice((-1, 0, 1))
        buys, reaches = dice.random() < 0.5, dice.random() < 0.25
        away = dice.randint(-20, -1) if reaches else dice.randint(1, 400)
        limit = mid - away if buys else mid + away
        yield Entry(f"0x{number:064x}", number, number, buys, limit * TICK, dice.randint(1, 50) * WAD // 10)


def naive(entries: Iterator[Entry]) -> int:
    """One list of resting orders, sorted anew for each that comes: price, then time. Returns how many met another."""
    resting: list[Entry] = []
    met = 0
    for one in entries:
        sign = 1 if one.buys else -1
        others = sorted((o for o in resting if o.buys != one.buys), key=lambda o: (sign * o.limit, o.sequence))
        before = one.open
        for other in others:
            if one.open == 0 or sign * other.limit > sign * one.limit:
                break
            size = min(one.open, other.open)
            one.open -= size
            other.open -= size
        met += one.open < before
        resting = [o for o in [*resting, one] if o.open]
    return met


def by_book(entries: Iterator[Entry]) -> int:
    book = OrderBook()
    return sum(bool(book.place(one).crossings) for one in entries)


def accepts(count: int) -> list[Accept]:
    """The same orders as commands."""
    found = []
    for one in arrivals(count):
        account, owner = one.owner << 96, f"0x{one.owner:040x}"
        size = one.open if one.buys else -one.open
        order = Order(account, owner, perp_of(1), size, one.limit, 0, FAR, one.sequence)
        values = {name: value if name == "signer" else str(int(value)) for name, value in asdict(order).items()}
        found.append(Accept(one.key, values, "0x", one.sequence))
    return found


@contextmanager
def sequencer() -> Iterator[tuple[Sequencer, Path]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        made = Sequencer(Journal(path))
        yield made, path
        made.close()


def measure_matching(count: int, naive_count: int) -> list[Speed]:
    """Each part of the way of `count` orders; the plain matcher, whose work grows with the square, of fewer."""
    few, many = [*arrivals(naive_count)], [*arrivals(count)]
    found = [
        _timed("naive list", naive_count, lambda: naive(replace(one) for one in few)),
        _timed("book, as many", naive_count, lambda: by_book(replace(one) for one in few)),
        _timed("book", count, lambda: by_book(replace(one) for one in many)),
    ]
    commands, engine = accepts(count), Engine()
    found.append(_timed("engine", count, lambda: sum(bool(engine.apply(one).fills) for one in commands)))
    with sequencer() as (made, path):
        found.append(_timed("journal, one at a time", naive_count, lambda: _journal(made, commands[:naive_count], 1)))
    for in_flight in IN_FLIGHT:
        with sequencer() as (made, path):
            name = f"journal, {in_flight} in flight"
            found.append(_timed(name, count, partial(_journal, made, commands, in_flight)))
            if in_flight == IN_FLIGHT[-1]:
                found.append(_timed("replay", count, lambda: _replay(path)))
    return found


def _journal(made: Sequencer, commands: list[Accept], in_flight: int) -> int:
    """Through engine and journal; so many at most have not been acknowledged. Returns how many met another."""
    met, waiting = 0, deque[Future[None]]()
    for one in commands:
        met += bool(made.enter(one)[0].fills)
        waiting.append(made.on_disk())
        while len(waiting) >= in_flight:
            waiting.popleft().result()
    for rest in waiting:
        rest.result()
    return met


def _replay(path: Path) -> int:
    again = Sequencer(Journal(path))
    with again.state() as engine:
        met = {one for fill in engine.fills.values() for one in (fill.taker,)}
    again.close()
    return len(met)


def _timed(name: str, orders: int, run: Callable[[], int]) -> Speed:
    start = time.perf_counter()
    met = run()
    return Speed(name, orders, time.perf_counter() - start, met / orders)


def as_rows(found: list[Speed]) -> list[dict[str, Any]]:
    """With each one's speed as a multiple of the plain matcher's, on as many orders."""
    base = found[0].per_second
    return [
        {
            "part": one.name,
            "orders": one.orders,
            "orders_per_second": round(one.per_second),
            "times_naive": round(one.per_second / base, 1),
            "met": round(one.met, 3),
        }
        for one in found
    ]
