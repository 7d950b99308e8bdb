"""What a portfolio's risk is made of, for people: greeks, gains by scenario, and what hedges save."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp, pi, sqrt

from ballast.risk.dated import FUTURE, OPTION, Expiry, ExpiryQuote, key_of
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import NodeValues, Portfolio, PositionLeg, Quote
from ballast.risk.pricing import WAD, YEAR, ln_of_price

DAYS_A_YEAR = 365
VOLATILITY_POINT = 0.01


@dataclass(frozen=True)
class Greeks:
    """Sensitivities in floats, of Black-76 at the surface's volatility and r = 0.

    Attributes:
        delta: Units of the underlying, as the concentration charge counts them.
        gamma: Change of delta a value unit of the index.
        vega: Value a volatility point (0.01).
        theta: Value a day that passes.
    """

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0

    def __add__(self, other: Greeks) -> Greeks:
        return Greeks(*(getattr(self, name) + getattr(other, name) for name in GREEKS))


GREEKS = ("delta", "gamma", "vega", "theta")


def greeks_of(leg: PositionLeg, index: int, expiries: Iterable[ExpiryQuote]) -> Greeks:
    """Of one position, at an index (wad). A settled instrument has none."""
    if leg.kind not in (FUTURE, OPTION):
        return Greeks(delta=leg.size / WAD)
    quote = next(one for one in expiries if one.key == key_of(leg.instrument))
    if quote.is_settled:
        return Greeks()
    share = quote.open_share / WAD
    if leg.kind == FUTURE:
        return Greeks(delta=leg.size * share / WAD)
    expiry, option = Expiry(quote, index, 0, 0), leg.as_option
    delta = expiry.delta(option) / WAD
    if quote.tenor == 0:
        return Greeks(delta=delta)
    size, forward, years = leg.size / WAD, expiry.base_forward / WAD, quote.tenor / YEAR
    volatility = expiry.volatility(option.strike) / WAD
    deviation = volatility * sqrt(years)
    moneyness = (expiry.ln_base_forward - ln_of_price(option.strike)) / WAD
    density = exp(-((moneyness / deviation + deviation / 2) ** 2) / 2) / sqrt(2 * pi)
    return Greeks(
        delta=delta,
        gamma=size * density / (forward * deviation) * share**2,
        vega=size * forward * density * sqrt(years) * VOLATILITY_POINT,
        theta=-size * forward * density * volatility / (2 * sqrt(years) * DAYS_A_YEAR),
    )


def greeks_by_underlying(
    portfolio: Portfolio, quotes: Iterable[Quote], expiries: Sequence[ExpiryQuote]
) -> dict[int, Greeks]:
    """Sums over positions and collateral."""
    index = {quote.underlying: quote.index for quote in quotes}
    parts = [(leg.underlying, greeks_of(leg, index[leg.underlying], expiries)) for leg in portfolio.positions]
    parts += [(leg.underlying, Greeks(delta=leg.amount / WAD)) for leg in portfolio.collaterals]
    return {
        underlying: reduce(Greeks.__add__, (greeks for one, greeks in parts if one == underlying))
        for underlying in sorted({underlying for underlying, _ in parts})
    }


@dataclass(frozen=True)
class ScenarioTable:
    """Gains of one underlying's legs, wad: a row a price shock, a column a volatility shock.

    Price shocks (wad) have the multiplier in them; volatility shocks (wad) are the book's, before they are scaled to
    a tenor.
    """

    price_shocks: tuple[int, ...]
    volatility_shocks: tuple[int, ...]
    gains: tuple[tuple[int, ...], ...]
    stable_gain: int


def scenario_table(nodes: NodeValues) -> ScenarioTable:
    """The nodes as rows and columns; shocks ascend, as in the book."""
    columns = len(nodes.grid.volatility_shocks)
    starts = range(0, nodes.grid.stable_node, columns)
    return ScenarioTable(
        tuple(nodes.shocks[start] for start in starts),
        nodes.grid.volatility_shocks,
        tuple(nodes.gains[start : start + columns] for start in starts),
        nodes.gains[-1],
    )


def leg_by_leg_margin(
    engine: MarginEngine,
    portfolio: Portfolio,
    quotes: Sequence[Quote],
    settlement_token_usd: int,
    expiries: Sequence[ExpiryQuote],
) -> int:
    """Initial margin that the legs would need alone, the fixed charge of an account once, wad.

    Raises:
        MarginError: as `MarginEngine.assess`.
    """
    alone = [Portfolio(0, collaterals=(leg,)) for leg in portfolio.collaterals]
    alone += [Portfolio(0, positions=(leg,)) for leg in portfolio.positions]
    margins = [engine.assess(one, quotes, settlement_token_usd, expiries) for one in alone]
    fixed = [margin.fixed_charge for margin in margins]
    return sum(margin.initial_margin for margin in margins) - sum(fixed) + max(fixed, default=0)
