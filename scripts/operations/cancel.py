"""Takes an announced act back."""

from __future__ import annotations

import click

from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting
from ballast.errors import ConfigurationError
from scripts.operations.common import Context, operation


def plan(context: Context, identity: str) -> Operation:
    """Cancel the announced act ID (`./dev verify --powers` lists them), by who announced it or by governance."""
    authority = context.contract("Authority")
    logs = context.backend.logs(authority.address, authority.topic("OperationScheduled"), context.record.block)
    found = [
        event for event in authority.events("OperationScheduled", logs) if "0x" + event.operationId.hex() == identity
    ]
    if not found:
        raise ConfigurationError(f"no act {identity} was ever announced; `./dev verify --powers` lists those under way")
    event = found[-1]
    return Operation(
        f"cancel {identity}",
        [
            Setting(
                f"cancel {identity}",
                authority,
                "cancel",
                (event.caller, event.target, event.data),
                lambda: authority.call("getSchedule", event.operationId),
                0,
            )
        ],
    )


command = operation("cancel", plan, click.argument("identity", metavar="ID"))
