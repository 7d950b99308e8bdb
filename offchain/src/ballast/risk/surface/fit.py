"""Fits smiles to quotes, without static arbitrage.

Each expiry in turn, nearest first, minimises the squared distance of volatilities to the mid quotes, weighted by the
inverse spread in volatility (vega ÷ spread in price), over raw SVI. Butterfly, wings, the lowest variance and the
calendar against the expiry before enter as constraints of a sequential quadratic programme with analytic derivatives,
at points of a grid that grows by every point at which a finer grid finds arbitrage (cutting planes). It starts from the
quasi-explicit calibration of Zeliade Systems (De Marco and Martini, 2009): for a given vertex and width raw SVI is
linear in the rest.

All of it happens in units of the expiry's own standard deviation, x = k/√θ and W = w/θ with θ the total variance at
the forward, in which smiles of all tenors look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import least_squares, minimize

from ballast.risk.surface.arbitrage import LEE_BOUND, Findings, calendar_grid, calendar_minima, density_minima, examine
from ballast.risk.surface.black76 import Floats
from ballast.risk.surface.chains import Chain, FilterSettings, SmileQuotes, select_quotes
from ballast.risk.surface.svi import LOWEST_VOLATILITY, NotASmile, Smile, SurfaceError

# What constraints keep clear of zero, so that rounding to 1e-9 cannot cross it.
_CLEAR_OF_BUTTERFLY = 1e-3
_CLEAR_OF_CALENDAR = 1e-5
_CLEAR_OF_LEE = 0.02
# The chain takes no s below 1e-4.
_LEAST_WIDTH = 1.5e-4
_ROUNDS = 12


class ArbitrageLeft(SurfaceError):
    """No smile without arbitrage was found."""

    def __init__(self, name: str, findings: Findings | None) -> None:
        self.findings = findings
        super().__init__(f"{name}: no smile without arbitrage found" + (f", best {findings}" if findings else ""))


class NoExpiryFitted(SurfaceError):
    """No expiry of a chain has a surface."""


@dataclass(frozen=True)
class FitSettings:
    """How smiles are fitted.

    Attributes:
        filters: Which quotes count.
        least_spread: Spread in volatility below which narrower quotes weigh no more.
    """

    filters: FilterSettings = field(default_factory=FilterSettings)
    least_spread: float = 0.005


@dataclass(frozen=True)
class FittedSmile:
    """The smile of one expiry, as the chain reads it (parameters in multiples of 1e-9), and what it was fitted to."""

    quotes: SmileQuotes
    smile: Smile
    findings: Findings

    @property
    def premium(self) -> float:
        """Forward ÷ index − 1."""
        return self.quotes.forward / self.quotes.index - 1

    @property
    def volatility(self) -> Floats:
        """Of each quote."""
        return self.smile.volatility(self.quotes.k)

    @property
    def level(self) -> float:
        """Volatility at the forward."""
        return float(self.smile.volatility(np.zeros(1))[0])

    @property
    def error(self) -> float:
        """Root mean square distance to the mid quotes, volatility."""
        return _root_mean_square(self.volatility - self.quotes.mid)

    @property
    def error_to_mark(self) -> float:
        """Root mean square distance to the exchange's own marks, volatility."""
        return _root_mean_square(self.volatility - self.quotes.mark)

    @property
    def worst(self) -> float:
        """Largest distance to a mid quote, volatility."""
        return float(np.abs(self.volatility - self.quotes.mid).max())

    @property
    def inside(self) -> float:
        """Share of quotes whose bid and ask the smile stays within."""
        within = (self.volatility >= self.quotes.bid) & (self.volatility <= self.quotes.ask)
        return float(within.mean())


@dataclass(frozen=True)
class FittedSurface:
    """Smiles of one currency at one time, by ascending expiry, and why other expiries have none."""

    currency: str
    time: int
    index: float
    smiles: tuple[FittedSmile, ...]
    refused: dict[int, SurfaceError]


def fit_surface(chain: Chain, settings: FitSettings | None = None) -> FittedSurface:
    """A smile for every expiry that has the quotes for one, free of static arbitrage.

    Raises:
        NoExpiryFitted: no expiry has.
    """
    settings = settings or FitSettings()
    smiles: list[FittedSmile] = []
    refused: dict[int, SurfaceError] = {}
    for expiry in chain.expiries:
        try:
            quotes = select_quotes(chain, expiry, settings.filters)
            smiles.append(fit_smile(quotes, smiles[-1] if smiles else None, settings))
        except SurfaceError as reason:
            refused[expiry] = reason
    if not smiles:
        reasons = "; ".join(str(reason) for reason in refused.values())
        raise NoExpiryFitted(f"{chain.currency}: {reasons or 'no expiry'}")
    return FittedSurface(chain.currency, chain.time, chain.index_price, tuple(smiles), refused)


def fit_smile(
    quotes: SmileQuotes, before: FittedSmile | None = None, settings: FitSettings | None = None
) -> FittedSmile:
    """The smile nearest to the quotes among those without a butterfly, and without a calendar against ``before``.

    Raises:
        ArbitrageLeft: none was found.
    """
    problem = _Problem(quotes, before, settings or FitSettings())
    best: tuple[float, FittedSmile] | None = None
    findings = None
    for candidate in problem.candidates():
        try:
            smile = problem.smile(candidate).quantised()
        except NotASmile:
            continue
        findings = problem.examine(smile)
        misfit = problem.misfit(problem.parameters(smile))[0]
        if findings.is_free and (best is None or misfit < best[0]):
            best = misfit, FittedSmile(quotes, smile, findings)
    if best is None:
        raise ArbitrageLeft(quotes.name, findings)
    return best[1]


class _Problem:
    """The programme of one expiry. Parameters p = (a, b, ρ, m, s) in units of its own standard deviation."""

    def __init__(self, quotes: SmileQuotes, before: FittedSmile | None, settings: FitSettings) -> None:
        self.quotes, self.years = quotes, quotes.years
        self.before = (before.smile, before.quotes.years) if before else None
        self.theta = float(np.interp(0.0, quotes.k, quotes.mid)) ** 2 * self.years
        self.unit = float(np.sqrt(self.theta))
        self.x = quotes.k / self.unit
        self.target = quotes.mid * np.sqrt(self.years / self.theta)
        weights = 1 / np.maximum(quotes.ask - quotes.bid, settings.least_spread)
        self.weights = weights**2 / (weights**2).sum()
        self.floor = (1.01 * LOWEST_VOLATILITY) ** 2 * self.years / self.theta
        reach = float(np.abs(self.x).max())
        self.bounds = [
            (-50, 50),
            (1e-4, 50),
            (-0.999, 0.999),
            (-2 * reach, 2 * reach),
            (max(0.02, _LEAST_WIDTH / self.unit), 10 * reach),
        ]

    # Units -----------------------------------------------------------------------------------------------------------

    def smile(self, p: Floats) -> Smile:
        a, b, rho, m, s = (float(value) for value in p)
        level, slope = self.theta / self.years, self.unit / self.years
        return Smile(a * level, b * slope, rho, m * self.unit, s * self.unit)

    def parameters(self, smile: Smile) -> Floats:
        level, slope = self.theta / self.years, self.unit / self.years
        return np.array([smile.a / level, smile.b / slope, smile.rho, smile.m / self.unit, smile.s / self.unit])

    def examine(self, smile: Smile) -> Findings:
        return examine(smile, self.years, self.before)

    # Objective -------------------------------------------------------------------------------------------------------

    def misfit(self, p: Floats) -> tuple[float, Floats]:
        """Weighted mean square of (√W − √W of the mid), and its gradient."""
        deviation, by_parameter = self._deviation(p)
        error = deviation - self.target
        return float(self.weights @ error**2), 2 * (self.weights * error) @ by_parameter

    def _deviation(self, p: Floats) -> tuple[Floats, Floats]:
        """√W at each quote, and its derivative in each parameter."""
        variance, by_parameter = _variance(p, self.x)
        root = np.sqrt(np.maximum(variance, 1e-12))
        return root, by_parameter / (2 * root[:, None])

    def candidates(self) -> Iterator[Floats]:
        """Optima: the free one alone where it has no arbitrage, else constrained ones from several starts."""
        starts = self.starts()
        free = self._optimise_freely(starts[0])
        if self._is_clear(free):
            yield free
            return
        for start in (free, starts[0]):
            yield self._optimise_clear(start)

    def starts(self) -> list[Floats]:
        """The best points of a grid of vertices and widths, for which the other parameters follow by least squares."""
        reach = float(np.abs(self.x).max())
        found: list[tuple[float, Floats]] = []
        influence = np.sqrt(self.weights) / (2 * self.target)
        for m in np.linspace(self.x[0], self.x[-1], 9):
            for s in np.geomspace(0.1, 2 * reach, 8):
                u = self.x - m
                columns = np.stack([np.ones_like(u), u, np.hypot(u, s)], axis=1)
                level, tilt, opening = np.linalg.lstsq(
                    columns * influence[:, None], self.target**2 * influence, rcond=None
                )[0]
                b = max(opening, 0.01)
                rho = float(np.clip(tilt / b, -0.95, 0.95))
                a = max(level, self.floor - b * s * np.sqrt(1 - rho**2) + 0.01)
                p = np.array([a, b, rho, m, s])
                found.append((self.misfit(p)[0], p))
        found.sort(key=lambda candidate: candidate[0])
        return [p for _, p in found]

    # Constraints -----------------------------------------------------------------------------------------------------

    def _optimise_freely(self, start: Floats) -> Floats:
        """The optimum within the parameters' bounds, to the last digits; arbitrage may be left."""
        influence = np.sqrt(self.weights)

        def errors(p: Floats) -> Floats:
            return np.asarray(influence * (self._deviation(p)[0] - self.target))

        def slopes(p: Floats) -> Floats:
            return np.asarray(influence[:, None] * self._deviation(p)[1])

        low, high = np.array(self.bounds).T
        inner = np.clip(start, low + 1e-9, high - 1e-9)
        tolerance = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14, "max_nfev": 50}
        return np.asarray(least_squares(errors, inner, slopes, (low, high), x_scale="jac", **tolerance).x)

    def _is_clear(self, p: Floats) -> bool:
        if self._levels(p)[0].min() < 0:
            return False
        return not any(len(points) for points in self._violations(self.smile(p)))

    def _optimise_clear(self, start: Floats) -> Floats:
        """Optimises, looks for arbitrage on a finer grid, adds where it is to the constraints, and goes on."""
        density = np.sinh(np.linspace(-4.5, 4.5, 41)) / 2
        calendar = calendar_grid(41) / self.unit if self.before else np.zeros(0)
        p = start
        for _ in range(_ROUNDS):
            p = self._optimise(p, density, calendar)
            try:
                new_density, new_calendar = self._violations(self.smile(p))
            except NotASmile:
                break
            if not len(new_density) and not len(new_calendar):
                break
            density = np.concatenate([density, new_density])
            calendar = np.concatenate([calendar, new_calendar])
        return p

    def _violations(self, smile: Smile) -> tuple[Floats, Floats]:
        """Where a smile is less clear of arbitrage than half of what is asked."""
        k, least = density_minima(smile, self.years)
        density = k[least < _CLEAR_OF_BUTTERFLY / 2] / self.unit
        if self.before is None:
            return density, np.zeros(0)
        k, least = calendar_minima(smile, self.years, self.before)
        return density, k[least < _CLEAR_OF_CALENDAR / 2] / self.unit

    def _optimise(self, start: Floats, density: Floats, calendar: Floats) -> Floats:
        def constraints(p: Floats) -> tuple[Floats, Floats]:
            parts = [self._levels(p), self._density(p, density)]
            parts += [self._calendar(p, calendar)] if len(calendar) else []
            values, slopes = zip(*parts, strict=True)
            return np.concatenate(values), np.concatenate(slopes)

        with np.errstate(all="ignore"):
            found = minimize(
                self.misfit,
                start,
                jac=True,
                bounds=self.bounds,
                constraints=_inequality(constraints),
                method="SLSQP",
                options={"maxiter": 200, "ftol": 1e-12},
            )
        return np.asarray(found.x) if np.all(np.isfinite(found.x)) else start

    def _levels(self, p: Floats) -> tuple[Floats, Floats]:
        """Lowest variance above its floor; both wings below Lee's bound, and above the wings of the expiry before."""
        a, b, rho, _, s = p
        across = np.sqrt(1 - rho**2)
        values = [a + b * s * across - self.floor]
        rows = [[1.0, s * across, -b * s * rho / across, 0.0, b * across]]
        steepest = (LEE_BOUND - _CLEAR_OF_LEE) / self.unit
        for side in (-1.0, 1.0):
            slope, row = b * (1 + side * rho), [0.0, 1 + side * rho, side * b, 0.0, 0.0]
            values.append(steepest - slope)
            rows.append([-entry for entry in row])
            if self.before:
                earlier, years = self.before
                least = earlier.b * (1 + side * earlier.rho) * years / self.unit
                values.append(slope - least * (1 + _CLEAR_OF_CALENDAR))
                rows.append(row)
        return np.array(values), np.array(rows)

    def _density(self, p: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Durrleman's g less what it is kept clear of zero by."""
        w, by_w, first, by_first, second, by_second = _derivatives(p, x)
        inside = 1 - x * first / (2 * w)
        g = inside**2 - first**2 / (4 * w) - self.theta * first**2 / 16 + second / 2
        in_w = inside * x * first / w**2 + first**2 / (4 * w**2)
        in_first = -inside * x / w - first / (2 * w) - self.theta * first / 8
        return g - _CLEAR_OF_BUTTERFLY, in_w[:, None] * by_w + in_first[:, None] * by_first + by_second / 2

    def _calendar(self, p: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Total variance relative to the expiry before's, less one and what it is kept clear of zero by."""
        assert self.before is not None
        earlier, years = self.before
        nearer = earlier.variance(x * self.unit) * years / self.theta
        variance, by_parameter = _variance(p, x)
        return variance / nearer - 1 - _CLEAR_OF_CALENDAR, by_parameter / nearer[:, None]


def _variance(p: Floats, x: Floats) -> tuple[Floats, Floats]:
    """W(x) and its derivative in each parameter, a row a point."""
    a, b, rho, m, s = p
    u = x - m
    root = np.hypot(u, s)
    shape = rho * u + root
    return a + b * shape, np.stack([np.ones_like(u), shape, b * u, -b * (rho + u / root), b * s / root], axis=1)


def _derivatives(p: Floats, x: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """W, W′ and W″ at ``x``, each with its derivative in each parameter, a row a point."""
    _, b, rho, m, s = p
    u = x - m
    root = np.hypot(u, s)
    w, by_w = _variance(p, x)
    first, second = b * (rho + u / root), b * s**2 / root**3
    none = np.zeros_like(u)
    by_first = np.stack([none, rho + u / root, none + b, -second, -b * u * s / root**3], axis=1)
    by_second = np.stack(
        [none, s**2 / root**3, none, 3 * b * s**2 * u / root**5, b * s * (2 * u**2 - s**2) / root**5], axis=1
    )
    return w, by_w, first, by_first, second, by_second


def _inequality(function: Callable[[Floats], tuple[Floats, Floats]]) -> dict[str, Any]:
    """A constraint whose values and slopes are computed together, though asked for one after the other."""
    last: dict[bytes, tuple[Floats, Floats]] = {}

    def at(p: Floats) -> tuple[Floats, Floats]:
        key = p.tobytes()
        if key not in last:
            last.clear()
            last[key] = function(p)
        return last[key]

    return {"type": "ineq", "fun": lambda p: at(p)[0], "jac": lambda p: at(p)[1]}


def _root_mean_square(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))
