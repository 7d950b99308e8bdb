"""The vectorised engine on futures and options: within its bound of the integers, and exact about what is bounded."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from ballast.chain.ids import future_of, option_of
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import WAD, OracleState, Portfolio, PositionLeg, Quote
from ballast.risk.scan import ERROR_BOUND, ERROR_FLOOR, Holdings, VectorEngine
from tests.support.dated_portfolios import DAY, flat_surface, random_dated_portfolio, random_expiries
from tests.support.margin import UNDERLYINGS, eth, random_book, simple_book

SCENES, ACCOUNTS = 20, 50
FIGURES = ("equity", "halt_bonus", "scan", "maintenance_margin", "liquidation_end_margin", "initial_margin")


def market(random: Random) -> tuple[list[Quote], list[ExpiryQuote]]:
    quotes = []
    for underlying in UNDERLYINGS:
        index = random.randint(10**12, 10**24)
        stable = index * random.randint(100, 3000) // 1000
        quotes.append(Quote(underlying, random.choice(list(OracleState)), index, stable))
    return quotes, random_expiries(random, quotes)


def fitting(portfolio: Portfolio) -> Portfolio:
    """Cash as accounts have it."""
    return replace(portfolio, cash=portfolio.cash % (10**9 * WAD))


@pytest.mark.parametrize("seed", range(SCENES))
def test_estimates__random_options_and_futures__within_the_bound(seed):
    random = Random(seed)
    quotes, expiries = market(random)
    book, previous = random_book(random), random_book(random, UNDERLYINGS[:6])
    state = (random.choice([WAD, random.randrange(WAD)]), {u: random.randint(5 * 10**8, 3 * 10**9) for u in (1, 3, 7)})
    accounts = [fitting(random_dated_portfolio(random, quotes, expiries, most=24)) for _ in range(ACCOUNTS)]
    estimates = VectorEngine(book, previous, *state).assess(Holdings.of(accounts), quotes, WAD, expiries)
    exact = [MarginEngine(book, previous, *state).assess(one, quotes, WAD, expiries) for one in accounts]
    allowed = ERROR_BOUND * estimates.gross + ERROR_FLOOR
    for name in FIGURES:
        errors = np.abs(getattr(estimates, name) - np.array([getattr(margin, name) / WAD for margin in exact]))
        assert np.all(errors <= allowed), name


# A month of ETH at 2,000 and 80 % -----------------------------------------------------------------------------------

EXPIRY = 1_700_000_000
MONTH = ExpiryQuote(1, EXPIRY, True, WAD, 30 * DAY, 0, flat_surface(0.8))


def call(strike: int, size: int) -> PositionLeg:
    return PositionLeg(option_of(1, EXPIRY, strike * WAD, is_put=False), size, 0, 0)


def estimate(portfolio: Portfolio, expiries: list[ExpiryQuote]):
    return VectorEngine(simple_book()).assess(Holdings.of([portfolio, Portfolio(WAD)]), [eth()], WAD, expiries)


def test_estimates__sizes_that_cancel_but_not_in_floats__loss_bounded_as_on_chain():
    sold = (call(2700, -3 * WAD // 10), call(2800, -WAD // 5 - 2**60 - 1))
    covering = 3 * WAD // 10 + WAD // 5 + 2**60 + 1
    assert sum(leg.size / WAD for leg in sold) + (covering - 1) / WAD >= 0.0, "floats lose a wei"
    found = []
    for bought in (covering - 1, covering):
        portfolio = Portfolio(100 * WAD, (), (call(2500, bought), *sold))
        exact = MarginEngine(simple_book()).assess(portfolio, [eth()], WAD, [MONTH])
        found.append(estimate(portfolio, [MONTH]).initial_margin[0])
        assert found[-1] == pytest.approx(exact.initial_margin / WAD, rel=1e-12)
    assert found[1] < found[0] - 4


def test_estimates__expiry_unknown__nan_for_its_holders_alone():
    for leg in (call(2000, WAD), PositionLeg(future_of(1, EXPIRY), WAD, 0, 0)):
        found = estimate(Portfolio(WAD, (), (leg,)), [])
        assert np.isnan(found.equity[0]) and np.isnan(found.maintenance_margin[0])
        assert not found.health[0] >= 1
        assert (found.equity[1], found.maintenance_margin[1]) == (1.0, 0.0)


def test_estimates__settled_option__its_pay_off_and_no_requirement():
    settled = replace(MONTH, open_share=0, tenor=0, fixed_part=2_300 * WAD)
    found = estimate(Portfolio(0, (), (call(2000, -2 * WAD),)), [settled])
    assert (found.equity[0], found.maintenance_margin[0]) == (-600.0, 0.0)
