"""The vectorised engine against the exact one, within its stated bound."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from ballast.chain.ids import perp_of
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import WAD, CollateralLeg, OracleState, Portfolio, PositionLeg, Quote
from ballast.risk.scan import ERROR_BOUND, ERROR_FLOOR, Holdings, VectorEngine
from tests.support.margin import random_book

BOOKS, PORTFOLIOS_A_BOOK = 20, 100
IDS = (1, 2, 3, 7)


def realistic_quote(random, underlying):
    index = random.randint(WAD // 10, 100_000 * WAD)
    return Quote(underlying, random.choice(list(OracleState)), index, index * random.randint(600, 1400) // 1000)


def realistic_portfolio(random, quotes):
    def amount(quote):
        return random.randint(1, 10**6) * WAD * WAD // quote.index

    collaterals = [
        CollateralLeg(random.randint(1, 5), q.underlying, amount(q)) for q in quotes if random.random() < 0.5
    ]
    positions = []
    for quote in quotes:
        if random.random() < 0.6:
            size, mark = amount(quote) * random.choice([-1, 1]), quote.index * random.randint(995, 1005) // 1000
            offset = -size * mark // WAD + random.randint(-10_000, 10_000) * WAD
            positions.append(PositionLeg(perp_of(quote.underlying), size, mark, offset))
    return Portfolio(random.randint(-(10**6), 10**6) * WAD, tuple(collaterals), tuple(positions))


@pytest.mark.parametrize("seed", range(BOOKS))
def test_estimates__random_books_and_portfolios__within_the_stated_bound(seed):
    random = Random(seed)
    book, previous = random_book(random, IDS), random_book(random, random.choice([IDS, IDS[:2]]))
    weight, usd = random.choice([WAD, random.randrange(WAD)]), random.choice([WAD, 95 * WAD // 100])
    multipliers = {underlying: random.randint(500_000_000, 3_000_000_000) for underlying in IDS}
    quotes = [realistic_quote(random, underlying) for underlying in IDS]
    portfolios = [realistic_portfolio(random, quotes) for _ in range(PORTFOLIOS_A_BOOK)]
    estimates = VectorEngine(book, previous, weight, multipliers).assess(Holdings.of(portfolios), quotes, usd)
    exact = [MarginEngine(book, previous, weight, multipliers).assess(one, quotes, usd) for one in portfolios]

    allowed = ERROR_BOUND * estimates.gross + ERROR_FLOOR
    names = ("equity", "halt_bonus", "scan", "maintenance_margin", "liquidation_end_margin", "initial_margin")
    for name in names:
        error = np.abs(getattr(estimates, name) - np.array([getattr(margin, name) / WAD for margin in exact]))
        assert np.all(error <= allowed), f"{name}: off by {np.max(error / estimates.gross):.1e} of gross"


def test_estimates__price_unknown__is_unknown_and_not_healthy():
    random = Random(1)
    book = random_book(random, IDS)
    quotes = [realistic_quote(random, underlying) for underlying in IDS[1:]]
    holder = Portfolio(10**6 * WAD, (CollateralLeg(1, IDS[0], WAD),))
    other = replace(holder, collaterals=(CollateralLeg(1, IDS[1], WAD),))
    estimates = VectorEngine(book).assess(Holdings.of([holder, other]), quotes)

    assert np.isnan(estimates.equity[0])
    assert not np.isnan(estimates.equity[1])
    assert not estimates.health[0] >= 1


def test_health__nothing_required__is_infinite_by_the_sign_of_equity():
    estimates = VectorEngine(random_book(Random(1), IDS)).assess(
        Holdings.of([Portfolio(WAD), Portfolio(-WAD), Portfolio(0)]), []
    )

    assert list(estimates.health) == [np.inf, -np.inf, np.inf]
