"""Ways to liquidate an account: this protocol's auction, by its integer twin, and what others do.

All sell an account in proportion: a taker of the fraction f receives f of everything and pays f · (E − P − c), or
receives that where it is negative; mechanisms differ in the concession c, in the fractions they sell, and in when they
end. Amounts are wad of the value unit, fractions wad, as in `ballast.risk.auction`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from ballast.risk.auction import (
    BILLION,
    WAD,
    AuctionParameters,
    Outcome,
    Phase,
    Sale,
    clock_speed,
    concession,
    discount,
    elapsed_after,
    fractions,
    next_phase,
    outcome,
    premium_rate,
)


@dataclass(frozen=True)
class View:
    """An account below what ends its liquidation, at what the oracle tells.

    Attributes:
        notional: Σ of absolute values of net deltas by underlying, and of options.
        target: Liquidation-end margin.
    """

    equity: int
    proceeds: int
    maintenance: int
    target: int
    fixed: int
    notional: int

    @property
    def for_sale(self) -> int:
        return self.equity - self.proceeds


@dataclass
class Clock:
    """What a mechanism remembers of one liquidation; seconds are Unix-like, clocks wad seconds."""

    started: int
    observed: int
    elapsed: int = 0
    speed: int = WAD
    phase: Phase = Phase.SOLVENT
    premium_left: int | None = None


@dataclass(frozen=True)
class Offer:
    """What may be bid for now: any fraction from ``least`` to ``most``, at the concession of a taker of the whole."""

    concession: int
    whole_concession: int
    least: int
    most: int
    sale: Sale

    def gain(self, fraction: int) -> int:
        """What a bidder of a fraction gains, at the oracle's prices."""
        return (self.whole_concession if fraction == WAD else self.concession) * fraction // WAD


class Mechanism(Protocol):
    """One way to liquidate."""

    name: str

    def is_over(self, view: View) -> bool:
        """Whether the account needs no further liquidation."""
        ...

    def offer(self, clock: Clock, view: View, now: int, fund: int) -> Offer: ...

    def settle(self, clock: Clock, offer: Offer, fraction: int, fund: int) -> Outcome: ...


def div_up(a: int, b: int) -> int:
    return -(-a // b)


def sale_of(view: View, phase: Phase = Phase.SOLVENT, rate: int = 0) -> Sale:
    return Sale(phase, rate, view.equity, view.proceeds, view.target, view.maintenance, view.fixed)


# ---- ours

DEPLOYED = AuctionParameters()


@dataclass(frozen=True)
class Auction:
    """This protocol's. ``power`` is of the clock's speed, min(fastest, (MM / E)^power); the contract has 2.

    Attributes:
        whole: Sell everything, not only what restores health.
    """

    name: str
    parameters: AuctionParameters = DEPLOYED
    power: int = 2
    whole: bool = False

    def is_over(self, view: View) -> bool:
        """At liquidation-end margin."""
        return view.equity >= view.target

    def offer(self, clock: Clock, view: View, now: int, fund: int) -> Offer:
        """The clock moved to now, as a touch does."""
        self._touch(clock, view, now)
        solvent = clock.phase == Phase.SOLVENT
        rate = (
            discount(clock.elapsed, self.parameters)
            if solvent
            else premium_rate(clock.elapsed, self.parameters.premium_seconds)
        )
        sale = sale_of(view, clock.phase, rate)
        phase = next_phase(sale, self.parameters)
        if phase != clock.phase:
            clock.phase, clock.elapsed = phase, 0
            sale = replace(sale, phase=phase, rate=self.parameters.start_discount * BILLION * (phase == Phase.SOLVENT))
        if clock.phase != Phase.SOLVENT and clock.premium_left is None:
            clock.premium_left = fund * self.parameters.premium_fund_share // BILLION
        least, most = fractions(sale, self.parameters.minimum_fraction * BILLION)
        if self.whole:
            least, most = min(WAD, self.parameters.minimum_fraction * BILLION), WAD
        return Offer(concession(sale, False), concession(sale, True), least, most, sale)

    def _touch(self, clock: Clock, view: View, now: int) -> None:
        """Between touches longer apart than observations count, the clock restarts."""
        seconds, fastest = now - clock.observed, self.parameters.fastest_clock
        speed = speed_at(view, self.power, fastest) if clock.phase == Phase.SOLVENT else WAD
        if seconds > self.parameters.observation_seconds:
            clock.elapsed = 0
            clock.phase = Phase.INSOLVENT if clock.phase == Phase.EXHAUSTED else clock.phase
        else:
            clock.elapsed = elapsed_after(clock.elapsed, seconds, clock.speed, speed)
        clock.speed, clock.observed = speed, now

    def settle(self, clock: Clock, offer: Offer, fraction: int, fund: int) -> Outcome:
        """By the twin; where everything is sold, by a sale whose target nothing reaches."""
        sale = replace(offer.sale, target=offer.sale.equity + 10**9 * WAD * WAD) if self.whole else offer.sale
        done = outcome(
            sale, fraction, 0, insured=lambda amount: min(amount, fund), premium_left=clock.premium_left or 0,
            parameters=self.parameters if not self.whole else replace(self.parameters, minimum_fraction=0),
        )  # fmt: skip
        clock.premium_left = done.premium_left if clock.phase != Phase.SOLVENT else clock.premium_left
        return done


def speed_at(view: View, power: int, fastest: int) -> int:
    """min(fastest, (MM / E)^power), wad."""
    if power == 2:
        return clock_speed(view.equity, view.maintenance, fastest)
    if power == 0:
        return WAD
    if view.equity <= 0:
        return fastest * WAD
    ratio = view.maintenance * WAD // view.equity
    speed = WAD
    for _ in range(power):
        speed = min(fastest * WAD, speed * ratio // WAD)
    return speed


# ---- others


@dataclass(frozen=True)
class _Priced:
    """A mechanism whose concession does not depend on who bids; the fund and then nobody pays what is missing."""

    name: str

    def settle(self, clock: Clock, offer: Offer, fraction: int, fund: int) -> Outcome:
        """In the order proceeds, fund, loss."""
        whole = offer.sale.for_sale - offer.concession
        if whole > 0:
            return Outcome(fraction, div_up(whole * fraction, WAD), 0, 0, 0, 0, 0)
        reward = -whole * fraction // WAD
        from_proceeds = min(reward, max(0, offer.sale.proceeds))
        from_fund = min(reward - from_proceeds, fund)
        return Outcome(fraction, 0, reward, from_proceeds, from_fund, reward - from_proceeds - from_fund, 0)


@dataclass(frozen=True)
class CloseFactor(_Priced):
    """In the way of Aave 3: whoever comes first repays up to half of an account (all of it below a health of 0.95, or
    where it is dust) and receives a fixed bonus of what he repays, here of the notional he takes.
    """

    bonus: int = 50_000_000
    factor: int = WAD // 2
    whole_below: int = 95 * WAD // 100

    def is_over(self, view: View) -> bool:
        """At maintenance margin."""
        return view.equity >= view.maintenance

    def offer(self, clock: Clock, view: View, now: int, fund: int) -> Offer:
        """The same at any time."""
        reward = view.notional * self.bonus // BILLION
        deep = view.equity * WAD < view.maintenance * self.whole_below or view.maintenance < 4 * view.fixed
        return Offer(reward, reward, WAD // 100, WAD if deep else self.factor, sale_of(view))


@dataclass(frozen=True)
class FeeToHealth(_Priced):
    """In the way of Mango 4: as much as restores health (here liquidation-end margin) for a fixed fee of notional."""

    fee: int = 25_000_000

    def is_over(self, view: View) -> bool:
        """At liquidation-end margin."""
        return view.equity >= view.target

    def offer(self, clock: Clock, view: View, now: int, fund: int) -> Offer:
        """f · (R − m − fee · N) closes the gap R − E."""
        reward = view.notional * self.fee // BILLION
        room = view.target - view.fixed - reward
        most = WAD
        if room > 0 and view.equity >= 2 * view.fixed:
            most = min(WAD, div_up((view.target - view.equity) * WAD, room))
        return Offer(reward, reward, min(most, WAD // 100), most, sale_of(view))


@dataclass(frozen=True)
class Clip(_Priced):
    """In the way of Maker's Clipper: all is sold, in any lots, at a price of the position that starts a fifth above the
    oracle's and falls by 1 % every 90 s, begun anew after 140 min or at 40 %. Without its penalty of 13 %.
    """

    start: float = 1.2
    cut: float = 0.99
    step: int = 90
    tail: int = 140 * 60
    cusp: float = 0.4

    def is_over(self, view: View) -> bool:
        """When all is sold."""
        return False

    def offer(self, clock: Clock, view: View, now: int, fund: int) -> Offer:
        """Negative concessions are offers above value."""
        price = self.start * self.cut ** ((now - clock.started) // self.step)
        if now - clock.started >= self.tail or price < self.cusp * self.start:
            clock.started, price = now, self.start
        given = round(view.notional * (1 - price))
        return Offer(given, given, WAD // 100, WAD, sale_of(view))


@dataclass(frozen=True)
class Seizure:
    """In the way of Synthetix perps 3: an account below maintenance margin is flagged and all of it, margin too, goes
    to a pool, which unwinds it at a limited rate at its own cost; the keeper earns a share of the notional.

    Attributes:
        rate: Most that is unwound in a minute, as a part of open interest.
        reward: Of notional, to the keeper, within ``least_reward`` and ``most_reward`` value units, and its gas.
    """

    name: str
    rate: float = 0.002
    reward: float = 0.0003
    least_reward: float = 2.0
    most_reward: float = 100.0
