"""Option chains as an exchange quotes them, and the quotes of them that a smile can be fitted to.

A chain is one snapshot of one currency: a line an option, prices in the coin (shares of the forward), Unix seconds,
volatilities as fractions a year of 365.25 days as Deribit counts it; from here on a year has 365 days, as on chain.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ballast.risk.pricing import YEAR
from ballast.risk.surface.black76 import Flags, Floats, call_delta, implied_deviation
from ballast.risk.surface.svi import SurfaceError

COLUMNS = ("ts", "currency", "expiry", "strike", "cp", "bid", "ask", "mark", "mark_iv", "forward", "index")
QUOTED_YEAR = 365.25 * 86_400
_NUMBERS = ("strike", "bid", "ask", "mark", "mark_iv", "forward", "index")


class ChainMissing(SurfaceError):
    """No chain of that currency and time."""


class MalformedChain(SurfaceError):
    """A chain is not what it claims to be: columns missing, or a price that no market shows."""


class TooFewQuotes(SurfaceError):
    """An expiry has not enough quotes that can be relied on."""

    def __init__(self, used: int, least: int, refused: Mapping[str, int]) -> None:
        self.used, self.least, self.refused = used, least, dict(refused)
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items() if count)
        super().__init__(
            f"{used} usable quotes on both sides of the forward, {least} needed ({reasons or 'no others'})"
        )


class ExpiryTooNear(SurfaceError):
    """An expiry is so near that its average has begun, or is about to."""

    def __init__(self, tenor: int, least: int) -> None:
        self.tenor, self.least = tenor, least
        super().__init__(f"expires in {tenor / 3600:.1f} h, {least / 3600:.1f} h needed")


@dataclass(frozen=True)
class Chain:
    """One snapshot of one currency's options; every array has one entry an option. Without a bid, or an ask, 0.

    Attributes:
        mark_iv: The exchange's volatility, a fraction a year of 365.25 days.
        forward: Price of the expiry's future, or of the one that options of its strikes imply.

    Raises:
        MalformedChain: a price is no number or negative, a strike or a forward not positive, a bid above its ask, an
            expiry not after the snapshot.
    """

    currency: str
    time: int
    expiry: NDArray[np.int64]
    is_call: Flags
    strike: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    mark_iv: Floats
    forward: Floats
    index: Floats

    def __post_init__(self) -> None:
        numbers = np.stack([getattr(self, name) for name in _NUMBERS])
        faults = {
            "a price is not a number, or negative": ~np.isfinite(numbers).all(axis=0) | (numbers < 0).any(axis=0),
            "strike, forward and index must be positive": (self.strike <= 0) | (self.forward <= 0) | (self.index <= 0),
            "bid above ask": (self.ask > 0) & (self.bid > self.ask),
            "expired at the time of the snapshot": self.expiry <= self.time,
        }
        for fault, found in faults.items():
            if found.any():
                at = int(np.flatnonzero(found)[0])
                option = f"{self.strike[at]:g} {'call' if self.is_call[at] else 'put'} of {_day(int(self.expiry[at]))}"
                raise MalformedChain(f"{self.currency} {_moment(self.time)}: {fault} ({option})")

    def __len__(self) -> int:
        return len(self.expiry)

    @property
    def expiries(self) -> list[int]:
        """Unix seconds, ascending."""
        return [int(expiry) for expiry in np.unique(self.expiry)]

    @property
    def index_price(self) -> float:
        return float(np.median(self.index))

    def forward_price(self, expiry: int) -> float:
        return float(np.median(self.forward[self.expiry == expiry]))

    def rows(self, kept: Flags) -> Chain:
        """The options at which ``kept`` is true."""
        arrays = {name: getattr(self, name)[kept] for name in ("expiry", "is_call", *_NUMBERS)}
        return Chain(self.currency, self.time, **arrays)


@dataclass(frozen=True)
class FilterSettings:
    """Which quotes count.

    Attributes:
        least_tenor: Seconds to expiry. Nearer, a smile is a few hours of one path.
        least_delta: Of an out-of-the-money option, in absolute terms; farther out quotes are the tick and nothing else.
        widest: Ask less bid in volatility, as a share of the mid volatility.
        least_ticks: Bid in units of ``tick``: below, a tick up or down is a large part of the price.
        least_quotes: Usable quotes of an expiry, and ``least_a_side`` of them on each side of the forward.
    """

    least_tenor: int = 6 * 3_600
    least_delta: float = 0.02
    widest: float = 0.25
    tick: float = 0.0001
    least_ticks: int = 2
    least_quotes: int = 6
    least_a_side: int = 2


@dataclass(frozen=True)
class SmileQuotes:
    """Quotes of one expiry that a smile is fitted to, by ascending log-moneyness; volatilities a year of 365 days.

    Attributes:
        tenor: Seconds to expiry.
        refused: How many options were left out, by reason.
    """

    currency: str
    expiry: int
    time: int
    forward: float
    index: float
    k: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    refused: Mapping[str, int]

    @property
    def tenor(self) -> int:
        return self.expiry - self.time

    @property
    def years(self) -> float:
        return self.tenor / YEAR

    @property
    def mid(self) -> Floats:
        return (self.bid + self.ask) / 2

    @property
    def name(self) -> str:
        return f"{self.currency} {_day(self.expiry)}"


def select_quotes(chain: Chain, expiry: int, settings: FilterSettings | None = None) -> SmileQuotes:
    """The quotes of an expiry that can be relied on: out of the money, both sides quoted, neither too wide nor too far.

    Raises:
        ChainMissing: the chain has no such expiry.
        ExpiryTooNear: see there.
        TooFewQuotes: see there.
    """
    settings = settings or FilterSettings()
    listed = chain.rows(chain.expiry == expiry)
    if not len(listed):
        raise ChainMissing(f"{chain.currency} {_moment(chain.time)}: no expiry {_day(expiry)}")
    if expiry - chain.time < settings.least_tenor:
        raise ExpiryTooNear(expiry - chain.time, settings.least_tenor)
    years = (expiry - chain.time) / YEAR
    k = np.log(listed.strike / listed.forward)
    bid, ask = (implied_deviation(side, k, listed.is_call) / np.sqrt(years) for side in (listed.bid, listed.ask))
    reasons = _refusals(listed, k, bid, ask, years, settings)
    kept, refused = np.ones(len(listed), dtype=bool), {}
    for reason, found in reasons.items():
        refused[reason] = int((kept & found).sum())
        kept &= ~found
    sides = int((k[kept] < 0).sum()), int((k[kept] >= 0).sum())
    if sum(sides) < settings.least_quotes or min(sides) < settings.least_a_side:
        raise TooFewQuotes(sum(sides), settings.least_quotes, refused)
    order = np.flatnonzero(kept)[np.argsort(k[kept], kind="stable")]
    mark = listed.mark_iv * np.sqrt(YEAR / QUOTED_YEAR)
    return SmileQuotes(
        currency=chain.currency,
        expiry=expiry,
        time=chain.time,
        forward=chain.forward_price(expiry),
        index=chain.index_price,
        k=k[order],
        bid=bid[order],
        ask=ask[order],
        mark=mark[order],
        refused=refused,
    )


def _refusals(
    listed: Chain, k: Floats, bid: Floats, ask: Floats, years: float, settings: FilterSettings
) -> dict[str, Flags]:
    """Options not to be used, by reason; an option counts under its first."""
    with np.errstate(invalid="ignore"):
        mid = (bid + ask) / 2
        delta = call_delta(k, mid * np.sqrt(years))
        return {
            "in the money": np.where(listed.is_call, k < 0, k >= 0),
            "without a bid": listed.bid <= 0,
            "without an ask": listed.ask <= 0,
            "outside the bounds of a price": ~(np.isfinite(bid) & np.isfinite(ask)),
            "a few ticks": listed.bid < settings.least_ticks * settings.tick * (1 - 1e-9),
            "too wide": ~(ask - bid <= settings.widest * mid),
            "deep in the wing": np.where(listed.is_call, delta, 1 - delta) < settings.least_delta,
        }


# ---- reading


def load_chains() -> list[Chain]:
    """The snapshot that ships with the package: all of its currencies."""
    packed = resources.files("ballast").joinpath("data/chains/deribit_2026-06-09.csv.gz").read_bytes()
    return list(_chains(_csv_rows(gzip.decompress(packed).decode()), "shipped chain"))


def read_chains(path: Path) -> list[Chain]:
    """Every snapshot in a file (``.csv``, ``.csv.gz``, ``.parquet``) of ``COLUMNS``, or in the files of a folder named
    ``deribit_chain*``; by currency and time.

    Raises:
        ChainMissing: there is none.
        MalformedChain: see there.
    """
    files = sorted(path.glob("deribit_chain*")) if path.is_dir() else [path]
    chains = [chain for file in files if file.is_file() for chain in _chains(_rows(file), str(file))]
    if not chains:
        raise ChainMissing(f"{path}: no option chain")
    return sorted(chains, key=lambda chain: (chain.currency, chain.time))


def nearest_chain(chains: Sequence[Chain], currency: str, time: int | None) -> Chain:
    """The currency's snapshot nearest to ``time`` (Unix seconds), without one its last.

    Raises:
        ChainMissing: there is none of the currency.
    """
    known = [chain for chain in chains if chain.currency == currency]
    if not known:
        raise ChainMissing(f"no chain of {currency}; known: {', '.join(sorted({c.currency for c in chains}))}")
    return known[-1] if time is None else min(known, key=lambda chain: abs(chain.time - time))


def write_extract(chains: Sequence[Chain], path: Path) -> Path:
    """Writes chains as a gzipped CSV of ``COLUMNS``: the same chains give the same bytes."""
    lines = [",".join(COLUMNS)]
    for chain in chains:
        for at in range(len(chain)):
            side = "C" if chain.is_call[at] else "P"
            numbers = {name: f"{getattr(chain, name)[at]:.10g}" for name in _NUMBERS}
            row = {"ts": str(chain.time), "currency": chain.currency, "expiry": str(chain.expiry[at]), "cp": side}
            lines.append(",".join((row | numbers)[name] for name in COLUMNS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    return path


def _rows(file: Path) -> dict[str, NDArray[Any]]:
    if file.suffix == ".parquet":
        return _parquet_rows(file)
    packed = file.read_bytes()
    return _csv_rows((gzip.decompress(packed) if file.suffix == ".gz" else packed).decode())


def _csv_rows(text: str) -> dict[str, NDArray[Any]]:
    header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    return {name: np.array([row[at] for row in rows]) for at, name in enumerate(header)}


def _parquet_rows(file: Path) -> dict[str, NDArray[Any]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise SurfaceError(f"{file}: reading parquet needs pyarrow: pip install pyarrow") from error
    table = parquet.read_table(file)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def _chains(columns: Mapping[str, NDArray[Any]], source: str) -> Iterator[Chain]:
    if missing := [name for name in COLUMNS if name not in columns]:
        raise MalformedChain(f"{source}: columns missing: {', '.join(missing)}")
    try:
        times, expiries = (columns[name].astype(np.int64) for name in ("ts", "expiry"))
        numbers = {name: columns[name].astype(np.float64) for name in _NUMBERS}
        # A side that nobody quotes is empty in some files, 0 in others.
        numbers |= {side: np.nan_to_num(numbers[side], nan=0.0) for side in ("bid", "ask")}
    except (TypeError, ValueError) as fault:
        raise MalformedChain(f"{source}: {fault}") from fault
    currencies, is_call = columns["currency"].astype(str), columns["cp"].astype(str) == "C"
    for currency in np.unique(currencies):
        of_currency = np.flatnonzero(currencies == currency)
        of_currency = of_currency[np.argsort(times[of_currency], kind="stable")]
        for rows in _snapshots(times[of_currency], of_currency):
            arrays = {name: numbers[name][rows] for name in _NUMBERS}
            yield Chain(str(currency), int(times[rows[-1]]), expiries[rows], is_call[rows], **arrays)


def _snapshots(times: NDArray[np.int64], rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows of one snapshot each: an exchange is read within minutes, and snapshots are further apart."""
    edges = [0, *(np.flatnonzero(np.diff(times) > 1_800) + 1).tolist(), len(times)]
    for start, end in pairwise(edges):
        yield np.sort(rows[start:end])


def _day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
