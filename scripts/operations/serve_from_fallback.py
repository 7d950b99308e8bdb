"""Lets the signers' feed alone serve an underlying whose sources have been dead for long."""

from __future__ import annotations

import click

from ballast.deployment.operation import Operation
from ballast.deployment.plan import Requirement, Setting, Step
from scripts.operations.common import Context, operation
from scripts.operations.oracle import HALTED, notes_on, state_of


def plan(context: Context, symbol: str) -> Operation:
    """Make the quorum feed the only source of underlying SYMBOL, which has been halted for its fallback delay.

    The signers must publish it first. `replace-sources` brings sources of the file back, or new ones.
    """
    hub, number = context.contract("OracleHub"), context.underlying(symbol)
    fallback = hub.call("fallbackSource")
    serving = Setting(
        f"serve {symbol} from the fallback",
        hub,
        "serveFromFallback",
        (number,),
        lambda: hub.call("recordOf", number).first,
        fallback,
    )
    return Operation(
        f"serve {symbol} from the fallback",
        [*requirements(context, symbol, fallback), serving],
        judged_when_done=True,
        notes=notes_on(context, symbol),
    )


def requirements(context: Context, symbol: str, fallback: str) -> list[Step]:
    """Unless it serves already: that it is halted, and that the signers publish it."""
    hub, feed, number = context.contract("OracleHub"), context.contract("QuorumFeed"), context.underlying(symbol)
    if hub.call("recordOf", number).first == fallback:
        return []
    enough, longest = context.network.quorum_feed.threshold, hub.call("limitsOf", number).maxAge
    return [
        Requirement(
            f"state of {symbol}",
            hub,
            HALTED,
            lambda: state_of(context, number),
            "only what is halted is served from the fallback; replace its sources instead",
        ),
        Requirement(
            f"quorum price of {symbol}, fresh",
            feed,
            True,
            lambda: feed.call("latestReport", number).publishedAt + longest >= context.now(),
            f"have {enough} signers publish {symbol} to {feed.address}, then run again",
        ),
    ]


command = operation("serve-from-fallback", plan, click.argument("symbol"))
