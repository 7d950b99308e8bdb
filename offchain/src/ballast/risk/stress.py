"""Stress rows: named days as traded, gaps of one underlying while its companions stay, and correlation breaks.

Historical rows are averaged, so a single scenario weighs a k-th in them; a stress row counts alone, with its weight. A
weight is the largest at most 1 at which the row raises the scan of no reference portfolio by more than ``addition``:
of a day, the outright positions and the pairs at ratio 1 of what is filtered; of a break, the pairs it is named for. A
gap has the size that lone moves of its underlying exceed once in a thousand windows, at most ``addition`` beyond the
outright scan. So no single day sets the margin of the simplest portfolios; a stress row binds where its joint shape
differs from what the historical rows say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from ballast.risk.history import FloatArray, epoch
from ballast.risk.moves import JointMoves


@dataclass(frozen=True)
class StressDay:
    """24 hours that ended at ``window_end`` (ISO, UTC).

    Attributes:
        unit_moved: Whether it was the value unit that moved: prices are then converted at the stablecoin's move, within
            the divisor's clamp, and the stablecoin moves with them.
    """

    name: str
    window_end: str
    unit_moved: bool = False


@dataclass(frozen=True)
class CorrelationBreak:
    """Some underlyings fall while others rise, each by its middle shock; the rest stay."""

    name: str
    falls: tuple[str, ...]
    rises: tuple[str, ...]


@dataclass(frozen=True)
class StressSettings:
    """What stress rows there are.

    Attributes:
        addition: Most by which a row raises a reference portfolio's scan.
        lone_quantile: Quantile of lone moves that sizes a gap.
        calm: Companions stay where their mean moves less than this.
        unfiltered_gap: Fall of an unfiltered symbol in its gap row.
        unit_clamp: Range of the value unit's divisor.
    """

    days: tuple[StressDay, ...]
    breaks: tuple[CorrelationBreak, ...]
    addition: float = 0.10
    lone_quantile: float = 0.999
    calm: float = 0.03
    unfiltered_gap: float = 0.10
    unit_clamp: tuple[float, float] = (0.9, 1.1)


FIRST_STRESS = StressSettings(
    days=(
        StressDay("2020-03-12 Black Thursday", "2020-03-13T02:00"),
        StressDay("2020-03-13 rebound", "2020-03-14T02:00"),
        StressDay("2021-01-11 bitcoin reversal", "2021-01-11T16:00"),
        StressDay("2021-05-19 leverage unwind", "2021-05-20T01:00"),
        StressDay("2022-05-09 UST breaks", "2022-05-10T00:00"),
        StressDay("2022-05-11 LUNA collapses", "2022-05-12T06:00"),
        StressDay("2022-06-13 stETH and lenders", "2022-06-13T15:00"),
        StressDay("2022-11-09 FTX fails", "2022-11-09T17:00"),
        StressDay("2023-03-11 USDC depegs", "2023-03-11T08:00", unit_moved=True),
        StressDay("2023-03-12 USDC recovers", "2023-03-12T08:00", unit_moved=True),
        StressDay("2024-08-05 yen carry unwind", "2024-08-05T13:00"),
        StressDay("2025-02-03 altcoins fall", "2025-02-03T02:00"),
        StressDay("2019-06-26 LINK parts from the market", "2019-06-26T17:00"),
        StressDay("2021-01-04 ETH parts from BTC", "2021-01-04T07:00"),
        StressDay("2021-02-08 BTC squeeze", "2021-02-09T04:00"),
        StressDay("2024-05-21 ETH squeeze", "2024-05-21T13:00"),
    ),
    breaks=(
        CorrelationBreak("BTC falls, ETH rises", ("BTC",), ("ETH",)),
        CorrelationBreak("ETH falls, BTC rises", ("ETH",), ("BTC",)),
        CorrelationBreak("LINK falls, BTC and ETH rise", ("LINK",), ("BTC", "ETH")),
        CorrelationBreak("BTC and ETH fall, LINK rises", ("BTC", "ETH"), ("LINK",)),
    ),
)


@dataclass(frozen=True)
class StressRow:
    """A stress scenario on nodes: the price shock of each symbol and its weight in (0, 1]."""

    name: str
    shocks: tuple[float, ...]
    weight: float


@dataclass(frozen=True)
class Reference:
    """Scans over the historical rows on nodes that cap the weights of stress rows, by symbol.

    Attributes:
        fall: Of holding one unit.
        rise: Of having sold one unit.
        pair: Of one unit long of the first, one short of the second.
    """

    fall: Mapping[str, float]
    rise: Mapping[str, float]
    pair: Mapping[tuple[str, str], float]

    def largest_weight(self, shocks: Mapping[str, float], addition: float) -> float:
        """The largest weight at most 1 at which ``shocks`` exceed no scan by more than the share ``addition``."""
        losses = [(self.fall[s], -shock) for s, shock in shocks.items()]
        losses += [(self.rise[s], shock) for s, shock in shocks.items()]
        losses += [(self.pair[a, b], shocks[b] - shocks[a]) for a, b in permutations(shocks, 2)]
        return min([1.0] + [(1 + addition) * scan / loss for scan, loss in losses if loss > 0])


def stress_moves(moves: JointMoves, day: StressDay, settings: StressSettings) -> FloatArray:
    """What every symbol did on a stress day, as traded; an unknown stablecoin stayed."""
    traded = np.nan_to_num(moves.traded[moves.index_of(epoch(day.window_end))])
    if not day.unit_moved:
        return np.asarray(traded)
    low, high = settings.unit_clamp
    unit = float(np.clip(1 + traded[~moves.is_filtered][0], 1 / high, 1 / low))
    return np.asarray(np.where(moves.is_filtered, (1 + traded) * unit - 1, unit - 1))


def day_row(
    day: StressDay,
    actual: FloatArray,
    symbols: Sequence[str],
    grids: Sequence[Sequence[float]],
    reference: Reference,
    settings: StressSettings,
    is_filtered: Sequence[bool],
) -> StressRow:
    """The nodes around the day's moves that, weighted, are closest to the moves weighted alike."""
    around = [_bracket(move, grid) for move, grid in zip(actual.tolist(), grids, strict=True)]
    capped = [at for at, filtered in enumerate(is_filtered) if filtered]

    def weight_of(shocks: Sequence[float]) -> float:
        return reference.largest_weight({symbols[u]: shocks[u] for u in capped}, settings.addition)

    target = weight_of(actual.tolist()) * actual
    units = np.array([max(reference.fall[s], reference.rise[s]) for s in symbols])

    def distance(shocks: tuple[float, ...]) -> float:
        off = (weight_of(shocks) * np.array(shocks) - target) / units
        return round(float((off[capped] ** 2).sum()) + 1e-6 * float((off**2).sum()), 9)

    best = min(product(*around), key=distance)
    return StressRow(day.name, best, weight_of(best))


def gap_rows(
    moves: JointMoves, grids: Sequence[Sequence[float]], reference: Reference, settings: StressSettings
) -> list[StressRow]:
    """One row a side for every filtered symbol that moves alone, and one for the fall of each unfiltered one."""
    rows = []
    for at, symbol in enumerate(moves.symbols):
        if not moves.is_filtered[at]:
            rows.append(_lone_row(f"{symbol} falls alone", at, -settings.unfiltered_gap, grids))
            continue
        fall, rise = lone_moves(moves, at, settings)
        size = min(-fall, (1 + settings.addition) * reference.fall[symbol])
        rows.append(_lone_row(f"{symbol} falls alone", at, -size, grids))
        size = min(rise, (1 + settings.addition) * reference.rise[symbol])
        rows.append(_lone_row(f"{symbol} rises alone", at, size, grids))
    return rows


def lone_moves(moves: JointMoves, at: int, settings: StressSettings) -> tuple[float, float]:
    """Quantiles, on either side, of a symbol's traded moves while the mean of its filtered companions stayed calm."""
    companions = [u for u in np.flatnonzero(moves.is_filtered).tolist() if u != at]
    calm = np.abs(moves.traded[:, companions].mean(axis=1)) < settings.calm
    low, high = np.nanquantile(moves.traded[calm, at], [1 - settings.lone_quantile, settings.lone_quantile])
    return float(low), float(high)


def break_row(
    broken: CorrelationBreak,
    symbols: Sequence[str],
    grids: Sequence[Sequence[float]],
    reference: Reference,
    settings: StressSettings,
) -> StressRow:
    """Falls and rises by the middle shocks, weighted so that no pair's scan grows by more than the addition."""
    shocks = [0.0] * len(symbols)
    for side, names in ((-1, broken.falls), (1, broken.rises)):
        for name in names:
            at = list(symbols).index(name)
            shocks[at] = _middle(grids[at], side)
    caps = [
        (1 + settings.addition) * reference.pair[fall, rise] / (_of(shocks, symbols, rise) - _of(shocks, symbols, fall))
        for fall, rise in product(broken.falls, broken.rises)
    ]
    return StressRow(broken.name, tuple(shocks), min(1.0, *caps))


def _of(shocks: Sequence[float], symbols: Sequence[str], symbol: str) -> float:
    return shocks[list(symbols).index(symbol)]


def _middle(grid: Sequence[float], side: int) -> float:
    """The second shock outwards from 0."""
    return grid[list(grid).index(0) + 2 * side]


def _bracket(move: float, grid: Sequence[float]) -> tuple[float, ...]:
    below = max((shock for shock in grid if shock <= move), default=grid[0])
    above = min((shock for shock in grid if shock >= move), default=grid[-1])
    return (below,) if below == above else (below, above)


def _lone_row(name: str, at: int, move: float, grids: Sequence[Sequence[float]]) -> StressRow:
    """The move as a share of the next node outwards."""
    outwards = [shock for shock in grids[at] if abs(shock) >= abs(move) - 1e-12 and shock * move > 0]
    shock = min(outwards, key=abs, default=min(grids[at]) if move < 0 else max(grids[at]))
    shocks = tuple(shock if u == at else 0.0 for u in range(len(grids)))
    return StressRow(name, shocks, min(1.0, move / shock))
