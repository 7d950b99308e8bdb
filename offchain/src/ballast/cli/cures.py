"""`ballast cures`: the cheapest ways out of a margin call."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.margin_calls import MarginCall, act_label, read_margin_call
from ballast.cli.account import AccountParameter
from ballast.cli.common import (
    EXIT_CHECK_FAILED,
    WAD,
    account_label,
    chain_options,
    console,
    json_option,
    money,
    print_json,
)
from ballast.errors import ConfigurationError
from ballast.risk.cure_terms import CostModel, Cure, Goal

BILLION = 10**9


class BillionthsParameter(click.ParamType):
    """A percentage, kept as parts of 1e9."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return int(Decimal(str(value).rstrip("%")) * BILLION / 100)
        except InvalidOperation:
            self.fail(f"{value!r} is no percentage", param, ctx)


PERCENT = BillionthsParameter()


def cost_options(command: Any) -> Any:
    """The cost model's options; the defaults are `CostModel`'s."""
    model = CostModel()
    for name, default, text in (
        ("capital-rate", model.capital_rate, "What deposited capital would earn elsewhere, a year."),
        ("slippage", model.slippage, "Of the index, for a trade as large as the underlying's depth in the risk book."),
        ("option-half-spread", model.option_half_spread, "Of an option's price, beside the half-spread."),
        ("half-spread", model.half_spread, "Of the index, that a trade pays."),
    ):
        shown = f"{default * 100 / BILLION:g}%"
        command = click.option(f"--{name}", type=PERCENT, default=default, show_default=shown, help=text)(command)
    return command


@click.command()
@click.argument("account_id", metavar="ACCOUNT", type=AccountParameter())
@click.option(
    "--target-health", type=float, help="Health factor to reach; without it, initial margin, which trades need anyway."
)
@click.option("--have", "holdings", multiple=True, metavar="SYMBOL=AMOUNT", help="Deposit only these, up to that much.")
@cost_options
@click.option("--capital-days", type=int, default=CostModel.capital_days, show_default=True, help="It stays so long.")
@chain_options
@json_option
def cures(
    account_id: int,
    target_health: float | None,
    holdings: tuple[str, ...],
    system: System,
    as_json: bool,
    **costs: int,
) -> None:
    """The cheapest cures of a margin call: deposit, close, hedge, or all of it together, by cost.

    Each was judged by the integer twin of the margin engine, its costs paid. Costs are the exchange's fee, what trades
    lose to spread and slippage, what deposited capital would have earned elsewhere, and half a unit for each act.
    Status 1: the account is in a margin call, and nothing here cures it.

    \b
    Examples:
      ballast cures 0x7099…79C8
      ballast cures 0x7099…79C8 --target-health 1.2 --have USDC=5000 --have WETH=2
    """
    block = system.connection.head()
    goal = Goal(None if target_health is None else round(target_health * WAD))
    call = read_margin_call(system, account_id, block, _holdings(system, holdings))
    found = call.cures(goal, CostModel(**costs))
    missing = max(0, -goal.surplus(call.margin, trades=False))
    if as_json:
        names = {"account": hex(account_id), "block": block.number, "missing": missing}
        print_json({**names, "cures": [as_dict(system, cure) for cure in found]})
    elif missing == 0:
        console.print(f"{account_label(account_id)} has what it needs")
    else:
        console.print(_table(system, call, missing, found))
    if missing and not found:
        raise SystemExit(EXIT_CHECK_FAILED)


def _holdings(system: System, holdings: tuple[str, ...]) -> dict[int, int] | None:
    if not holdings:
        return None
    ids = {symbol: asset for asset, symbol in system.deployment.assets.items()}
    found = {}
    for text in holdings:
        symbol, _, amount = text.partition("=")
        if symbol not in ids:
            raise ConfigurationError(f"no token named {symbol}; there are {', '.join(ids)}")
        try:
            found[ids[symbol]] = int(Decimal(amount) * WAD)
        except InvalidOperation:
            raise click.BadParameter(f"{text!r}: write SYMBOL=AMOUNT, such as USDC=5000", param_hint="--have") from None
    return found


def as_dict(system: System, cure: Cure) -> dict[str, Any]:
    """A cure, amounts wad."""
    after = cure.after
    return {
        "name": cure.name,
        "acts": [
            {"act": act_label(system, act), "kind": act.choice.kind.value, "amount": act.amount} for act in cure.acts
        ],
        "cost": cure.cost,
        "capital": cure.capital,
        "after": {
            "equity": after.equity,
            "new_risk_equity": after.new_risk_equity,
            "maintenance_margin": after.maintenance_margin,
            "initial_margin": after.initial_margin,
            "health_factor": after.health_factor,
        },
    }


def _table(system: System, call: MarginCall, missing: int, cures: list[Cure]) -> Table:
    title = f"{account_label(call.account)} lacks {money(missing)}; the cheapest cures"
    table = Table("do", title=title)
    for name in ("cost", "paid in", "equity after", "initial margin after", "health after"):
        table.add_column(name, justify="right")
    for cure in cures:
        health = f"{cure.after.health_factor / WAD:.4f}" if cure.after.maintenance_margin else "no requirement"
        table.add_row(
            "\n".join(act_label(system, act) for act in cure.acts),
            money(cure.cost),
            money(cure.capital),
            money(cure.after.equity),
            money(cure.after.initial_margin),
            health,
            end_section=True,
        )
    return table
