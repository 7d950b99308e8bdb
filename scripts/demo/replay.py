"""The replay: prices move as they did, bar by bar and block by block, and reach the chain through lagging feeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ballast.chain.contracts import System
from ballast.chain.ids import account_id
from ballast.chain.logs import EventReader
from ballast.keeper.mirror import Mirror, accounts_of
from ballast.keeper.runner import FOLLOWED
from ballast.keeper.scanner import estimate, read_market
from ballast.risk.history import Crisis
from scripts.demo.desk import Desk
from scripts.demo.operators import Operator
from scripts.demo.report import Sample
from scripts.demo.stage import Stage, report_prices, set_clock

WAD = 10**18
PATIENCE = 5.0
# Blocks between two turns of the operators' desks.
DESK_TURN = 3


@dataclass(frozen=True)
class Feed:
    """How one feed follows the market.

    Attributes:
        lag: Bars it is behind.
        deviation: Relative move after which it reports.
        heartbeat: Seconds after which it reports anyway.
        noise: Relative standard deviation of its own error.
    """

    rank: int
    lag: int
    deviation: float
    heartbeat: int
    noise: float


FEEDS = (Feed(0, 0, 0.001, 300, 0.0002), Feed(1, 1, 0.005, 3_600, 0.0008))


@dataclass
class Market:
    """What each feed said last, and when."""

    crisis: Crisis
    random: np.random.Generator
    said: dict[tuple[int, str], tuple[float, int]] = field(default_factory=dict)

    def prices(self, bar: int) -> dict[str, float]:
        """Closes of a bar, by symbol."""
        return {symbol: float(bars.close[bar]) for symbol, bars in self.crisis.bars.items()}

    def time(self, bar: int) -> int:
        """Unix seconds at which a bar closes."""
        return int(self.crisis.open_time[bar]) + self.crisis.bar_seconds

    def due(self, feed: Feed, bar: int) -> tuple[int, dict[str, float]]:
        """When the feed's newest observation was made, and the symbols it reports now."""
        seen = max(0, bar - feed.lag)
        timestamp, prices = self.time(seen), {}
        for symbol, price in self.prices(seen).items():
            observed = price * (1 + feed.noise * self.random.standard_normal())
            last, at = self.said.get((feed.rank, symbol), (np.inf, 0))
            if abs(observed / last - 1) > feed.deviation or timestamp - at >= feed.heartbeat:
                prices[symbol] = observed
                self.said[feed.rank, symbol] = (observed, timestamp)
        if timestamp - self.said.get((feed.rank, "USDC"), (1.0, 0))[1] >= feed.heartbeat:
            prices["USDC"] = 1.0
            self.said[feed.rank, "USDC"] = (1.0, timestamp)
        return timestamp, prices


def replay(
    stage: Stage,
    market: Market,
    operators: Sequence[Operator],
    desk: Desk,
    watch: Watch,
    bars: Sequence[int],
    sample_every: int,
    each: Callable[[int, Sample | None], None],
) -> list[Sample]:
    """Plays the bars, one block each, waiting for the keepers to have seen a block before the next one is mined."""
    samples: list[Sample] = []
    for count, bar in enumerate(bars):
        mine_bar(stage, market, bar)
        await_operators(operators, stage.node.request("eth_blockNumber"))
        if count % DESK_TURN == 0:
            desk.work(market.time(bar))
        sample = watch.take(market, bar) if count % sample_every == 0 or count == len(bars) - 1 else None
        if sample is not None:
            samples.append(sample)
        each(bar, sample)
    return samples


def mine_bar(stage: Stage, market: Market, bar: int) -> None:
    """One block: the feeds' reports first, then whatever keepers have sent meanwhile."""
    for feed in FEEDS:
        timestamp, prices = market.due(feed, bar)
        stage.post(report_prices(stage, prices, timestamp, (feed.rank,)), gas=200_000)
    set_clock(stage.node, market.time(bar))
    stage.node.request("evm_mine")


def await_operators(operators: Sequence[Operator], head: str) -> None:
    """Gives every running keeper the time to handle the newest block, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    waiting = [operator for operator in operators if operator.alive()]
    while waiting and time.monotonic() < deadline:
        waiting = [operator for operator in waiting if operator.block() < int(head, 16)]
        if waiting:
            time.sleep(0.01)


class Watch:
    """Health of the traders' accounts as a keeper estimates it, from their storage and the block's prices."""

    def __init__(self, stage: Stage, system: System) -> None:
        self._system = system
        self._accounts = [account_id(trader.key.address) for trader in stage.traders]
        self._reader = EventReader(system, FOLLOWED)
        self._mirror = Mirror()
        self._mirror.touch(self._accounts)
        self._next = system.connection.head().number + 1

    def take(self, market: Market, bar: int) -> Sample:
        """Health factors of all accounts that have a requirement."""
        head = self._system.connection.head()
        self._mirror.touch(accounts_of(self._reader.read(self._next, head.number)) & {*self._accounts})
        self._mirror.refresh(self._system, head)
        self._next = head.number + 1
        views = [self._mirror.accounts[account] for account in self._accounts]
        health = estimate(read_market(self._system, head, views), views).health
        return Sample(market.time(bar), head.number, market.prices(bar), tuple(health[np.isfinite(health)].tolist()))
