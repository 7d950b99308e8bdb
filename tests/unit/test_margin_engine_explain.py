"""Explanations: the rows that made a scan, and each leg's Euler contribution, summing to the requirement to the wei."""

from dataclasses import replace

import pytest

from ballast.risk.book import Row
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, Portfolio
from tests.support.margin import Scene, btc, eth, perp, simple_book


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(simple_book())
    return scene


def contributions(explanation) -> list[int]:
    return [value // WAD for value in explanation.collateralContributions + explanation.positionContributions]


def test_explain__no_legs__nothing_to_explain(scene):
    explanation = scene.explain(Portfolio(WAD), [])
    assert explanation.rows == explanation.collateralContributions == explanation.positionContributions == []
    assert explanation.accountContribution == 0


def test_explain__stress_row__named_with_its_unweighted_loss(scene):
    explanation = scene.explain(Portfolio(0, (), (perp(eth(), 10 * WAD),)), [eth()])
    assert explanation.isStress
    assert (explanation.rows, explanation.rowLosses) == ([4], [10_000 * WAD])
    assert contributions(explanation) == [6000]
    assert explanation.accountContribution == 20 * WAD


def test_explain__shortfall__worst_rows_first_and_ties_to_the_lower(scene):
    portfolio = Portfolio(0, (), (perp(eth(), -10 * WAD), perp(btc(), -WAD)))
    explanation = scene.explain(portfolio, [eth(), btc()])
    assert not explanation.isStress
    # both +20 %: 12,000; BTC +20 %: 8,000; their mean is the scan
    assert (explanation.rows, explanation.rowLosses) == ([1, 3], [12_000 * WAD, 8_000 * WAD])
    assert contributions(explanation) == [2000, 8000]


def test_explain__equal_rows__the_lower_counts(scene):
    explanation = scene.explain(Portfolio(0, (), (perp(eth(), -10 * WAD),)), [eth()])
    assert explanation.rows == [1, 3]
    assert explanation.rowLosses == [4000 * WAD, 0]


def test_explain__shortfall_equal_to_a_stress_row__historical_rows_named():
    scene = Scene.deploy()
    stress = (Row("ETH -20 % again", (1, 2), BILLION), Row("and again", (1, 2), BILLION))
    scene.set_book(simple_book(stress=stress))
    explanation = scene.explain(Portfolio(0, (), (perp(eth(), 10 * WAD),)), [eth()])
    assert (explanation.isStress, explanation.rows) == (False, [0, 2])


def test_explain__equal_stress_rows__the_lower_named():
    scene = Scene.deploy()
    gap = Row("ETH -50 %", (0, 2), BILLION)
    scene.set_book(simple_book(stress=(replace(gap, name="milder", weight=BILLION // 2), gap, replace(gap, name="2"))))
    assert scene.explain(Portfolio(0, (), (perp(eth(), 10 * WAD),)), [eth()]).rows == [5]


def test_explain__hedge_without_scan__zero_scan_contributions_and_the_shorter_side_pays_basis(scene):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, 3 * WAD),), (perp(eth(), -3 * WAD), perp(eth(), -WAD)))
    explanation = scene.explain(portfolio, [eth()])
    assert contributions(explanation)[0] == 300 + 90 - 600  # haircut, basis of the fewer long, gain of the short's rows
    flat = scene.explain(replace(portfolio, positions=portfolio.positions[:1]), [eth()])
    assert (flat.margin.scan, flat.rows) == (0, [])
    assert contributions(flat) == [300 + 90, 0]  # as many long as short: the long side is charged


def test_explain__more_long_than_short__short_side_pays_basis(scene):
    portfolio = Portfolio(0, (), (perp(eth(), 5 * WAD), perp(eth(), -2 * WAD)))
    explanation = scene.explain(portfolio, [eth()])
    assert explanation.charges.hedgedBasis == 60 * WAD
    assert contributions(explanation) == [3000, -1200 + 60]


def test_explain__concentration__shared_by_signed_quantity(scene):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, 50 * WAD),), (perp(eth(), -250 * WAD),))
    explanation = scene.explain(portfolio, [eth()])
    assert explanation.charges.concentration == 20_000 * WAD
    with_depth = simple_book(underlyings=tuple(replace(g, depth=2**128 - 1) for g in simple_book().underlyings))
    without = Scene.deploy()
    without.set_book(with_depth)
    base = contributions(without.explain(portfolio, [eth()]))
    assert [a - b for a, b in zip(contributions(explanation), base, strict=True)] == [-5000, 25_000]


def test_explain__settlement_token__positions_alone(scene):
    portfolio = Portfolio(0, (CollateralLeg(1, 1, WAD),), (perp(eth(), WAD), perp(btc(), -WAD)))
    at_par = contributions(scene.explain(portfolio, [eth(), btc()]))
    below = contributions(scene.explain(portfolio, [eth(), btc()], 97 * WAD // 100))
    assert [a - b for a, b in zip(below, at_par, strict=True)] == [0, 20, 400]


def test_explain__rounding__left_over_to_the_last_leg(scene):
    rows = (Row("ETH +20 %", (3, 2)), Row("nothing", (2, 2)), Row("BTC +20 %", (2, 3)))
    thirds = simple_book(tail_rows=3, historical=rows)
    scene = Scene.deploy()
    scene.set_book(thirds)
    portfolio = Portfolio(0, (), (perp(eth(), -1, 0), perp(eth(), -1, 0), perp(eth(), -1, 0)))
    explanation = scene.explain(portfolio, [eth()])
    # rows lose 1,200, 0 and 0 wei; a leg's third of 400 is ⌊133.3⌋, the last takes what is left
    assert explanation.margin.scan == 400
    assert list(explanation.positionContributions) == [133, 133, 134]


def test_explain__while_blending__rows_of_the_newer_book_and_blended_shares():
    scene = Scene.deploy()
    scene.set_book(simple_book())
    scene.set_book(simple_book(stress=simple_book().stress[1:], fixed_charge=0))
    scene.evm.advance(86_400 // 2)
    portfolio = Portfolio(0, (), (perp(eth(), 10 * WAD), perp(btc(), 0)))
    explanation = scene.explain(portfolio, [eth(), btc()])
    assert (explanation.isStress, explanation.rows) == (False, [0, 2])
    assert contributions(explanation) == [5000, 0]  # halfway from 6,000 by a stress row to 4,000 by the shortfall
    assert explanation.accountContribution == 10 * WAD


def test_explain__margin__is_what_assess_says(scene):
    portfolio = Portfolio(WAD, (CollateralLeg(2, 2, WAD),), (perp(eth(), -7 * WAD, WAD),))
    assert tuple(scene.explain(portfolio, [eth(), btc()]).margin) == tuple(
        vars(scene.assess(portfolio, [eth(), btc()])).values()
    )
