"""Sets open-interest caps of listed instruments."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ballast.deployment.listing import Instrument
from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, Step
from scripts.operations.common import Context, named, operation


def plan(context: Context, labels: Sequence[str]) -> Operation:
    """Set the open-interest caps of LABELS, such as PERP:ETH, as the file says; of everything listed without them."""
    known = context.network.instruments
    chosen = [named("instrument", label, known) for label in labels] or list(known.values())
    house = context.contract("Clearinghouse")
    listed = {one.label: house.call("instrumentIndexOf", one.id) for one in chosen}
    steps = [set_cap(context, one, listed[one.label]) for one in chosen if listed[one.label] or labels]
    return Operation("set caps", steps)


def set_cap(context: Context, instrument: Instrument, index: int) -> Step:
    house = context.contract("Clearinghouse")
    return Setting(
        f"open-interest cap of {instrument.label}",
        house,
        "setOpenInterestCap",
        (index, instrument.open_interest_cap),
        lambda: house.call("instrumentOf", index).openInterestCap,
        instrument.open_interest_cap,
    )


command = operation("set-caps", plan, click.argument("labels", nargs=-1))
