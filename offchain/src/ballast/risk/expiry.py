"""Expiries in Python integers: settlement windows and surface checks, equal to `Expiries` on chain to the wei.

Prices, variances a year and log-moneyness k are wad; a surface's parameters count 1e-9; times are seconds, ratios basis
points (10_000 is one). Signed divisions truncate, as the EVM's do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isqrt

from ballast.errors import BallastError
from ballast.risk.pricing import Surface

WAD = 10**18
BILLION = 10**9
BPS = 10_000
DAY = 86_400
YEAR = 365 * DAY
TIME_OF_DAY = 8 * 3600
"""Expiries are at 08:00 UTC."""

WINDOW = 1800
BUCKET = 60
BUCKETS = WINDOW // BUCKET
LEAST_OBSERVED = 20
MOST_CARRIED = 3
TENOR_DIVISOR = 3

QUARTER_DEVIATIONS = (-32, -24, -16, -12, -8, -6, -4, -2, -1, 0, 1, 2, 4, 6, 8, 12, 16, 24, 32)
"""Where a smile is checked, in quarters of its standard deviation at the money."""
FARTHEST = 3 * WAD
STEEPEST_WING = 2
LEAST_S = 10**5
_BILLIONTHS_A_BASIS_POINT = BILLION // BPS
_WAD_A_SQUARED_BASIS_POINT = WAD // BPS**2


# Settlement --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """What is known of an expiry's settlement price: `IExpiries` documents the rules.

    Attributes:
        observed: Buckets with an observation of their own.
        counted: Buckets in ``total``: those, and those a value was carried over to.
        next: First bucket that can still be observed.
        last: Newest observation; the settlement price once settled.
        total: Of the counted buckets' prices.
    """

    observed: int = 0
    counted: int = 0
    next: int = 0
    last: int = 0
    total: int = 0
    is_settled: bool = False

    def add(self, bucket: int, price: int) -> Window:
        """With an observation, and the newest one before carried over to the buckets missed since."""
        before = self.carried(bucket)
        return replace(
            before,
            observed=self.observed + 1,
            counted=before.counted + 1,
            next=bucket + 1,
            last=price,
            total=before.total + price,
        )

    def carried(self, bucket: int) -> Window:
        """With the newest observation counted for those missed since, before ``bucket``: three at most."""
        if not self.observed or bucket <= self.next:
            return self
        carried = min(bucket - self.next, MOST_CARRIED)
        return replace(self, counted=self.counted + carried, total=self.total + carried * self.last)

    @property
    def average(self) -> int:
        """Rounded down; 0 where nothing is counted."""
        return self.total // self.counted if self.counted else 0

    @property
    def price(self) -> int:
        """The settlement price of a window that is over; 0 where too little of it was observed."""
        if self.is_settled:
            return self.last
        return self.carried(BUCKETS).average if self.observed >= LEAST_OBSERVED else 0

    def parts(self, rest: int) -> tuple[int, int]:
        """What is known of the price ``rest`` seconds before expiry, and the share that is open, wad.

        fixed = ⌊average · known / (known + rest)⌋, open = ⌊rest / (known + rest)⌋, with known the seconds counted.
        """
        elapsed = WINDOW - rest
        bucket = elapsed // BUCKET
        reachable = self.observed + BUCKETS - max(bucket, self.next)
        if not self.observed or reachable < LEAST_OBSERVED:
            return 0, WAD
        window = self.carried(bucket)
        known = min(window.counted * BUCKET, elapsed)
        whole = known + rest
        return window.total * known // (window.counted * whole), WAD * rest // whole


# Limits ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpiryLimits:
    """Limits of all expiries, as `IExpiriesAdmin.ExpiryLimits` documents them; the contract's own to begin with."""

    max_age: int = 900
    fallback_delay: int = 3600
    step_interval: int = 30
    step_variance_bps: int = 3000
    step_premium_bps: int = 50
    premium_bps: int = 100
    premium_rate_bps: int = 5000
    least_volatility_bps: int = 500
    most_volatility_bps: int = 50_000
    settlement_bps: int = 1000
    bounty: int = 0


class SurfaceRefused(BallastError):
    """The chain would refuse a surface; ``rule`` is the name of its error, ``k`` where (wad, None where nowhere)."""

    def __init__(self, rule: str, k: int | None = None) -> None:
        self.rule, self.k = rule, k
        super().__init__(rule if k is None else f"{rule} at k = {k / WAD:.4f}")


def refuse(condition: bool, rule: str, k: int | None = None) -> None:
    if condition:
        raise SurfaceRefused(rule, k)


# Surfaces ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmilePoint:
    """A smile at one log-moneyness, all wad: variance a year, its first and its second derivative in k."""

    k: int
    variance: int
    slope: int
    curvature: int

    @staticmethod
    def of(surface: Surface, k: int) -> SmilePoint:
        x = k - surface.m * BILLION
        s = surface.s * BILLION
        radius = isqrt(x * x + s * s)
        slope = _towards_zero(surface.b * (surface.rho * radius + BILLION * x), radius)
        bend = s * WAD // radius
        curvature = surface.b * BILLION * bend * bend // (WAD * radius)
        return SmilePoint(k, surface.variance(k), slope, curvature)

    def durrleman(self, tenor: int) -> int:
        """g = (1 − k·w′/2w)² − w′²/4·(1/w + 1/4) + w″/2 of the total variance w, wad; negative is a butterfly arbitrage
        (Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, 2014).
        """
        time = tenor * WAD // YEAR
        relative_slope = _towards_zero(self.slope * WAD, self.variance)
        first = WAD - _towards_zero(self.k * relative_slope, 2 * WAD)
        total_slope = _towards_zero(time * self.slope, WAD)
        return (
            first * first // WAD
            - _towards_zero(total_slope * relative_slope, 4 * WAD)
            - total_slope * total_slope // (16 * WAD)
            + time * self.curvature // (2 * WAD)
        )


def grid(surface: Surface, tenor: int) -> list[int]:
    """Where a surface is checked: 19 log-moneynesses, up to eight standard deviations and ±3."""
    deviation = isqrt(surface.variance(0) * tenor // YEAR * WAD)
    return [min(max(_towards_zero(z * deviation, 4), -FARTHEST), FARTHEST) for z in QUARTER_DEVIATIONS]


def least_variance(surface: Surface) -> int:
    """a + b·s·√(1 − rho²), wad."""
    root = isqrt((WAD - surface.rho**2) * WAD)
    return surface.a * BILLION + surface.b * surface.s * root // WAD


def check_surface(surface: Surface, tenor: int, limits: ExpiryLimits) -> None:
    """Levels, and arbitrage within one expiry.

    Raises:
        SurfaceRefused: The chain would.
    """
    refuse(abs(surface.rho) >= BILLION or surface.s < LEAST_S, "MalformedSurface")
    premium_limit = (limits.premium_bps * YEAR + limits.premium_rate_bps * tenor) * _BILLIONTHS_A_BASIS_POINT // YEAR
    refuse(abs(surface.premium) > premium_limit, "PremiumOutOfBounds")
    wing = surface.b * (BILLION + abs(surface.rho)) * tenor // YEAR
    refuse(wing > STEEPEST_WING * WAD, "WingTooSteep")
    refuse(least_variance(surface) < _variance_of(limits.least_volatility_bps), "VarianceTooLow")
    for k in grid(surface, tenor):
        point = SmilePoint.of(surface, k)
        refuse(point.variance > _variance_of(limits.most_volatility_bps), "VarianceTooHigh", k)
        refuse(point.durrleman(tenor) < 0, "ButterflyArbitrage", k)


def check_step(previous: Surface, surface: Surface, tenor: int, steps: int, limits: ExpiryLimits) -> None:
    """A surface against the one it follows, ``steps`` whole intervals later.

    Raises:
        SurfaceRefused: The chain would.
    """
    premium_step = steps * limits.step_premium_bps * _BILLIONTHS_A_BASIS_POINT
    refuse(abs(surface.premium - previous.premium) > premium_step, "PremiumStepTooLarge")
    ratio = BPS + steps * limits.step_variance_bps
    for k in grid(surface, tenor):
        smaller, larger = sorted((previous.variance(k), surface.variance(k)))
        refuse(larger * BPS > smaller * ratio, "VarianceStepTooLarge", k)


def check_calendar(near: Surface, near_tenor: int, far: Surface, far_tenor: int) -> None:
    """Total variance does not fall from one expiry to the next: at the nearer one's points, and far out in either wing.

    Raises:
        SurfaceRefused: The chain would.
    """
    for k in grid(near, near_tenor):
        refuse(near.variance(k) * near_tenor > far.variance(k) * far_tenor, "CalendarArbitrage", k)
    near_pull, far_pull = near.b * near_tenor, far.b * far_tenor
    for sign in (-1, 1):
        is_crossed = near_pull * (BILLION + sign * near.rho) > far_pull * (BILLION + sign * far.rho)
        refuse(is_crossed, "CalendarArbitrage")


def _variance_of(volatility_bps: int) -> int:
    return volatility_bps**2 * _WAD_A_SQUARED_BASIS_POINT


def _towards_zero(x: int, y: int) -> int:
    """x / y for y > 0, as the EVM divides."""
    return -(-x // y) if x < 0 else x // y


# The contract ------------------------------------------------------------------------------------------------------


@dataclass
class Expiries:
    """Surfaces of one underlying's listed expiries, and what the chain would say to new ones.

    Attributes:
        surfaces: As stored, by expiry.
    """

    limits: ExpiryLimits = field(default_factory=ExpiryLimits)
    surfaces: dict[int, Surface] = field(default_factory=dict)

    def submit(self, reports: Iterable[tuple[int, Surface]], published_at: int, now: int) -> list[int]:
        """Stores what counts of one signed batch of surfaces, by expiry, their times left out; all or nothing.

        Returns:
            The expiries whose surface was stored.

        Raises:
            SurfaceRefused: The chain would refuse the batch.
        """
        after, stored = dict(self.surfaces), []
        for expiry, surface in reports:
            previous = after[expiry]
            steps = (published_at - previous.published_at) // self.limits.step_interval
            if now >= expiry or steps <= 0:
                continue
            check_surface(surface, expiry - now, self.limits)
            check_step(previous, surface, expiry - now, steps, self.limits)
            after[expiry] = replace(surface, published_at=published_at)
            stored.append(expiry)
        refuse(not stored, "NothingNewer")
        live = [expiry for expiry in sorted(after) if expiry > now]
        for near, far in pairwise(live):
            if near in stored or far in stored:
                check_calendar(after[near], near - now, after[far], far - now)
        self.surfaces = after
        return stored
