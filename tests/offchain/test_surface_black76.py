"""Black-76 in floats against fifty digits, and its inversion."""

import mpmath
import numpy as np
import pytest

from ballast.risk.surface import black76

CALL, PUT = np.array([True]), np.array([False])


def exact_price(k, deviation, is_call):
    with mpmath.workdps(50):
        sign = 1 if is_call else -1
        d1 = -mpmath.mpf(k) / deviation + mpmath.mpf(deviation) / 2
        return float(sign * (mpmath.ncdf(sign * d1) - mpmath.exp(k) * mpmath.ncdf(sign * (d1 - deviation))))


@pytest.mark.parametrize("k", [-1.5, -0.2, 0.0, 0.05, 0.9])
@pytest.mark.parametrize("deviation", [0.01, 0.2, 1.7])
@pytest.mark.parametrize("is_call", [True, False])
def test_price__against_fifty_digits__within_1e15(k, deviation, is_call):
    found = black76.price(np.array([k]), np.array([deviation]), np.array([is_call]))[0]
    assert abs(found - exact_price(k, deviation, is_call)) < 1e-15 * max(1.0, np.exp(k))


def test_vega__is_the_slope_of_the_price():
    k, step = np.linspace(-1, 1, 9), 1e-5
    up, down = (black76.price(k, np.full(9, 0.4 + move), np.full(9, True)) for move in (step, -step))
    assert black76.vega(k, np.full(9, 0.4)) == pytest.approx((up - down) / (2 * step), rel=1e-8)


def test_call_delta__is_the_slope_in_the_forward():
    strike, deviation, step = 1.1, np.array([0.3]), 1e-5
    prices = [f * black76.price(np.log(np.array([strike / f])), deviation, CALL)[0] for f in (1 + step, 1 - step)]
    slope = (prices[0] - prices[1]) / (2 * step)
    assert black76.call_delta(np.log(np.array([strike])), deviation)[0] == pytest.approx(slope, rel=1e-8)


def test_implied_deviation__of_a_price__gives_it_back_in_and_out_of_the_money():
    k, deviation = np.meshgrid(np.linspace(-0.6, 0.6, 13), np.array([0.15, 0.4, 1.0]))
    for is_call in (CALL, PUT):
        prices = black76.price(k, deviation, is_call)
        assert black76.implied_deviation(prices, k, is_call) == pytest.approx(deviation, rel=1e-7)


@pytest.mark.parametrize(
    ("price", "is_call"), [(0.0, CALL), (0.0999, PUT), (1.0, CALL)], ids=["nothing", "below intrinsic", "the forward"]
)
def test_implied_deviation__of_what_no_volatility_gives__is_unknown(price, is_call):
    assert np.isnan(black76.implied_deviation(np.array([price]), np.log(np.array([1.1])), is_call)).all()
