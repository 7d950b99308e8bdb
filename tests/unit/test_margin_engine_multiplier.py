"""Shock multipliers: who may, within what bounds, and how they move (I30, I31)."""

import pytest

from ballast.risk.margin_terms import BILLION, WAD, Portfolio, ShockMultiplier
from tests.support.evm import Evm, reverts
from tests.support.margin import Scene, btc, eth, perp, simple_book

HOUR = 3600


@pytest.fixture
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(simple_book())
    return scene


def multiplier(scene: Scene, underlying: int = 1) -> int:
    return scene.engine.call("shockMultiplierOf", underlying)


def test_shock_multiplier_of__never_set__one(scene):
    assert [multiplier(scene, u) for u in (0, 1, 2, 255)] == [BILLION] * 4


@pytest.mark.parametrize("target", [0, BILLION // 2 - 1, 3 * BILLION + 1, 2**32 - 1])
def test_set_shock_multiplier__out_of_bounds__refused(scene, target):
    with reverts("ShockMultiplierOutOfBounds", multiplier=target):
        scene.engine.transact("setShockMultiplier", 1, target)


def test_set_shock_multiplier__settlement_token__refused(scene):
    with reverts("UnderlyingNotInBook", underlying=0):
        scene.engine.transact("setShockMultiplier", 0, BILLION)


def test_set_shock_multiplier__stranger__refused(scene):
    stranger = Evm.address_of("stranger")
    with reverts("AccessManagedUnauthorized", caller=stranger):
        scene.engine.transact("setShockMultiplier", 1, BILLION, sender=stranger)


@pytest.mark.parametrize(("target", "hourly"), [(2 * BILLION, BILLION // 20), (BILLION // 2, -BILLION // 20)])
def test_shock_multiplier_of__on_its_way__five_percent_an_hour_in_a_straight_line(scene, target, hourly):
    (event,) = scene.engine.transact("setShockMultiplier", 1, target).events("ShockMultiplierSet")
    assert tuple(event) == (1, BILLION, target)
    for hours in range(25):
        expected = BILLION + hours * hourly
        bounded = min(expected, target) if hourly > 0 else max(expected, target)
        assert multiplier(scene) == bounded
        scene.evm.advance(HOUR)
    assert multiplier(scene, 2) == BILLION


def test_set_shock_multiplier__set_again_on_its_way__goes_on_from_where_it_is(scene):
    scene.engine.transact("setShockMultiplier", 1, 2 * BILLION)
    scene.evm.advance(2 * HOUR + 1)
    here = multiplier(scene)
    assert here == BILLION + BILLION // 10 + BILLION // 20 // HOUR
    (event,) = scene.engine.transact("setShockMultiplier", 1, BILLION).events("ShockMultiplierSet")
    assert tuple(event) == (1, here, BILLION)
    assert multiplier(scene) == here


def test_shock_multiplier_of__decades_idle__at_its_target(scene):
    """Attack "decades-idle accrual"."""
    scene.engine.transact("setShockMultiplier", 1, 3 * BILLION)
    scene.evm.advance(100 * 365 * 86_400)
    assert multiplier(scene) == 3 * BILLION


def test_set_shock_multiplier__neighbours_of_one_slot__independent(scene):
    for underlying in (1, 2, 3, 254, 255):
        scene.engine.transact("setShockMultiplier", underlying, BILLION + underlying)
    scene.evm.advance(HOUR)
    assert [multiplier(scene, u) for u in (1, 2, 3, 254, 255)] == [BILLION + u for u in (1, 2, 3, 254, 255)]


def test_shock_multiplier__any_path__contract_equals_twin(scene):
    scene.engine.transact("setShockMultiplier", 1, 2_345_678_901)
    model = ShockMultiplier(BILLION, 2_345_678_901, scene.evm.timestamp)
    for seconds in (1, 59, 1234, 40_000, 400_000):
        scene.evm.advance(seconds)
        assert multiplier(scene) == model.value_at(scene.evm.timestamp)


@pytest.mark.parametrize("target", [BILLION // 2, 3 * BILLION])
def test_set_shock_multiplier__hedged_portfolio__requires_the_same_in_the_block_of_the_change(target):
    """I31: a smaller shock of the hedge raises the scan, so that a fall at once would liquidate."""
    scene = Scene.deploy()
    scene.set_book(simple_book(tail_rows=1))
    portfolio = Portfolio(0, (), (perp(eth(), -20 * WAD), perp(btc(), WAD)))
    quotes = [eth(), btc()]
    before = scene.assess(portfolio, quotes)
    scene.engine.transact("setShockMultiplier", 2, target)
    assert scene.assess(portfolio, quotes) == before
    scene.evm.advance(HOUR)
    assert scene.assess(portfolio, quotes).scan > before.scan
    assert scene.assess(portfolio, quotes) == scene.twin.assess(portfolio, quotes)
