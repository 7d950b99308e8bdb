"""One crisis under one way to liquidate: accounts breach, bidders of limited capital bid, somebody bears what lacks.

Owners do nothing. Amounts in the ledger are integers (wad) and balance exactly: what owners had, and what prices gave
them, is what they have and what bidders or the pool gained, less what the fund and nobody paid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

from ballast.risk.auction import WAD, Outcome
from scripts.study.mechanisms import Clock, Mechanism, Offer, Seizure, View
from scripts.study.paths import DAY, MINUTE, Floats, Regime, is_mined, reported_at, transaction_cost
from scripts.study.population import Scene

DAILY_VOLUME = np.array([5e9, 3e9, 3e8])
"""What hedges trade into, value units, by underlying."""


@dataclass(frozen=True)
class Market:
    """What bidders' hedges cost, and what bidders are.

    Hedging a value Q of an underlying costs Q · (half_spread · σ / 3 % + impact · σ · √((Q + what others hedged lately)
    / daily volume) + σ · √(minutes at risk / a day)); options cost a part of their value beside that.

    Attributes:
        capital: Of all bidders together, as a part of open interest; a slice binds its initial margin.
        bound: Minutes until a slice is unwound.
        cost_low, cost_high: A bidder's own costs are a draw between these multiples of that, for each liquidation.
        dearest: Multiple of costs above which nobody is thought to be.
        least_profit: Of a bid, value units.
        times: What all costs but gas are multiplied by.
    """

    capital: float = 0.02
    bound: int = 30
    half_spread: float = 0.0003
    impact: float = 0.8
    at_risk: float = 2.0
    option_cost: float = 0.03
    cost_low: float = 0.7
    cost_high: float = 1.3
    dearest: float = 2.5
    least_profit: float = 5.0
    times: float = 1.0
    flow_half_life: float = 30.0
    fund: float = 0.005
    fund_hourly: float = 0.25


@dataclass
class Bidder:
    """``bound`` are capital and the minute at which it is free again."""

    capital: float
    bound: list[tuple[int, float]] = field(default_factory=list)

    def free(self, minute: int) -> float:
        self.bound = [(until, amount) for until, amount in self.bound if until > minute]
        return self.capital - sum(amount for _, amount in self.bound)


@dataclass
class Holder:
    """One account in the ledger.

    Attributes:
        kept: Part of the account as it was that is still there, wad.
        seen: Its worth after what was done to it last, or at first.
        lost: What liquidation took from it; negative where it was given more.
        proceeds: P; folded into cash as a liquidation ends.
        breached_at: Of the liquidation under way.
    """

    kept: int = WAD
    cash: int = 0
    seen: int = 0
    lost: int = 0
    proceeds: int = 0
    breached_at: int = 0
    equity_at_breach: int = 0
    notional_at_breach: int = 0
    clock: Clock | None = None


@dataclass(frozen=True)
class Episode:
    """One liquidation, from breach to end.

    Attributes:
        equity: As it began, value units.
        notional: The same.
        sold: Part of the account as it first was that was gone by its end.
    """

    account: int
    started: int
    minutes: int
    equity: float
    notional: float
    sold: float
    finished: bool


@dataclass
class Ledger:
    """Wad, of the whole run. ``drift`` is what prices did to owners, at the oracle's."""

    drift: int = 0
    to_takers: int = 0
    from_fund: int = 0
    uncovered: int = 0


@dataclass(frozen=True)
class Result:
    """Of one run.

    Attributes:
        shortfall: What live accounts lack at the end, or what accounts cost the pool; value units.
        lost: What owners lost to liquidation, value units.
        taker_costs, taker_profit: Value units, at market prices.
    """

    episodes: tuple[Episode, ...]
    ledger: Ledger
    opening: int
    closing: int
    shortfall: float
    lost: float
    taker_costs: float
    taker_profit: float
    bids: int
    open_interest: float

    @property
    def bad_debt(self) -> float:
        """What the fund and nobody paid, and what live accounts lack at the end, value units."""
        return (self.ledger.from_fund + self.ledger.uncovered) / WAD + self.shortfall

    @property
    def first(self) -> list[Episode]:
        """The first liquidation of each account."""
        return list({episode.account: episode for episode in reversed(self.episodes)}.values())

    @property
    def penalty(self) -> float:
        """Part of their equity as they first breached that owners lost to liquidation itself, and not to prices."""
        equity = sum(max(0.0, episode.equity) for episode in self.first)
        return self.lost / equity if equity else 0.0

    @property
    def sold(self) -> float:
        """Part of the notional that breached that was liquidated."""
        last = {episode.account: episode.sold for episode in self.episodes}
        notional = sum(episode.notional for episode in self.first)
        return sum(e.notional * last[e.account] for e in self.first) / notional if notional else 0.0

    @property
    def minutes(self) -> list[int]:
        """In liquidation, of each account that ever was."""
        spent: dict[int, int] = {}
        for episode in self.episodes:
            spent[episode.account] = spent.get(episode.account, 0) + episode.minutes
        return list(spent.values())


class Simulation:
    """One run over a scene."""

    def __init__(
        self, scene: Scene, mechanism: Mechanism, regime: Regime, bidders: int, seed: int, market: Market | None = None
    ) -> None:
        self.scene, self.mechanism, self.regime = scene, mechanism, regime
        self.market = market or Market()
        capital = self.market.capital * scene.open_interest / bidders
        self.bidders = [Bidder(capital) for _ in range(bidders)]
        self.random = np.random.default_rng([seed, 11])
        # One draw an account and bidder, whatever happens: every mechanism meets the same bidders.
        self.costs = self.random.uniform(self.market.cost_low, self.market.cost_high, (scene.accounts, bidders))
        # Equilibrium of a descending auction among n with costs spread evenly up to the dearest.
        self.asked = self.costs + (self.market.dearest - self.costs) / bidders
        self.order = np.argsort(self.costs, axis=1)
        self.holders = [Holder() for _ in range(scene.accounts)]
        self.live: dict[int, Holder] = {}
        self.ledger = Ledger()
        self.episodes: list[Episode] = []
        self.flow = np.zeros(len(DAILY_VOLUME))
        self.rates, self.rates_at = np.zeros(len(DAILY_VOLUME)), -1
        self.fund = int(self.market.fund * scene.open_interest) * WAD
        self.paid_lately = 0.0
        self.bids, self.taker_costs, self.taker_profit = 0, 0.0, 0.0

    # What accounts are at a minute

    def wad(self, values: Floats, minute: int, account: int) -> int:
        return round(float(values[minute, account]) * 10**9) * 10**9

    def view(self, account: int, told: int) -> View:
        """At the prices the oracle told."""
        scene, holder = self.scene, self.holders[account]
        fixed = round(scene.fixed * 10**9) * 10**9 if holder.kept else 0

        def part(values: Floats) -> int:
            return holder.kept * (self.wad(values, told, account) - fixed) // WAD + fixed

        return View(
            equity=holder.kept * self.wad(scene.equity, told, account) // WAD + holder.cash + holder.proceeds,
            proceeds=holder.proceeds,
            maintenance=part(scene.maintenance),
            target=part(scene.liquidation_end),
            fixed=fixed,
            notional=holder.kept * self._notional(told, account) // WAD,
        )

    def _notional(self, minute: int, account: int) -> int:
        return self.wad(self.scene.notional, minute, account)

    def run(self) -> Result:
        """Every minute: what the oracle tells, who breaches, who bids."""
        scene = self.scene
        told, mined = reported_at(scene.path, self.regime), is_mined(scene.path, self.regime)
        gas = transaction_cost(scene.path, self.regime)
        decay = 0.5 ** (1 / self.market.flow_half_life)
        opening = self._open()
        for minute in range(len(scene.path)):
            self.flow *= decay
            self.paid_lately *= 1 - 1 / 60
            if mined[minute]:
                self._breaches(int(told[minute]), minute)
                for account in sorted(self.live):
                    self._liquidate(account, int(told[minute]), minute, float(gas[minute]))
        return self._result(opening, len(scene.path) - 1)

    def _open(self) -> int:
        """All that owners have at first."""
        for account, holder in enumerate(self.holders):
            holder.seen = self._worth(account, 0)
        return sum(holder.seen for holder in self.holders)

    def _breaches(self, told: int, minute: int) -> None:
        scene = self.scene
        kept = np.array([holder.kept / WAD for holder in self.holders])
        cash = np.array([(holder.cash + holder.proceeds) / WAD for holder in self.holders])
        needed = kept * (scene.maintenance[told] - scene.fixed) + scene.fixed
        for account in np.flatnonzero((kept * scene.equity[told] + cash < needed) & (kept > 0)):
            holder = self.holders[account]
            if int(account) in self.live:
                continue
            view = self.view(int(account), told)
            holder.breached_at, holder.equity_at_breach, holder.notional_at_breach = minute, view.equity, view.notional
            holder.clock = Clock(minute * MINUTE, minute * MINUTE)
            self.live[int(account)] = holder

    def _liquidate(self, account: int, told: int, minute: int, gas: float) -> None:
        """Ends it, or takes bids until nobody's pays."""
        clock = self.live[account].clock
        assert clock is not None
        while True:
            view = self.view(account, told)
            if view.maintenance == 0 or self.mechanism.is_over(view):
                self._end(account, minute)
                return
            fund = self._fund()
            offer = self.mechanism.offer(clock, view, minute * MINUTE, fund)
            if not self._best_bid(account, offer, minute, told, gas, fund):
                return

    def _end(self, account: int, minute: int) -> None:
        holder = self.live.pop(account)
        self._note(account, holder, minute, finished=True)
        holder.cash, holder.proceeds, holder.clock = holder.cash + holder.proceeds, 0, None

    def _note(self, account: int, holder: Holder, minute: int, finished: bool) -> None:
        started = holder.breached_at
        self.episodes.append(
            Episode(account, started, minute - started, holder.equity_at_breach / WAD,
                    holder.notional_at_breach / WAD, 1 - holder.kept / WAD, finished)
        )  # fmt: skip

    def _fund(self) -> int:
        """What the fund can pay now: a quarter an hour."""
        limit = self.market.fund_hourly * (self.fund / WAD + self.paid_lately) - self.paid_lately
        return min(self.fund, max(0, int(limit * 10**9) * 10**9))

    # Bidders

    def _best_bid(self, account: int, offer: Offer, minute: int, told: int, gas: float, fund: int) -> bool:
        """The bid of whoever asks least, if it pays."""
        scene, holder = self.scene, self.holders[account]
        part = holder.kept / WAD
        drift = part * float(scene.equity[minute, account] - scene.equity[told, account])
        margin = max(1e-9, part * float(scene.initial[minute, account] - scene.fixed))
        if not self._can_pay(account, offer, drift, minute, part, gas):
            return False
        for bidder in self.order[account]:
            asked = self.asked[account, bidder]
            affordable = self.bidders[bidder].free(minute) / margin
            most = min(offer.most / WAD, affordable)
            found = self._fraction(account, offer, most, drift, float(asked), minute, part, gas)
            if found:
                self._bid(account, int(bidder), offer, found, minute, told, drift, gas, fund, margin)
                return True
            if affordable >= offer.most / WAD:
                return False
        return False

    def _can_pay(self, account: int, offer: Offer, drift: float, minute: int, part: float, gas: float) -> bool:
        """False where nobody's bid can pay, by costs without their own impact: spares a close look at most offers."""
        if minute != self.rates_at:
            self.rates, self.rates_at = self._rates(minute, 0.0), minute
        scene, asked = self.scene, self.asked[account, self.order[account, 0]]
        cost = float(scene.delta[minute, account] @ self.rates)
        cost = part * (cost + self.market.times * self.market.option_cost * float(scene.premium[minute, account]))
        most = offer.most / WAD
        gain = offer.gain(offer.most) / WAD + drift * most
        return bool(gain >= asked * (most * cost + gas) + self.market.least_profit)

    def _fraction(
        self, account: int, offer: Offer, most: float, drift: float, asked: float, minute: int, part: float, gas: float
    ) -> int:
        """The most profitable of a few fractions, wad; 0 where none pays."""
        least = offer.least / WAD
        if most < least * (1 - 1e-9):
            return 0
        best, profit = 0, self.market.least_profit
        for size in {most, sqrt(most * least), least}:
            fraction = min(max(round(size * WAD), offer.least), offer.most)
            gain = offer.gain(fraction) / WAD + drift * fraction / WAD
            net = gain - asked * self._cost(account, minute, part * fraction / WAD, gas)
            if net >= profit:
                best, profit = fraction, net
        return best

    def _cost(self, account: int, minute: int, part: float, gas: float) -> float:
        """Of taking that part of an account as it was, by the market's formula."""
        value = self.scene.delta[minute, account] * part
        options = self.market.times * self.market.option_cost * float(self.scene.premium[minute, account]) * part
        return float(value @ self._rates(minute, value)) + options + gas

    def _rates(self, minute: int, value: Floats | float) -> Any:
        """Cost of hedging a unit of value of each underlying, beside others' flow."""
        market, volatility = self.market, self.scene.path.volatility[minute]
        rate = volatility * (market.half_spread / 0.03 + sqrt(market.at_risk / DAY))
        return market.times * (rate + market.impact * volatility * np.sqrt((value + self.flow) / DAILY_VOLUME))

    def _bid(
        self, account: int, bidder: int, offer: Offer, fraction: int, minute: int, told: int, drift: float,
        gas: float, fund: int, margin: float,
    ) -> None:  # fmt: skip
        holder, clock = self.holders[account], self.holders[account].clock
        assert clock is not None
        part = holder.kept / WAD
        cost = self._cost(account, minute, part * fraction / WAD, gas)
        done = self.mechanism.settle(clock, offer, fraction, fund)
        slice_value = self._take(account, done, told)
        given = slice_value - done.payment + done.reward
        self.ledger.to_takers += given
        self.ledger.from_fund += done.from_insurance
        self.ledger.uncovered += done.uncovered
        self.fund -= done.from_insurance
        self.paid_lately += done.from_insurance / WAD
        self.flow += self.scene.delta[minute, account] * part * done.fraction / WAD
        self.bidders[bidder].bound.append((minute + self.market.bound, margin * done.fraction / WAD))
        self.bids += 1
        self.taker_costs += cost
        self.taker_profit += given / WAD + drift * done.fraction / WAD - cost

    def _take(self, account: int, done: Outcome, told: int) -> int:
        """Moves a slice and its payment; returns what the slice is worth."""
        holder = self.holders[account]
        worth = self._worth(account, told)
        self.ledger.drift += worth - holder.seen
        for_sale = worth - holder.proceeds
        left = WAD - done.fraction
        holder.kept = holder.kept * left // WAD
        holder.cash = holder.cash * left // WAD
        slice_value = for_sale - (self._worth(account, told) - holder.proceeds)
        holder.proceeds += done.payment - done.from_proceeds
        holder.lost += slice_value - done.payment + done.from_proceeds
        holder.seen = self._worth(account, told)
        return slice_value

    def _worth(self, account: int, minute: int) -> int:
        holder = self.holders[account]
        return holder.kept * self.wad(self.scene.equity, minute, account) // WAD + holder.cash + holder.proceeds

    def _result(self, opening: int, last: int) -> Result:
        for account, holder in sorted(self.live.items()):
            self._note(account, holder, last, finished=False)
        worths = [self._worth(account, last) for account in range(self.scene.accounts)]
        self.ledger.drift += sum(worths) - sum(holder.seen for holder in self.holders)
        closing, shortfall = sum(worths), self._shortfall(worths)
        lost = sum(max(0, holder.lost) for holder in self.holders) / WAD
        return Result(
            tuple(self.episodes), self.ledger, opening, closing, shortfall, lost, self.taker_costs, self.taker_profit,
            self.bids, self.scene.open_interest,
        )  # fmt: skip

    def _shortfall(self, worths: list[int]) -> float:
        """What accounts lack at the end, value units."""
        return sum(max(0, -worth) for worth in worths) / WAD


class PoolSimulation(Simulation):
    """As accounts are seized by a pool, which unwinds them in the order in which they breached."""

    mechanism: Seizure  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # By account: what the pool has gained of it so far, and what part of it is still to be unwound.
        self.gains: dict[int, float] = {}
        self.parts: dict[int, float] = {}
        self.left_now, self.unwound_at = 0.0, -1

    def _liquidate(self, account: int, told: int, minute: int, gas: float) -> None:
        holder = self.holders[account]
        if minute != self.unwound_at:
            self.left_now, self.unwound_at = self.mechanism.rate * self.scene.open_interest, minute
        if account not in self.parts:
            self._seize(account, holder, told, minute, gas)
        self._unwind(account, minute)

    def _seize(self, account: int, holder: Holder, told: int, minute: int, gas: float) -> None:
        self.parts[account] = holder.kept / WAD
        notional = self._notional(told, account) / WAD
        reward = min(max(self.mechanism.reward * notional, self.mechanism.least_reward), self.mechanism.most_reward)
        everything = Outcome(WAD, 0, 0, 0, 0, 0, 0)
        slice_value = self._take(account, everything, told)
        self.ledger.to_takers += slice_value
        drift = float(self.scene.equity[minute, account] - self.scene.equity[told, account])
        self.gains[account] = slice_value / WAD + drift * self.parts[account] - reward - gas
        self.bids += 1

    def _unwind(self, account: int, minute: int) -> None:
        """As much as the rate allows; what waits gains or loses with prices."""
        notional = self.parts[account] * self._notional(minute, account) / WAD
        done = 1.0 if notional <= self.left_now else self.left_now / notional
        part = done * self.parts[account]
        self.left_now = max(0.0, self.left_now - done * notional)
        cost = self._cost(account, minute, part, 0.0) if part else 0.0
        self.taker_costs += cost
        self.flow += self.scene.delta[minute, account] * part
        self.parts[account] = max(0.0, self.parts[account] - part)
        after = min(minute + 1, len(self.scene.path) - 1)
        moved = float(self.scene.equity[after, account] - self.scene.equity[minute, account])
        self.gains[account] += self.parts[account] * moved - cost
        if done == 1.0:
            self._end(account, minute)

    def _result(self, opening: int, last: int) -> Result:
        self.taker_profit = sum(self.gains.values())
        return super()._result(opening, last)

    def _shortfall(self, worths: list[int]) -> float:
        """What accounts cost the pool beyond what they brought."""
        return sum(max(0.0, -gain) for gain in self.gains.values())
