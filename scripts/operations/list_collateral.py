"""Lists a token as collateral."""

from __future__ import annotations

import click

from ballast.deployment.operation import Operation, OperationRefused
from ballast.deployment.plan import Requirement, Step
from scripts.operations.common import Context, named, operation


def plan(context: Context, token: str) -> Operation:
    """List TOKEN of the file as collateral: in the risk book, if it is not yet, with its outflow limit and deposit cap.

    Its underlying has prices already (`list-underlying`). Append it to the file's `collaterals`: assets are numbered in
    that order.
    """
    collateral = named("collateral", token, context.network.collaterals)
    refuse_other_number(context, token)
    names = [f"create token {token}", f"decimals of {token}", "risk book", f"list {token}"]
    names += [f"outflow limit of {token}", f"deposit cap of {token}"]
    steps = [prices_of(context, collateral.underlying), *context.steps(names)]
    return Operation(f"list collateral {token}", steps)


def refuse_other_number(context: Context, token: str) -> None:
    """The cap and the limit go to a number: it must be the one that the listing will get."""
    number, count = context.network.asset_ids[token], context.contract("Clearinghouse").call("assetCount")
    if number > count:
        raise OperationRefused(
            f"{token} is asset {number} in the file, the chain's next is {count}: list the collaterals before it first"
        )


def prices_of(context: Context, symbol: str) -> Step:
    hub, number = context.contract("OracleHub"), context.underlying(symbol)
    remedy = f"`./dev operate list-underlying {symbol}` first"
    return Requirement(
        f"prices of {symbol}", hub, True, lambda: bool(hub.call("listedUnderlyings") >> number & 1), remedy
    )


command = operation("list-collateral", plan, click.argument("token"))
