"""The shipped risk book on the contract: accepted, read back, and its quality test speaks of the chain's scan."""

from itertools import pairwise

import numpy as np
import pytest

from ballast.chain.ids import perp_of
from ballast.risk.book import WAD, Book, first_book
from ballast.risk.margin_terms import OracleState, Portfolio, PositionLeg, Quote
from ballast.risk.quality import scan
from tests.support.margin import Scene

DAY = 86_400
PRICES = {1: 60_000 * WAD, 2: 2_500 * WAD, 3: 15 * WAD, 4: WAD}
VALUE = 1_000_000 * WAD


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(first_book())
    scene.evm.advance(DAY)
    return scene


def chain_margin(scene, weights):
    """Perps worth `weights` times one million, opened at mark."""
    quotes = [Quote(u, OracleState.OK, price, price) for u, price in PRICES.items()]
    legs = []
    for (underlying, price), weight in zip(PRICES.items(), weights, strict=True):
        size = round(weight * VALUE) * WAD // price
        legs.append(PositionLeg(perp_of(underlying), size, price, -size * price // WAD))
    return scene.assess(Portfolio(0, (), tuple(leg for leg in legs if leg.size)), quotes)


def test_set_risk_book__first_book__stored_as_encoded(scene):
    current, previous, weight = scene.engine.call("riskBooks")
    assert (Book.decode(current, names=first_book()), previous, weight) == (first_book(), current, WAD)


@pytest.mark.parametrize(
    "weights",
    [(1, 0, 0, 0), (-1, 0, 0, 0), (0, 1, 0, 0), (1, -1, 0, 0), (-0.654, 1, 0, 0), (0.5, 0.5, -1, 0), (0, 0, 0, 1)],
    ids=str,
)
def test_assess__linear_portfolio__scan_is_what_the_quality_test_measures(scene, weights):
    expected = scan(first_book(), np.array(weights, dtype=float))
    assert chain_margin(scene, weights).scan / VALUE == pytest.approx(expected, rel=1e-9)


def test_assess__hedged_pairs__need_less_than_their_legs_apart(scene):
    legs = [(1, 0, 0, 0), (0, -1, 0, 0), (0, 0, 1, 0)]
    for first, second in pairwise(legs):
        together = tuple(a + b for a, b in zip(first, second, strict=True))
        apart = chain_margin(scene, first).scan + chain_margin(scene, second).scan
        assert chain_margin(scene, together).scan < 0.6 * apart
