"""Black-76 in floats, for quotes: undiscounted prices as shares of the forward, and the volatilities they imply.

Arrays broadcast against each other. ``k`` is log-moneyness ln(strike / forward), ``deviation`` the standard deviation
of the log-price to expiry, σ·√T. Formulas: Black, "The pricing of commodity contracts" (1976), r = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HIGHEST_DEVIATION = 20.0
_BISECTIONS = 60


def price(k: Floats, deviation: Floats, is_call: Flags) -> Floats:
    """Price ÷ forward of a European call, or put where ``is_call`` is false. ``deviation`` > 0."""
    sign = np.where(is_call, 1.0, -1.0)
    d1 = -k / deviation + deviation / 2
    return np.asarray(sign * (ndtr(sign * d1) - np.exp(k) * ndtr(sign * (d1 - deviation))))


def call_delta(k: Floats, deviation: Floats) -> Floats:
    """Φ(d1): the call's delta to the forward; a put's is this less one."""
    return np.asarray(ndtr(-k / deviation + deviation / 2))


def vega(k: Floats, deviation: Floats) -> Floats:
    """Derivative of price ÷ forward in ``deviation``: the normal density at d1."""
    d1 = -k / deviation + deviation / 2
    return np.asarray(np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi))


def implied_deviation(price_share: Floats, k: Floats, is_call: Flags) -> Floats:
    """The deviation at which an option costs ``price_share`` of the forward, to 1e-15 of ``HIGHEST_DEVIATION``; NaN at
    or below the intrinsic value, and at or above what any volatility gives."""
    # In the out-of-the-money option of the same strike nothing cancels.
    intrinsic = np.maximum(0.0, np.where(is_call, 1.0, -1.0) * -np.expm1(k))
    out_call = k >= 0
    time_value = price_share - intrinsic
    low, high = np.full(time_value.shape, 1e-9), np.full(time_value.shape, HIGHEST_DEVIATION)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = price(k, middle, out_call) < time_value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    known = (time_value > 0) & (time_value < price(k, np.asarray(HIGHEST_DEVIATION), out_call))
    return np.asarray(np.where(known, (low + high) / 2, np.nan))
