"""Runs an underlying down: nothing new is opened, what expires is settled, what is left is closed by its holders."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ballast.chain.instruments import expiry_of, label_of, underlying_of
from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, Step
from scripts.operations.common import Context, operation
from scripts.operations.pause import PHASES, chosen, reduce_only

DAY = 86_400
LONGEST = 7 * DAY - 60
"""What the guardian may set at once, less the time a transaction may take; renewed once a day of it is over."""
WAD = 10**18


def plan(context: Context, symbol: str, collateral: bool) -> Operation:
    """Let nothing new be opened in underlying SYMBOL, for good, and say what is left of it.

    The guardian makes its instruments reduce-only at once, for a week; run it again within that to renew it. The risk
    role sets its open-interest caps to nothing, which holds until it says otherwise. What expires is settled then.
    """
    number, until = context.underlying(symbol), context.now() + LONGEST
    live = chosen(context, [symbol], [], False)
    steps: list[Step] = [reduce_only(context, label, index, until, DAY) for label, index in live.items()]
    steps.append(no_open_interest(context, symbol, number))
    if collateral:
        steps += [no_more_deposits(context, token) for token in tokens_of(context, symbol)]
    return Operation(f"run down {symbol}", steps, notes=remains(context, symbol, number))


def no_open_interest(context: Context, symbol: str, number: int) -> Step:
    """Both caps of the underlying at zero: no fill may raise the open interest of any of its instruments."""
    house = context.contract("Clearinghouse")
    limits = house.call("underlyingLimitsOf", number).limits.as_dict()
    closed = limits | {"openInterestCap": 0, "openInterestValueCap": 0}
    return Setting(
        f"open-interest caps of {symbol} at 0",
        house,
        "setUnderlyingLimits",
        (number, closed),
        lambda: house.call("underlyingLimitsOf", number).limits,
        closed,
    )


def no_more_deposits(context: Context, token: str) -> Step:
    house, asset = context.contract("Clearinghouse"), context.network.asset_ids[token]
    read = lambda: house.call("depositCapOf", asset).to  # noqa: E731
    return Setting(f"deposit cap of {token} at 0", house, "setDepositCap", (asset, 0, 0), read, 0)


def tokens_of(context: Context, symbol: str) -> list[str]:
    found = context.network.collaterals.items()
    return [token for token, collateral in found if collateral.underlying == symbol]


def remains(context: Context, symbol: str, number: int) -> list[str]:
    """A line an instrument with open interest, and what will become of it."""
    house, notes = context.contract("Clearinghouse"), []
    for index in range(1, house.call("instrumentCount") + 1):
        view = house.call("instrumentOf", index)
        if underlying_of(view.id) == number and view.openInterest:
            label = label_of(view.id, lambda _: symbol)
            notes.append(f"left: {label}, {view.openInterest / WAD:g} open, {fate_of(context, number, view.id)}")
    return notes or [f"nothing is left open in {symbol}"]


def fate_of(context: Context, number: int, instrument: int) -> str:
    expiry = expiry_of(instrument)
    if not expiry:
        return "a perpetual, which ends only as its holders close it"
    phase = PHASES[context.contract("Expiries").call("phaseOf", number, expiry)]
    when = datetime.fromtimestamp(expiry, UTC).date().isoformat()
    return {
        "Settled": "settled: anyone may call `settle` for its accounts",
        "Waiting": "expired without enough observations: the signers publish its settlement price",
    }.get(phase, f"settled when it expires on {when}")


COLLATERAL = click.option("--collateral", is_flag=True, help="Deposit caps of its tokens at 0, too.")
command = operation("run-down", plan, click.argument("symbol"), COLLATERAL)
