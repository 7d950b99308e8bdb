"""A limit order book of one instrument with price-time priority. No I/O and no clock: integers in, crossings out.

Prices and sizes are wad. Of two orders that cross, the one with the higher sequence number came later and takes, at the
other's limit; this also decides where an order returns to the book that had left it for a settlement that came to
nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum


class SelfTrade(Enum):
    """Which of two crossing orders of one owner goes."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BOTH = "both"


class Leaves(Enum):
    """Why an order does not stay in the book."""

    SELF_TRADE = "self-trade"
    POST_ONLY = "post-only would take"
    UNFILLABLE = "fill-or-kill cannot be filled whole"


@dataclass(slots=True)
class Entry:
    """An order as the book sees it.

    Attributes:
        sequence: Its place in the order of arrival.
        owner: Orders of one owner do not trade with each other.
        open: What can still be matched, wad.
        group: At most one order of a group is matched; None where it has none.
    """

    key: str
    sequence: int
    owner: int
    buys: bool
    limit: int
    open: int
    post_only: bool = False
    fill_or_kill: bool = False
    group: Hashable = None


@dataclass(frozen=True)
class Crossing:
    """Two orders that meet, at the maker's limit. Size and price wad."""

    taker: str
    maker: str
    size: int
    price: int


@dataclass(frozen=True)
class Placement:
    """What an order that enters the book brings about.

    Attributes:
        leaves: Why the entering order does not stay, where it does not; the rest of it then, if something was filled.
        removed: Orders of the book that go, and why.
    """

    crossings: tuple[Crossing, ...] = ()
    removed: tuple[tuple[str, Leaves], ...] = ()
    leaves: Leaves | None = None

    @property
    def filled(self) -> int:
        return sum(crossing.size for crossing in self.crossings)


class _Side:
    """One side: levels by price, each in the order of arrival. Prices are kept so that the best is the last."""

    def __init__(self, buys: bool) -> None:
        self._sign = 1 if buys else -1
        self._ranks: list[int] = []
        self._levels: dict[int, list[Entry]] = {}
        self._totals: dict[int, int] = {}

    def __iter__(self) -> Iterator[Entry]:
        """From the best price, and at each from the first that came."""
        for rank in reversed(self._ranks):
            yield from self._levels[self._sign * rank]

    def add(self, entry: Entry) -> None:
        level = self._levels.get(entry.limit)
        if level is None:
            insort(self._ranks, self._sign * entry.limit)
            level = self._levels[entry.limit] = []
        if level and level[-1].sequence > entry.sequence:
            insort(level, entry, key=_sequence)
        else:
            level.append(entry)
        self._totals[entry.limit] = self._totals.get(entry.limit, 0) + entry.open

    def discard(self, entry: Entry) -> None:
        level = self._levels[entry.limit]
        del level[bisect_left(level, entry.sequence, key=_sequence)]
        self._totals[entry.limit] -= entry.open
        if not level:
            rank = self._sign * entry.limit
            del self._levels[entry.limit], self._totals[entry.limit]
            del self._ranks[bisect_left(self._ranks, rank)]

    def shrink(self, entry: Entry, size: int) -> None:
        entry.open -= size
        self._totals[entry.limit] -= size

    def total_at(self, price: int) -> int:
        return self._totals.get(price, 0)

    def levels(self, depth: int | None) -> list[tuple[int, int]]:
        """(price, size) from the best."""
        ranks = self._ranks[::-1] if depth is None else self._ranks[: -depth - 1 : -1]
        return [(self._sign * rank, self._totals[self._sign * rank]) for rank in ranks]


class OrderBook:
    """The resting orders of one instrument."""

    def __init__(self, policy: SelfTrade = SelfTrade.NEWEST) -> None:
        self._policy = policy
        self._sides = {True: _Side(buys=True), False: _Side(buys=False)}
        self._entries: dict[str, Entry] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def resting(self, buys: bool) -> Iterator[Entry]:
        """One side in the order in which it is matched."""
        return iter(self._sides[buys])

    def levels(self, buys: bool, depth: int | None = None) -> list[tuple[int, int]]:
        """(price, size) of one side from the best, wad."""
        return self._sides[buys].levels(depth)

    def total_at(self, buys: bool, price: int) -> int:
        """Size resting at a price, wad."""
        return self._sides[buys].total_at(price)

    def open_of(self, key: str) -> int:
        """What an order has in the book, wad; 0 where it is not in."""
        entry = self._entries.get(key)
        return 0 if entry is None else entry.open

    def best(self, buys: bool) -> int | None:
        """Best price of one side, wad."""
        found = self.levels(buys, 1)
        return found[0][0] if found else None

    def preview(self, entry: Entry) -> Placement:
        """What `place` would do; nothing changes."""
        crossings: list[Crossing] = []
        removed: list[tuple[str, Leaves]] = []
        met_groups: set[Hashable] = set()
        rest, leaves = entry.open, None
        for other in self._crossed_by(entry):
            if rest == 0 or leaves is not None:
                break
            if other.group is not None and other.group in met_groups:
                continue
            conflict = self._conflict(entry, other)
            if conflict is None:
                size = min(rest, other.open)
                maker, taker = sorted((entry, other), key=_sequence)
                crossings.append(Crossing(taker.key, maker.key, size, maker.limit))
                met_groups.add(other.group)
                rest -= size
                continue
            reason, goes, both_go = conflict
            if goes is not entry or both_go:
                removed.append((other.key, reason))
            if goes is entry:
                leaves = reason
        if entry.fill_or_kill and rest:
            return Placement(leaves=leaves or Leaves.UNFILLABLE)
        return Placement(tuple(crossings), tuple(removed), leaves)

    def place(self, entry: Entry) -> Placement:
        """Matches an order against the other side; what is left of it rests, unless it leaves."""
        placement = self.preview(entry)
        for key, _ in placement.removed:
            self.remove(key)
        for crossing in placement.crossings:
            self.shrink(crossing.maker if crossing.taker == entry.key else crossing.taker, crossing.size)
        rest = entry.open - placement.filled
        if rest and placement.leaves is None:
            entry.open = rest
            self._entries[entry.key] = entry
            self._sides[entry.buys].add(entry)
        return placement

    def restore(self, entry: Entry) -> None:
        """Puts an order back that was there, and crosses none that is."""
        self._entries[entry.key] = entry
        self._sides[entry.buys].add(entry)

    def remove(self, key: str) -> Entry | None:
        """Takes an order out; None where it is not in."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._sides[entry.buys].discard(entry)
        return entry

    def shrink(self, key: str, size: int) -> None:
        """Takes a part of an order out, at most what is open; it keeps its place."""
        entry = self._entries[key]
        if size >= entry.open:
            self.remove(key)
        else:
            self._sides[entry.buys].shrink(entry, size)

    def _crossed_by(self, entry: Entry) -> Iterator[Entry]:
        for other in self._sides[not entry.buys]:
            if (other.limit > entry.limit) if entry.buys else (other.limit < entry.limit):
                return
            yield other

    def _conflict(self, entry: Entry, other: Entry) -> tuple[Leaves, Entry, bool] | None:
        """Why two crossing orders do not trade, which of them goes, and whether the one of the book goes too."""
        older, newer = sorted((entry, other), key=_sequence)
        if newer.post_only:
            return Leaves.POST_ONLY, newer, False
        if entry.owner != other.owner:
            return None
        if self._policy is SelfTrade.BOTH:
            return Leaves.SELF_TRADE, entry, True
        return Leaves.SELF_TRADE, newer if self._policy is SelfTrade.NEWEST else older, False


def _sequence(entry: Entry) -> int:
    return entry.sequence
