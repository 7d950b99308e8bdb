"""Acts of governance on a system that stands: announced through the access manager, waited for, and done.

Each may be stopped anywhere and run again: how far it is, the chain says. See docs/runbooks/.
"""

from __future__ import annotations

import click

from scripts.operations import (
    apply,
    cancel,
    list_collateral,
    list_expiry,
    list_underlying,
    pause,
    replace_sources,
    rotate_role,
    rotate_signers,
    run_down,
    serve_from_fallback,
    set_caps,
    set_risk_book,
    unpause,
)


@click.group()
def cli() -> None:
    """Acts of governance on a system that stands. Exit status: 0 done (or, with --dry-run, able to go through), 1
    refused, 2 wrong usage, 4 a delay runs or somebody else has to act.
    """


for module in (
    list_collateral,
    list_underlying,
    list_expiry,
    set_caps,
    set_risk_book,
    pause,
    unpause,
    serve_from_fallback,
    replace_sources,
    run_down,
    rotate_role,
    rotate_signers,
    apply,
    cancel,
):
    cli.add_command(module.command)
