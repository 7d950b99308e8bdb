"""Option prices against references of others: 50 digits of mpmath, vollib and QuantLib."""

from itertools import product
from math import exp, log, sqrt
from random import Random

import mpmath
import numpy as np
import pytest
import QuantLib
from vollib.black import black
from vollib.black.greeks.analytical import delta as vollib_delta

from ballast.risk import pricing
from ballast.risk.pricing import WAD, YEAR, Surface, call_price, cumulative, put_price

DIGITS = 50
SPOT = 2_000 * WAD
CDF_ERROR, PRICE_ERROR = 5e-9, 1e-7
MONEYNESS, TENORS, VOLATILITIES = (0.05, 20), (60, 3 * YEAR), (0.05, 5)
POINTS = 50 * 50 * 40


def geometric(bounds: tuple[float, float], count: int) -> list[float]:
    return [float(value) for value in np.geomspace(*bounds, count)]


def exact_call(forward: int, strike: int, volatility: int, tenor: int) -> mpmath.mpf:
    """To fifty digits, in wad."""
    spread = mpmath.mpf(volatility) / WAD * mpmath.sqrt(mpmath.mpf(tenor) / YEAR)
    first = mpmath.log(mpmath.mpf(forward) / strike) / spread + spread / 2
    return forward * mpmath.ncdf(first) - strike * mpmath.ncdf(first - spread)


def test_cumulative__whole_line__within_five_billionths_and_never_falling() -> None:
    with mpmath.workdps(DIGITS):
        before = 0
        for position in range(-(40 << 32), pricing.TOP + (40 << 32), (1 << 32) // 7):
            found = cumulative(position)
            argument = mpmath.mpf(position - pricing.MIDDLE) / (pricing.INTERVALS_A_UNIT << 32)
            assert abs(mpmath.mpf(found) / pricing.CERTAIN - mpmath.ncdf(argument)) <= CDF_ERROR
            assert found >= before
            before = found


def test_cumulative__across_every_joint_and_within_every_interval__never_falls() -> None:
    for interval, (level, slope, bend) in enumerate(pricing.normal_table()):
        assert slope > 0 and slope + 2 * bend > 0  # a parabola that rises at both ends rises between them
        end = (interval + 1) << pricing.POSITION_BITS
        assert cumulative(end) >= cumulative(end - 1)
        if interval + 1 < pricing.INTERVALS:
            assert level + slope + bend == pricing.normal_table()[interval + 1][0]


def test_call__grid_of_a_hundred_thousand__within_a_tenth_of_a_millionth_of_spot() -> None:
    grid = product(geometric(MONEYNESS, 50), geometric(TENORS, 50), geometric(VOLATILITIES, 40))
    checked, worst = 0, 0.0
    with mpmath.workdps(DIGITS):
        for moneyness, tenor, volatility in grid:
            terms = (SPOT, round(moneyness * SPOT), round(volatility * WAD), round(tenor))
            found = call_price(*terms)
            worst = max(worst, float(abs(found - exact_call(*terms)) / SPOT))
            assert found >= max(0, SPOT - terms[1])
            checked += 1
    assert checked == POINTS
    assert worst <= PRICE_ERROR


@pytest.mark.parametrize("tenor", [0, 1])
def test_prices__no_time_left__intrinsic(tenor: int) -> None:
    for strike in (1, SPOT // 2, SPOT * 99 // 100, SPOT * 101 // 100, SPOT * 20):
        assert call_price(SPOT, strike, WAD, tenor) == max(0, SPOT - strike)
        assert put_price(SPOT, strike, WAD, tenor) == max(0, strike - SPOT)


def test_prices__extreme_forward_or_strike__intrinsic_and_no_error() -> None:
    for forward, strike in product((0, 1, 2**118 - 1), repeat=2):
        found = call_price(forward, strike, 5 * WAD, 10 * YEAR)
        assert max(0, forward - strike) <= found <= forward
        assert put_price(forward, strike, 5 * WAD, 10 * YEAR) >= max(0, strike - forward)


def random_terms(random: Random) -> tuple[int, int, int, int]:
    strike = round(SPOT * exp(random.uniform(log(0.2), log(5))))
    return SPOT, strike, random.randint(5 * WAD // 100, 3 * WAD), random.randint(600, 3 * YEAR)


@pytest.mark.parametrize("kind", ["call", "put"])
def test_price_and_delta__random_terms__as_vollib_and_quantlib_have_them(kind: str) -> None:
    random = Random(7)
    price_of = call_price if kind == "call" else put_price
    option_type = QuantLib.Option.Call if kind == "call" else QuantLib.Option.Put
    for _ in range(2_000):
        forward, strike, volatility, tenor = random_terms(random)
        units = (forward / WAD, strike / WAD, tenor / YEAR, volatility / WAD)
        price = price_of(forward, strike, volatility, tenor) / WAD
        theirs = black(kind[0], units[0], units[1], units[2], 0.0, units[3])
        payoff = QuantLib.PlainVanillaPayoff(option_type, units[1])
        calculator = QuantLib.BlackCalculator(payoff, units[0], units[3] * sqrt(units[2]))
        assert price == pytest.approx(theirs, abs=PRICE_ERROR * units[0])
        assert price == pytest.approx(calculator.value(), abs=PRICE_ERROR * units[0])
        delta = pricing.call_delta(forward, strike, volatility, tenor) / WAD - (kind == "put")
        assert delta == pytest.approx(calculator.deltaForward(), abs=CDF_ERROR)
        assert delta == pytest.approx(vollib_delta(kind[0], units[0], units[1], units[2], 0.0, units[3]), abs=CDF_ERROR)


def test_volatility__points_of_a_surface__as_the_formula_has_them() -> None:
    surface = Surface(0, a=20_000_000, b=250_000_000, rho=-300_000_000, m=50_000_000, s=120_000_000)
    for step in range(-30, 31):
        k = step / 10
        variance = 0.02 + 0.25 * (-0.3 * (k - 0.05) + sqrt((k - 0.05) ** 2 + 0.12**2))
        assert surface.volatility(step * WAD // 10) / WAD == pytest.approx(sqrt(variance), rel=1e-12)


def test_volatility__beyond_its_bounds__clamped() -> None:
    flat = Surface(0, a=0, b=0, rho=0, m=0, s=0)
    assert flat.volatility(0) == pricing.LOWEST_VOLATILITY
    assert Surface(0, a=-(2**39), b=1, rho=0, m=0, s=1).volatility(WAD) == pricing.LOWEST_VOLATILITY
    assert Surface(0, a=26 * 10**9, b=0, rho=0, m=0, s=0).volatility(0) == pricing.HIGHEST_VOLATILITY
