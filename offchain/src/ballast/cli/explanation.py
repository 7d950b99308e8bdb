"""Greeks, gains by scenario and netting of one account, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from rich.table import Table

from ballast.chain.accounts import ChainAccount
from ballast.chain.contracts import System
from ballast.chain.views import instrument_label, underlying_name
from ballast.cli.common import money
from ballast.risk.analysis import (
    Greeks,
    ScenarioTable,
    greeks_by_underlying,
    greeks_of,
    leg_by_leg_margin,
    scenario_table,
)
from ballast.risk.dated import OPTION
from ballast.risk.pricing import WAD


@dataclass(frozen=True)
class RiskReport:
    """One account's risk, by position and underlying, under the names that people know them by.

    Attributes:
        positions: Label and greeks, in the account's order.
        underlyings: Greeks of everything by symbol.
        scenarios: Gains by symbol.
        initial_margin: Of the portfolio, wad.
        leg_by_leg: What its legs would need alone, wad.
    """

    positions: list[tuple[str, Greeks]]
    underlyings: dict[str, Greeks]
    scenarios: dict[str, ScenarioTable]
    initial_margin: int
    leg_by_leg: int
    has_options: bool

    @staticmethod
    def of(system: System, account: ChainAccount) -> RiskReport:
        portfolio, quotes, expiries = account.portfolio, account.quotes, account.expiries
        index = {quote.underlying: quote.index for quote in quotes}
        sums = greeks_by_underlying(portfolio, quotes, expiries)
        nodes = account.engine.node_values(portfolio, quotes, expiries)
        return RiskReport(
            [
                (instrument_label(system, leg.instrument), greeks_of(leg, index[leg.underlying], expiries))
                for leg in portfolio.positions
            ],
            {underlying_name(system, one): greeks for one, greeks in sums.items()},
            {underlying_name(system, one): scenario_table(values) for one, values in nodes.items()},
            account.assess().initial_margin,
            leg_by_leg_margin(account.engine, portfolio, quotes, account.settlement_usd, expiries),
            any(leg.kind == OPTION for leg in portfolio.positions),
        )

    @cached_property
    def netting_benefit(self) -> float:
        """Part of the leg-by-leg margin that the portfolio does not need; below 0 where charges outweigh hedges."""
        return 1 - self.initial_margin / self.leg_by_leg if self.leg_by_leg else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "greeks": {
                "positions": [{"label": label, **asdict(greeks)} for label, greeks in self.positions],
                "underlyings": {symbol: asdict(greeks) for symbol, greeks in self.underlyings.items()},
            },
            "scenarios": {symbol: asdict(table) for symbol, table in self.scenarios.items()},
            "leg_by_leg_initial_margin": self.leg_by_leg,
            "netting_benefit": self.netting_benefit,
        }


def greeks_table(report: RiskReport) -> Table:
    """A row a position, then a row an underlying with its collateral."""
    table = _table("Greeks", "", "delta", "gamma", "vega a point", "theta a day")
    for label, greeks in report.positions:
        table.add_row(label, *_greeks(greeks))
    table.add_section()
    for symbol, greeks in report.underlyings.items():
        table.add_row(f"all {symbol}", *_greeks(greeks), style="bold")
    return table


def _greeks(greeks: Greeks) -> tuple[str, ...]:
    return f"{greeks.delta:+,.4f}", f"{greeks.gamma:+,.6f}", f"{greeks.vega:+,.2f}", f"{greeks.theta:+,.2f}"


def scenario_tables(report: RiskReport) -> Iterator[Table]:
    """A table an underlying: a row a price shock, a column a volatility shock of thirty days."""
    for symbol, scenarios in report.scenarios.items():
        columns = [f"volatility {shock / WAD:+.0%}" for shock in scenarios.volatility_shocks]
        table = _table(f"Gains by scenario, {symbol}", "price", *columns)
        for shock, gains in zip(scenarios.price_shocks, scenarios.gains, strict=True):
            table.add_row(f"{shock / WAD:+.1%}", *(money(gain) for gain in gains))
        table.add_row(
            "stable", *(money(scenarios.stable_gain) if not shock else "" for shock in scenarios.volatility_shocks)
        )
        yield table


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(first, title=title)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
