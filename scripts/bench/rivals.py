"""Other rules for the margin of a portfolio, in floats: sixteen scenarios as SPAN has them; Deribit's portfolio margin.

Both give what equity must be, option values counted as equity, as Ballast's initial margin does. Tokens are legs like
any other, without a haircut and without a charge for being spread against an expiry: where a rule leaves a choice, the
one that asks for less is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.bench.structures import INDEX, OPTIONS, Kind, Leg, by_underlying


@dataclass(frozen=True)
class Span:
    """SPAN as CME describes it (cmegroup.com/clearing/span-methodology), with parameters of ours where an exchange
    would publish its own.

    Attributes:
        price_range: Price scan range, the same as Deribit's, so that the rules differ in their structure alone.
        volatility_range: Volatility scan range, relative.
        extreme_move, extreme_cover: Scenarios 15 and 16: multiple of the price range, share of the loss that counts.
        spread_charge: Of the index, for a unit long in one expiry against a unit short in another.
        short_option_minimum: Of the index, for each option sold.
    """

    price_range: float = 0.16
    volatility_range: float = 0.30
    extreme_move: float = 2.0
    extreme_cover: float = 0.35
    spread_charge: float = 0.015
    short_option_minimum: float = 0.01

    def margin(self, legs: Sequence[Leg]) -> float:
        """Sum over underlyings: no credit is given between them."""
        return sum(self._of_underlying(part) for part in by_underlying(legs).values())

    def scenarios(self) -> Iterator[tuple[float, float, float]]:
        """Price shock, factor of volatility, share of the loss that counts: fourteen, and two extreme ones."""
        for thirds in (0, 1, -1, 2, -2, 3, -3):
            for side in (1, -1):
                yield thirds / 3 * self.price_range, 1 + side * self.volatility_range, 1.0
        for side in (1, -1):
            yield side * self.extreme_move * self.price_range, 1.0, self.extreme_cover

    def _of_underlying(self, legs: list[Leg]) -> float:
        def loss(shock: float, factor: float) -> float:
            return -sum(leg.change(shock, lambda option: factor * option.volatility) for leg in legs)

        scan = max(share * loss(shock, factor) for shock, factor, share in self.scenarios())
        deltas = list(_expiry_deltas(legs).values())
        spread = min(sum(d for d in deltas if d > 0), -sum(d for d in deltas if d < 0))
        sold = sum(-leg.size for leg in legs if leg.kind in OPTIONS and leg.size < 0)
        index = INDEX[legs[0].underlying]
        return max(scan + self.spread_charge * index * spread, self.short_option_minimum * index * sold, 0.0)


@dataclass(frozen=True)
class Deribit:
    """Deribit's portfolio margin. The rule: support.deribit.com, "Portfolio Margin" (article 25944756247837).
    Parameters: the example of ``private/pme/simulate`` in docs.deribit.com, whose worst case and roll shock these
    formulas give; volatility shocks as docs.oreome.com states them for Deribit.

    Attributes:
        price_range, buckets: The furthest move, in as many steps to either side.
        volatility_up, volatility_down: Relative shocks at 30 days, scaled by (30 d ÷ days)^power: ``short_power`` below
            30 days, ``long_power`` above. A volatility shocked up is at least ``least_volatility_up``.
        extended_moves: Of the extended table: volatility up, the loss scaled by price range ÷ move, and lessened by up
            to (move ÷ price range − 1) times ``dampener``, USD.
        annual_move, least_move: Roll shock, of the delta of each expiry: a share a year to expiry, at least a share.
    """

    price_range: float = 0.16
    buckets: int = 4
    volatility_up: float = 0.5
    volatility_down: float = 0.25
    short_power: float = 0.3
    long_power: float = 0.13
    least_volatility_up: float = 0.5
    extended_moves: tuple[float, ...] = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    dampener: float = 100_000.0
    annual_move: float = 0.075
    least_move: float = 0.01

    def margin(self, legs: Sequence[Leg]) -> float:
        """Initial margin: worst case and roll shock of each currency, added up (``correlation_set`` is false there).
        The shock on deltas beyond 20 million USD is left out: no structure here has any."""
        return sum(self.worst_case(part) + self.roll_shock(part) for part in by_underlying(legs).values())

    def worst_case(self, legs: Sequence[Leg]) -> float:
        """The largest loss over the 27 scenarios of the main table and the 8 of the extended one."""
        moves = [step * self.price_range / self.buckets for step in range(-self.buckets, self.buckets + 1)]
        main = [self._loss(legs, move, side) for move in moves for side in (1, 0, -1)]
        return max(0.0, *main, *(self._extended_loss(legs, move) for move in self.extended_moves))

    def roll_shock(self, legs: Sequence[Leg]) -> float:
        return sum(
            abs(delta) * INDEX[legs[0].underlying] * max(self.least_move, self.annual_move * years)
            for years, delta in _expiry_deltas(legs).items()
        )

    def shocked_volatility(self, option: Leg, side: int) -> float:
        power = self.short_power if option.days < 30 else self.long_power
        scale = (30 / option.days) ** power
        if side > 0:
            return max(option.volatility * (1 + self.volatility_up * scale), self.least_volatility_up)
        return option.volatility * (1 - self.volatility_down * scale) if side else option.volatility

    def _loss(self, legs: Sequence[Leg], move: float, side: int) -> float:
        return -sum(leg.change(move, lambda option: self.shocked_volatility(option, side)) for leg in legs)

    def _extended_loss(self, legs: Sequence[Leg], move: float) -> float:
        ratio = abs(move) / self.price_range
        return max(0.0, self._loss(legs, move, 1) / ratio - (ratio - 1) * self.dampener)


def _expiry_deltas(legs: Sequence[Leg]) -> dict[float, float]:
    """Delta by years to expiry, of perpetuals at 0; tokens are in none."""
    deltas: defaultdict[float, float] = defaultdict(float)
    for leg in legs:
        if leg.kind is not Kind.TOKEN:
            deltas[leg.years if leg.expiry else 0.0] += leg.delta
    return deltas
