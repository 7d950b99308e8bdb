"""Stops what adds risk, for a while: the guardian's act."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ballast.chain.instruments import expiry_of, label_of, underlying_of
from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, Step
from ballast.deployment.powers_view import moment
from ballast.deployment.units import seconds
from ballast.errors import ConfigurationError
from scripts.operations.common import Context, named, operation

SLACK = 3_600
"""What lasts at most this much shorter than asked for is as asked for: running again renews no more than that."""
ENDED = ("Waiting", "Settled")
PHASES = ("None", "Live", "Averaging", *ENDED)


def plan(
    context: Context,
    underlyings: Sequence[str],
    labels: Sequence[str],
    tokens: Sequence[str],
    everything: bool,
    lasting: str,
) -> Operation:
    """Make instruments reduce-only and stop deposits of tokens, for a time, at once.

    Nobody is kept from closing, depositing cash, repaying or leaving, and no liquidation stops. It ends by itself, a
    week from now at the latest.
    """
    until = context.now() + duration_of(lasting)
    steps = [
        *(reduce_only(context, *one, until) for one in chosen(context, underlyings, labels, everything).items()),
        *(no_deposits(context, token, until) for token in chosen_tokens(context, tokens, everything)),
    ]
    if not steps:
        raise click.UsageError("say what: --underlying, --instrument, --deposits or --everything")
    return Operation(f"pause until {moment(until)}", steps)


def duration_of(text: str) -> int:
    try:
        return seconds(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--for") from None


def instruments(context: Context) -> dict[str, int]:
    """Registry indices by label, of what has not expired."""
    house, expiries = context.contract("Clearinghouse"), context.contract("Expiries")
    symbols = {underlying.id: symbol for symbol, underlying in context.network.underlyings.items()}
    found = {}
    for index in range(1, house.call("instrumentCount") + 1):
        number = house.call("instrumentOf", index).id
        expiry = expiry_of(number)
        if not expiry or PHASES[expiries.call("phaseOf", underlying_of(number), expiry)] not in ENDED:
            found[label_of(number, lambda one: symbols.get(one, f"underlying {one}"))] = index
    return found


def chosen(context: Context, underlyings: Sequence[str], labels: Sequence[str], everything: bool) -> dict[str, int]:
    """Registry indices by label, in the order of the registry.

    Raises:
        ConfigurationError: There is nothing of that name.
    """
    for symbol in underlyings:
        context.underlying(symbol)
    live = instruments(context)
    if unknown := set(labels) - set(live):
        raise ConfigurationError(f"no instrument {', '.join(sorted(unknown))} is listed, but {', '.join(live)}")
    return {
        label: index
        for label, index in live.items()
        if everything or label in labels or label.split(":")[1] in underlyings
    }


def chosen_tokens(context: Context, tokens: Sequence[str], everything: bool) -> list[str]:
    for token in tokens:
        named("collateral", token, context.network.collaterals)
    listed = context.contract("Clearinghouse").call("assetCount")
    known = [token for token in context.network.collaterals if context.network.asset_ids[token] < listed]
    return [token for token in known if everything or token in tokens]


def reduce_only(context: Context, label: str, index: int, until: int, slack: int = SLACK) -> Step:
    house = context.contract("Clearinghouse")
    return Setting(
        f"{label} reduce-only",
        house,
        "setReduceOnly",
        (index, until),
        lambda: reduce_only_until(context, index) >= until - slack,
        True,
    )


def reduce_only_until(context: Context, index: int) -> int:
    """Unix seconds; 0 where it never was. The registry tells only whether it is: the newest event says how long."""
    house = context.contract("Clearinghouse")
    logs = context.backend.logs(house.address, house.topic("ReduceOnlySet"), context.record.block)
    told = [event.until for event in house.events("ReduceOnlySet", logs) if event.instrument == index]
    return int(told[-1]) if told else 0


def no_deposits(context: Context, token: str, until: int) -> Step:
    house, asset = context.contract("Clearinghouse"), context.network.asset_ids[token]
    return Setting(
        f"no deposits of {token}",
        house,
        "pauseDeposits",
        (asset, until),
        lambda: house.call("depositsPausedUntil", asset) >= until - SLACK,
        True,
    )


SELECTION = (
    click.option("--underlying", "underlyings", multiple=True, metavar="SYMBOL", help="All its instruments."),
    click.option("--instrument", "labels", multiple=True, metavar="LABEL", help="Such as PERP:ETH."),
    click.option("--deposits", "tokens", multiple=True, metavar="TOKEN", help="Deposits of a collateral."),
    click.option("--everything", is_flag=True, help="All instruments, and deposits of all collaterals."),
)
LASTING = click.option("--for", "lasting", default="7d", show_default=True, help="Such as 6h or 3d; 7d at most.")
command = operation("pause", plan, *SELECTION, LASTING)
