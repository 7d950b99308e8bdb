"""Price history as it was traded: the crisis windows and the hourly panel that ship with the package.

Prices are floats in the quote currency of the source and times are UTC epoch seconds of a bar's open. Nothing is filled
in: bars of an exchange's downtime are absent. The extracts need numpy alone; ``ballast.risk.archives`` reads the full
public archives they were cut from.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ballast.errors import BallastError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

BAR_COLUMNS = ("open_time", "open", "high", "low", "close")
HISTORY_COLUMNS = ("time", "BTC", "ETH", "LINK", "USDT", "BTC_basis", "ETH_basis")
HOUR = 3600


class HistoryError(BallastError):
    """Price history is missing or is not what it claims to be."""


class UnknownCrisis(HistoryError):
    """No crisis window of that name ships with the package."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        super().__init__(f"no crisis named {name!r}; known: {', '.join(known)}")


class MalformedBars(HistoryError):
    """Bars are unordered, not positive, or a bar's open or close lies outside its low and high."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


@dataclass(frozen=True)
class Bars:
    """Bars of one symbol, oldest first.

    ``open_time`` is in UTC epoch seconds; ``open``, ``high``, ``low``, ``close`` are prices; all have one entry a bar.

    Raises:
        MalformedBars: the arrays do not describe bars.
    """

    symbol: str
    bar_seconds: int
    open_time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def __post_init__(self) -> None:
        prices = np.stack([self.open, self.high, self.low, self.close])
        if prices.shape[1] != len(self.open_time) or not len(self.open_time):
            raise MalformedBars(self.symbol, f"{len(self.open_time)} times for {prices.shape[1]} bars")
        if not np.all(np.isfinite(prices)) or prices.min() <= 0:
            raise MalformedBars(self.symbol, "a price is not a positive number")
        if np.any(np.diff(self.open_time) < self.bar_seconds):
            raise MalformedBars(self.symbol, f"bars are not {self.bar_seconds} s apart and in order")
        if np.any(prices.max(axis=0) > self.high) or np.any(prices.min(axis=0) < self.low):
            raise MalformedBars(self.symbol, "open or close outside low and high")

    def __len__(self) -> int:
        return len(self.open_time)


@dataclass(frozen=True)
class Crisis:
    """A window of market stress: bars of every symbol at the same times.

    Raises:
        MalformedBars: two symbols have bars at different times.
    """

    name: str
    title: str
    source: str
    bar_seconds: int
    bars: Mapping[str, Bars]

    def __post_init__(self) -> None:
        for bars in self.bars.values():
            if bars.bar_seconds != self.bar_seconds or not np.array_equal(bars.open_time, self.open_time):
                raise MalformedBars(f"{self.name} {bars.symbol}", "bars at other times than the rest of the window")

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.bars)

    @cached_property
    def open_time(self) -> IntArray:
        """UTC epoch seconds at which each bar opens."""
        return next(iter(self.bars.values())).open_time

    @property
    def start(self) -> int:
        """UTC epoch seconds at which the first bar opens."""
        return int(self.open_time[0])

    @property
    def end(self) -> int:
        """UTC epoch seconds at which the last bar closes."""
        return int(self.open_time[-1]) + self.bar_seconds


@dataclass(frozen=True)
class HourlyHistory:
    """Prices of several symbols on one regular hourly clock.

    ``time`` is UTC epoch seconds of the price (a bar's end), one entry an hour; ``closes`` has a row an hour and a
    column a symbol, NaN where nothing is known. ``basis`` maps a symbol to its perpetual's price ÷ spot − 1, likewise.

    Raises:
        HistoryError: the clock is not hourly, or the arrays do not fit it.
    """

    symbols: tuple[str, ...]
    time: IntArray
    closes: FloatArray
    basis: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        if len(self.time) < 2 or np.any(np.diff(self.time) != HOUR):
            raise HistoryError("hourly history: the clock is not one hour a step")
        shapes = [self.closes.shape] + [(len(basis), len(self.symbols)) for basis in self.basis.values()]
        if any(shape != (len(self.time), len(self.symbols)) for shape in shapes):
            raise HistoryError(f"hourly history: {len(self.time)} hours, arrays of {shapes}")
        if np.any(self.closes <= 0):
            raise HistoryError("hourly history: a price is not positive")

    def between(self, start: int, end: int) -> HourlyHistory:
        """The part from ``start`` to ``end`` (UTC epoch seconds, both included).

        Raises:
            HistoryError: there are less than two hours of it.
        """
        kept = (self.time >= start) & (self.time <= end)
        basis = {symbol: series[kept] for symbol, series in self.basis.items()}
        return HourlyHistory(self.symbols, self.time[kept], self.closes[kept], basis)


def load_history() -> HourlyHistory:
    """The hourly history that ships with the package: what the first risk book was built from."""
    return parse_history(_package_data("history/hourly_closes.csv.gz"))


def parse_history(packed: bytes) -> HourlyHistory:
    """Hourly history from a gzipped CSV of ``HISTORY_COLUMNS``; hours that are missing become NaN.

    Raises:
        MalformedBars: other columns, or times that do not ascend.
    """
    times, columns = read_columns(packed, HISTORY_COLUMNS)
    if np.any(np.diff(times) <= 0) or np.any(times % HOUR):
        raise MalformedBars("hourly history", "times are not ascending whole hours")
    clock = np.arange(times[0], times[-1] + 1, HOUR)
    hours = (times - times[0]) // HOUR
    names = HISTORY_COLUMNS[1:]
    regular = {name: _spread(hours, column, len(clock)) for name, column in zip(names, columns, strict=True)}
    symbols = tuple(name for name in regular if not name.endswith("_basis"))
    basis = {name.removesuffix("_basis"): column for name, column in regular.items() if name.endswith("_basis")}
    return HourlyHistory(symbols, clock, np.stack([regular[s] for s in symbols], axis=1), basis)


def _spread(hours: IntArray, column: FloatArray, length: int) -> FloatArray:
    regular = np.full(length, np.nan)
    regular[hours] = column
    return regular


def epoch(moment: str) -> int:
    """UTC epoch seconds of an ISO date or time."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class CrisisWindow:
    """What a crisis window covers: bars that open in [``start``, ``end``), UTC epoch seconds."""

    name: str
    title: str
    source: str
    bar_seconds: int
    symbols: tuple[str, ...]
    start: int
    end: int


def crisis_windows() -> list[CrisisWindow]:
    """The crisis windows that ship with the package, in order of time."""
    return [
        CrisisWindow(
            name=row["name"],
            title=row["title"],
            source=row["source"],
            bar_seconds=int(row["bar_seconds"]),
            symbols=tuple(row["symbols"].split()),
            start=epoch(row["start"]),
            end=epoch(row["end"]),
        )
        for row in csv.DictReader(io.StringIO(_package_data("crises/index.csv").decode()))
    ]


def crisis_names() -> list[str]:
    """Names of the crisis windows that ship with the package, in order of time."""
    return [window.name for window in crisis_windows()]


def load_crisis(name: str) -> Crisis:
    """The crisis window called ``name`` (its day, as in ``2021-05-19``).

    Raises:
        UnknownCrisis: no such window ships with the package.
        MalformedBars: the shipped file was damaged.
    """
    for window in crisis_windows():
        if window.name == name:
            bars = {symbol: _read_bars(name, symbol, window.bar_seconds) for symbol in window.symbols}
            return Crisis(name, window.title, window.source, window.bar_seconds, bars)
    raise UnknownCrisis(name, crisis_names())


def _read_bars(crisis: str, symbol: str, bar_seconds: int) -> Bars:
    times, columns = read_columns(_package_data(f"crises/{crisis}_{symbol}.csv.gz"), BAR_COLUMNS)
    opened, high, low, close = columns
    return Bars(symbol, bar_seconds, times, opened, high, low, close)


def read_columns(packed: bytes, expected: tuple[str, ...]) -> tuple[IntArray, list[FloatArray]]:
    """Times and price columns of a gzipped CSV whose header is ``expected``, the first column being whole seconds.
    Unknown values are written ``nan``.

    Raises:
        MalformedBars: another header than expected.
    """
    text = gzip.decompress(packed).decode()
    header = tuple(text.split("\n", 1)[0].split(","))
    if header != expected:
        raise MalformedBars("extract", f"columns {header}, expected {expected}")
    table: NDArray[Any] = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2)
    return table[:, 0].astype(np.int64), [np.ascontiguousarray(column) for column in table[:, 1:].T]


def _package_data(path: str) -> bytes:
    return resources.files("ballast").joinpath("data").joinpath(path).read_bytes()
