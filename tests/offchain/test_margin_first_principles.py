"""The margin engine against rational arithmetic written from the definitions, without a single rounding."""

from fractions import Fraction
from random import Random

import pytest

from ballast.risk.book import Book
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import WAD, OracleState, Portfolio, Quote
from tests.support.margin import random_book, random_portfolio, random_quotes

BILLION = Fraction(10**9)
UNIT = Fraction(WAD)
FLOOR = Fraction(-99, 100)
RATIO_CAP = 10**6


def quantities(portfolio: Portfolio, underlying: int) -> list[Fraction]:
    collateral = [leg.amount for leg in portfolio.collaterals if leg.underlying == underlying]
    sizes = [leg.size for leg in portfolio.positions if leg.underlying == underlying]
    return [quantity / UNIT for quantity in collateral + sizes]


def linear_value(portfolio: Portfolio, quote: Quote) -> Fraction:
    collateral = sum(leg.amount for leg in portfolio.collaterals if leg.underlying == quote.underlying) * quote.index
    positions = sum(leg.size * leg.mark for leg in portfolio.positions if leg.underlying == quote.underlying)
    return (collateral + positions) / UNIT**2


def shock_at(book: Book, place: int, node: int, quote: Quote, multiplier: int) -> Fraction:
    grid = book.underlyings[place]
    if node == len(grid.price_shocks) * len(grid.volatility_shocks):
        return min(Fraction(quote.stable, quote.index), RATIO_CAP) - 1
    shock = grid.price_shocks[node // len(grid.volatility_shocks)] / UNIT
    return max(shock * multiplier / BILLION, FLOOR)


def exact_scan(book: Book, portfolio: Portfolio, quotes: list[Quote], multipliers: dict[int, int]) -> Fraction:
    place = {grid.id: position for position, grid in enumerate(book.underlyings)}

    def loss(row) -> Fraction:
        return -sum(
            linear_value(portfolio, quote)
            * shock_at(
                book, place[quote.underlying], row.nodes[place[quote.underlying]], quote, multipliers[quote.underlying]
            )
            for quote in quotes
        )

    worst = sorted((loss(row) for row in book.historical), reverse=True)[: book.tail_rows]
    stress = [Fraction(row.weight) / BILLION * loss(row) for row in book.stress]
    return max([Fraction(0), sum(worst) / book.tail_rows, *stress])


def exact_charges(book: Book, portfolio: Portfolio, quotes: list[Quote], usd: int) -> Fraction:
    index = {quote.underlying: quote.index / UNIT for quote in quotes}
    total = sum(
        (
            book.assets[leg.asset].haircut / BILLION * leg.amount / UNIT * index[leg.underlying]
            for leg in portfolio.collaterals
        ),
        Fraction(0),
    )
    for grid in (grid for grid in book.underlyings if grid.id in index):
        legs = quantities(portfolio, grid.id)
        long, short = sum(q for q in legs if q > 0), -sum(q for q in legs if q < 0)
        total += grid.hedged_basis / BILLION * index[grid.id] * min(long, short)
        total += grid.concentration / BILLION * index[grid.id] * max(0, abs(long - short) - grid.depth / UNIT)
    gap = max(0, book.settlement_token_floor / BILLION - usd / UNIT)
    total += gap * sum(abs(leg.size) / UNIT * index[leg.underlying] for leg in portfolio.positions)
    return total + (book.fixed_charge / BILLION if any(leg.size for leg in portfolio.positions) else 0)


@pytest.mark.parametrize("seed", range(20))
def test_assess__random_portfolios__exact_margin_and_at_most_a_few_wei_more(seed):
    random = Random(1000 + seed)
    book = random_book(random)
    multipliers = {grid.id: random.choice([10**9, random.randint(5 * 10**8, 3 * 10**9)]) for grid in book.underlyings}
    engine = MarginEngine(book, multipliers=multipliers)
    for _ in range(10):
        quotes = random_quotes(random)
        portfolio, usd = random_portfolio(random, quotes), random.choice([WAD, 9 * WAD // 10])
        margin = engine.assess(portfolio, quotes, usd)
        scan = exact_scan(book, portfolio, quotes, multipliers)
        # A shock is rounded down by less than a wei of one, so a value at a node by less than a wei of itself.
        gross = sum(abs(linear_value(portfolio, quote)) for quote in quotes)
        legs = len(portfolio.collaterals) + len(portfolio.positions)
        assert abs(margin.scan - scan * UNIT) <= 2 * gross + 3 * legs * RATIO_CAP + len(quotes) + 2
        charges = margin.maintenance_margin - margin.scan
        assert 0 <= charges - exact_charges(book, portfolio, quotes, usd) * UNIT <= 2 * legs + 3 * len(quotes)


@pytest.mark.parametrize("seed", range(20))
def test_assess__random_portfolios__equity_and_gains_from_their_definitions(seed):
    random = Random(2000 + seed)
    quotes = random_quotes(random)
    portfolio = random_portfolio(random, quotes)
    margin = MarginEngine(random_book(random)).assess(portfolio, quotes)
    by_id = {quote.underlying: quote for quote in quotes}
    collateral = [
        (by_id[leg.underlying], leg.amount * by_id[leg.underlying].index // WAD) for leg in portfolio.collaterals
    ]
    positions = [(by_id[leg.underlying], leg.size * leg.mark // WAD + leg.offset) for leg in portfolio.positions]
    assert margin.equity == portfolio.cash + sum(value for _, value in collateral + positions)
    assert margin.unrealised_gain == sum(max(0, value) for _, value in positions)
    untrusted = [value for quote, value in collateral + positions if quote.state >= OracleState.STALE]
    assert margin.untrusted_gain == sum(max(0, value) for value in untrusted)
