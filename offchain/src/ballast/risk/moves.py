"""24-hour joint moves of several underlyings, as they were traded and as they are filtered by volatility.

Windows overlap and start every hour: daily windows would make the worst of a crash depend on where midnight falls, and
throw away 23 of 24 looks at the tail. Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999): a
move is divided by the volatility forecast when its window opened and multiplied by one target volatility, so that calm
and wild years speak of the same market.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ballast.risk.history import HOUR, FloatArray, HistoryError, HourlyHistory, IntArray, epoch

DAY = 86_400


@dataclass(frozen=True)
class MoveSettings:
    """How moves are taken from prices.

    Attributes:
        horizon_hours: Length of a window.
        daily_decay: Weight yesterday's variance keeps in the exponentially weighted forecast (RiskMetrics: 0.94).
        burn_in_days: Days that only warm the forecast up.
        wick_tolerance: A close further than this from the median of itself and its neighbours is drawn back to it: a
            wick leaves a volatility forecast alone, a fall that stands is kept whole.
        winsor_tail: Filtered moves beyond this quantile, on either side, are drawn back to it. The days beyond it
            are what stress rows are for.
        unfiltered: Symbols whose moves are not filtered: a stablecoin's volatility forecasts nothing.
        excluded_unfiltered: Spans (ISO, from and to) in which unfiltered symbols count as unknown: what moved then was
            the value unit, and stress rows say so.
    """

    horizon_hours: int = 24
    daily_decay: float = 0.94
    burn_in_days: int = 30
    wick_tolerance: float = 0.05
    winsor_tail: float = 0.001
    unfiltered: tuple[str, ...] = ("USDT",)
    excluded_unfiltered: tuple[tuple[str, str], ...] = (("2023-03-09", "2023-03-15"),)


@dataclass(frozen=True)
class JointMoves:
    """Moves over every window in which all filtered symbols have prices: simple returns, a row a window.

    Attributes:
        symbols: One a column.
        window_end: UTC epoch seconds, ascending.
        filtered: Filtered, winsorised moves; NaN where an unfiltered symbol is unknown.
        traded: The moves as traded, nothing drawn back.
        volatility: Forecast when the window opened, as the standard deviation of a 24-hour log move; NaN for
            unfiltered symbols.
        target_volatility: What filtered moves are scaled to, by symbol; NaN for unfiltered ones.
    """

    symbols: tuple[str, ...]
    window_end: IntArray
    filtered: FloatArray
    traded: FloatArray
    volatility: FloatArray
    target_volatility: FloatArray

    def __len__(self) -> int:
        return len(self.window_end)

    def index_of(self, window_end: int) -> int:
        """Row of the window that ends at ``window_end``. Raises HistoryError where there is none."""
        row = int(np.searchsorted(self.window_end, window_end))
        if row == len(self) or self.window_end[row] != window_end:
            raise HistoryError(f"no 24-hour window ends at {window_end}: a price is missing")
        return row

    def since(self, start: int) -> JointMoves:
        """The windows that open at or after ``start`` (UTC epoch seconds)."""
        kept = self.window_end - DAY >= start
        return JointMoves(
            symbols=self.symbols,
            window_end=self.window_end[kept],
            filtered=self.filtered[kept],
            traded=self.traded[kept],
            volatility=self.volatility[kept],
            target_volatility=self.target_volatility,
        )

    @cached_property
    def is_complete(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether every symbol's filtered move is known, a flag a window."""
        return np.asarray(np.isfinite(self.filtered).all(axis=1))

    @property
    def is_filtered(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether a symbol's moves are filtered by volatility, a flag a symbol."""
        return np.isfinite(self.target_volatility)

    def known(self, weights: FloatArray) -> FloatArray:
        """Filtered moves of the windows a portfolio can be judged on: those in which all its symbols are known.

        Unknown moves of symbols it does not hold count as 0.
        """
        if np.any(weights[~self.is_filtered] != 0):
            return self.filtered[self.is_complete]
        return np.asarray(np.where(np.isfinite(self.filtered), self.filtered, 0.0))


def joint_moves(history: HourlyHistory, settings: MoveSettings | None = None) -> JointMoves:
    """Moves of every window of ``history``.

    Raises:
        HistoryError: too little history for one window beyond the burn-in.
    """
    settings = settings or MoveSettings()
    columns = [_symbol_moves(history, column, settings) for column in range(len(history.symbols))]
    filtered = np.stack([column.filtered for column in columns], axis=1)
    target = np.array([column.target_volatility for column in columns])
    is_filtered = np.isfinite(target)
    kept = np.isfinite(filtered[:, is_filtered]).all(axis=1) & is_filtered.any()
    if not kept.any():
        raise HistoryError(f"{len(history.time)} hours of history hold no usable 24-hour window")
    return JointMoves(
        symbols=history.symbols,
        window_end=history.time[kept] + settings.horizon_hours * HOUR,
        # Rounded, so that the last bits of exp and log on another processor cannot choose other rows.
        filtered=np.round(filtered[kept], 7),
        traded=np.stack([column.traded for column in columns], axis=1)[kept],
        volatility=np.stack([column.volatility for column in columns], axis=1)[kept],
        target_volatility=target,
    )


def ewma_volatility(log_prices: FloatArray, settings: MoveSettings) -> FloatArray:
    """Forecast at each hour of the standard deviation of the next 24 hours' log move, from hourly moves up to it.

    Hours without a price carry the last forecast; NaN during the burn-in.
    """
    squares = np.diff(log_prices, prepend=np.nan) ** 2
    burn_in = settings.burn_in_days * 24
    hourly_decay = settings.daily_decay ** (1 / 24)
    variance = float(np.nanmean(squares[1 : burn_in + 1]))
    forecast = np.full(len(squares), np.nan)
    for hour, square in enumerate(squares.tolist()):
        if square == square:
            variance = hourly_decay * variance + (1 - hourly_decay) * square
        forecast[hour] = variance
    forecast[:burn_in] = np.nan
    return np.asarray(np.sqrt(settings.horizon_hours * forecast))


def without_wicks(closes: FloatArray, tolerance: float) -> FloatArray:
    """Closes, each kept within ``tolerance`` of the median of itself and its two neighbours."""
    known = np.isfinite(closes)
    kept = closes[known]
    median = np.median(np.stack([kept[:-2], kept[1:-1], kept[2:]]), axis=0)
    kept[1:-1] = np.clip(kept[1:-1], median * (1 - tolerance), median * (1 + tolerance))
    smooth = np.full(len(closes), np.nan)
    smooth[known] = kept
    return smooth


@dataclass(frozen=True)
class _SymbolMoves:
    """Moves of one symbol by the hour its window opens."""

    traded: FloatArray
    filtered: FloatArray
    volatility: FloatArray
    target_volatility: float


def _symbol_moves(history: HourlyHistory, column: int, settings: MoveSettings) -> _SymbolMoves:
    closes = history.closes[:, column]
    log_prices = np.log(without_wicks(closes, settings.wick_tolerance))
    traded = _ahead(closes, settings.horizon_hours) / closes - 1.0
    move = _ahead(log_prices, settings.horizon_hours) - log_prices
    if history.symbols[column] in settings.unfiltered:
        for start, end in settings.excluded_unfiltered:
            move[(history.time >= epoch(start)) & (history.time < epoch(end))] = np.nan
        unknown = np.full(len(move), np.nan)
        return _SymbolMoves(traded, np.expm1(_winsorised(move, settings.winsor_tail)), unknown, np.nan)
    volatility = ewma_volatility(log_prices, settings)
    target = float(np.sqrt(np.nanmean(volatility**2)))
    filtered = np.expm1(_winsorised(move / volatility, settings.winsor_tail) * target)
    return _SymbolMoves(traded, filtered, volatility, target)


def _ahead(series: FloatArray, hours: int) -> FloatArray:
    return np.concatenate([series[hours:], np.full(hours, np.nan)])


def _winsorised(moves: FloatArray, tail: float) -> FloatArray:
    if not np.isfinite(moves).any():
        return moves
    low, high = np.nanquantile(moves, [tail, 1 - tail])
    return np.clip(moves, low, high)
