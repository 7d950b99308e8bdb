"""What one unit of each future and option is worth and risks, and many accounts' legs of them: what `scan` sums up.

An instrument is priced once, by the integer twin, however many accounts hold it; amounts are then floats of value units
and whole units of the underlying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ballast.risk.book import WAD, Book, Underlying
from ballast.risk.dated import FUTURE, Expiry, ExpiryQuote, OptionLeg, is_put, key_of, strike_of, volatility_factors
from ballast.risk.gathering import Exposure
from ballast.risk.margin_terms import BILLION, MarginError, PositionLeg, Quote

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_LOW_BITS = 52


@dataclass(frozen=True)
class DatedLegs:
    """Futures and options of many accounts: ``account`` is the row of a leg's owner, ``instrument`` its place in
    ``instruments``.

    ``high`` and ``low`` are the exact size in wad, high · 2⁵² + low: whether calls sold and bought cancel decides
    whether an account's loss is bounded, and no rounding may decide it.
    """

    instruments: tuple[int, ...]
    account: Integers
    instrument: Integers
    size: Floats
    high: Integers
    low: Integers
    offset: Floats

    @staticmethod
    def of(legs: Sequence[tuple[int, PositionLeg]]) -> DatedLegs:
        """From (row, leg) of exact positions, none of them a perp."""
        instruments = tuple(sorted({leg.instrument for _, leg in legs}))
        place = {instrument: number for number, instrument in enumerate(instruments)}
        return DatedLegs(
            instruments,
            _integers([row for row, _ in legs]),
            _integers([place[leg.instrument] for _, leg in legs]),
            _units([leg.size for _, leg in legs]),
            _integers([leg.size >> _LOW_BITS for _, leg in legs]),
            _integers([leg.size % 2**_LOW_BITS for _, leg in legs]),
            _units([leg.offset for _, leg in legs]),
        )

    @property
    def held(self) -> DatedLegs:
        """Without legs of no size, which ask nothing of a book that does not know them."""
        kept = self.size != 0
        arrays = (self.account, self.instrument, self.size, self.high, self.low, self.offset)
        return DatedLegs(self.instruments, *(array[kept] for array in arrays))

    def net(self, shape: tuple[int, int], columns: Integers) -> tuple[Floats, NDArray[np.bool_]]:
        """Σ of sizes by account and column of their instruments, and whether it is below 0, exactly.

        Args:
            columns: Of each instrument; those below 0 are left out.
        """
        kept = columns[self.instrument] >= 0
        where = self.account[kept], columns[self.instrument[kept]]
        high, low = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        np.add.at(high, where, self.high[kept])
        np.add.at(low, where, self.low[kept])
        high += low >> _LOW_BITS
        low &= 2**_LOW_BITS - 1
        return (high * 2.0**_LOW_BITS + low) / WAD, high < 0


@dataclass(frozen=True)
class Units:
    """Each instrument by one book, a unit of it; NaN where a quote, an expiry or the book does not know it.

    Attributes:
        column: Of its underlying in the book; 0 where unknown.
        expiry: Place of its expiry among those of the options; −1 for futures and what is settled.
        price: Value.
        gross: What its roundings scale with.
        linear: What of its value moves with the index: a future's open part, and what sets a put apart from a call.
        quantity: What of it moves, for a future.
        counted: 1 before settlement, else 0.
        delta: Of an option.
        vega: What an option gains at the book's highest volatility.
        changes: What an option gains at each node, as a call; the last column is the stable node.
        strike: Of an option.
        is_put: Whether it is one.
    """

    column: Integers
    expiry: Integers
    price: Floats
    gross: Floats
    linear: Floats
    quantity: Floats
    counted: Floats
    delta: Floats
    vega: Floats
    changes: Floats
    strike: Floats
    is_put: NDArray[np.bool_]

    @staticmethod
    def of(
        book: Book,
        instruments: Sequence[int],
        quotes: Mapping[int, Quote],
        expiries: Mapping[int, ExpiryQuote],
        multipliers: Mapping[int, int],
    ) -> Units:
        """Prices every instrument. ``expiries`` are by key."""
        nodes = book.underlyings[0].stable_node + 1
        rows = [_row(book, instrument, quotes, expiries, multipliers) for instrument in instruments]
        keys = {key: place for place, key in enumerate(sorted({row.key for row in rows if row.key}))}
        empty = np.zeros((0, nodes))
        return Units(
            column=_integers([row.column for row in rows]),
            expiry=_integers([keys[row.key] if row.key else -1 for row in rows]),
            changes=np.array([row.changes or [0.0] * nodes for row in rows]) if rows else empty,
            is_put=np.array([row.is_put for row in rows], dtype=np.bool_),
            **{name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in _FLOATS},
        )

    @property
    def expiries(self) -> int:
        """How many expiries have options."""
        return int(self.expiry.max(initial=-1)) + 1

    @property
    def column_of_expiry(self) -> Integers:
        columns = np.zeros(self.expiries, dtype=np.int64)
        columns[self.expiry[self.expiry >= 0]] = self.column[self.expiry >= 0]
        return columns


_FLOATS = ("price", "gross", "linear", "quantity", "counted", "delta", "vega", "strike")


@dataclass
class _Row:
    column: int = 0
    key: int = 0
    price: float = np.nan
    gross: float = np.nan
    linear: float = 0.0
    quantity: float = 0.0
    counted: float = 0.0
    delta: float = 0.0
    vega: float = 0.0
    strike: float = 0.0
    is_put: bool = False
    changes: list[float] = field(default_factory=list)


def _row(
    book: Book,
    instrument: int,
    quotes: Mapping[int, Quote],
    expiries: Mapping[int, ExpiryQuote],
    multipliers: Mapping[int, int],
) -> _Row:
    underlying, key = instrument >> 240 & 0xFF, key_of(instrument)
    columns = {grid.id: column for column, grid in enumerate(book.underlyings)}
    if underlying not in quotes or key not in expiries:
        return _Row(linear=np.nan)
    try:
        exposure = Exposure(quotes[underlying], multipliers.get(underlying, BILLION))
    except MarginError:
        return _Row(linear=np.nan)
    expiry = Expiry(expiries[key], exposure.quote.index, exposure.stable_shock, exposure.second_shock)
    if expiry.quote.is_settled:
        paid = _paid(expiry, instrument)
        return _Row(price=paid, gross=paid)
    if underlying not in columns:
        return _Row(linear=np.nan)
    column = columns[underlying]
    if instrument >> 248 == FUTURE:
        open_part, forward = expiry.open_part / WAD, expiry.base_forward / WAD
        share = expiry.quote.open_share / WAD
        return _Row(column, 0, forward, forward, open_part, share, 1.0)
    return _option(exposure, expiry, book.underlyings[column], column, instrument)


def _paid(expiry: Expiry, instrument: int) -> float:
    if instrument >> 248 == FUTURE:
        return expiry.quote.fixed_part / WAD
    return expiry.price(strike_of(instrument), is_put(instrument)) / WAD


def _option(exposure: Exposure, expiry: Expiry, grid: Underlying, column: int, instrument: int) -> _Row:
    strike, put = strike_of(instrument), is_put(instrument)
    factors = volatility_factors(grid, expiry.quote.tenor)
    now = expiry.call_price(strike)
    changes = [
        (expiry.call_at_node(strike, exposure.shock_at(grid, node), factors[node % len(factors)]) - now) / WAD
        for node in range(grid.stable_node)
    ]
    return _Row(
        column=column,
        key=expiry.quote.key,
        price=expiry.price(strike, put) / WAD,
        gross=(expiry.base_forward + strike) / WAD,
        linear=-expiry.open_part / WAD if put else 0.0,
        counted=1.0,
        delta=expiry.delta(OptionLeg(strike, put, WAD)) / WAD,
        vega=(expiry.call_at_node(strike, 0, factors[-1]) - now) / WAD,
        strike=strike / WAD,
        is_put=put,
        changes=[*changes, expiry.change_at_shock(strike, exposure.stable_shock) / WAD],
    )


def _units(wads: Sequence[int]) -> Floats:
    return np.array([amount / WAD for amount in wads], dtype=np.float64)


def _integers(values: Sequence[int]) -> Integers:
    return np.array(values, dtype=np.int64)
