"""The vectorised engine on accounts made to embarrass floats: dust beside billions, hedges to the last wei."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import WAD, CollateralLeg, OracleState, Portfolio, Quote
from ballast.risk.scan import ERROR_BOUND, ERROR_FLOOR, Holdings, VectorEngine
from tests.support.margin import UNDERLYINGS, eth, perp, random_book, simple_book

SCENES, ACCOUNTS, ASSETS = 20, 100, 3
KEEPER_MARGIN = 1.02
FIGURES = ("equity", "halt_bonus", "scan", "maintenance_margin", "liquidation_end_margin", "initial_margin")


def market(random: Random) -> tuple[list[Quote], dict[int, int]]:
    """One moment: quotes from a millionth to a million, and a mark an underlying."""
    quotes = []
    for underlying in UNDERLYINGS:
        index = random.randint(10**12, 10**24)
        stable = index * random.randint(100, 3000) // 1000
        quotes.append(Quote(underlying, random.choice(list(OracleState)), index, stable))
    return quotes, {quote.underlying: quote.index * random.randint(950, 1050) // 1000 for quote in quotes}


def account(random: Random, quotes: list[Quote], marks: dict[int, int]) -> Portfolio:
    def quantity(quote: Quote) -> int:
        return 10 ** random.randint(0, 10) * random.randint(0, WAD) * WAD // quote.index

    chosen = [random.choice(quotes) for _ in range(random.randint(0, 6))]
    collaterals = tuple(
        CollateralLeg(random.randrange(1, ASSETS), quote.underlying, quantity(quote)) for quote in chosen[:3]
    )
    positions = []
    for place, quote in enumerate(chosen):
        hedge = place < len(collaterals) and random.random() < 0.5
        size = -collaterals[place].amount if hedge else quantity(quote) * random.choice([-1, 1])
        mark = marks[quote.underlying]
        positions.append(perp(replace(quote, index=mark), size, -size * mark // WAD * random.randint(0, 2)))
    return Portfolio(random.randint(-(10**9), 10**9) * WAD, collaterals, tuple(positions))


@pytest.mark.parametrize("seed", range(SCENES))
def test_estimates__dust_beside_billions__within_the_bound_and_never_healthy_by_mistake(seed):
    random = Random(seed)
    quotes, marks = market(random)
    book, previous = (random_book(random, assets=ASSETS), random_book(random, UNDERLYINGS[:4], assets=ASSETS))
    state = (random.choice([WAD, random.randrange(WAD)]), {u: random.randint(5 * 10**8, 3 * 10**9) for u in (1, 3, 7)})
    accounts = [account(random, quotes, marks) for _ in range(ACCOUNTS)]
    estimates = VectorEngine(book, previous, *state).assess(Holdings.of(accounts), quotes)
    exact = [MarginEngine(book, previous, *state).assess(one, quotes) for one in accounts]
    allowed = ERROR_BOUND * estimates.gross + ERROR_FLOOR
    for name in FIGURES:
        errors = np.abs(getattr(estimates, name) - np.array([getattr(margin, name) / WAD for margin in exact]))
        assert np.all(errors <= allowed), name
    for health, margin in zip(estimates.health, exact, strict=True):
        assert not (health >= KEEPER_MARGIN and margin.is_liquidatable)


def test_estimates__thousands_of_accounts__each_its_own():
    accounts = [Portfolio(size * WAD, (), (perp(eth(), size * WAD, 0),)) for size in range(5000)]
    estimates = VectorEngine(simple_book()).assess(Holdings.of(accounts), [eth()])
    assert np.allclose(estimates.scan, np.arange(5000) * 600.0, rtol=1e-14)
    assert np.allclose(estimates.equity, np.arange(5000) * 2001.0, rtol=1e-14)


def test_estimates__stable_price_a_billion_times_the_index__counts_as_a_million_times():
    fallen = eth(index=10**9, stable=WAD)
    holder = Portfolio(0, (), (perp(fallen, -WAD, 0),))
    estimates = VectorEngine(simple_book()).assess(Holdings.of([holder]), [fallen])
    assert estimates.scan[0] == pytest.approx(MarginEngine(simple_book()).assess(holder, [fallen]).scan / WAD)


def test_estimates__price_of_zero__unknown_for_its_holders_alone():
    holder, other = Portfolio(WAD, (CollateralLeg(1, 1, WAD),)), Portfolio(WAD)
    estimates = VectorEngine(simple_book()).assess(Holdings.of([holder, other]), [eth(index=0)])
    assert np.isnan(estimates.equity[0])
    assert not estimates.health[0] >= 1
    assert estimates.equity[1] == 1.0
