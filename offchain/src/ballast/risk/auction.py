"""The arithmetic of auctions, the integers of `AuctionMath` and of `Auctions`' bids.

Amounts are wad of the value unit, fractions and rates wad, clocks wad seconds; parameters are as on chain (1e9 is
one). See docs/liquidation.md for the formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

WAD = 10**18
BILLION = 10**9


class Phase(IntEnum):
    """Where an auction stands; see `IAuctions.Phase`."""

    NONE = 0
    SOLVENT = 1
    INSOLVENT = 2
    EXHAUSTED = 3


class FractionBelowMinimum(ValueError):
    """The bid would take less than the auction or the bidder allows."""

    def __init__(self, fraction: int, minimum: int) -> None:
        super().__init__(f"fraction {fraction} is below {minimum}")
        self.fraction, self.minimum = fraction, minimum


@dataclass(frozen=True)
class AuctionParameters:
    """How auctions run. Defaults are the deployed ones."""

    start_discount: int = 20_000_000
    knee_discount: int = 400_000_000
    minimum_fraction: int = 100_000_000
    solvent_again: int = 500_000_000
    seconds_to_knee: int = 15 * 60
    seconds_to_full: int = 4 * 3600
    premium_seconds: int = 4 * 3600
    observation_seconds: int = 300
    fastest_clock: int = 16
    bounty_rate: int = 10_000_000
    premium_fund_share: int = 100_000_000
    bounty_cap: int = 5 * WAD


@dataclass(frozen=True)
class Sale:
    """An account for sale, at one moment.

    Attributes:
        phase: Of its auction.
        rate: Discount while solvent, else premium rate.
        equity: E.
        proceeds: P, cash that bids of the auction paid in.
        target: R, equity at which the auction ends, less what halted underlyings could add.
        maintenance: Maintenance margin.
        fixed: m, the fixed charge in it.
    """

    phase: Phase
    rate: int
    equity: int
    proceeds: int
    target: int
    maintenance: int
    fixed: int

    @property
    def for_sale(self) -> int:
        return self.equity - self.proceeds


@dataclass(frozen=True)
class Outcome:
    """What a bid does; the fields of `IAuctions.BidOutcome`, and what premiums the fund may still pay afterwards."""

    fraction: int
    payment: int
    reward: int
    from_proceeds: int
    from_insurance: int
    uncovered: int
    premium_left: int


def clock_speed(equity: int, maintenance: int, fastest: int) -> int:
    """min(fastest, (maintenance / equity)²), rounded down; `fastest` at equity ≤ 0."""
    if equity <= 0 or maintenance >= equity * fastest:
        return fastest * WAD
    ratio = maintenance * WAD // equity
    return min(fastest * WAD, ratio * ratio // WAD)


def elapsed_after(elapsed: int, seconds: int, speed_before: int, speed_now: int) -> int:
    """The discount clock after `seconds` more, at the slower of the speeds seen at their two ends."""
    return elapsed + seconds * min(speed_before, speed_now)


def discount(elapsed: int, parameters: AuctionParameters) -> int:
    """start → knee → 1, rounded down."""
    start, knee = parameters.start_discount * BILLION, parameters.knee_discount * BILLION
    to_knee, to_full = parameters.seconds_to_knee * WAD, parameters.seconds_to_full * WAD
    if elapsed < to_knee:
        return start + (knee - start) * elapsed // to_knee
    if elapsed - to_knee < to_full:
        return knee + (WAD - knee) * (elapsed - to_knee) // to_full
    return WAD


def premium_rate(elapsed: int, premium_seconds: int) -> int:
    """0 → 1, rounded down."""
    return min(WAD, elapsed // premium_seconds)


def bounty(equity: int, parameters: AuctionParameters) -> int:
    """What starting an auction earns."""
    return min(max(0, equity) * parameters.bounty_rate // BILLION, parameters.bounty_cap)


def next_phase(sale: Sale, parameters: AuctionParameters) -> Phase:
    """The phase after a look at the account."""
    if sale.phase == Phase.SOLVENT:
        if sale.for_sale <= 0:
            return Phase.INSOLVENT
        return Phase.EXHAUSTED if sale.rate == WAD else Phase.SOLVENT
    if sale.phase == Phase.EXHAUSTED or sale.for_sale <= 0:
        return sale.phase
    solvent_again = _div_up(sale.maintenance * parameters.solvent_again, BILLION)
    return Phase.SOLVENT if sale.equity >= solvent_again else Phase.INSOLVENT


def concession(sale: Sale, takes_whole: bool) -> int:
    """What a taker of the whole gains. The fixed charge is part of it only for who takes the whole."""
    positive = max(0, sale.for_sale)
    if sale.phase == Phase.SOLVENT:
        return positive * sale.rate // WAD
    premium = (sale.maintenance - sale.fixed) * sale.rate // WAD
    if sale.phase == Phase.EXHAUSTED:
        premium = max(premium, positive)
    return premium + sale.fixed * sale.rate // WAD if takes_whole else premium


def price(sale: Sale, takes_whole: bool) -> int:
    """Price of the whole; negative is paid to the taker."""
    return sale.for_sale - concession(sale, takes_whole)


def price_per_equity(sale: Sale, takes_whole: bool) -> int:
    """Price of a unit of equity for sale, rounded up; 0 where the taker is paid."""
    whole = price(sale, takes_whole)
    return _div_up(whole * WAD, sale.for_sale) if whole > 0 else 0


def fractions(sale: Sale, minimum_fraction: int) -> tuple[int, int]:
    """Smallest and largest fraction of a bid on an account below its target. `minimum_fraction` in wad."""
    room = sale.target - sale.fixed - concession(sale, takes_whole=False)
    size = sale.equity if sale.phase == Phase.SOLVENT else sale.maintenance
    if room <= 0 or size < 2 * sale.fixed:
        return WAD, WAD
    most = min(WAD, _div_up((sale.target - sale.equity) * WAD, room))
    return min(most, minimum_fraction), most


def settlement(sale: Sale, fraction: int) -> tuple[int, int, int]:
    """Payment rounded up or reward rounded down, and which part of the reward makes good what the account lacks."""
    whole = price(sale, fraction == WAD)
    if whole > 0:
        return _div_up(whole * fraction, WAD), 0, 0
    return 0, -whole * fraction // WAD, max(0, -sale.for_sale) * fraction // WAD


def outcome(
    sale: Sale,
    wanted: int,
    least: int,
    *,
    insured: Callable[[int], int],
    premium_left: int,
    parameters: AuctionParameters,
) -> Outcome:
    """What a bid for `wanted`, accepting no less than `least`, does.

    Args:
        insured: What the fund would pay of an amount that the account lacks.
        premium_left: What it may still pay in premiums of this auction.

    Raises:
        FractionBelowMinimum: As on chain.
    """
    smallest, most = fractions(sale, parameters.minimum_fraction * BILLION)
    fraction, required = min(wanted, most), max(least, smallest)
    if fraction < required:
        raise FractionBelowMinimum(fraction, required)
    payment, reward, deficit = settlement(sale, fraction)
    from_proceeds = min(reward, sale.proceeds)
    premium = max(0, reward - deficit - from_proceeds)
    deficit_left = reward - from_proceeds - premium
    from_insurance = insured(deficit_left + min(premium, premium_left))
    return Outcome(
        fraction=fraction,
        payment=payment,
        reward=reward,
        from_proceeds=from_proceeds,
        from_insurance=from_insurance,
        uncovered=reward - from_proceeds - from_insurance,
        premium_left=premium_left - max(0, from_insurance - deficit_left),
    )


def after_bid(sale: Sale, done: Outcome) -> Sale:
    """The sale after a bid, in exact proportion: what a homogeneous account has left, before the next reading.

    Rounded for nobody; on chain every leg rounds for the account.
    """
    left = WAD - done.fraction
    proceeds = sale.proceeds - done.from_proceeds + done.payment
    fixed = sale.fixed if left else 0
    return replace(
        sale,
        equity=sale.for_sale * left // WAD + proceeds,
        proceeds=proceeds,
        target=(sale.target - sale.fixed) * left // WAD + fixed,
        maintenance=(sale.maintenance - sale.fixed) * left // WAD + fixed,
        fixed=fixed,
    )


def _div_up(a: int, b: int) -> int:
    return -(-a // b)
