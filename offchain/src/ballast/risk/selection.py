"""Which days become historical rows: node grids, candidate days, and the choice among them.

The scan of a linear portfolio over the chosen rows, each rounded to nodes, is to equal its expected shortfall over the
whole filtered history, whatever its direction. The choice minimises the squared error of that ratio over many
portfolios, too little margin weighing more than too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ballast.risk.history import FloatArray, IntArray
from ballast.risk.moves import DAY, JointMoves
from ballast.risk.portfolios import Portfolio, historical_shortfall, losses_of


@dataclass(frozen=True)
class SelectionSettings:
    """How grids are fitted and rows are chosen.

    Attributes:
        shortfall_level: Level of the expected shortfall the scan is to equal.
        node_multiples: Inner price shocks of a filtered symbol, as multiples of the shortfall of holding it (fall) or
            of having sold it (rise).
        node_step: Inner shocks are rounded to this.
        unfiltered_node_multiples: The same for unfiltered symbols.
        unfiltered_node_step: The same.
        candidates_each: How many of its worst days, a day apart, every portfolio proposes.
        node_tolerance: A day is a candidate only if its move lies this close to a node in every filtered symbol, in
            multiples of the symbol's shortfall: a row must say what happened on its day.
        shortage_penalty: How much more too little margin weighs than too much.
        judged_penalty: How much more the portfolios of the quality test weigh than random ones.
        least_rounding: Rows on nodes below this share of the same rows unrounded are penalised.
        sweeps: Most passes over all rows.
    """

    shortfall_level: float = 0.99
    node_multiples: tuple[float, ...] = (0.4, 0.8, 1.2)
    node_step: float = 0.005
    unfiltered_node_multiples: tuple[float, ...] = (0.4, 1.0, 8.0)
    unfiltered_node_step: float = 0.0001
    candidates_each: int = 60
    node_tolerance: float = 0.25
    shortage_penalty: float = 4.0
    judged_penalty: float = 3.0
    least_rounding: float = 0.95
    sweeps: int = 12


@dataclass(frozen=True)
class Candidates:
    """Days that may become rows: their windows' row in the history, their moves, and the nearest nodes' shocks."""

    windows: IntArray
    moves: FloatArray
    rounded: FloatArray


def inner_shocks(fall: float, rise: float, is_filtered: bool, settings: SelectionSettings) -> list[float]:
    """Inner price shocks, 0 among them, of a symbol whose long and short have the shortfalls ``fall`` and ``rise``."""
    multiples = settings.node_multiples if is_filtered else settings.unfiltered_node_multiples
    step = settings.node_step if is_filtered else settings.unfiltered_node_step
    steps = [-round(fall * m / step) for m in reversed(multiples)] + [0] + [round(rise * m / step) for m in multiples]
    return [round(count * step, 6) for count in steps]


def find_candidates(
    moves: JointMoves,
    portfolios: Sequence[Portfolio],
    grids: Sequence[Sequence[float]],
    settings: SelectionSettings,
) -> Candidates:
    """The worst days of every portfolio that lie close to the inner nodes, oldest first."""
    proposed = set()
    for portfolio in portfolios:
        proposed.update(_worst_days(moves, portfolio.weights, settings.candidates_each))
    windows = np.array(sorted(proposed), dtype=np.int64)
    unrounded = np.nan_to_num(moves.filtered[windows])
    rounded = np.stack([_nearest(unrounded[:, u], grid) for u, grid in enumerate(grids)], axis=1)
    scale = np.array([max(abs(shock) for shock in grid) for grid in grids]) / max(settings.node_multiples)
    close = (np.abs(rounded - unrounded) <= settings.node_tolerance * scale)[:, moves.is_filtered].all(axis=1)
    return Candidates(windows[close], unrounded[close], rounded[close])


def choose_rows(
    moves: JointMoves,
    portfolios: Sequence[Portfolio],
    candidates: Candidates,
    count: int,
    tail_rows: int,
    settings: SelectionSettings,
) -> list[int]:
    """Positions of the ``count`` candidates chosen, oldest first; no two of their windows overlap.

    Greedy, then exchanged one by one until no exchange helps.
    """
    search = _Search(moves, portfolios, candidates, tail_rows, settings)
    chosen: list[int] = []
    while len(chosen) < count:
        chosen.append(search.best_addition(chosen)[0])
    error = np.inf
    for _ in range(settings.sweeps):
        before = error
        for at in range(count):
            chosen[at], error = search.best_addition(chosen[:at] + chosen[at + 1 :])
        if error >= before:
            break
    return sorted(chosen)


class _Search:
    """Loss ratios of all candidates for all portfolios, and the error of a choice among them."""

    def __init__(
        self,
        moves: JointMoves,
        portfolios: Sequence[Portfolio],
        candidates: Candidates,
        tail_rows: int,
        settings: SelectionSettings,
    ) -> None:
        target = np.array([historical_shortfall(moves, p.weights, settings.shortfall_level) for p in portfolios])
        self.rounded = np.stack([losses_of(candidates.rounded, p.weights) for p in portfolios]) / target[:, None]
        self.unrounded = np.stack([losses_of(candidates.moves, p.weights) for p in portfolios]) / target[:, None]
        judged = np.array([p.group != "random" for p in portfolios])
        self.penalty = np.where(judged, settings.judged_penalty, 1.0)
        self.judged = judged.astype(np.float64)
        self.window_end = moves.window_end[candidates.windows]
        self.severity = np.round(np.maximum(self.rounded, 0).sum(axis=0), 6)
        self.scenario = np.unique(candidates.rounded, axis=0, return_inverse=True)[1]
        self.tail_rows, self.settings = tail_rows, settings

    def best_addition(self, chosen: list[int]) -> tuple[int, float]:
        """The candidate whose addition leaves the least error, and that error; of equals one whose nodes are not yet
        there, then the most severe, then the oldest day."""
        scan = self._scan_with_each(self.rounded, chosen)
        unrounded = self._scan_with_each(self.unrounded, chosen)
        error = self._error(scan, scan / np.maximum(unrounded, 1e-9))
        for row in chosen:
            error[np.abs(self.window_end - self.window_end[row]) < DAY] = np.inf
        error = np.round(error, 9)
        is_new = ~np.isin(self.scenario, self.scenario[chosen])
        preference = self.severity + is_new * (1 + self.severity.max())
        best = int(np.argmax(np.where(error == error.min(), preference, -1)))
        return best, float(error[best])

    def _scan_with_each(self, ratios: FloatArray, chosen: list[int]) -> FloatArray:
        """Mean of the worst rows of every portfolio, were one more candidate added: portfolios × candidates."""
        k = self.tail_rows
        padded = np.hstack([ratios[:, chosen], np.zeros((len(ratios), k))])
        worst = -np.sort(-padded, axis=1)[:, :k]
        return np.asarray((worst.sum(axis=1)[:, None] + np.maximum(ratios - worst[:, k - 1 :], 0)) / k)

    def _error(self, scan: FloatArray, rounding: FloatArray) -> FloatArray:
        off = scan - 1
        fit = np.where(off < 0, self.settings.shortage_penalty, 1.0) * off**2 * self.penalty[:, None]
        lost = np.maximum(self.settings.least_rounding - rounding, 0) ** 2 * self.judged[:, None]
        return np.asarray((fit + self.settings.shortage_penalty * self.settings.judged_penalty * lost).sum(axis=0))


def _worst_days(moves: JointMoves, weights: FloatArray, count: int) -> list[int]:
    losses = losses_of(np.nan_to_num(moves.filtered), weights)
    if np.any(weights[~moves.is_filtered] != 0):
        losses[~moves.is_complete] = -np.inf
    days: list[int] = []
    free = np.ones(len(losses), dtype=bool)
    for window in np.argsort(-losses, kind="stable").tolist():
        if free[window]:
            days.append(window)
            near = np.searchsorted(moves.window_end, moves.window_end[window] + np.array([1 - DAY, DAY]))
            free[near[0] : near[1]] = False
            if len(days) == count:
                break
    return days


def _nearest(moves: FloatArray, grid: Sequence[float]) -> FloatArray:
    shocks = np.array(grid)
    return np.asarray(shocks[np.argmin(np.abs(moves[:, None] - shocks), axis=1)])
