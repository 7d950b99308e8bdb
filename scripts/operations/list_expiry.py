"""Lists an expiry with its future and options."""

from __future__ import annotations

from datetime import datetime

import click

from ballast.deployment.listing import ListedExpiry
from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, Step
from ballast.errors import ConfigurationError
from scripts.operations.common import Context, named, operation

LISTING = ("listExpiry", "listFuture", "listOptions")
LEAST_TIME = 3_600
"""Of an expiry that is listed: the contract's own bound."""


def plan(context: Context, symbol: str, date: datetime) -> Operation:
    """List the expiry of SYMBOL on DATE (YYYY-MM-DD) with the future and options that the file gives it.

    The delays must be over an hour before it expires. It supports no new risk until signers have published a surface.
    """
    entry, number = entry_of(context, symbol, date), context.underlying(symbol)

    def is_of_expiry(step: Step) -> bool:
        is_listing = isinstance(step, Setting) and step.function in LISTING
        return (is_listing and step.arguments[:2] == (number, entry.expiry)) or step.name == published

    published = f"surface of {symbol} of {entry.date}"
    steps = [step for step in context.builder.steps if is_of_expiry(step)]
    name = f"list expiry {symbol} {entry.date}"
    return Operation(name, steps, judged_when_done=True, last_to_do=entry.expiry - LEAST_TIME)


def entry_of(context: Context, symbol: str, date: datetime) -> ListedExpiry:
    listed: tuple[ListedExpiry, ...] = named("expiries of", symbol, context.network.expiries.listed)
    for entry in listed:
        if entry.date == date.date():
            return entry
    known = ", ".join(str(entry.date) for entry in listed)
    raise ConfigurationError(f"the file has no expiry of {symbol} on {date.date()}, but {known or 'none'}")


command = operation(
    "list-expiry",
    plan,
    click.argument("symbol"),
    click.argument("date", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE"),
)
