"""Lists an underlying, with its perpetual."""

from __future__ import annotations

import click

from ballast.deployment.operation import Operation
from scripts.operations.common import Context, named, operation


def plan(context: Context, symbol: str) -> Operation:
    """List underlying SYMBOL of the file: price sources and limits, the risk book if it differs, trading limits and the
    perpetual.
    """
    named("underlying", symbol, context.network.underlyings)
    return Operation(f"list underlying {symbol}", context.steps(names_of(symbol)))


def names_of(symbol: str) -> list[str]:
    ranks = ("first", "second")
    names = [
        f"{what} {rank} {kind} {symbol}" for rank in ranks for what, kind in (("create", "feed"), ("create", "source"))
    ]
    names += [f"decimals of {rank} feed {symbol}" for rank in ranks]
    names += [f"{what} of {symbol}" for what in ("quorum price", "oracle limits", "price sources", "trading limits")]
    return [*names, "risk book", f"list PERP:{symbol}"]


command = operation("list-underlying", plan, click.argument("symbol"))
