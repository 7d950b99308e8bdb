"""Whether a risk book may be used: its quality test, and what its scan would have covered.

The quality test compares, for every underlying alone and every pair at ratio 1 and at beta, in all signs, the expected
shortfall on nodes (the mean of the k worst historical rows) with the same rows unrounded, and with the expected
shortfall over the whole filtered history. A book in which any of these ratios is below 0.9 is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ballast.risk.book import ONE_E9, WAD, Book, BookError
from ballast.risk.construction import ConstructionSettings, window_end_of
from ballast.risk.history import FloatArray, HourlyHistory
from ballast.risk.moves import JointMoves
from ballast.risk.portfolios import (
    Portfolio,
    historical_shortfall,
    losses_of,
    mean_of_worst,
    outright_portfolios,
    pair_portfolios,
    random_portfolios,
)

LEAST_RATIO = 0.9
HELD_OUT_SEED = 2
MULTIPLIER_BOUNDS = (0.5, 3.0)
MULTIPLIER_RISE = 1.05


class BookRefused(BookError):
    """The quality test failed: ``failures`` are the ratios below the least allowed."""

    def __init__(self, failures: Sequence[ShortfallRatio], least: float) -> None:
        self.failures, self.least = tuple(failures), least
        worst = min(failures, key=lambda ratio: ratio.worst)
        super().__init__(f"{len(failures)} ratios below {least}; worst {worst.worst:.3f}: {worst.portfolio}")


@dataclass(frozen=True)
class ShortfallRatio:
    """One portfolio of the quality test. Shortfalls are shares of one unit of value.

    Attributes:
        on_nodes: Mean of the k worst historical rows, as rounded to nodes.
        rows_unrounded: The same of the same rows, as their days moved.
        history: Expected shortfall over the whole filtered history.
    """

    portfolio: str
    group: str
    on_nodes: float
    rows_unrounded: float
    history: float

    @property
    def rounding(self) -> float:
        """Shortfall on nodes ÷ shortfall of the same rows unrounded."""
        return self.on_nodes / self.rows_unrounded

    @property
    def fit(self) -> float:
        """Shortfall on nodes ÷ shortfall of the whole history."""
        return self.on_nodes / self.history

    @property
    def worst(self) -> float:
        return min(self.rounding, self.fit)


@dataclass(frozen=True)
class QualityReport:
    """The quality test: ``judged`` decides; ``held_out`` are portfolios the rows were not fitted to."""

    judged: tuple[ShortfallRatio, ...]
    held_out: tuple[ShortfallRatio, ...]

    @property
    def worst(self) -> float:
        return min(ratio.worst for ratio in self.judged)

    def require(self, least: float = LEAST_RATIO) -> None:
        """Raises BookRefused where a judged ratio is below ``least``."""
        if failures := [ratio for ratio in self.judged if not ratio.worst >= least]:
            raise BookRefused(failures, least)

    def to_dict(self) -> dict[str, Any]:
        return {
            "worst": round(self.worst, 4),
            "judged": [_ratio_entry(ratio) for ratio in self.judged],
            "held_out_fit_quantiles": self.held_out_fit(),
        }

    def held_out_fit(self) -> dict[str, float]:
        """Quantiles of the fit over the held-out portfolios, by level."""
        fits = [ratio.fit for ratio in self.held_out]
        return {str(level): round(float(np.quantile(fits, level)), 4) for level in (0.0, 0.05, 0.5, 0.95, 1.0)}


@dataclass(frozen=True)
class Coverage:
    """How often a portfolio lost more in 24 hours than its maintenance requirement for market risk.

    Losses are as traded, unfiltered, close to close. Counted on the history the rows come from, this is in sample.

    Attributes:
        kind: ``directional``, ``hedged`` or ``basis``.
        windows: How many overlapping windows were counted.
        requirement: Scan at multiplier 1 (of a basis portfolio: the hedged-basis charge), a share of one unit of value.
        exceeded_historical: Share of windows whose loss exceeds the scan of the historical rows alone (of a basis
            portfolio: no charge at all).
        exceeded: The same with the stress rows (or the charge).
        exceeded_multiplied: The same with multipliers that follow the volatility forecast, within bounds and pace.
        worst_loss: Largest loss.
    """

    portfolio: str
    kind: str
    windows: int
    requirement: float
    exceeded_historical: float
    exceeded: float
    exceeded_multiplied: float
    worst_loss: float


def price_moves(book: Book) -> FloatArray:
    """Price shock of every row and underlying as a float; 0 at the stable node."""
    columns = [[u.price_shock(row.nodes[at]) or 0 for row in book.rows] for at, u in enumerate(book.underlyings)]
    return np.array(columns, dtype=np.float64).T / WAD


def scan(book: Book, weights: FloatArray) -> float:
    """Scan of a linear portfolio, a share of one unit of value; a float, to judge books by, not to margin accounts."""
    losses = losses_of(price_moves(book), weights)
    return max(0.0, mean_of_worst(losses[: len(book.historical)], book.tail_rows), _stress_scan(book, losses))


def assess_quality(book: Book, moves: JointMoves, settings: ConstructionSettings | None = None) -> QualityReport:
    """The quality test of a book against the moves it was built from.

    Raises:
        HistoryError: a historical row's day is not in ``moves``.
    """
    settings = settings or ConstructionSettings()
    judged = outright_portfolios(moves.symbols) + pair_portfolios(moves)
    held_out = random_portfolios(moves, settings.random_portfolios, HELD_OUT_SEED)
    days = [moves.index_of(window_end_of(row.name)) for row in book.historical]
    unrounded = np.nan_to_num(moves.filtered[days])
    on_nodes = price_moves(book)[: len(book.historical)]

    def ratio(portfolio: Portfolio) -> ShortfallRatio:
        nodes, rows = (
            mean_of_worst(losses_of(shocks, portfolio.weights), book.tail_rows) for shocks in (on_nodes, unrounded)
        )
        level = settings.selection.shortfall_level
        history = historical_shortfall(moves, portfolio.weights, level)
        return ShortfallRatio(portfolio.name, portfolio.group, nodes, rows, history)

    return QualityReport(tuple(map(ratio, judged)), tuple(map(ratio, held_out)))


def coverage(book: Book, history: HourlyHistory, moves: JointMoves) -> list[Coverage]:
    """How often the 24-hour losses of ``moves``, and of the basis in ``history``, exceeded the book's requirement."""
    multipliers = historical_multipliers(moves)
    lines = [_covered(book, moves, multipliers, p, kind) for p, kind in _covered_portfolios(moves)]
    return lines + list(_basis_coverage(book, history))


def historical_multipliers(moves: JointMoves) -> FloatArray:
    """The shock multiplier each window would have had: forecast ÷ target volatility, within bounds, rising by at most
    5 % an hour; 1 for unfiltered symbols."""
    wanted = np.nan_to_num(moves.volatility / moves.target_volatility, nan=1.0)
    wanted = np.clip(wanted, *MULTIPLIER_BOUNDS)
    paced = wanted.copy()
    for window in range(1, len(paced)):
        paced[window] = np.minimum(wanted[window], paced[window - 1] * MULTIPLIER_RISE)
    return np.asarray(paced)


def _covered_portfolios(moves: JointMoves) -> Iterable[tuple[Portfolio, str]]:
    filtered = moves.is_filtered
    for portfolio in outright_portfolios(moves.symbols):
        if portfolio.weights @ filtered:
            yield portfolio, "directional"
    equal = filtered / filtered.sum()
    yield Portfolio("long all alike", "directional", equal), "directional"
    yield Portfolio("short all alike", "directional", -equal), "directional"
    for portfolio in pair_portfolios(moves):
        is_hedge = portfolio.weights.min() < 0 < portfolio.weights.max()
        if is_hedge and not portfolio.weights[~filtered].any():
            yield portfolio, "hedged"


def _covered(book: Book, moves: JointMoves, multipliers: FloatArray, portfolio: Portfolio, kind: str) -> Coverage:
    held = portfolio.weights != 0
    known = np.isfinite(moves.traded[:, held]).all(axis=1)
    losses = losses_of(np.nan_to_num(moves.traded[known]), portfolio.weights)
    rows = losses_of(price_moves(book), portfolio.weights)
    historical = max(0.0, mean_of_worst(rows[: len(book.historical)], book.tail_rows))
    requirement = max(historical, _stress_scan(book, rows))
    scaled = _multiplied_scan(book, multipliers[known], portfolio.weights)
    return Coverage(
        portfolio=portfolio.name,
        kind=kind,
        windows=len(losses),
        requirement=requirement,
        exceeded_historical=float((losses > historical).mean()),
        exceeded=float((losses > requirement).mean()),
        exceeded_multiplied=float((losses > scaled).mean()),
        worst_loss=float(losses.max()),
    )


def _multiplied_scan(book: Book, multipliers: FloatArray, weights: FloatArray) -> FloatArray:
    """Scan in every window with each underlying's shocks multiplied."""
    shocks = price_moves(book)
    losses = np.zeros((len(multipliers), len(shocks)))
    for at, weight in enumerate(weights.tolist()):
        if weight:
            losses -= weight * multipliers[:, at, None] * shocks[None, :, at]
    count, k = len(book.historical), book.tail_rows
    historical = np.sort(losses[:, :count], axis=1)[:, count - k :].mean(axis=1)
    stress = (losses[:, count:] * _stress_weights(book)).max(axis=1, initial=0.0)
    return np.asarray(np.maximum(np.maximum(historical, stress), 0.0))


def _basis_coverage(book: Book, history: HourlyHistory) -> Iterable[Coverage]:
    """Spot against its perpetual: the scan nets to 0, the hedged-basis charge stands for the basis."""
    for symbol, basis in history.basis.items():
        spot = history.closes[:, history.symbols.index(symbol)]
        drift = basis[24:] * spot[24:] / spot[:-24] - basis[:-24]
        drift = drift[np.isfinite(drift)]
        charge = book.underlying(symbol).hedged_basis / ONE_E9
        for name, losses in ((f"long {symbol} spot, short perp", drift), (f"short {symbol} spot, long perp", -drift)):
            if len(losses):
                beyond = float((losses > charge).mean())
                without = float((losses > 0).mean())
                yield Coverage(name, "basis", len(losses), charge, without, beyond, beyond, float(losses.max()))


def _stress_weights(book: Book) -> FloatArray:
    return np.array([row.weight / ONE_E9 for row in book.stress])


def _stress_scan(book: Book, losses: FloatArray) -> float:
    return float((losses[len(book.historical) :] * _stress_weights(book)).max(initial=0.0))


def _ratio_entry(ratio: ShortfallRatio) -> dict[str, Any]:
    numbers = {name: round(value, 6) for name, value in asdict(ratio).items() if isinstance(value, float)}
    return {
        "portfolio": ratio.portfolio,
        "group": ratio.group,
        **numbers,
        "rounding": round(ratio.rounding, 4),
        "fit": round(ratio.fit, 4),
    }
