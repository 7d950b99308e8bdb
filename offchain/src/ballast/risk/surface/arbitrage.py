"""Static arbitrage of smiles: butterflies within an expiry, calendars between two.

Butterfly: the density that call prices imply is g(k)/√(2π·w)·exp(−d₂²/2), with total variance w and

    g(k) = (1 − k·w′/(2·w))² − w′²/4·(1/w + 1/4) + w″/2

(Durrleman; Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", 2014, lemma 2.2), so that g ≥ 0 together
with call prices that vanish at high strikes excludes them. The wings of total variance may rise by less than 2 a unit
of log-moneyness (Lee, "The moment formula for implied volatility at extreme strikes", 2004). Calendar: total variance
at a log-moneyness against the forward does not fall from one expiry to the next (their lemma 2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ballast.risk.surface.black76 import Floats
from ballast.risk.surface.svi import Smile

LEE_BOUND = 2.0
# Log-moneyness to which calendars are compared point by point; beyond, the wings' slopes are.
FAR_WING = 3.0
_REFINEMENTS, _POINTS_BETWEEN = 3, 17


@dataclass(frozen=True)
class Findings:
    """How far a smile is from arbitrage; negative is arbitrage.

    Attributes:
        butterfly: Least g(k).
        wings: 2 less the steeper wing of total variance.
        calendar: Least total variance above the expiry before, relative to it; infinity without one.
        calendar_wings: Least slope of a wing above the expiry before.
    """

    butterfly: float
    wings: float
    calendar: float = np.inf
    calendar_wings: float = np.inf

    @property
    def is_free(self) -> bool:
        return min(self.butterfly, self.wings, self.calendar, self.calendar_wings) >= 0


def durrleman(smile: Smile, k: Floats, years: float) -> Floats:
    """g(k) of a smile ``years`` before expiry."""
    w, first, second = (part * years for part in smile.derivatives(k))
    return np.asarray((1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2)


def wing_slopes(smile: Smile, years: float) -> tuple[float, float]:
    """How much total variance rises a unit of log-moneyness, far to the left and to the right."""
    return smile.b * (1 - smile.rho) * years, smile.b * (1 + smile.rho) * years


def butterfly_grid(smile: Smile, years: float, points: int = 801) -> Floats:
    """Log-moneyness at which g can turn: spaced by the hyperbolic sine around the vertex, in units of its width, and
    around the forward, in standard deviations, far into both wings."""
    spread = np.sinh(np.linspace(-9.0, 9.0, points))
    scale = float(np.sqrt(smile.variance(np.zeros(1))[0] * years))
    return np.unique(np.concatenate([smile.m + smile.s * spread, scale * np.sinh(np.linspace(-5.0, 5.0, points))]))


def calendar_grid(points: int = 801) -> Floats:
    """Log-moneyness at which expiries are compared: dense around the forward, to strikes 20 times it and a 20th."""
    spread = np.sinh(np.linspace(-6.0, 6.0, points))
    return np.asarray(FAR_WING * spread / spread[-1])


def local_minima(function: Callable[[Floats], Floats], grid: Floats) -> tuple[Floats, Floats]:
    """Where a function is least among its neighbours on a grid, each looked for again between them, and its values."""
    values = function(grid)
    padded = np.concatenate([[np.inf], values, [np.inf]])
    lowest = np.flatnonzero((values <= padded[:-2]) & (values <= padded[2:]))
    left, right = grid[np.maximum(lowest - 1, 0)], grid[np.minimum(lowest + 1, len(grid) - 1)]
    rows = np.arange(len(lowest))
    for _ in range(_REFINEMENTS):
        points = np.linspace(left, right, _POINTS_BETWEEN, axis=1)
        found = function(points.ravel()).reshape(points.shape)
        at = found.argmin(axis=1)
        left, right = points[rows, np.maximum(at - 1, 0)], points[rows, np.minimum(at + 1, _POINTS_BETWEEN - 1)]
    return points[rows, at], found[rows, at]


def density_minima(smile: Smile, years: float) -> tuple[Floats, Floats]:
    """Where Durrleman's g is least, and how low."""
    return local_minima(lambda k: durrleman(smile, k, years), butterfly_grid(smile, years))


def calendar_minima(smile: Smile, years: float, before: tuple[Smile, float]) -> tuple[Floats, Floats]:
    """Where total variance is least above the expiry ``before``, relative to it, and how little."""
    earlier, earlier_years = before

    def rise(k: Floats) -> Floats:
        return np.asarray(smile.variance(k) * years / (earlier.variance(k) * earlier_years) - 1)

    return local_minima(rise, calendar_grid())


def examine(smile: Smile, years: float, before: tuple[Smile, float] | None = None) -> Findings:
    """Looks for arbitrage in a smile ``years`` before expiry, and against the expiry ``before`` it, given likewise."""
    slopes = wing_slopes(smile, years)
    findings = Findings(float(density_minima(smile, years)[1].min()), LEE_BOUND - max(slopes))
    if before is None:
        return findings
    steps = [late - early for late, early in zip(slopes, wing_slopes(*before), strict=True)]
    rise = float(calendar_minima(smile, years, before)[1].min())
    return Findings(findings.butterfly, findings.wings, rise, min(steps))
