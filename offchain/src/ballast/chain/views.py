"""Reports put together from several views, all read at one block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.instruments import label_of
from ballast.errors import ConfigurationError
from ballast.store import BlockRef

WAD = 10**18
ORACLE_STATES = ("ok", "wide", "stale", "halted")
UNLIMITED_HEALTH = 2**255 - 1


@dataclass(frozen=True)
class Holding:
    """One leg: a collateral balance or a position. Amount, mark and value wad."""

    label: str
    amount: int
    mark: int
    value: int
    contribution: int


@dataclass(frozen=True)
class AccountReport:
    """An account, its margin and the reasons for it."""

    account: int
    block: BlockRef
    cash: int
    holdings: list[Holding]
    margin: Any
    charges: dict[str, int]
    worst_rows: list[tuple[str, int]]
    in_liquidation: bool

    @property
    def is_empty(self) -> bool:
        return self.cash == 0 and not self.holdings

    @property
    def new_risk_equity(self) -> int:
        return int(self.margin.equity - self.margin.stableGap - self.margin.untrustedGain)

    @property
    def health_factor(self) -> int:
        """equity / maintenance margin, wad, rounded down; ±the largest number where nothing is required."""
        if self.margin.maintenanceMargin == 0:
            return UNLIMITED_HEALTH if self.margin.equity >= 0 else -UNLIMITED_HEALTH
        return int(self.margin.equity * WAD // self.margin.maintenanceMargin)

    @property
    def health_text(self) -> str:
        if self.margin.maintenanceMargin == 0:
            return "no requirement" if self.margin.equity >= 0 else "only debt"
        return f"{self.health_factor / WAD:.4f}"

    @property
    def state(self) -> str:
        if self.in_liquidation:
            return "in liquidation"
        if self.margin.equity + self.margin.haltBonus < self.margin.maintenanceMargin:
            return "liquidatable"
        return "healthy" if self.new_risk_equity >= self.margin.initialMargin else "margin call"

    def as_dict(self) -> dict[str, Any]:
        return {
            "account": hex(self.account),
            "block": self.block.number,
            "block_hash": self.block.hash,
            "state": self.state,
            "health_factor": self.health_factor,
            "cash": self.cash,
            "holdings": [vars(holding) for holding in self.holdings],
            "margin": self.margin.as_dict(),
            "charges": self.charges,
            "worst_rows": [{"name": name, "loss": loss} for name, loss in self.worst_rows],
        }


def underlyings_of(portfolio: Any) -> int:
    """The bitmap of underlyings a portfolio depends on."""
    bits = 0
    for leg in portfolio.collaterals:
        bits |= 1 << leg.underlying
    for leg in portfolio.positions:
        bits |= 1 << (leg.instrument >> 240 & 0xFF)
    return bits


def underlying_name(system: System, underlying: int) -> str:
    return system.deployment.underlyings.get(underlying, f"#{underlying}")


def underlying_named(system: System, name: str) -> int:
    """The id of an underlying's symbol.

    Raises:
        ConfigurationError: There is none of that name.
    """
    for underlying, known in system.deployment.underlyings.items():
        if known == name and underlying:
            return underlying
    names = (known for underlying, known in system.deployment.underlyings.items() if underlying)
    raise ConfigurationError(f"no underlying named {name}; there are {', '.join(names)}")


def instrument_label(system: System, instrument: int) -> str:
    """`PERP:ETH`, and for dated ones expiry and strike: see `ballast.chain.instruments`."""
    return label_of(instrument, partial(underlying_name, system))


def _marks_of(system: System, view: Any, block: BlockRef) -> dict[int, int]:
    """Mark by instrument of an account's positions, wad."""
    marks = system.read_all([("Clearinghouse", "markOf", [leg.index]) for leg in view.positions], block)
    return {leg.instrument: mark for leg, mark in zip(view.positions, marks, strict=True)}


def report_account(system: System, account: int, block: BlockRef) -> AccountReport:
    """Reads and explains one account at a block."""
    report = system.read("Lens", "reportOf", account, block=block)
    view, portfolio, reasons = report.account, report.portfolio, report.explanation
    quotes, _ = system.read("OracleHub", "quotesOf", underlyings_of(portfolio), block=block)
    marks = _marks_of(system, view, block)
    index_of = {quote.underlying: quote.index for quote in quotes}
    holdings = [
        Holding(
            system.deployment.assets.get(leg.asset, f"asset {leg.asset}"),
            leg.amount,
            index_of[leg.underlying],
            leg.amount * index_of[leg.underlying] // WAD,
            share,
        )
        for leg, share in zip(portfolio.collaterals, reasons.collateralContributions, strict=True)
    ] + [
        Holding(
            instrument_label(system, leg.instrument),
            leg.size,
            marks[leg.instrument],
            leg.size * marks[leg.instrument] // WAD + leg.offset,
            share,
        )
        for leg, share in zip(portfolio.positions, reasons.positionContributions, strict=True)
    ]
    rows = [(system.deployment.row_name(row), loss) for row, loss in zip(reasons.rows, reasons.rowLosses, strict=True)]
    return AccountReport(
        account,
        block,
        portfolio.cash,
        holdings,
        reasons.margin,
        reasons.charges.as_dict(),
        rows,
        view.inLiquidation,
    )
