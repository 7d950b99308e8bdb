"""Connects the price sources that the file names, in place of those that serve."""

from __future__ import annotations

import click

from ballast.deployment.operation import Operation
from scripts.operations.common import Context, operation
from scripts.operations.list_underlying import names_of
from scripts.operations.oracle import notes_on


def plan(context: Context, symbol: str) -> Operation:
    """Connect the sources of underlying SYMBOL as the file has them now, its oracle limits with them.

    Both must answer, fresh, and agree, when it is announced and when it is done; a lone one must be within reach of the
    last good price. The underlying is wide for an hour afterwards.
    """
    context.underlying(symbol)
    others = {f"trading limits of {symbol}", "risk book", f"list PERP:{symbol}"}
    names = [name for name in names_of(symbol) if name not in others]
    return Operation(f"replace the sources of {symbol}", context.steps(names), notes=notes_on(context, symbol))


command = operation("replace-sources", plan, click.argument("symbol"))
