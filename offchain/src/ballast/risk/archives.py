"""Reads full public price archives from a folder of the user, and cuts the shipped extracts from them.

Two kinds of files are understood, anywhere below the folder:

* Binance's own monthly archives, as published at data.binance.vision: ``BTCUSDT-1h-2021-05.zip`` (spot), and the same
  below a folder ``futures`` for perpetuals;
* parquet with columns ``ts`` (UTC epoch seconds at the bar's open), ``open``, ``high``, ``low``, ``close``:
  ``binance_spot_BTCUSDT_1h*.parquet``, ``binance_perp_BTCUSDT_1h*.parquet``; and, for the stablecoin,
  ``univ3_USDC_USDT*.parquet`` with ``ts`` and ``price`` in USDT per USDC.

Parquet needs pandas and pyarrow, which the package does not depend on.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ballast.risk.history import (
    BAR_COLUMNS,
    HISTORY_COLUMNS,
    HOUR,
    Bars,
    HistoryError,
    HourlyHistory,
    crisis_windows,
    parse_history,
)

BAR_NAMES = {60: "1m", 300: "5m", 3600: "1h"}
RISKY_SYMBOLS = ("BTC", "ETH", "LINK")
BASIS_SYMBOLS = ("BTC", "ETH")
MICROSECONDS_FROM = 10**14


class ArchiveMissing(HistoryError):
    """The folder holds no archive of a symbol that is needed."""

    def __init__(self, directory: Path, wanted: Sequence[str]) -> None:
        self.directory, self.wanted = directory, wanted
        super().__init__(f"{directory}: no file like {' or '.join(wanted)}")


class ParquetSupportMissing(HistoryError):
    """pandas or pyarrow is not installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: reading parquet needs pandas and pyarrow: pip install pandas pyarrow")


def read_bars(directory: Path, symbol: str, bar_seconds: int, market: str = "spot") -> Bars:
    """All bars of ``symbol`` against USDT below ``directory``, oldest first, duplicates dropped.

    Args:
        market: ``spot`` or ``perp``.

    Raises:
        ArchiveMissing: no file of that symbol, bar and market.
        ParquetSupportMissing: a parquet file was found and cannot be read.
        MalformedBars: the files do not hold bars.
    """
    bar = BAR_NAMES[bar_seconds]
    patterns = (f"binance_{market}_{symbol}USDT_{bar}*.parquet", f"{symbol}USDT-{bar}-*.zip")
    rows = [_parquet(path, ("ts", *BAR_COLUMNS[1:])) for path in _found(directory, patterns[:1])]
    zips = [path for path in _found(directory, patterns[1:]) if ("futures" in path.parts) == (market == "perp")]
    rows += [_klines(path) for path in zips]
    if not rows:
        raise ArchiveMissing(directory, patterns)
    _, first = np.unique(np.concatenate(rows)[:, 0], return_index=True)
    times, *prices = np.concatenate(rows)[first].T
    return Bars(symbol, bar_seconds, times.astype(np.int64), *prices)


def read_history(directory: Path) -> HourlyHistory:
    """The hourly history a risk book is built from, read from the archives below ``directory``: BTC, ETH and LINK since
    all three trade; USDT in USDC and the perpetuals' basis where there are archives of them.

    Raises:
        ArchiveMissing, ParquetSupportMissing, MalformedBars: as ``read_bars``.
    """
    return parse_history(gzip.compress("".join(_history_lines(directory)).encode(), 1))


def write_history_extract(directory: Path, out: Path) -> Path:
    """Cuts ``hourly_closes.csv.gz`` from the archives below ``directory``; the same archives give the same rows."""
    return _write_packed(out / "history" / "hourly_closes.csv.gz", _history_lines(directory))


def write_crisis_extracts(directory: Path, out: Path) -> Iterator[Path]:
    """Cuts the crisis windows of Binance's symbols from the archives below ``directory``."""
    for window in crisis_windows():
        for symbol in sorted(RISKY_SYMBOLS):
            bars = read_bars(directory, symbol, window.bar_seconds)
            kept = (bars.open_time >= window.start) & (bars.open_time < window.end)
            columns = [bars.open_time[kept], *(p[kept] for p in (bars.open, bars.high, bars.low, bars.close))]
            path = out / "crises" / f"{window.name}_{symbol}.csv.gz"
            yield _write_packed(path, _csv_lines(BAR_COLUMNS, zip(*columns, strict=True)))


def _history_lines(directory: Path) -> Iterator[str]:
    closes = {symbol: _closes(read_bars(directory, symbol, HOUR)) for symbol in RISKY_SYMBOLS}
    start, end = max(min(series) for series in closes.values()), min(max(series) for series in closes.values())
    columns = [*closes.values(), _stablecoin(directory)]
    columns += [_basis(directory, symbol, closes[symbol]) for symbol in BASIS_SYMBOLS]
    hours = sorted({time for series in columns for time in series if start <= time <= end})
    table = ((time, *(series.get(time, np.nan) for series in columns)) for time in hours)
    return _csv_lines(HISTORY_COLUMNS, table)


def _closes(bars: Bars) -> dict[int, float]:
    return dict(zip((bars.open_time + bars.bar_seconds).tolist(), bars.close.tolist(), strict=True))


def _stablecoin(directory: Path) -> dict[int, float]:
    paths = _found(directory, ("univ3_USDC_USDT*.parquet",))
    rows = [row for path in paths for row in _parquet(path, ("ts", "price")).tolist()]
    return {int(time): round(1 / price, 5) for time, price in rows}


def _basis(directory: Path, symbol: str, spot: dict[int, float]) -> dict[int, float]:
    try:
        perp = _closes(read_bars(directory, symbol, HOUR, market="perp"))
    except ArchiveMissing:
        return {}
    return {time: round(price / spot[time] - 1, 5) for time, price in perp.items() if time in spot}


def _found(directory: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in directory.rglob(pattern))


def _parquet(path: Path, columns: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        import pandas
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ParquetSupportMissing(path) from error
    return np.asarray(pandas.read_parquet(path, columns=list(columns))[list(columns)].to_numpy(np.float64))


def _klines(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Binance's monthly file: open time in milliseconds (microseconds from 2025), then open, high, low, close."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = [row[:5] for row in csv.reader(io.StringIO(text)) if row and row[0].isdigit()]
    if not rows:
        raise HistoryError(f"{path}: holds no bars")
    table = np.array(rows, dtype=np.float64)
    table[:, 0] //= np.where(table[:, 0] > MICROSECONDS_FROM, 10**6, 10**3)
    return table


def _csv_lines(columns: Sequence[str], table: Iterable[Sequence[float]]) -> Iterator[str]:
    yield ",".join(columns) + "\n"
    for time, *prices in table:
        yield ",".join([str(int(time)), *(_decimal(price) for price in prices)]) + "\n"


def _decimal(price: float) -> str:
    return "nan" if np.isnan(price) else np.format_float_positional(price, trim="-")


def _write_packed(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
    return path
