"""Prices by the minute through a crisis, and what comes with them: volatility, the oracle's lag, the price of gas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ballast.risk.history import Bars, load_crisis

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SYMBOLS = ("BTC", "ETH", "LINK")
CRISES = ("2020-03-12", "2021-05-19", "2022-05-11", "2022-06-13", "2022-11-08")
MINUTE = 60
DAY = 1440
"""Minutes."""
WICK = 0.75
"""Of the body's lower end: a bar's low below that is one venue's, which no oracle of several sources would tell."""
DEVIATION, HEARTBEAT = 0.005, 60
STEP_LIMIT, STAND = 0.2, 3
VOLATILITY_HALF_LIFE, LEAST_VOLATILITY = 60.0, 0.02
TRANSACTION_GAS = 620_000


@dataclass(frozen=True)
class Regime:
    """What the chain is like.

    Attributes:
        gwei: Price of gas.
        peak_gwei: The same from two hours before the worst hour to four hours after it.
        outage: Minutes from the middle of the worst hour in which nothing is mined: no report, no start, no bid.
    """

    name: str
    gwei: float = 30.0
    peak_gwei: float = 30.0
    outage: int = 0


CALM = Regime("calm")
SPIKE = Regime("spike", peak_gwei=500.0, outage=45)


@dataclass(frozen=True)
class Path:
    """A row a minute, a column a symbol.

    Attributes:
        volatility: Of a day, from the minutes before.
        worst: Minute in the middle of the hour in which ether fell most.
    """

    crisis: str
    prices: Floats
    volatility: Floats
    worst: int

    def __len__(self) -> int:
        return len(self.prices)


def load_path(crisis: str, hours: int, seed: int) -> Path:
    """The ``hours`` around the worst hour, three fifths of them before it."""
    found = load_crisis(crisis)
    random = np.random.default_rng([seed, int(crisis.replace("-", ""))])
    prices = np.stack([by_minute(found.bars[symbol], random) for symbol in SYMBOLS], axis=1)
    hourly = prices[60:, 1] / prices[:-60, 1]
    worst = int(np.argmin(hourly)) + 30
    length = min(hours * 60, len(prices))
    start = min(max(0, worst - length * 3 // 5), len(prices) - length)
    kept = prices[start : start + length]
    return Path(crisis, kept, volatility_of(kept), worst - start)


def without_rebound(path: Path) -> Path:
    """The same falls, and no rise: every price at its lowest so far."""
    prices = np.minimum.accumulate(path.prices, axis=0)
    return replace(path, prices=prices)


def by_minute(bars: Bars, random: np.random.Generator) -> Floats:
    """Prices a minute: from open through the nearer-in-time extreme and the other to close.

    A bar that closes lower has its high first. Bars longer than five minutes get a Brownian bridge between these
    points, kept within the bar.
    """
    minutes = bars.bar_seconds // MINUTE
    if minutes == 1:
        return bars.close
    low = np.maximum(bars.low, WICK * np.minimum(bars.open, bars.close))
    high = np.minimum(bars.high, np.maximum(bars.open, bars.close) / WICK)
    falls = bars.close < bars.open
    first, second = np.where(falls, high, low), np.where(falls, low, high)
    anchors = np.stack([bars.open, first, second, bars.close], axis=1)
    at = (np.arange(minutes) + 1) / minutes * 3
    part = np.minimum(at.astype(int), 2)
    paths = anchors[:, part] + (anchors[:, part + 1] - anchors[:, part]) * (at - part)
    if minutes > 5:
        noise = bridges(len(bars.open), minutes, random) * ((high - low) / 8)[:, None]
        paths = np.clip(paths + noise, low[:, None], high[:, None])
    return np.asarray(paths.reshape(-1))


def bridges(count: int, minutes: int, random: np.random.Generator) -> Floats:
    """Walks that start and end at 0, of about unit deviation in the middle."""
    walks = np.cumsum(random.normal(size=(count, minutes)), axis=1)
    steps = (np.arange(minutes) + 1) / minutes
    return np.asarray((walks - walks[:, -1:] * steps) * 2 / np.sqrt(minutes))


def volatility_of(prices: Floats) -> Floats:
    """Exponentially weighted, as the standard deviation of a day's log move."""
    moves = np.diff(np.log(prices), axis=0, prepend=np.log(prices[:1]))
    decay = 0.5 ** (1 / VOLATILITY_HALF_LIFE)
    variance = np.empty_like(prices)
    level = np.full(prices.shape[1], LEAST_VOLATILITY**2 / DAY)
    for minute, move in enumerate(moves):
        level = decay * level + (1 - decay) * move**2
        variance[minute] = level
    return np.maximum(np.sqrt(variance * DAY), LEAST_VOLATILITY)


def is_mined(path: Path, regime: Regime) -> NDArray[np.bool_]:
    """Whether transactions are mined, by minute."""
    minutes = np.arange(len(path))
    return ~((minutes >= path.worst) & (minutes < path.worst + regime.outage))


def reported_at(path: Path, regime: Regime) -> Integers:
    """The minute whose prices the oracle tells, by minute.

    It reports at a deviation of 0.5 % of any price, at least hourly, where transactions are mined; a step beyond a
    fifth waits three minutes.
    """
    mined = is_mined(path, regime)
    told, waiting = 0, 0
    found = np.empty(len(path), dtype=np.int64)
    for minute in range(len(path)):
        step = float(np.max(np.abs(path.prices[minute] / path.prices[told] - 1)))
        waiting = waiting + 1 if mined[minute] and step > STEP_LIMIT else 0
        believed = step <= STEP_LIMIT or waiting > STAND
        if mined[minute] and believed and (step >= DEVIATION or minute - told >= HEARTBEAT):
            told, waiting = minute, 0
        found[minute] = told
    return found


def transaction_cost(path: Path, regime: Regime) -> Floats:
    """Of one bid, in dollars, by minute."""
    minutes = np.arange(len(path))
    peak = (minutes >= path.worst - 120) & (minutes < path.worst + 240)
    gwei = np.where(peak, regime.peak_gwei, regime.gwei)
    return np.asarray(TRANSACTION_GAS * gwei * 1e-9 * path.prices[:, 1])
