"""Tells the owners of chosen accounts of margin calls, with the cheapest cure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog

from ballast.chain.contracts import System
from ballast.chain.margin_calls import act_label, read_margin_call
from ballast.errors import BallastError
from ballast.keeper.decide import WAD, AccountHealth, Snapshot
from ballast.keeper.metrics import Metrics
from ballast.risk.cure_terms import CostModel, Cure, Goal
from ballast.store import BlockRef

log = structlog.get_logger(__name__)


@dataclass
class MarginCallWatch:
    """Logs a warning as a watched account falls below initial margin, and again while it stays there.

    Attributes:
        accounts: Whose; they are confirmed on chain at every block.
        every: Seconds between two warnings on one account.
    """

    system: System
    accounts: frozenset[int]
    metrics: Metrics | None = None
    every: int = 300
    costs: CostModel = field(default_factory=CostModel)

    def __post_init__(self) -> None:
        self._told_at: dict[int, int] = {}

    def look(self, snapshot: Snapshot, block: BlockRef) -> None:
        """At every watched account that could be read; one whose cure cannot be found now is tried again."""
        for account in sorted(self.accounts & snapshot.accounts.keys()):
            missing = missing_of(snapshot.accounts[account])
            if self.metrics is not None:
                self.metrics.missing.labels(account=hex(account)).set(max(0, missing) / WAD)
            if missing <= 0:
                if self._told_at.pop(account, None) is not None:
                    log.info("margin call over", account=hex(account))
            elif snapshot.timestamp - self._told_at.get(account, -self.every) >= self.every:
                self._warn(account, missing, snapshot, block)

    def _warn(self, account: int, missing: int, snapshot: Snapshot, block: BlockRef) -> None:
        told: dict[str, Any] = {"account": hex(account), "missing": amount(missing)}
        try:
            cures = read_margin_call(self.system, account, block).cures(Goal(), self.costs)
        except BallastError as fault:
            log.warning("margin call", **told, cure=None, reason=str(fault))
            return
        self._told_at[account] = snapshot.timestamp
        log.warning("margin call", **told, **(self._text(cures[0]) if cures else {"cure": None}))
        if self.metrics is not None and cures:
            self.metrics.cure_cost.labels(account=hex(account)).set(cures[0].cost / WAD)

    def _text(self, cure: Cure) -> dict[str, str]:
        acts = "; ".join(act_label(self.system, act) for act in cure.acts)
        return {"cure": acts, "cost": amount(cure.cost), "paid_in": amount(cure.capital)}


def missing_of(health: AccountHealth) -> int:
    """What initial margin asks for beyond the equity that supports risk, wad; not above 0 without a margin call."""
    return health.initial - health.new_risk_equity


def amount(wad: int) -> str:
    """Of value units, for people."""
    return f"{wad / WAD:,.2f}"
