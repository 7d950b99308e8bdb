"""Brings single settings of the chain to what the file says."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ballast.deployment.operation import Operation
from ballast.deployment.plan import Setting, is_done
from ballast.errors import ConfigurationError
from scripts.operations.common import Context, operation


def plan(context: Context, names: Sequence[str]) -> Operation:
    """Set what the deployment's steps NAMES set, such as "trading fees" or "oracle limits of ETH", as the file says."""
    known = {step.name for step in context.builder.steps if isinstance(step, Setting)}
    if unknown := [name for name in names if name not in known]:
        open_steps = [step.name for step in context.builder.steps if isinstance(step, Setting) and not is_done(step)]
        differing = ", ".join(open_steps) or "nothing"
        raise ConfigurationError(f"the deployment has no setting {', '.join(unknown)}; what differs is: {differing}")
    return Operation("apply " + ", ".join(names), context.steps(names))


command = operation("apply", plan, click.argument("names", nargs=-1, required=True))
