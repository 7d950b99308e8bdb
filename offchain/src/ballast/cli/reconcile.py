"""`ballast reconcile`: rebuild every balance from events and compare it with the chain, to the wei."""

from __future__ import annotations

import sys
from collections import Counter

import click
from rich.progress import Progress
from rich.table import Table

from ballast.chain.contracts import System
from ballast.cli.common import EXIT_CHECK_FAILED, chain_options, console, json_option, print_json
from ballast.reconcile import Reconciliation
from ballast.reconcile import reconcile as run


@click.command()
@click.option("--block", type=int, help="Block number to reconcile at; default the newest.")
@chain_options
@json_option
def reconcile(system: System, block: int | None, as_json: bool) -> None:
    """Rebuild every balance from events; compare with storage, token balances and invariants I1–I4.

    Exit status 1 if anything differs by a single wei.
    """
    head = system.connection.head()
    at = head if block is None else system.connection.block(block)
    if at is None:
        raise click.BadParameter(f"the chain's newest block is {head.number}", param_hint="--block")
    with Progress(console=console, transient=True, disable=as_json) as progress:
        task = progress.add_task("reading events", total=at.number - system.deployment.block + 1)
        first = system.deployment.block
        result = run(system, at, lambda last: progress.update(task, completed=last - first + 1))
    if as_json:
        print_json(as_dict(result))
    else:
        print_table(result)
    sys.exit(0 if result.holds else EXIT_CHECK_FAILED)


def as_dict(result: Reconciliation) -> dict[str, object]:
    return {
        "block": result.block.number,
        "block_hash": result.block.hash,
        "events": result.events,
        "accounts": result.accounts,
        "checks": len(result.checks),
        "reconciled": result.holds,
        "failures": [{**vars(check), "difference": check.difference} for check in result.failures],
    }


def print_table(result: Reconciliation) -> None:
    title = f"{result.accounts:,} accounts rebuilt from {result.events:,} events at block {result.block.number:,}"
    table = Table("check", "made", "failed", title=title)
    made = Counter(check.invariant for check in result.checks)
    failed = Counter(check.invariant for check in result.failures)
    for name, count in sorted(made.items()):
        table.add_row(name, f"{count:,}", f"[red]{failed[name]}[/red]" if failed[name] else "[green]0[/green]")
    console.print(table)
    for check in result.failures[:20]:
        console.print(
            f"[red]{check.invariant}[/red] {check.subject}: {check.left} − {check.right} = {check.difference}"
        )
    if len(result.failures) > 20:
        console.print(f"… and {len(result.failures) - 20} more; --json lists them all")
