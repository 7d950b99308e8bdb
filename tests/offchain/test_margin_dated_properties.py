"""What margins of futures and options obey: subadditive scans (I12), safe reductions (I13), defined risk bounded."""

from dataclasses import replace
from random import Random

import pytest

from ballast.chain.ids import future_of, option_of
from ballast.risk.book import first_book
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine, option_prices
from ballast.risk.margin_terms import WAD, Portfolio, PositionLeg, Quote
from tests.support.dated_portfolios import DAY, NOW
from tests.support.expiries import SMILE
from tests.support.margin import UNDERLYINGS, random_book

SEEDS = range(20)
PRICE_ERROR = 8e-9
"""Of forward and strike: by how much two prices may be off together."""


def market(random: Random) -> tuple[list[Quote], list[ExpiryQuote]]:
    """Three underlyings, two expiries of each, smiles between 35 % and 90 % at the money."""
    quotes, expiries = [], []
    for underlying in random.sample(UNDERLYINGS, 3):
        index = random.randint(10**17, 10**23)
        quotes.append(Quote(underlying, 0, index, index * random.randint(90, 110) // 100))
        for days in (random.randint(1, 30), random.randint(31, 300)):
            factor = random.uniform(0.4, 2.5)
            smile = replace(SMILE, a=round(SMILE.a * factor), b=round(SMILE.b * factor))
            expiries.append(ExpiryQuote(underlying, NOW + days * DAY, True, WAD, days * DAY, 0, smile.pack()))
    return sorted(quotes, key=lambda quote: quote.underlying), sorted(expiries, key=lambda expiry: expiry.key)


def position(random: Random, quotes: list[Quote], expiries: list[ExpiryQuote]) -> PositionLeg:
    expiry = random.choice(expiries)
    index = next(quote.index for quote in quotes if quote.underlying == expiry.underlying)
    size = random.choice([-1, 1]) * random.randint(1, 10**6) * WAD * WAD // index
    if random.random() < 0.2:
        return PositionLeg(future_of(expiry.underlying, expiry.expiry), size, 0, -size * index // WAD)
    strike = index * random.randint(50, 200) // 100
    return PositionLeg(option_of(expiry.underlying, expiry.expiry, strike, is_put=random.random() < 0.5), size, 0, 0)


def holding(random: Random, quotes: list[Quote], expiries: list[ExpiryQuote]) -> Portfolio:
    legs = [position(random, quotes, expiries) for _ in range(random.randint(1, 10))]
    if random.random() < 0.4:  # spreads alone
        legs = [leg for leg in legs if leg.instrument >> 248 == 3]
        legs += [replace(leg, instrument=leg.instrument + 10**15, size=-leg.size) for leg in legs]
    return Portfolio(random.randint(-(10**6), 10**6) * WAD, (), tuple(legs))


def gross(portfolio: Portfolio, quotes: list[Quote]) -> int:
    """Σ |size| · (index + strike), wad."""
    index = {quote.underlying: quote.index for quote in quotes}
    return sum(
        abs(leg.size) * (2 * index[leg.underlying] + leg.instrument % 2**128) // WAD for leg in portfolio.positions
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_scan__two_portfolios_of_options_in_one__asks_no_more_than_both_apart(seed):
    """I12, but for what prices are off: an account whose loss is bounded needs no more than the bound."""
    random = Random(seed)
    engine = MarginEngine(random_book(random))
    for _ in range(6):
        quotes, expiries = market(random)
        a, b = (holding(random, quotes, expiries) for _ in range(2))
        both = Portfolio(a.cash + b.cash, (), a.positions + b.positions)
        together = engine.assess(both, quotes, WAD, expiries).scan
        apart = sum(engine.assess(one, quotes, WAD, expiries).scan for one in (a, b))
        assert together <= apart + PRICE_ERROR * gross(both, quotes) + len(both.positions), "I12"


@pytest.mark.parametrize("seed", SEEDS)
def test_maintenance_margin__one_fraction_of_all_options_closed_at_mark__excess_equity_not_lower(seed):
    """I13. Cash receives what the closed part was worth."""
    random, engine = Random(seed), MarginEngine(first_book())
    for _ in range(6):
        quotes, expiries = market(random)
        quotes = [replace(quote, underlying=place) for place, quote in enumerate(quotes, 1)]
        expiries = [replace(expiry, underlying=1 + place // 2) for place, expiry in enumerate(expiries)]
        before, keep = holding(random, quotes, expiries), random.randint(0, 1000)
        legs = (
            replace(leg, size=round(leg.size * keep / 1000), offset=leg.offset * keep // 1000)
            for leg in before.positions
        )
        margin = engine.assess(before, quotes, WAD, expiries)
        rest = engine.assess(replace(before, positions=tuple(legs)), quotes, WAD, expiries)
        received = margin.equity - rest.equity
        gain = rest.equity + received - rest.maintenance_margin - (margin.equity - margin.maintenance_margin)
        assert gain >= -(1e-15 * gross(before, quotes) + 4 * len(before.positions) + 20), "I13"


@pytest.mark.parametrize("seed", SEEDS)
def test_initial_margin__defined_risk__never_more_than_value_less_worst_pay_off(seed):
    """The worst pay-off found by trying every strike and 0, of calls and puts bought for each one sold."""
    random, book = Random(seed), random_book(Random(seed))
    engine = MarginEngine(book)
    for _ in range(6):
        quotes, expiries = market(random)
        legs = [leg for leg in (position(random, quotes, expiries) for _ in range(8)) if leg.instrument >> 248 == 3]
        legs += [replace(leg, instrument=leg.instrument + 10**15, size=abs(leg.size)) for leg in legs]
        prices = option_prices([leg.instrument for leg in legs], quotes, expiries)
        most = sum(leg.size * price // WAD for leg, price in zip(legs, prices, strict=True))
        for expiry in expiries:
            own = [leg for leg in legs if leg.instrument >> 200 & (2**48 - 1) == expiry.key]
            most -= min(pay_off(own, strike) for strike in (0, *(leg.instrument % 2**128 for leg in own))) // WAD
        margin = engine.assess(Portfolio(0, (), tuple(legs)), quotes, WAD, expiries)
        charges = margin.maintenance_margin - margin.scan
        assert margin.scan <= margin.initial_margin - charges <= max(0, most) + len(legs)


@pytest.mark.parametrize("seed", SEEDS)
def test_explain__last_leg_of_options__takes_no_more_than_rounding(seed):
    """Each contribution is a leg's own: putting another leg last changes it by wei alone."""
    random = Random(seed)
    engine = MarginEngine(random_book(random), random_book(random), random.randint(0, WAD))
    for _ in range(6):
        quotes, expiries = market(random)
        portfolio = holding(random, quotes, expiries)
        turned = replace(portfolio, positions=portfolio.positions[::-1])
        first, second = (engine.explain(one, quotes, 97 * WAD // 100, expiries) for one in (portfolio, turned))
        assert first.margin == second.margin
        assert sum(first.position_contributions) + first.account_contribution == first.margin.maintenance_margin
        pairs = zip(first.position_contributions, second.position_contributions[::-1], strict=True)
        assert max((abs(a - b) for a, b in pairs), default=0) <= 40 * (len(portfolio.positions) + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_parts__random_options__add_up_to_the_margin(seed):
    """Losses to the scan, charges and the fixed one to the rest, but for rounding: a wei an underlying and book."""
    random = Random(seed)
    engine = MarginEngine(random_book(random), random_book(random), random.randint(0, WAD))
    for _ in range(6):
        quotes, expiries = market(random)
        portfolio = holding(random, quotes, expiries)
        margin, parts = engine.assess_in_parts(portfolio, quotes, 97 * WAD // 100, expiries)
        assert abs(sum(part.loss for part in parts) - margin.scan) <= 2 * len(parts) + 2
        charges = margin.scaling_charges + margin.concentration
        assert abs(sum(part.charges for part in parts) - charges) <= 2 * len(parts) + 6


def pay_off(legs: list[PositionLeg], price: int) -> int:
    def gain(leg: PositionLeg) -> int:
        intrinsic = price - leg.instrument % 2**128
        return max(0, -intrinsic if leg.instrument >> 192 & 0xFF == 2 else intrinsic)

    return sum(leg.size * gain(leg) for leg in legs)
