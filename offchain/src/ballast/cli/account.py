"""`ballast account`: what an account holds, what it owes, and why its margin is what it is."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from ballast.chain.accounts import read_account
from ballast.chain.contracts import System
from ballast.chain.views import AccountReport, report_account
from ballast.cli.common import account_label, chain_options, console, json_option, money, print_json
from ballast.cli.explanation import RiskReport, greeks_table, scenario_tables
from ballast.errors import ConfigurationError


class AccountParameter(click.ParamType):
    """`0xowner`, `0xowner/3`, `0xowner/i3` for an isolated one, or the id as one number."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        owner, _, index = value.partition("/")
        try:
            number = int(owner, 0)
            if not index and number >= 1 << 160:
                return number
            isolated = index.startswith("i")
            sub_account = int(index.removeprefix("i") or 0)
        except ValueError:
            self.fail(
                f"{value!r} is not an account: write 0xowner/index, or 0xowner/iN for an isolated one", param, ctx
            )
        if not 0 < number < 1 << 160 or not 0 <= sub_account < 1 << 95:
            self.fail(f"{value!r} is not an account: the owner is an address, the index below 2^95", param, ctx)
        return number << 96 | isolated << 95 | sub_account


@click.group()
def account() -> None:
    """Look at accounts."""


@account.command()
@click.argument("account_id", metavar="ACCOUNT", type=AccountParameter())
@chain_options
@json_option
def show(account_id: int, system: System, as_json: bool) -> None:
    """Holdings, health, requirement and its reasons; greeks, gains by scenario, and what hedges save.

    \b
    Examples:
      ballast account show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
      ballast account show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8/2 --json
    """
    block = system.connection.head()
    report = report_account(system, account_id, block)
    if report.is_empty:
        raise ConfigurationError(f"{account_label(account_id)} holds nothing; check the owner and the index")
    risk = RiskReport.of(system, read_account(system, account_id, block))
    if as_json:
        print_json({**report.as_dict(), **risk.as_dict()})
        return
    console.print(_health_table(report, risk))
    console.print(_holdings_table(report))
    console.print(_reasons_table(report))
    if risk.has_options:
        console.print(greeks_table(risk))
        for table in scenario_tables(risk):
            console.print(table)


def _health_table(report: AccountReport, risk: RiskReport) -> Table:
    margin = report.margin
    table = Table(title=f"{account_label(report.account)} at block {report.block.number}", show_header=False)
    rows = {
        "equity": money(margin.equity),
        "maintenance margin": money(margin.maintenanceMargin),
        "initial margin": money(margin.initialMargin),
        "leg by leg it would be": f"{money(risk.leg_by_leg)}, netting saves {risk.netting_benefit:.0%}",
        "free for new risk": money(report.new_risk_equity - margin.initialMargin),
        "health factor": report.health_text,
        "state": report.state,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _holdings_table(report: AccountReport) -> Table:
    table = Table("holding", "amount", "mark", "value", "share of margin", title="Holdings")
    table.add_row("cash", "", "", money(report.cash), "")
    for holding in report.holdings:
        table.add_row(
            holding.label,
            money(holding.amount, 4),
            money(holding.mark),
            money(holding.value),
            money(holding.contribution),
        )
    return table


def _reasons_table(report: AccountReport) -> Table:
    table = Table("part", "value", title="Maintenance margin, part by part")
    table.add_row("scan", money(report.margin.scan))
    for name, value in report.charges.items():
        if value:
            table.add_row(name, money(value))
    for name, loss in report.worst_rows:
        table.add_row(f"  scenario {name}", money(-loss))
    return table
