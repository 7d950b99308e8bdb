"""Turns what the chain says at one block into the snapshot that decisions are made from."""

from __future__ import annotations

from typing import Any

from ballast.chain.contracts import System, ViewCall
from ballast.errors import ChainError
from ballast.keeper.decide import AccountHealth, AuctionState, Policy, Snapshot
from ballast.keeper.mirror import Mirror
from ballast.store import BlockRef

WAD = 10**18


def take_snapshot(system: System, block: BlockRef, suspects: set[int], mirror: Mirror, policy: Policy) -> Snapshot:
    """Confirms suspects, accounts in liquidation and the bidder on chain, all at `block`.

    An account for which any read fails is in `unknown` and in nothing else.
    """
    in_liquidation = {account for account, view in mirror.accounts.items() if view.inLiquidation}
    own = {policy.bidder} if policy.bidder is not None else set()
    accounts = sorted(suspects | in_liquidation | own)
    calls: list[ViewCall] = []
    for account in accounts:
        calls += [
            ("Clearinghouse", "marginOf", [account]),
            ("Clearinghouse", "accountOf", [account]),
            ("Clearinghouse", "portfolioOf", [account]),
        ]
    answers = system.read_many(calls, block)
    health, unknown = {}, set()
    for position, account in enumerate(accounts):
        parts = answers[3 * position : 3 * position + 3]
        if any(isinstance(part, ChainError) for part in parts):
            unknown.add(account)
        else:
            health[account] = _health(account, *parts)
    auctions = _auctions(system, block, sorted(a for a, h in health.items() if h.in_liquidation))
    return Snapshot(block.number, system.connection.timestamp(block), health, auctions, frozenset(unknown))


def _health(account: int, margin: Any, view: Any, portfolio: Any) -> AccountHealth:
    gross = sum(abs(leg.size) * leg.mark // WAD for leg in portfolio.positions)
    return AccountHealth(
        account=account,
        equity=margin.equity,
        halt_bonus=margin.haltBonus,
        maintenance=margin.maintenanceMargin,
        initial=margin.initialMargin,
        fixed=margin.fixedCharge,
        gross=gross,
        instruments=frozenset(leg.index for leg in view.positions),
        assets=frozenset(leg.asset for leg in view.collaterals),
        position_nonce=view.positionNonce,
        in_liquidation=view.inLiquidation,
        new_risk_equity=margin.equity - margin.stableGap - margin.untrustedGain,
    )


def _auctions(system: System, block: BlockRef, accounts: list[int]) -> dict[int, AuctionState]:
    answers = system.read_many([("Auctions", "auctionOf", [account]) for account in accounts], block)
    return {
        account: AuctionState(
            account=account,
            auction_id=view.id,
            insolvent=view.insolvent,
            discount=view.discount,
            premium_rate=view.premiumRate,
            proceeds=view.proceeds,
            price=view.price,
            min_fraction=view.minFraction,
            max_fraction=view.maxFraction,
            observed_at=view.observedAt,
        )
        for account, view in zip(accounts, answers, strict=True)
        if not isinstance(view, ChainError) and view.id != 0
    }
