"""Margin arithmetic for drawing the population and for comparing a portfolio with isolated positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ballast.chain.ids import KIND_OPTION, kind_of, perp_of
from ballast.deployment.record import DeploymentRecord
from ballast.risk.book import Book
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine, option_prices
from ballast.risk.margin_terms import CollateralLeg, Margin, Portfolio, PositionLeg, Quote
from scripts.demo.population import TOKEN_OF, UNDERLYINGS

WAD = 10**18
STEPS = {"BTC": 0.0001, "ETH": 0.001, "LINK": 0.1}
DATED_STEP = 0.001


class Arithmetic:
    """The integer engine at one set of prices and surfaces. Sizes are by underlying for perps, else by label."""

    def __init__(
        self,
        book: Book,
        record: DeploymentRecord,
        prices: Mapping[str, float],
        dated: Mapping[str, int],
        expiries: Sequence[ExpiryQuote],
    ) -> None:
        self._engine = MarginEngine(book)
        self._ids = record.underlyings
        self._assets = record.assets
        self._prices = {symbol: wad(price) for symbol, price in prices.items()}
        self._dated, self._expiries = dict(dated), sorted(expiries, key=lambda quote: quote.key)
        marks = option_prices(self._dated.values(), self._quotes(), self._expiries)
        self._marks = dict(zip(self._dated, marks, strict=True))
        self.steps = {**STEPS, **dict.fromkeys(self._dated, DATED_STEP)}

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
        paid, positions = 0, []
        for name, size in sizes.items():
            mark = self._marks[name] if name in self._dated else self._prices[name]
            cost = wad(size) * mark // WAD
            instrument = self._dated[name] if name in self._dated else perp_of(self._ids[name])
            is_option = kind_of(instrument) == KIND_OPTION
            paid += cost if is_option else 0
            positions.append(PositionLeg(instrument, wad(size), mark, 0 if is_option else -cost))
        return Portfolio(wad(deposits.get("USDC", 0.0)) - paid, tuple(collaterals), tuple(positions))

    def assess(self, portfolio: Portfolio) -> Margin:
        return self._engine.assess(portfolio, self._quotes(), expiries=self._expiries)

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
