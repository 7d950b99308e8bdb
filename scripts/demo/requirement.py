"""Margin arithmetic for drawing the population and for comparing a portfolio with isolated positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ballast.chain.ids import perp_of
from ballast.deployment.record import DeploymentRecord
from ballast.risk.book import Book
from ballast.risk.margin import CollateralLeg, Margin, MarginEngine, Portfolio, PositionLeg, Quote
from scripts.demo.population import TOKEN_OF, UNDERLYINGS

WAD = 10**18
STEPS = {"BTC": 0.0001, "ETH": 0.001, "LINK": 0.1}


class Arithmetic:
    """The integer engine at one set of prices."""

    def __init__(self, book: Book, record: DeploymentRecord, prices: Mapping[str, float]) -> None:
        self._engine = MarginEngine(book)
        self._ids = record.underlyings
        self._assets = record.assets
        self._prices = {symbol: wad(price) for symbol, price in prices.items()}
        self.steps = STEPS

    def shortfall(self, deposits: Mapping[str, float], sizes: Mapping[str, float]) -> float:
        """Initial margin less the equity that may support it, in value units; ≤ 0 where the book may be opened."""
        margin = self.assess(self.portfolio(deposits, sizes))
        return (margin.initial_margin - margin.new_risk_equity) / WAD

    def portfolio(self, deposits: Mapping[str, float], sizes: Mapping[str, float]) -> Portfolio:
        coins = {token: name for name, token in TOKEN_OF.items()}
        collaterals = [
            CollateralLeg(self._assets[token], self._ids[coins[token]], wad(amount))
            for token, amount in deposits.items()
            if token != "USDC"
        ]
        positions = [
            PositionLeg(perp_of(self._ids[name]), wad(size), self._prices[name], -wad(size) * self._prices[name] // WAD)
            for name, size in sizes.items()
        ]
        return Portfolio(wad(deposits.get("USDC", 0.0)), tuple(collaterals), tuple(positions))

    def assess(self, portfolio: Portfolio) -> Margin:
        return self._engine.assess(portfolio, self._quotes())

    def isolated_margin(self, portfolio: Portfolio) -> int:
        """Σ of initial margins were every leg an account of its own, wad."""
        alone: Iterable[Portfolio] = (
            *(Portfolio(0, (leg,), ()) for leg in portfolio.collaterals),
            *(Portfolio(0, (), (leg,)) for leg in portfolio.positions),
        )
        return sum(self.assess(leg).initial_margin for leg in alone)

    def _quotes(self) -> list[Quote]:
        known = sorted((self._ids[name], self._prices[name]) for name in UNDERLYINGS)
        return [Quote(underlying, 0, price, price) for underlying, price in known]


def wad(amount: float) -> int:
    """A float of at most nine decimals, exactly as printed."""
    return round(amount * 10**9) * 10**9
