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
from ballast.risk.expiry import BUCKET, WINDOW
from ballast.risk.history import Crisis
from scripts.demo.board import OPTIONS_ON, Quotes
from scripts.demo.desk import Desk
from scripts.demo.listing import Signers
from scripts.demo.operators import Operator
from scripts.demo.report import Sample
from scripts.demo.stage import Stage, report_prices, set_clock

WAD = 10**18
PATIENCE = 5.0
# Blocks between two turns of the operators' desks.
DESK_TURN = 3
LONGEST_BLOCK = 120


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


@dataclass(frozen=True)
class Moment:
    """One block of the replay: its time, the bar that closed last, and whether it closes only now."""

    time: int
    bar: int
    closes: bool


def moments_of(market: Market, bars: Sequence[int], expiry: int, speed: int) -> list[Moment]:
    """One a bar. Between long bars one every two minutes (at twice the speed every four), as auctions count time only
    while they are seen. Two a minute while the settlement price of an expiry is averaged: a keeper who sees a new
    minute needs the next block to come before it is over."""
    closing = {market.time(bar): bar for bar in bars}
    between = set(range(expiry - WINDOW, expiry + 1, BUCKET // 2))
    if market.crisis.bar_seconds > LONGEST_BLOCK:
        between |= set(range(min(closing), max(closing), LONGEST_BLOCK * speed))
    found = [Moment(time_, bar, True) for time_, bar in closing.items()]
    for time_ in between - closing.keys():
        if before := [bar for bar in bars if market.time(bar) <= time_]:
            found.append(Moment(time_, before[-1], False))
    return sorted(found, key=lambda moment: moment.time)


@dataclass
class Replay:
    """Everything that moves with the crisis."""

    stage: Stage
    market: Market
    quotes: Quotes
    signers: Signers
    operators: Sequence[Operator]
    desk: Desk
    watch: Watch

    def run(
        self, moments: Sequence[Moment], sample_every: int, each: Callable[[int, Sample | None], None]
    ) -> list[Sample]:
        """One block a moment; the next is mined when the keepers have seen it."""
        samples: list[Sample] = []
        for count, moment in enumerate(moments):
            self.mine(moment)
            await_operators(self.operators, self.stage.node.request("eth_blockNumber"))
            if count % DESK_TURN == 0:
                self.desk.work(moment.time)
            is_last = count == len(moments) - 1
            sample = self.watch.take(moment) if count % sample_every == 0 or is_last else None
            if sample is not None:
                samples.append(sample)
            each(moment.bar, sample)
        return samples

    def mine(self, moment: Moment) -> None:
        """The feeds' reports and the signers' surfaces come to whatever keepers have sent meanwhile."""
        for feed in FEEDS if moment.closes else ():
            timestamp, prices = self.market.due(feed, moment.bar)
            self.stage.post(report_prices(self.stage, prices, timestamp, (feed.rank,)), gas=200_000)
        if self.signers.is_due(moment.time):
            surfaces = self.quotes.surfaces(moment.bar, moment.time)
            self.stage.post([self.signers.publication(surfaces, moment.time)], gas=4_000_000)
        set_clock(self.stage.node, moment.time)
        self.stage.node.request("evm_mine")


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

    def __init__(self, stage: Stage, system: System, market: Market, quotes: Quotes) -> None:
        self._market, self._quotes = market, quotes
        self._system = system
        self._accounts = [account_id(trader.key.address) for trader in stage.traders]
        self._reader = EventReader(system, FOLLOWED)
        self._mirror = Mirror()
        self._mirror.touch(self._accounts)
        self._next = system.connection.head().number + 1

    def take(self, moment: Moment) -> Sample:
        """Health factors of all accounts that have a requirement."""
        head = self._system.connection.head()
        self._mirror.touch(accounts_of(self._reader.read(self._next, head.number)) & {*self._accounts})
        self._mirror.refresh(self._system, head)
        self._next = head.number + 1
        views = [self._mirror.accounts[account] for account in self._accounts]
        health = estimate(read_market(self._system, head, views), views).health
        volatilities = {symbol: self._quotes.volatility(symbol, moment.bar) for symbol in OPTIONS_ON}
        finite = tuple(health[np.isfinite(health)].tolist())
        return Sample(moment.time, head.number, self._market.prices(moment.bar), finite, volatilities)
