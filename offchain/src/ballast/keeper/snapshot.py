"""Turns what the chain says at one block into the snapshot that decisions are made from."""

from __future__ import annotations

from typing import Any

from ballast.chain.contracts import System
from ballast.errors import ChainError
from ballast.keeper.decide import AccountHealth, AuctionState, Policy, Snapshot
from ballast.keeper.mirror import Mirror
from ballast.store import BlockRef

# Accounts in one call: each costs what its margin check costs, and nodes bound the gas of a call.
PAGE = 50


def take_snapshot(system: System, block: BlockRef, suspects: set[int], mirror: Mirror, policy: Policy) -> Snapshot:
    """Confirms suspects, accounts in liquidation and the bidder on chain, all at `block`.

    An account for which any read fails is in `unknown` and in nothing else.
    """
    in_liquidation = {account for account, view in mirror.accounts.items() if view.inLiquidation}
    own = {policy.bidder} if policy.bidder is not None else set()
    accounts = sorted(suspects | in_liquidation | own)
    missing = [account for account in accounts if account not in mirror.accounts]
    mirror.touch(missing)
    mirror.refresh(system, block)
    health = {}
    for entry in _healths(system, block, accounts):
        view = mirror.accounts.get(entry.account)
        if entry.known and view is not None and entry.account not in mirror.unknown:
            health[entry.account] = _health(entry, view)
    auctions = _auctions(system, block, sorted(account for account, one in health.items() if one.in_liquidation))
    unknown = frozenset(accounts) - health.keys()
    return Snapshot(block.number, system.connection.timestamp(block), health, auctions, unknown)


def _healths(system: System, block: BlockRef, accounts: list[int]) -> list[Any]:
    """`AccountHealth` of each account. A page that cannot be read at all is left out: its accounts are unknown."""
    pages = [accounts[start : start + PAGE] for start in range(0, len(accounts), PAGE)]
    answers = system.read_many([("Lens", "healthOf", [page]) for page in pages], block)
    return [entry for answer in answers if not isinstance(answer, ChainError) for entry in answer]


def _health(entry: Any, view: Any) -> AccountHealth:
    margin = entry.margin
    return AccountHealth(
        account=entry.account,
        equity=margin.equity,
        halt_bonus=margin.haltBonus,
        maintenance=margin.maintenanceMargin,
        initial=margin.initialMargin,
        fixed=margin.fixedCharge,
        gross=sum(abs(leg.value - leg.quote) for leg in view.positions),
        instruments=frozenset(leg.instrument for leg in view.positions),
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
