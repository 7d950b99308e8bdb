"""Lifts a pause before it ends by itself: the guardian's act."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, Step
from scripts.operations.common import Context, operation
from scripts.operations.pause import SELECTION, chosen, chosen_tokens


def plan(
    context: Context, underlyings: Sequence[str], labels: Sequence[str], tokens: Sequence[str], everything: bool
) -> Operation:
    """Lift reduce-only and stops of deposits, of what is paused among what is named."""
    steps = [
        *(trading(context, *one) for one in chosen(context, underlyings, labels, everything).items()),
        *(deposits(context, token) for token in chosen_tokens(context, tokens, everything)),
    ]
    if not steps:
        raise click.UsageError("say what: --underlying, --instrument, --deposits or --everything")
    return Operation("unpause", steps)


def trading(context: Context, label: str, index: int) -> Step:
    house = context.contract("Clearinghouse")
    read = lambda: house.call("instrumentOf", index).reduceOnly  # noqa: E731
    return Setting(f"{label} open again", house, "setReduceOnly", (index, 0), read, False)


def deposits(context: Context, token: str) -> Step:
    house, asset = context.contract("Clearinghouse"), context.network.asset_ids[token]
    return Setting(
        f"deposits of {token} again",
        house,
        "pauseDeposits",
        (asset, 0),
        lambda: house.call("depositsPausedUntil", asset) <= context.now(),
        True,
    )


command = operation("unpause", plan, *SELECTION)
