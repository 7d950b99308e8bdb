"""What every margin obeys: subadditive scans (I12), safe reductions (I13), contributions that sum (Euler)."""

from dataclasses import replace
from random import Random

import pytest

from ballast.risk.book import first_book
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import WAD, CollateralLeg, OracleState, Portfolio, PositionLeg, Quote
from tests.support.margin import Scene, random_book, random_portfolio, random_quotes, simple_book

SEEDS = range(30)


def joined(a: Portfolio, b: Portfolio) -> Portfolio:
    return Portfolio(a.cash // 2 + b.cash // 2, a.collaterals + b.collaterals, a.positions + b.positions)


def scaled(portfolio: Portfolio, keep: int, of: int) -> Portfolio:
    """What is left when 1 − keep/of of everything is closed at mark, the rest rounded towards 0."""

    def part(quantity: int) -> int:
        return abs(quantity) * keep // of * (1 if quantity > 0 else -1)

    collaterals = tuple(replace(leg, amount=part(leg.amount)) for leg in portfolio.collaterals)
    positions = tuple(replace(leg, size=part(leg.size), offset=part(leg.offset)) for leg in portfolio.positions)
    return Portfolio(portfolio.cash, collaterals, positions)


def legs_of(portfolio: Portfolio) -> int:
    return len(portfolio.collaterals) + len(portfolio.positions)


@pytest.mark.parametrize("seed", SEEDS)
def test_scan__two_portfolios_in_one__asks_no_more_than_both_apart(seed):
    """I12."""
    random = Random(seed)
    engine = MarginEngine(random_book(random))
    for _ in range(10):
        quotes = random_quotes(random)
        a, b = random_portfolio(random, quotes), random_portfolio(random, quotes)
        together = engine.assess(joined(a, b), quotes).scan
        apart = engine.assess(a, quotes).scan + engine.assess(b, quotes).scan
        assert together <= apart + legs_of(a) + legs_of(b), "I12"


def test_scan__two_portfolios_in_one_on_the_contract__asks_no_more_than_both_apart():
    """I12, of the contract itself."""
    random, scene = Random(7), Scene.deploy()
    scene.set_book(random_book(random))
    for _ in range(60):
        quotes = random_quotes(random)
        a, b = random_portfolio(random, quotes), random_portfolio(random, quotes)
        together = scene.assess(joined(a, b), quotes).scan
        apart = scene.assess(a, quotes).scan + scene.assess(b, quotes).scan
        assert together <= apart + legs_of(a) + legs_of(b), "I12"


PRICES = {1: 40_000 * WAD, 2: 2_000 * WAD, 3: 15 * WAD, 4: WAD}


def ordinary_quotes(random: Random) -> list[Quote]:
    indices = {u: price * random.randint(50, 200) // 100 for u, price in PRICES.items()}
    return [Quote(u, OracleState.OK, p, p * random.randint(90, 110) // 100) for u, p in indices.items()]


def ordinary_portfolio(random: Random, quotes: list[Quote], assets: int) -> Portfolio:
    """Legs worth up to a million each, positions opened near mark."""
    book = first_book()
    index = {quote.underlying: quote.index for quote in quotes}
    collaterals = tuple(
        CollateralLeg(asset.id, asset.underlying, random.randint(0, 10**6) * WAD * WAD // index[asset.underlying])
        for asset in random.sample(book.assets[1:], assets)
    )
    positions = []
    for quote in random.sample(quotes, random.randint(0, 4)):
        size = random.randint(-(10**6), 10**6) * WAD * WAD // quote.index
        mark = quote.index * random.randint(995, 1005) // 1000
        pnl = random.randint(-(10**4), 10**4) * WAD
        positions.append(PositionLeg((1 << 248) | (quote.underlying << 240), size, mark, pnl - size * mark // WAD))
    return Portfolio(random.randint(-(10**6), 10**6) * WAD, collaterals, tuple(positions))


@pytest.mark.parametrize("seed", SEEDS)
def test_maintenance_margin__one_fraction_of_all_closed_at_mark__excess_equity_not_lower(seed):
    """I13, closing. Cash receives what the closed part was worth."""
    random, engine = Random(seed), MarginEngine(first_book())
    for _ in range(10):
        quotes = ordinary_quotes(random)
        before = ordinary_portfolio(random, quotes, random.randint(0, 3))
        rest = scaled(before, random.randint(0, 1000), 1000)
        margin, left = engine.assess(before, quotes), engine.assess(rest, quotes)
        received = margin.equity - left.equity
        gain = left.equity + received - left.maintenance_margin - (margin.equity - margin.maintenance_margin)
        assert gain >= -4 * (legs_of(before) + 1), "I13"


@pytest.mark.parametrize("seed", SEEDS)
def test_maintenance_margin__repaid_or_deposited__excess_equity_not_lower(seed):
    """I13, paying in: cash, and every listed collateral up to its depth."""
    random, book = Random(seed), first_book()
    engine = MarginEngine(book)
    for asset in book.assets:
        quotes = ordinary_quotes(random)
        before = ordinary_portfolio(random, quotes, 0)
        amount = random.randint(1, 10**6) * WAD
        if asset.id == 0:
            after = replace(before, cash=before.cash + amount)
        else:
            index = {quote.underlying: quote.index for quote in quotes}[asset.underlying]
            leg = CollateralLeg(asset.id, asset.underlying, amount * WAD // index)
            after = replace(before, collaterals=(*before.collaterals, leg))
        margin, then = engine.assess(before, quotes), engine.assess(after, quotes)
        assert then.equity - then.maintenance_margin >= margin.equity - margin.maintenance_margin - 4, "I13"


@pytest.mark.parametrize("seed", SEEDS)
def test_explain__random_portfolios__contributions_sum_to_the_requirement(seed):
    random = Random(seed)
    engine = MarginEngine(random_book(random), random_book(random), random.randint(0, WAD))
    for _ in range(20):
        quotes = random_quotes(random)
        portfolio = random_portfolio(random, quotes)
        explanation = engine.explain(portfolio, quotes, random.choice([WAD, WAD // 2]))
        parts = explanation.collateral_contributions + explanation.position_contributions
        assert sum(parts) + explanation.account_contribution == explanation.margin.maintenance_margin


@pytest.mark.parametrize("seed", SEEDS)
def test_explain__last_leg__takes_no_more_than_rounding(seed):
    """Each contribution is a leg's own: putting another leg last changes it by wei alone."""
    random, engine = Random(seed), MarginEngine(first_book())
    quotes = ordinary_quotes(random)
    portfolio = ordinary_portfolio(random, quotes, 2)
    if len(portfolio.positions) < 2:
        portfolio = replace(portfolio, positions=(PositionLeg((1 << 248) | (1 << 240), WAD, WAD, 0),) * 2)
    turned = replace(portfolio, positions=portfolio.positions[::-1])
    parts = engine.explain(portfolio, quotes).position_contributions
    again = engine.explain(turned, quotes).position_contributions[::-1]
    assert all(abs(a - b) <= 12 * legs_of(portfolio) for a, b in zip(parts, again, strict=True))


def test_scan__twice_the_portfolio__twice_the_scan():
    engine, quotes = MarginEngine(simple_book()), [Quote(1, 0, 2000 * WAD, 2000 * WAD)]
    once = Portfolio(0, (), (PositionLeg((1 << 248) | (1 << 240), 3 * WAD, 2000 * WAD, 0),))
    assert engine.assess(joined(once, once), quotes).scan == 2 * engine.assess(once, quotes).scan
