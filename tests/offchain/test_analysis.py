"""Greeks, gains by scenario, and what hedges save, against vollib and the engine itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vollib.black.greeks import analytical

from ballast.chain.ids import future_of, option_of, perp_of
from ballast.risk.analysis import GREEKS, Greeks, greeks_by_underlying, greeks_of, leg_by_leg_margin, scenario_table
from ballast.risk.book import first_book
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import CollateralLeg, Portfolio, PositionLeg, Quote
from ballast.risk.pricing import WAD, YEAR
from tests.support.dated_portfolios import DAY, flat_surface

INDEX, EXPIRY, TENOR = 2_500 * WAD, 1_800_000_000, 45 * DAY
QUOTES = (Quote(1, 0, 40_000 * WAD, 40_000 * WAD), Quote(2, 0, INDEX, INDEX))
VOLATILITY = 0.65
LIVE = ExpiryQuote(2, EXPIRY, True, WAD, TENOR, 0, flat_surface(VOLATILITY))
BOOK = first_book()


def option(strike: int, size: int, is_put: bool = False) -> PositionLeg:
    return PositionLeg(option_of(2, EXPIRY, strike * WAD, is_put=is_put), size * WAD, 0, 0)


@pytest.mark.parametrize("is_put", [False, True])
@pytest.mark.parametrize("strike", [1_500, 2_500, 3_400])
def test_greeks__of_an_option__are_vollibs(strike: int, is_put: bool) -> None:
    found = greeks_of(option(strike, -3, is_put), INDEX, [LIVE])
    terms = ("p" if is_put else "c", INDEX / WAD, strike, TENOR / YEAR, 0.0, VOLATILITY)
    expected = {name: -3 * getattr(analytical, name)(*terms) for name in GREEKS}
    assert {name: getattr(found, name) for name in GREEKS} == pytest.approx(expected, rel=1e-6)


def test_greeks__while_the_price_is_averaged__count_what_is_open() -> None:
    half = replace(LIVE, open_share=WAD // 2, fixed_part=INDEX // 2)
    whole, part = (greeks_of(option(2_500, 1), INDEX, [quote]) for quote in (LIVE, half))
    assert part.delta == pytest.approx(whole.delta / 2, rel=1e-6)
    assert part.gamma == pytest.approx(whole.gamma / 4, rel=1e-6)


def test_greeks__of_linear_legs__are_their_open_size() -> None:
    future = PositionLeg(future_of(2, EXPIRY), 4 * WAD, 0, 0)
    assert greeks_of(PositionLeg(perp_of(2), -2 * WAD, INDEX, 0), INDEX, []) == Greeks(delta=-2.0)
    assert greeks_of(future, INDEX, [replace(LIVE, open_share=WAD // 4)]) == Greeks(delta=1.0)


@pytest.mark.parametrize("strike", [2_000, 3_000])
def test_greeks__settled_or_waiting_for_its_price__only_what_still_moves(strike: int) -> None:
    settled = replace(LIVE, open_share=0, tenor=0, fixed_part=INDEX)
    assert greeks_of(option(strike, 1), INDEX, [settled]) == Greeks()
    assert greeks_of(option(strike, 1), INDEX, [replace(LIVE, tenor=0)]) == Greeks(delta=float(strike < 2_500))


def test_greeks__by_underlying__add_positions_and_collateral() -> None:
    legs = (PositionLeg(perp_of(2), -2 * WAD, INDEX, 0), option(2_500, 5))
    portfolio = Portfolio(0, (CollateralLeg(1, 1, WAD // 2), CollateralLeg(2, 2, 3 * WAD)), legs)
    found = greeks_by_underlying(portfolio, QUOTES, [LIVE])
    assert found == {1: Greeks(delta=0.5), 2: Greeks(delta=1.0) + greeks_of(legs[1], INDEX, [LIVE])}


def test_scenario_table__each_entry__is_the_engines_gain_at_that_node() -> None:
    engine = MarginEngine(BOOK)
    portfolio = Portfolio(0, positions=(option(2_500, -1),))
    nodes = engine.node_values(portfolio, QUOTES, [LIVE])[2]
    table, grid = scenario_table(nodes), nodes.grid
    assert table.price_shocks == grid.price_shocks
    assert len(table.gains) == len(grid.price_shocks)
    for row, gains in enumerate(table.gains):
        for column, gain in enumerate(gains):
            assert gain == nodes.gains[grid.node(row, column)]
    at_rest = table.gains[grid.price_shocks.index(0)][grid.volatility_shocks.index(0)]
    assert at_rest == table.stable_gain == 0


def test_leg_by_leg__one_leg__is_its_initial_margin() -> None:
    engine, alone = MarginEngine(BOOK), Portfolio(0, positions=(option(2_500, -1),))
    margin = engine.assess(alone, QUOTES, WAD, [LIVE])
    assert leg_by_leg_margin(engine, alone, QUOTES, WAD, [LIVE]) == margin.initial_margin


def test_leg_by_leg__of_a_hedge__adds_up_and_charges_the_fixed_charge_once() -> None:
    engine = MarginEngine(BOOK)
    legs = option(2_500, -1), PositionLeg(perp_of(2), WAD, INDEX, 0)
    hedged = Portfolio(0, positions=legs)
    alone = [engine.assess(Portfolio(0, positions=(leg,)), QUOTES, WAD, [LIVE]) for leg in legs]
    together = engine.assess(hedged, QUOTES, WAD, [LIVE])
    expected = sum(margin.initial_margin for margin in alone) - BOOK.fixed_charge * 10**9
    assert leg_by_leg_margin(engine, hedged, QUOTES, WAD, [LIVE]) == expected > together.initial_margin
