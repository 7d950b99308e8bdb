"""Where an account, or the protocol, stands in the default waterfall: read from the contracts' own views at one block.

Amounts wad, rates and fractions wad, times Unix seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.logs import EventReader
from ballast.risk.auction import BILLION, WAD, Phase
from ballast.store import BlockRef


class Step(StrEnum):
    """How far down an account is."""

    HEALTHY = "healthy"
    MARGIN_CALL = "margin call"
    LIQUIDATABLE = "liquidatable"
    SOLVENT = "solvent auction"
    INSOLVENT = "insolvent auction"
    EXHAUSTED = "exhausted auction"
    ONLY_DEBT = "only debt, to be written off"


_STEP_OF_PHASE = {
    Phase.SOLVENT: Step.SOLVENT,
    Phase.INSOLVENT: Step.INSOLVENT,
    Phase.EXHAUSTED: Step.EXHAUSTED,
}


@dataclass(frozen=True)
class AuctionStanding:
    """A live auction as the next touch would see it.

    Attributes:
        clock_seconds: What its clock has run, scaled by its speed.
        rate: Discount while solvent, else premium rate.
        price: What a bidder of the whole would pay; negative is received.
        clock_stands: Whether nobody looked for so long that the next touch starts the clock again.
    """

    id: int
    started_at: int
    clock_seconds: int
    rate: int
    proceeds: int
    price: int
    least_fraction: int
    largest_fraction: int
    clock_stands: bool


@dataclass(frozen=True)
class AccountStanding:
    """One account.

    Attributes:
        missing: To initial margin.
        held_back: Cash that it must leave behind for now.
        claim: Lost to socialised losses and not yet repaid; ``collectable`` waits for it.
    """

    account: int
    step: Step
    equity: int
    maintenance_margin: int
    initial_margin: int
    missing: int
    held_back: int
    claim: int
    collectable: int
    auction: AuctionStanding | None = None


@dataclass(frozen=True)
class Redemption:
    """Shares of the insurance fund that wait: from ``ready_at`` to ``lapses_at`` they can be redeemed."""

    holder: str
    shares: int
    ready_at: int
    lapses_at: int


@dataclass(frozen=True)
class LossShare:
    """What a unit of either side of an instrument has paid for losses of the other, since its listing."""

    instrument: int
    long: int
    short: int


@dataclass(frozen=True)
class UnderlyingOutflow:
    """What the fund may pay at once for losses in one underlying; 0 are debts that follow none.

    Attributes:
        fraction: Of what the fund would hold had it paid nothing lately, wad.
        paid_lately: What it paid counts towards that.
        left: Of the limit.
    """

    underlying: int
    fraction: int
    paid_lately: int
    left: int


@dataclass(frozen=True)
class ProtocolStanding:
    """The levels below the accounts.

    Attributes:
        outflow_left: What the fund could pay at once.
        paid_lately: What it paid counts towards the limit of the hour.
        open_shortfall: What live auctions lack.
        held_back_share: Part of any cash balance that must stay while the shortfall is beyond the fund.
        uncovered_loss: Not yet spread over cash.
        claims: Outstanding; ``claim_pool`` waits to be collected.
        liquidity: Settlement tokens held for cash; below ``conversion_threshold`` debtors' collateral is for sale.
    """

    reserves: int
    outflow_left: int
    hourly_fraction: int
    paid_lately: int
    open_shortfall: int
    held_back_share: int
    uncovered_loss: int
    claims: int
    claim_pool: int
    liquidity: int
    conversion_threshold: int
    conversion_discount: int
    outflows: list[UnderlyingOutflow] = field(default_factory=list)
    loss_shares: list[LossShare] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)
    auctions: list[AccountStanding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: accounts and instruments in hex."""
        shares = [asdict(one) | {"instrument": hex(one.instrument)} for one in self.loss_shares]
        return asdict(self) | {"auctions": [account_dict(one) for one in self.auctions], "loss_shares": shares}


def account_dict(standing: AccountStanding) -> dict[str, Any]:
    """For JSON: the account in hex."""
    return asdict(standing) | {"account": hex(standing.account), "step": standing.step.value}


def read_account_standing(system: System, account: int, block: BlockRef) -> AccountStanding:
    """Reads one account.

    Raises:
        ChainError: Something cannot be read.
    """
    margin, view, auction, held_back, claim = system.read_all(
        [
            ("Clearinghouse", "marginOf", [account]),
            ("Clearinghouse", "accountOf", [account]),
            ("Auctions", "auctionOf", [account]),
            ("Auctions", "holdBackOf", [account]),
            ("Clearinghouse", "claimOf", [account]),
        ],
        block,
    )
    supporting = margin.equity - margin.stableGap - margin.untrustedGain
    missing = max(0, margin.initialMargin - supporting)
    live = None
    if auction.id:
        latest = system.read("Auctions", "latestParameters", block=block)
        unseen = system.connection.timestamp(block) - auction.observedAt
        live = AuctionStanding(
            auction.id,
            auction.startedAt,
            auction.elapsed // WAD,
            auction.premiumRate if auction.insolvent else auction.discount,
            auction.proceeds,
            auction.price,
            auction.minFraction,
            auction.maxFraction,
            unseen > latest.parameters.observationSeconds,
        )
    return AccountStanding(
        account,
        _step(margin, view, auction, missing),
        margin.equity,
        margin.maintenanceMargin,
        margin.initialMargin,
        missing,
        held_back,
        claim.outstanding,
        claim.collectable,
        live,
    )


def _step(margin: Any, view: Any, auction: Any, missing: int) -> Step:
    if auction.id:
        return _STEP_OF_PHASE[Phase(auction.phase)]
    if margin.equity + margin.haltBonus < margin.maintenanceMargin:
        return Step.LIQUIDATABLE if view.positions or view.collaterals else Step.ONLY_DEBT
    return Step.MARGIN_CALL if missing else Step.HEALTHY


def read_protocol_standing(system: System, block: BlockRef) -> ProtocolStanding:
    """Reads the fund, what is open, what was lost, and every live auction.

    Raises:
        ChainError: Something cannot be read.
    """
    reserves, available, outflow, shortfall, vault, claims, conversion = system.read_all(
        [
            ("InsuranceFund", "reserves", []),
            ("InsuranceFund", "available", []),
            ("InsuranceFund", "outflowLimit", []),
            ("Auctions", "openShortfall", []),
            ("Clearinghouse", "vaultState", []),
            ("Clearinghouse", "claims", []),
            ("Clearinghouse", "conversionTerms", []),
        ],
        block,
    )
    beyond = max(0, shortfall - reserves)
    share = min(WAD, -(-beyond * WAD // vault.totalCash)) if vault.totalCash else 0
    return ProtocolStanding(
        reserves,
        available,
        outflow.hourlyFraction * WAD // BILLION,
        outflow.paidLately,
        shortfall,
        share,
        vault.uncoveredLoss,
        claims.outstanding,
        claims.pool,
        conversion.held,
        conversion.threshold,
        conversion.discount,
        _outflows(system, block),
        _loss_shares(system, block),
        _redemptions(system, block),
        _auctions(system, block),
    )


def _outflows(system: System, block: BlockRef) -> list[UnderlyingOutflow]:
    """Of every underlying."""
    ids = sorted(system.deployment.underlyings)
    views = system.read_all([("InsuranceFund", "outflowOf", [underlying]) for underlying in ids], block)
    return [
        UnderlyingOutflow(underlying, view.fraction * WAD // BILLION, view.paidLately, view.left)
        for underlying, view in zip(ids, views, strict=True)
    ]


def _loss_shares(system: System, block: BlockRef) -> list[LossShare]:
    """Of the instruments that ever shared a loss."""
    count = system.read("Clearinghouse", "instrumentCount", block=block)
    views = system.read_all([("Clearinghouse", "instrumentOf", [number]) for number in range(1, count + 1)], block)
    return [
        LossShare(view.id, view.longLossShare, view.shortLossShare)
        for view in views
        if view.longLossShare or view.shortLossShare
    ]


def _redemptions(system: System, block: BlockRef) -> list[Redemption]:
    """Of everybody who ever asked: what has not lapsed."""
    asked = EventReader(system, ["InsuranceFund"]).read(system.deployment.block, block.number)
    holders = sorted({event.arguments["holder"] for event in asked if event.name == "RedemptionRequested"})
    requests = system.read_all([("InsuranceFund", "redemptionRequestOf", [holder]) for holder in holders], block)
    now = system.connection.timestamp(block)
    return [
        Redemption(holder, request.shares, request.readyAt, request.lapsesAt)
        for holder, request in zip(holders, requests, strict=True)
        if request.shares and now <= request.lapsesAt
    ]


def _auctions(system: System, block: BlockRef) -> list[AccountStanding]:
    """Live ones, the deepest first."""
    started = EventReader(system, ["Auctions"]).read(system.deployment.block, block.number)
    accounts = sorted({event.arguments["account"] for event in started if event.name == "AuctionStarted"})
    flags = system.read_all([("Auctions", "isLive", [account]) for account in accounts], block)
    live = [account for account, is_live in zip(accounts, flags, strict=True) if is_live]
    standing = [read_account_standing(system, account, block) for account in live]
    return sorted(standing, key=lambda one: one.equity - one.maintenance_margin)
