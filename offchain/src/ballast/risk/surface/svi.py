"""One expiry's smile: raw SVI (Gatheral 2004) of the variance a year, and its word for the chain.

    v(k) = a + b·(ρ·(k − m) + √((k − m)² + s²))

is the variance a year (365 days) at log-moneyness k = ln(strike / forward); total variance is v(k)·T, T = tenor ÷ year.
On chain every parameter is an integer, 1e9 is one, and a surface and its forward share one word
(`contracts/types/ExpiryQuote.sol`).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

from ballast.errors import BallastError
from ballast.risk import pricing
from ballast.risk.pricing import BILLION, WAD, Surface
from ballast.risk.surface.black76 import Floats

LOWEST_VOLATILITY, HIGHEST_VOLATILITY = pricing.LOWEST_VOLATILITY / WAD, pricing.HIGHEST_VOLATILITY / WAD


class SurfaceError(BallastError):
    """A surface, or the quotes it is to be made of, cannot be used."""


class NotASmile(SurfaceError):
    """Parameters that are no raw SVI: b < 0, |ρ| > 1, s ≤ 0 or a variance that is not positive."""


class WordOutOfRange(SurfaceError):
    """A parameter does not fit the bits it has in a surface word."""

    def __init__(self, field: str, value: int) -> None:
        self.field, self.value = field, value
        super().__init__(f"{field} = {value} does not fit a surface word")


class Derivatives(NamedTuple):
    """A function of log-moneyness and its first two derivatives, one entry a point."""

    value: Floats
    first: Floats
    second: Floats


@dataclass(frozen=True)
class Smile:
    """Raw SVI of the variance a year.

    Raises:
        NotASmile: see there.
    """

    a: float
    b: float
    rho: float
    m: float
    s: float

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(astuple(self))) or self.b < 0 or abs(self.rho) > 1 or self.s <= 0:
            raise NotASmile(f"{self}: b ≥ 0, |ρ| ≤ 1 and s > 0 are needed")
        if self.lowest_variance <= 0:
            raise NotASmile(f"{self}: the variance falls to {self.lowest_variance:.3g}")

    @property
    def lowest_variance(self) -> float:
        return float(self.a + self.b * self.s * np.sqrt(1 - self.rho**2))

    def derivatives(self, k: Floats) -> Derivatives:
        """v(k), v′(k), v″(k)."""
        u = np.asarray(k) - self.m
        root = np.hypot(u, self.s)
        return Derivatives(
            self.a + self.b * (self.rho * u + root), self.b * (self.rho + u / root), self.b * self.s**2 / root**3
        )

    def variance(self, k: Floats) -> Floats:
        """Variance a year at log-moneyness ``k``."""
        return self.derivatives(k).value

    def volatility(self, k: Floats) -> Floats:
        """σ(k) as the chain takes it: within [5 %, 500 %]."""
        return np.asarray(np.clip(np.sqrt(self.variance(k)), LOWEST_VOLATILITY, HIGHEST_VOLATILITY))

    def quantised(self) -> Smile:
        """What the chain reads: each parameter to the nearest 1e-9."""
        return Smile(*(integer / BILLION for integer in self.integers()))

    def integers(self) -> tuple[int, int, int, int, int]:
        """a, b, ρ, m, s; 1e9 is one."""
        a, b, rho, m, s = (round(value * BILLION) for value in astuple(self))
        return a, b, rho, m, s

    def quantisation_bound(self, k: Floats) -> Floats:
        """Most by which `quantised` moves the variance at ``k``: half a step of each parameter, times the most its
        derivative is on the way."""
        u, step = np.abs(np.asarray(k) - self.m), 0.5 / BILLION
        in_b = abs(self.rho) * u + np.hypot(u, self.s)
        in_m = self.b * (abs(self.rho) + 1)
        return np.asarray(step * (1 + in_b + self.b * u + in_m + self.b) + 8 * step**2 * (1 + u))


def surface_of(smile: Smile, premium: float, published_at: int) -> Surface:
    """What the chain stores of a smile: each parameter to the nearest 1e-9, and forward ÷ index − 1.

    Raises:
        WordOutOfRange: a parameter does not fit its bits.
    """
    surface = Surface(round(premium * BILLION), *smile.integers(), published_at)
    stored = Surface.unpack(surface.pack())
    for name, value in vars(surface).items():
        if getattr(stored, name) != value:
            raise WordOutOfRange(name, value)
    return surface


def smile_of(surface: Surface) -> Smile:
    """The smile that the chain reads.

    Raises:
        NotASmile: it is none.
    """
    return Smile(*(value / BILLION for value in (surface.a, surface.b, surface.rho, surface.m, surface.s)))
