"""The market, the book and the ten structures of docs/structures.md."""

from __future__ import annotations

from dataclasses import replace

from ballast.chain.ids import future_of, option_of
from ballast.risk.book import Book, Row
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, Portfolio, PositionLeg, Quote
from ballast.risk.pricing import YEAR
from tests.support.dated_portfolios import flat_surface
from tests.support.margin import btc, eth, perp, simple_book

NEAR, FAR = 1_800_000_000, 1_810_000_000
EXPIRIES = (
    ExpiryQuote(1, NEAR, True, WAD, YEAR // 16, 0, flat_surface(0.8)),
    ExpiryQuote(1, FAR, True, WAD, YEAR // 4, 0, flat_surface(0.8, 0.02)),
)
QUOTES: tuple[Quote, ...] = (eth(), btc())

ROWS = (
    ("both −20 %, volatility up", (1, 2), (1, 2)),
    ("both +20 %, volatility down", (3, 0), (3, 0)),
    ("ETH −20 %", (1, 1), (2, 1)),
    ("ETH +20 %", (3, 1), (2, 1)),
    ("volatility up", (2, 2), (2, 1)),
    ("volatility down", (2, 0), (2, 1)),
    ("ETH −50 % alone, volatility up", (0, 2), (2, 1)),
    ("ETH +50 % alone, volatility up", (4, 2), (2, 1)),
)
HISTORICAL = 6


def structures_book(**changes: object) -> Book:
    """Rows name (place of the price shock, place of the volatility shock) of ETH and of BTC."""
    shocks = (-WAD // 4, 0, WAD // 2)
    grids = tuple(
        replace(grid, volatility_shocks=shocks, hedged_vega=3 * BILLION // 10, short_options=BILLION // 100)
        for grid in simple_book().underlyings
    )
    weights = [BILLION] * HISTORICAL + [9 * BILLION // 10] * (len(ROWS) - HISTORICAL)
    rows = tuple(
        Row(name, tuple(3 * price + volatility for price, volatility in nodes), weight)
        for (name, *nodes), weight in zip(ROWS, weights, strict=True)
    )
    terms: dict[str, object] = {"underlyings": grids, "historical": rows[:HISTORICAL], "stress": rows[HISTORICAL:]}
    return simple_book(**(terms | changes))


def call(strike: int, size: float, expiry: int = NEAR) -> PositionLeg:
    return _option(strike, size, expiry, is_put=False)


def put(strike: int, size: float, expiry: int = NEAR) -> PositionLeg:
    return _option(strike, size, expiry, is_put=True)


def future(size: int, expiry: int = FAR) -> PositionLeg:
    """Just bought: worth nothing yet."""
    forward = 2040 if expiry == FAR else 2000
    return PositionLeg(future_of(1, expiry), size * WAD, 0, -size * forward * WAD)


def portfolio(*positions: PositionLeg, cash: int = 0, weth: int = 0) -> Portfolio:
    return Portfolio(cash * WAD, (CollateralLeg(1, 1, weth * WAD),) if weth else (), positions)


def _option(strike: int, size: float, expiry: int, *, is_put: bool) -> PositionLeg:
    return PositionLeg(option_of(1, expiry, strike * WAD, is_put=is_put), round(size * 10) * WAD // 10, 0, 0)


STRUCTURES = {
    "covered call": portfolio(call(2200, -10), weth=10),
    "put spread": portfolio(put(1800, -10), put(1600, 10)),
    "iron condor": portfolio(put(1800, -10), call(2200, -10), put(1600, 10), call(2400, 10)),
    "calendar": portfolio(call(2000, 10, FAR), call(2000, -10)),
    "box": portfolio(call(1800, 10), put(2200, 10), call(2200, -10), put(1800, -10)),
    "conversion": portfolio(put(2000, 10), call(2000, -10), weth=10),
    "delta-hedged straddle": portfolio(call(2000, -10), put(2000, -10), perp(eth(), 8 * WAD // 10)),
    "token against perp": portfolio(perp(eth(), -10 * WAD), weth=10),
    "pair": portfolio(perp(eth(), 20 * WAD), perp(btc(), -WAD)),
    "future against perp": portfolio(future(10), perp(eth(), -10 * WAD)),
}
