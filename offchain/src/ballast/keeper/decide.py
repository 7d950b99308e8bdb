"""What a keeper does next: functions of a snapshot, without I/O.

Everything here sees figures that were read from the chain at one block; what is unknown is absent from the snapshot and
therefore never acted on, nor taken for healthy: `unknown` accounts are counted and reported.
Amounts are wad of the value unit, fractions and rates wad, unless said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ballast.chain.instruments import underlying_of

WAD = 10**18
# The discount only grows while a bid waits; this covers the contract's rounding of the price.
PRICE_SLACK = WAD // 10**6
MOST_POSITIONS, MOST_UNDERLYINGS, MOST_COLLATERALS = 64, 8, 8
"""What the clearinghouse lets one account hold; underlyings are those of its positions."""


class IntentKind(StrEnum):
    START = "start"
    BID = "bid"
    POKE = "poke"
    WRITE_OFF = "write-off"


@dataclass(frozen=True)
class AccountHealth:
    """One account as the lens reports it at the snapshot's block.

    Attributes:
        gross: Σ absolute value of positions when last read, about what a hedge of the whole account trades.
        instruments: Ids of its positions' instruments; assets: ids of its collaterals.
    """

    account: int
    equity: int
    halt_bonus: int
    maintenance: int
    initial: int
    fixed: int
    gross: int
    instruments: frozenset[int]
    assets: frozenset[int]
    position_nonce: int
    in_liquidation: bool
    new_risk_equity: int

    @property
    def liquidatable(self) -> bool:
        return self.equity + self.halt_bonus < self.maintenance

    @property
    def only_debt(self) -> bool:
        return self.equity < 0 and not self.instruments and not self.assets


@dataclass(frozen=True)
class AuctionState:
    """A live auction at the snapshot's block. See `IAuctions.AuctionView`."""

    account: int
    auction_id: int
    insolvent: bool
    discount: int
    premium_rate: int
    proceeds: int
    price: int
    min_fraction: int
    max_fraction: int
    observed_at: int


@dataclass(frozen=True)
class Snapshot:
    """All a decision needs, read at one block."""

    block: int
    timestamp: int
    accounts: dict[int, AccountHealth]
    auctions: dict[int, AuctionState]
    unknown: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Policy:
    """What an operator is willing to do.

    Attributes:
        bidder: Account that bids; its free equity is the operator's capital.
        least_profit: Of a bid, after costs.
        transaction_cost: Of one bid, in the value unit.
        hedge_cost: Cost of hedging, wad of the gross value taken on.
        capital_used: Part of the free equity that bids may use, wad.
        bids_at_once: Most bids on one block.
        headroom: Fraction that a bid asks for beyond what is for sale, wad: more is if prices fall before it is mined.
            Less than the contract's least fraction, and bids on small slices would fail by a hair.
        poke_every: Seconds after which an auction's clock is kept alive; None leaves that to another keeper.
        related: Owners whose accounts this operator may not bid on.
    """

    bidder: int | None = None
    least_profit: int = 5 * WAD
    transaction_cost: int = WAD // 2
    hedge_cost: int = WAD // 1000
    capital_used: int = 9 * WAD // 10
    bids_at_once: int = 5
    headroom: int = WAD // 10
    poke_every: int | None = 240
    related: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Intent:
    """One thing to do, its reason, and for a bid its terms."""

    kind: IntentKind
    account: int
    reason: str
    auction_id: int = 0
    fraction: int = 0
    least_fraction: int = 0
    highest_price: int = 0
    position_nonce: int = 0
    profit: int = 0
    purpose: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purpose", f"{self.kind} {self.account:#x}")


def intents(snapshot: Snapshot, policy: Policy, under_way: Iterable[str] = ()) -> list[Intent]:
    """What to do now, the most urgent first: starts by depth below maintenance margin, then bids by profit, then pokes.

    Args:
        under_way: Purposes of transactions not yet mined; they are not repeated.
    """
    busy = set(under_way)
    found = [*_starts(snapshot), *_write_offs(snapshot), *_bids(snapshot, policy), *_pokes(snapshot, policy)]
    return [intent for intent in found if intent.purpose not in busy]


def _starts(snapshot: Snapshot) -> list[Intent]:
    ready = [
        health
        for health in snapshot.accounts.values()
        if health.liquidatable and not health.in_liquidation and not health.only_debt
    ]
    ready.sort(key=lambda health: health.equity - health.maintenance)
    return [Intent(IntentKind.START, h.account, "below maintenance margin") for h in ready]


def _write_offs(snapshot: Snapshot) -> list[Intent]:
    return [
        Intent(IntentKind.WRITE_OFF, health.account, "only debt is left")
        for health in snapshot.accounts.values()
        if health.only_debt and health.liquidatable
    ]


def _bids(snapshot: Snapshot, policy: Policy) -> list[Intent]:
    """The most profitable bids that the bidder can carry together, best first."""
    if policy.bidder is None or (bidder := snapshot.accounts.get(policy.bidder)) is None:
        return []
    accepted: list[Intent] = []
    open_auctions = [auction for auction in snapshot.auctions.values() if not _related(auction, policy)]
    while open_auctions and len(accepted) < policy.bids_at_once:
        sized = [
            (_bid(auction, snapshot.accounts.get(auction.account), bidder, policy), auction)
            for auction in open_auctions
        ]
        best, auction = max(sized, key=lambda pair: pair[0].profit if pair[0] else -1)
        if best is None:
            break
        accepted.append(best)
        open_auctions.remove(auction)
        bidder = _after(bidder, best, snapshot.accounts[best.account], auction)
    return accepted


def _related(auction: AuctionState, policy: Policy) -> bool:
    own = policy.bidder >> 96 if policy.bidder is not None else 0
    return auction.account >> 96 in policy.related | {own}


def _after(bidder: AccountHealth, bid: Intent, health: AccountHealth, auction: AuctionState) -> AccountHealth:
    """The bidder as it will be at the worst once the bid is mined."""
    needed = max(0, health.initial - health.fixed - _gain_whole(auction, health))
    return replace(
        bidder,
        new_risk_equity=bidder.new_risk_equity - needed * bid.fraction // WAD,
        instruments=bidder.instruments | health.instruments,
        assets=bidder.assets | health.assets,
    )


def _bid(auction: AuctionState, health: AccountHealth | None, bidder: AccountHealth, policy: Policy) -> Intent | None:
    if health is None or not _fits(health, bidder):
        return None
    gain = _gain_whole(auction, health)
    affordable = _affordable(gain, health, bidder, policy)
    expected = min(auction.max_fraction, affordable)
    profit_whole = gain - policy.hedge_cost * health.gross // WAD
    profit = expected * profit_whole // WAD - policy.transaction_cost
    if expected < auction.min_fraction or expected == 0 or profit < policy.least_profit:
        return None
    # What is for sale moves with prices until the bid is mined; the contract sells no more than it then must.
    worth_it = -(-(policy.least_profit + policy.transaction_cost) * WAD // profit_whole) if profit_whole else 0
    return Intent(
        IntentKind.BID,
        auction.account,
        "insolvent auction" if auction.insolvent else f"discount {auction.discount / WAD:.1%}",
        auction_id=auction.auction_id,
        fraction=min(affordable, auction.max_fraction + policy.headroom),
        least_fraction=worth_it,
        highest_price=WAD if auction.insolvent else WAD - auction.discount + PRICE_SLACK,
        position_nonce=health.position_nonce,
        profit=profit,
    )


def _fits(health: AccountHealth, bidder: AccountHealth) -> bool:
    """Whether the bidder may hold both accounts' legs at once."""
    instruments = health.instruments | bidder.instruments
    underlyings = {underlying_of(instrument) for instrument in instruments}
    return (
        len(instruments) <= MOST_POSITIONS
        and len(underlyings) <= MOST_UNDERLYINGS
        and len(health.assets | bidder.assets) <= MOST_COLLATERALS
    )


def _gain_whole(auction: AuctionState, health: AccountHealth) -> int:
    """What the whole account would earn its taker before costs; the price is negative where bidders are paid."""
    return health.equity - auction.proceeds - auction.price


def _affordable(gain: int, health: AccountHealth, bidder: AccountHealth, policy: Policy) -> int:
    """Largest fraction the bidder can margin.

    The requirement is subadditive, so that IM(own + f·slice) ≤ IM(own) + f·IM(slice): a fraction with
    f · (IM(slice) − gain) ≤ free equity is safe whatever the books look like together.
    """
    free = (bidder.new_risk_equity - bidder.initial - health.fixed) * policy.capital_used // WAD
    if free <= 0:
        return 0
    needed = health.initial - health.fixed - gain
    return WAD if needed <= 0 else min(WAD, free * WAD // needed)


def _pokes(snapshot: Snapshot, policy: Policy) -> list[Intent]:
    found = []
    for auction in snapshot.auctions.values():
        health = snapshot.accounts.get(auction.account)
        if health is not None and not health.liquidatable and health.equity >= health.initial:
            found.append(Intent(IntentKind.POKE, auction.account, "recovered"))
        elif policy.poke_every is not None and snapshot.timestamp - auction.observed_at >= policy.poke_every:
            found.append(Intent(IntentKind.POKE, auction.account, "keeps the clock running"))
    return found
