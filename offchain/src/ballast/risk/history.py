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
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

BAR_COLUMNS = ("open_time", "open", "high", "low", "close")


class HistoryError(Exception):
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


def crisis_names() -> list[str]:
    """Names of the crisis windows that ship with the package, in order of time."""
    return sorted(row["name"] for row in _crisis_index())


def load_crisis(name: str) -> Crisis:
    """The crisis window called ``name`` (its day, as in ``2021-05-19``).

    Raises:
        UnknownCrisis: no such window ships with the package.
        MalformedBars: the shipped file was damaged.
    """
    for row in _crisis_index():
        if row["name"] == name:
            bar_seconds = int(row["bar_seconds"])
            bars = {symbol: _read_bars(name, symbol, bar_seconds) for symbol in row["symbols"].split()}
            return Crisis(name, row["title"], row["source"], bar_seconds, bars)
    raise UnknownCrisis(name, crisis_names())


def _read_bars(crisis: str, symbol: str, bar_seconds: int) -> Bars:
    times, columns = read_columns(_package_data(f"crises/{crisis}_{symbol}.csv.gz"), BAR_COLUMNS)
    opened, high, low, close = columns
    return Bars(symbol, bar_seconds, times, opened, high, low, close)


def read_columns(packed: bytes, expected: tuple[str, ...]) -> tuple[IntArray, list[FloatArray]]:
    """Times and price columns of a gzipped CSV whose header is ``expected``, the first column being whole seconds.

    Raises:
        MalformedBars: another header than expected.
    """
    text = gzip.decompress(packed).decode()
    header = tuple(text.split("\n", 1)[0].split(","))
    if header != expected:
        raise MalformedBars("extract", f"columns {header}, expected {expected}")
    table: NDArray[Any] = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2)
    return table[:, 0].astype(np.int64), [np.ascontiguousarray(column) for column in table[:, 1:].T]


def _crisis_index() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_package_data("crises/index.csv").decode())))


def _package_data(path: str) -> bytes:
    return resources.files("ballast").joinpath("data").joinpath(path).read_bytes()
