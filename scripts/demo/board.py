"""What options and futures the demo lists, and the surfaces that market makers quote for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import floor, log10, sqrt

import numpy as np

from ballast.chain.ids import expiry_key, future_of, option_of
from ballast.chain.instruments import label_of
from ballast.risk.history import Crisis
from ballast.risk.pricing import BILLION, YEAR, Surface

DAY, EIGHT = 86_400, 8 * 3_600
OPTIONS_ON = ("BTC", "ETH")
# Of the price at the start.
NEAR_STRIKES = (0.90, 0.95, 1.00, 1.05, 1.10)
FAR_STRIKES = (0.70, 0.80, 0.90, 1.00, 1.10, 1.25)
HALF_LIFE = {"near": 3 * 3_600, "far": 12 * 3_600}
# How much of a quoted variance follows what was realised lately; the rest is what was usual before.
FOLLOWS = {"near": 0.35, "far": 0.12}
# Options quote less than half the variance that a crash shows bar by bar: it does not last.
QUOTED_SHARE = 0.45
VOLATILITY_BOUNDS = (0.5, 3.0)
# A futures curve a year: in calm, and its least in a crash.
CALM_CARRY, LEAST_CARRY = 0.12, -0.20


@dataclass(frozen=True)
class Board:
    """The listed expiries and strikes.

    Attributes:
        near: Settles within the replay; far: the month's last Friday. Unix seconds.
        strikes: Whole value units by underlying and expiry, ascending.
        underlyings: Ids by symbol.
    """

    near: int
    far: int
    strikes: Mapping[tuple[str, int], tuple[float, ...]]
    underlyings: Mapping[str, int]

    @staticmethod
    def of(crisis: Crisis, prices: Mapping[str, float], underlyings: Mapping[str, int]) -> Board:
        day = int(np.datetime64(crisis.name, "s").astype(int))
        near, far = day + EIGHT, last_friday(day)
        parts = {near: NEAR_STRIKES, far: FAR_STRIKES}
        strikes = {
            (symbol, expiry): tuple(sorted({rounded(prices[symbol] * part) for part in ratios}))
            for symbol in OPTIONS_ON
            for expiry, ratios in parts.items()
        }
        return Board(near, far, strikes, underlyings)

    @property
    def expiries(self) -> tuple[int, int]:
        return self.near, self.far

    def key(self, symbol: str, expiry: int) -> int:
        return expiry_key(self.underlyings[symbol], expiry)

    def instruments(self) -> dict[str, int]:
        """Ids of everything listed, by label."""
        found = []
        for (symbol, expiry), strikes in self.strikes.items():
            number = self.underlyings[symbol]
            found.append(future_of(number, expiry))
            wads = [round(strike * 10**6) * 10**12 for strike in strikes]
            found += [option_of(number, expiry, strike, is_put=put) for strike in wads for put in (False, True)]
        names = {number: symbol for symbol, number in self.underlyings.items()}
        return {label_of(instrument, names.__getitem__): instrument for instrument in found}

    def option(self, symbol: str, expiry: int, ratio: float, spot: float, *, is_put: bool) -> str:
        """Label of the option whose strike is nearest to a part of the price."""
        strike = min(self.strikes[symbol, expiry], key=lambda one: abs(one - spot * ratio))
        number = self.underlyings[symbol]
        return label_of(
            option_of(number, expiry, round(strike * 10**6) * 10**12, is_put=is_put), partial(_name, symbol)
        )

    def future(self, symbol: str, expiry: int) -> str:
        return label_of(future_of(self.underlyings[symbol], expiry), partial(_name, symbol))


def _name(symbol: str, _: int) -> str:
    return symbol


def last_friday(day: int) -> int:
    """08:00 UTC of a month's last Friday, at least a week after `day`."""
    date = datetime.fromtimestamp(day, UTC)
    for ahead in range(7, 60):
        one = date + timedelta(days=ahead)
        if one.weekday() == 4 and (one + timedelta(days=7)).month != one.month:
            return int(one.timestamp()) + EIGHT
    raise AssertionError("every month has a Friday")


def rounded(price: float) -> float:
    """To a strike that people would list: steps of 50 at prices in the thousands, and so on."""
    step = 10.0 ** (floor(log10(price)) - 1) / 2
    return round(price / step) * step


class Quotes:
    """A plausible surface at any moment: its level follows the volatility realised lately, and so does the forward.

    No real quotes of these days ship with the demo; docs/surfaces.md shows what quotes look like and how they are
    fitted.
    """

    def __init__(self, crisis: Crisis, board: Board) -> None:
        self._board = board
        self._bars_a_year = YEAR / crisis.bar_seconds
        self._day = int(np.searchsorted(crisis.open_time, int(np.datetime64(crisis.name, "s").astype(int))))
        self._realised = {
            (symbol, name): self._ewma(crisis, symbol, half_life / crisis.bar_seconds)
            for symbol in OPTIONS_ON
            for name, half_life in HALF_LIFE.items()
        }

    def surfaces(self, bar: int, timestamp: int) -> dict[int, Surface]:
        """By expiry key, of the expiries that are still to come."""
        found = {}
        for symbol in OPTIONS_ON:
            far_tenor = (self._board.far - timestamp) / YEAR
            far = self._variance(symbol, "far", bar)
            near_tenor = (self._board.near - timestamp) / YEAR
            if near_tenor > 0:
                # Total variance must not fall from one expiry to the next.
                near = min(self._variance(symbol, "near", bar), 0.8 * far * far_tenor / near_tenor)
                found[self._board.key(symbol, self._board.near)] = self._smile(symbol, near, near_tenor, bar)
            found[self._board.key(symbol, self._board.far)] = self._smile(symbol, far, far_tenor, bar)
        return found

    def volatility(self, symbol: str, bar: int) -> float:
        """At the forward of the far expiry, a year."""
        return sqrt(self._variance(symbol, "far", bar))

    def _variance(self, symbol: str, name: str, bar: int) -> float:
        usual, lately = self._realised[symbol, "far"][self._day], self._realised[symbol, name][bar]
        variance = QUOTED_SHARE * ((1 - FOLLOWS[name]) * usual + FOLLOWS[name] * lately)
        return float(np.clip(variance, VOLATILITY_BOUNDS[0] ** 2, VOLATILITY_BOUNDS[1] ** 2))

    def _smile(self, symbol: str, variance: float, tenor: float, bar: int) -> Surface:
        stress = sqrt(self._realised[symbol, "far"][bar]) - sqrt(self._realised[symbol, "far"][self._day])
        carry = max(LEAST_CARRY, CALM_CARRY - 0.5 * max(0.0, stress))
        slope, width = 0.3 * variance, 0.3
        return Surface(
            premium=round(carry * tenor * BILLION),
            a=round((variance - slope * width) * BILLION),
            b=round(slope * BILLION),
            rho=-BILLION * 3 // 10,
            m=0,
            s=round(width * BILLION),
        )

    def _ewma(self, crisis: Crisis, symbol: str, half_life: float) -> Sequence[float]:
        """Realised variance a year as of each bar's close, from the window's first bar on."""
        squares = np.diff(np.log(crisis.bars[symbol].close), prepend=np.nan) ** 2 * self._bars_a_year
        weight = 0.5 ** (1 / half_life)
        found, level = [], float(np.nanmean(squares[: max(2, self._day, 6)]))
        for square in squares:
            level = level if np.isnan(square) else weight * level + (1 - weight) * float(square)
            found.append(level)
        return found
