"""What the margin engine refuses, and that its arithmetic holds at every limit it admits."""

from dataclasses import replace

import pytest

from ballast.chain.ids import perp_of
from ballast.risk import margin_terms as twin
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import BILLION, LOWEST_SHOCK, WAD, CollateralLeg, Portfolio, PositionLeg
from tests.support.evm import Revert, reverts
from tests.support.margin import Scene, btc, eth, perp, simple_book

OPTION, FUTURE = 3 << 248, 2 << 248
ON_ETH = 1 << 240


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(simple_book())
    return scene


ETH_COLLATERAL = Portfolio(0, (CollateralLeg(1, 1, WAD),))
REFUSED = [
    ("QuoteMissing", ETH_COLLATERAL, [btc()]),
    ("QuoteMissing", Portfolio(0, (), (perp(btc(), WAD),)), [eth()]),
    ("QuotesNotAscending", ETH_COLLATERAL, [btc(), eth()]),
    ("QuotesNotAscending", ETH_COLLATERAL, [eth(), eth()]),
    ("QuotesNotAscending", Portfolio(0), [eth(underlying=0)]),
    ("UnderlyingNotInBook", Portfolio(0, (CollateralLeg(1, 9, WAD),)), [eth(underlying=9)]),
    ("AssetNotInBook", Portfolio(0, (CollateralLeg(3, 1, WAD),)), [eth()]),
    ("PriceOutOfRange", ETH_COLLATERAL, [eth(index=0)]),
    ("PriceOutOfRange", ETH_COLLATERAL, [eth(stable=0)]),
    ("PriceOutOfRange", ETH_COLLATERAL, [eth(index=2**96)]),
    ("PriceOutOfRange", ETH_COLLATERAL, [eth(stable=2**96)]),
    ("PriceOutOfRange", ETH_COLLATERAL, [eth(state=1, second=2**96)]),
    ("PriceOutOfRange", Portfolio(0, (), (PositionLeg(perp_of(1), 1, 2**96, 0),)), [eth()]),
    ("QuantityOutOfRange", Portfolio(0, (CollateralLeg(1, 1, 2**112),)), [eth()]),
    ("QuantityOutOfRange", Portfolio(0, (), (PositionLeg(perp_of(1), -(2**112), 1, 0),)), [eth()]),
    ("CashOutOfRange", Portfolio(2**191), []),
    ("CashOutOfRange", Portfolio(-(2**191) - 1), []),
    ("TooManyLegs", Portfolio(0, (CollateralLeg(1, 1, 1),) * 257), [eth()]),
    ("UnsupportedInstrument", Portfolio(0, (), (PositionLeg(OPTION | ON_ETH, WAD, 0, 0),)), [eth()]),
    ("ExpiryMissing", Portfolio(0, (), (PositionLeg(FUTURE | ON_ETH, WAD, WAD, 0),)), [eth()]),
    ("UnsupportedInstrument", Portfolio(0, (), (PositionLeg(ON_ETH, WAD, WAD, 0),)), [eth()]),
    ("UnsupportedInstrument", Portfolio(0, (), (PositionLeg(255 << 248 | ON_ETH, WAD, WAD, 0),)), [eth()]),
]


@pytest.mark.parametrize("function", ["assess", "explain"])
@pytest.mark.parametrize(("error", "portfolio", "quotes"), REFUSED)
def test_assess_and_explain__input_out_of_range__typed_revert_and_the_same_in_the_twin(
    scene, function, error, portfolio, quotes
):
    with reverts(error):
        getattr(scene, function)(portfolio, quotes)
    with pytest.raises(getattr(twin, error)):
        getattr(scene.twin, function)(portfolio, quotes)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("index", "stable"), [(2**96 - 1, 1), (1, 2**96 - 1), (2**96 - 1, 2**96 - 1)])
def test_assess_and_explain__everything_at_its_limit__no_overflow(scene, side, index, stable):
    """Attack "downcast overflow": 256 legs of the largest size at the largest prices."""
    leg = PositionLeg(perp_of(1), side * (2**112 - 1), 2**96 - 1, side * (2**127 - 1))
    collateral = CollateralLeg(2, 1, 2**112 - 1)
    portfolio = Portfolio(side * (2**191 - 1), (collateral,) * 100, (leg,) * 156)
    quotes = [eth(state=1, index=index, stable=stable, second=stable)]
    explanation = scene.explain(portfolio, quotes, 0)
    assert scene.assess(portfolio, quotes, 0) == scene.twin.assess(portfolio, quotes, 0)
    parts = explanation.collateralContributions + explanation.positionContributions
    assert sum(parts) + explanation.accountContribution == explanation.margin.maintenanceMargin


def test_assess__multiplier_at_three__no_price_falls_below_one_percent():
    scene = Scene.deploy()
    scene.set_book(simple_book(stress=tuple(replace(row, weight=BILLION) for row in simple_book().stress)))
    scene.engine.transact("setShockMultiplier", 1, 3 * BILLION)
    scene.evm.advance(7 * 86_400)
    portfolio = Portfolio(0, (), (perp(eth(), 10 * WAD),))
    assert scene.assess(portfolio, [eth()]).scan == 20_000 * -LOWEST_SHOCK  # -150 % is cut at -99 %
    assert scene.twin.assess(portfolio, [eth()]).scan == 20_000 * -LOWEST_SHOCK


def test_assess__empty_legs__need_neither_book_nor_haircut(scene):
    portfolio = Portfolio(WAD, (CollateralLeg(200, 9, 0),), (PositionLeg(perp_of(9), 0, 0, 0),))
    margin = scene.assess(portfolio, [eth(underlying=9)])
    assert margin == MarginEngine(simple_book()).assess(portfolio, [eth(underlying=9)])
    assert (margin.equity, margin.maintenance_margin) == (WAD, 0)


def test_assess__unknown_kind__not_a_panic(scene):
    with pytest.raises(Revert) as refused:
        scene.assess(Portfolio(0, (), (PositionLeg(77 << 248, WAD, WAD, 0),)), [eth()])
    assert refused.value.name == "UnsupportedInstrument"
