"""Deploys Ballast to the network ape is connected to, from its configuration file. Asks nothing.

A run that was stopped goes on where it stopped: call it again. See docs/deployment.md.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.cli import ConnectedProviderCommand

from ballast.deployment import Builder, DeploymentRecord, load_network
from ballast.deployment.backend import Backend
from ballast.deployment.plan import Step, is_done
from scripts.wallet import (
    account_named,
    configuration_path,
    errors_as_messages,
    reading_backend,
    record_path,
    signing_backend,
)


@click.command(cls=ConnectedProviderCommand)
@click.option("--account", "alias", help="Ape's alias of the deploying account; on a development chain the first one.")
@click.option("--config", type=click.Path(path_type=Path), help="Default: config/networks/NETWORK.yaml.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: deployments/NETWORK.json.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, send nothing.")
def cli(alias: str | None, config: Path | None, out: Path | None, dry_run: bool) -> None:
    """Deploy Ballast, or finish a deployment that was stopped."""
    with errors_as_messages():
        network, book = load_network(configuration_path(config))
        account, target = account_named(alias), record_path(out)
        backend = reading_backend(account.address) if dry_run else signing_backend(account)
        builder = Builder(network, book, backend, record=standing_record(target, backend))
        if dry_run:
            show_plan(builder)
        else:
            deploy(builder, target)


def standing_record(target: Path, backend: Backend) -> DeploymentRecord | None:
    """The record of what stands on this chain; one of a development chain that has ended counts for nothing."""
    record = DeploymentRecord.load(target) if target.exists() else None
    stands = record is not None and backend.code_at(record.contracts["Clearinghouse"].address)
    return record if stands else None


def show_plan(builder: Builder) -> None:
    states = [state_of(step) for step in builder.steps]
    for state, step in zip(states, builder.steps, strict=True):
        click.echo(f"{state:8} {step.describe()}")
    click.echo(f"{states.count('send')} transactions to send, {states.count('done')} steps done; nothing was sent")


def state_of(step: Step) -> str:
    if is_done(step):
        return "done"
    return "send" if step.transaction else "require"


def deploy(builder: Builder, target: Path) -> None:
    journal = target.with_suffix(".journal.json")
    record = builder.deploy(journal, tell)
    record.write(target)
    journal.unlink(missing_ok=True)
    click.echo(f"deployed to chain {record.chain_id}: {target}")


def tell(event: str, step: Step) -> None:
    if event != "sent":
        click.echo(f"{event:8} {step.describe()}")
