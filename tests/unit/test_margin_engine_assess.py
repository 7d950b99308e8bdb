"""Margins of small portfolios on the contract, each number worked by hand on a book of round numbers."""

from dataclasses import replace

import pytest

from ballast.risk.book import BookError
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, OracleState, Portfolio, PositionLeg, UnderlyingRisk
from tests.support.evm import reverts
from tests.support.margin import Scene, btc, eth, perp, simple_book

INT256_MAX = 2**255 - 1


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(simple_book())
    return scene


def units(value: float) -> int:
    return round(value * 1000) * WAD // 1000


LONG_ETH = Portfolio(units(5000), (), (perp(eth(), 10 * WAD, units(-19_000)),))


def test_assess__no_book__reverts():
    with reverts("NoRiskBook"):
        Scene.deploy().assess(Portfolio(0), [])


def test_assess__cash_alone__asks_nothing(scene):
    margin = scene.assess(Portfolio(units(7)), [])
    assert (margin.equity, margin.maintenance_margin, margin.initial_margin) == (units(7), 0, 0)
    assert margin.health_factor == INT256_MAX


def test_assess__debt_alone__worst_health(scene):
    margin = scene.assess(Portfolio(-1), [])
    assert (margin.equity, margin.maintenance_margin) == (-1, 0)
    assert margin.is_liquidatable
    assert margin.health_factor == -(2**255)


def test_assess__long_perp__weighted_stress_row_beats_the_shortfall(scene):
    margin = scene.assess(LONG_ETH, [eth()])
    assert margin.equity == units(6000)
    assert margin.scan == units(6000)  # 0.6 · 50 % of 20,000; the two worst historical rows lose 4,000
    assert (margin.scaling_charges, margin.concentration, margin.fixed_charge) == (0, 0, units(20))
    assert margin.maintenance_margin == units(6020)
    assert margin.liquidation_end_margin == units(6620)
    assert margin.initial_margin == units(7520)
    assert margin.is_liquidatable


def test_assess__short_perp__mean_of_the_two_worst_historical_rows(scene):
    margin = scene.assess(Portfolio(0, (), (perp(eth(), -10 * WAD),)), [eth()])
    assert margin.scan == units(2000)  # +20 % costs 4,000; BTC alone costs 0; their mean


def test_assess__unrounded_shortfall__rounded_up(scene):
    margin = scene.assess(Portfolio(0, (), (perp(eth(), -1, 0),)), [eth()])
    assert margin.scan == 200  # 1 wei of ETH is 2,000 wei of value: 400 and 0 over two
    odd = scene.assess(Portfolio(0, (), (PositionLeg(perp(eth(), 0).instrument, -1, 2005 * WAD, 0),)), [eth()])
    assert odd.scan == 201  # 401 and 0 over two


def test_assess__collateral__valued_at_index_and_charged_its_haircut(scene):
    margin = scene.assess(Portfolio(0, (CollateralLeg(1, 1, 3 * WAD),)), [eth()])
    assert margin.equity == units(6000)
    assert margin.scan == units(1800)
    assert margin.scaling_charges == units(300)
    assert margin.fixed_charge == 0
    assert margin.maintenance_margin == units(2100)


def test_assess__collateral_hedged_by_a_short_perp__pays_hedged_basis_instead_of_scan(scene):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, 3 * WAD),), (perp(eth(), -3 * WAD),))
    margin = scene.assess(portfolio, [eth()])
    assert margin.scan == 0
    assert margin.scaling_charges == units(300) + units(90)


def test_assess__long_and_short_across_underlyings__net_where_rows_move_together(scene):
    portfolio = Portfolio(0, (), (perp(eth(), -20 * WAD), perp(btc(), WAD)))
    margin = scene.assess(portfolio, [eth(), btc()])
    # both -20 %: 0, both +20 %: 0, ETH -20 %: gains 8,000, BTC +20 %: gains 8,000
    assert margin.scan == 0
    assert margin.maintenance_margin == units(20)


def test_assess_in_parts__hedge__gains_what_the_other_loses(scene):
    """BTC +20 % alone loses 8,000, with ETH 4,000: their mean is the scan, in which ETH rises by a tenth."""
    portfolio = Portfolio(0, (), (perp(eth(), 10 * WAD), perp(btc(), -WAD)))
    margin, (ether, bitcoin) = scene.assess_in_parts(portfolio, [eth(), btc()])
    assert margin == scene.assess(portfolio, [eth(), btc()])
    assert margin.scan == 6_000 * WAD
    assert ether == UnderlyingRisk(1, -2_000 * WAD, 0, WAD // 10)
    assert bitcoin == UnderlyingRisk(2, 8_000 * WAD, 0, WAD // 5)


def test_assess_in_parts__stress_row__weighted_with_its_charges(scene):
    """ETH -50 %, of which 60 % count; haircut and hedged basis are its own, and BTC has neither."""
    portfolio = Portfolio(0, (CollateralLeg(1, 1, 3 * WAD),), (perp(eth(), 9 * WAD), perp(eth(), -2 * WAD)))
    margin, (ether, bitcoin) = scene.assess_in_parts(portfolio, [eth(), btc()])
    assert ether == UnderlyingRisk(1, 6_000 * WAD, (300 + 60) * WAD, -3 * WAD // 10)
    assert (margin.scan, margin.maintenance_margin) == (6_000 * WAD, 6_380 * WAD)
    assert bitcoin == UnderlyingRisk(2, 0, 0, 0)


def test_assess__delta_beyond_depth__concentration(scene):
    margin = scene.assess(Portfolio(0, (), (perp(eth(), -150 * WAD),)), [eth()])
    assert margin.concentration == units(10_000)
    assert scene.assess(Portfolio(0, (), (perp(eth(), -100 * WAD),)), [eth()]).concentration == 0


@pytest.mark.parametrize(("usd", "charge"), [(98, 0), (100, 0), (97, 200), (0, 19_600)])
def test_assess__settlement_token_below_its_floor__positions_pay_the_gap(scene, usd, charge):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, WAD),), (perp(eth(), -10 * WAD),))
    base = scene.assess(portfolio, [eth()]).scaling_charges
    assert scene.assess(portfolio, [eth()], usd * WAD // 100).scaling_charges - base == units(charge)


def test_assess__empty_position__no_position_and_no_charge(scene):
    margin = scene.assess(Portfolio(0, (), (perp(eth(), 0, units(50)),)), [eth()])
    assert (margin.equity, margin.maintenance_margin) == (units(50), 0)


def test_assess__gains_of_positions__support_no_withdrawal(scene):
    portfolio = Portfolio(0, (), (perp(eth(), WAD, 0), perp(btc(), -WAD, 0)))
    margin = scene.assess(portfolio, [eth(), btc()])
    assert margin.unrealised_gain == units(2000)
    assert margin.withdrawal_equity == margin.new_risk_equity - units(2000)
    assert margin.equity == units(2000 - 40_000)


def test_assess__stable_price_below_index__gap_for_longs_alone(scene):
    low = eth(stable=1900 * WAD)
    assert scene.assess(LONG_ETH, [low]).stable_gap == units(1000)
    assert scene.assess(Portfolio(0, (), (perp(eth(), -10 * WAD),)), [low]).stable_gap == 0
    assert scene.assess(Portfolio(0, (), (perp(eth(), -10 * WAD),)), [eth(stable=2100 * WAD)]).stable_gap == units(1000)


def test_assess__stable_price_row__named_by_the_book_enters_the_scan(scene):
    short = Portfolio(0, (), (perp(eth(), -10 * WAD),))
    assert scene.assess(short, [eth(stable=3000 * WAD)]).scan == units(10_000)


def test_assess__wide__worse_of_stable_and_second_price(scene):
    quote = eth(state=OracleState.WIDE, stable=1950 * WAD, second=1800 * WAD)
    assert scene.assess(LONG_ETH, [quote]).stable_gap == units(2000)
    assert scene.assess(LONG_ETH, [replace(quote, second=1990 * WAD)]).stable_gap == units(500)
    assert scene.assess(LONG_ETH, [replace(quote, second=0)]).stable_gap == units(500)
    assert scene.assess(LONG_ETH, [replace(quote, state=OracleState.OK)]).stable_gap == units(500)


@pytest.mark.parametrize("state", [OracleState.STALE, OracleState.HALTED])
def test_assess__stale_or_halted__positive_legs_support_no_new_risk(scene, state):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, WAD),), (perp(eth(), WAD, 0), perp(eth(), -WAD, 0)))
    margin = scene.assess(portfolio, [eth(state=state)])
    assert margin.untrusted_gain == units(4000)
    assert margin.new_risk_equity == margin.equity - units(4000)
    assert scene.assess(portfolio, [eth(state=OracleState.WIDE)]).untrusted_gain == 0


def test_assess__halted__counts_at_its_best_node_for_liquidation(scene):
    margin = scene.assess(LONG_ETH, [eth(state=OracleState.HALTED)])
    assert margin.halt_bonus == units(10_000)
    assert margin.equity < margin.maintenance_margin
    assert not margin.is_liquidatable


def test_assess__halted_stable_node__counts_as_well(scene):
    margin = scene.assess(LONG_ETH, [eth(state=OracleState.HALTED, stable=4000 * WAD)])
    assert margin.halt_bonus == units(20_000)


def test_assess__quotes_not_needed__ignored(scene):
    strange = eth(underlying=9, state=OracleState.HALTED)
    assert scene.assess(LONG_ETH, [eth(), btc(state=OracleState.HALTED), strange]) == scene.assess(LONG_ETH, [eth()])


def test_assess__one_gap_row_among_many_calm_ones__not_diluted(scene):
    """Attack "ES dilution of a single gap row": a mean over k rows would charge half of it."""
    margin = scene.assess(LONG_ETH, [eth()])
    rows = simple_book().historical + simple_book().stress[:1]
    mean_of_two_worst = (units(10_000) + units(4_000)) // 2
    assert len(rows) == 5
    assert margin.scan == units(10_000) * 6 // 10 < mean_of_two_worst
    heavier = Scene.deploy()
    heavier.set_book(simple_book(stress=tuple(replace(row, weight=BILLION) for row in simple_book().stress)))
    assert heavier.assess(LONG_ETH, [eth()]).scan == units(10_000)


def test_simple_book__is_valid():
    with pytest.raises(BookError):
        simple_book(tail_rows=5)
