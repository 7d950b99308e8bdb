"""What all operations share: the options, the deployment they act on, and how a run is shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from ape import networks
from ape.cli import ConnectedProviderCommand
from rich.console import Console
from rich.table import Table

from ballast.deployment import Builder, DeploymentRecord, load_network
from ballast.deployment.config import Network
from ballast.deployment.contract import Contract
from ballast.deployment.operation import Governor, Operation, Phase, Progress, Standing
from ballast.deployment.plan import Creation, Setting, Step, is_done
from ballast.deployment.powers_view import moment
from ballast.deployment.rpc import RpcBackend
from ballast.deployment.units import duration
from ballast.errors import ConfigurationError
from scripts.wallet import (
    account_named,
    configuration_path,
    errors_as_messages,
    reading_backend,
    record_path,
    signing_backend,
)

EXIT_WAITS = 4
"""Beside 0, done or able to be, 1, refused, and 2, wrong usage: a delay runs, or somebody else has to act."""
WIDTH = 220
Plan = Callable[..., Operation]


@dataclass(frozen=True)
class Context:
    """The deployment an operation acts on, and the configuration it is to follow."""

    builder: Builder
    record: DeploymentRecord

    @property
    def network(self) -> Network:
        return self.builder.network

    @property
    def backend(self) -> RpcBackend:
        backend = self.builder.backend
        assert isinstance(backend, RpcBackend), "operations run on a node"
        return backend

    def contract(self, name: str) -> Contract:
        return self.builder.contracts[name]

    def now(self) -> int:
        return self.backend.timestamp()

    def steps(self, names: Iterable[str]) -> list[Step]:
        """The deployment's steps of those names, as far as it has them, in its order."""
        wanted = set(names)
        return [step for step in self.builder.steps if step.name in wanted]

    def underlying(self, symbol: str) -> int:
        """The id of an underlying of the file.

        Raises:
            ConfigurationError: There is none of that symbol.
        """
        return int(named("underlying", symbol, self.network.underlyings).id)


def named(kind: str, name: str, known: Any) -> Any:
    """An entry of the file by name.

    Raises:
        ConfigurationError: There is none; the message says which there are.
    """
    if name not in known:
        raise ConfigurationError(f"the file has no {kind} {name}, but {', '.join(known) or 'none'}")
    return known[name]


def operation(name: str, plan: Plan, *parameters: Callable[[Any], Any]) -> click.Command:
    """A command that plans an operation and takes it as far as it goes.

    Args:
        plan: From the context and the parameters' values; its docstring is the command's help.
        parameters: Click's own, as decorators.
    """

    @wraps(plan)
    def run(
        *,
        alias: str | None,
        config: Path | None,
        deployment: Path | None,
        dry_run: bool,
        in_json: bool,
        **values: Any,
    ) -> None:
        with errors_as_messages():
            target = record_path(deployment)
            network, book = load_network(configuration_path(config))
            record = DeploymentRecord.load(target)
            builder = Builder(network, book, reading_backend(record.deployer), record=record)
            governor = governor_of(builder, record, alias, dry_run)
            planned = plan(Context(builder, record), **values)
            progress = rehearse(governor, planned) if dry_run else governor.run(planned, None if in_json else told)
            show(planned, progress, network.network, dry_run, in_json)
            if progress.is_done and not dry_run:
                keep_record(builder, target)
        sys.exit(0 if progress.is_done or dry_run else EXIT_WAITS)

    for parameter in (*reversed(parameters), *_OPTIONS):
        run = parameter(run)
    return click.command(name, cls=ConnectedProviderCommand)(run)


_OPTIONS = (
    click.option("--json", "in_json", is_flag=True, help="Print what is to be done, by whom and when as JSON."),
    click.option("--dry-run", is_flag=True, help="Simulate and show, send nothing; status 0 if it could go through."),
    click.option("--deployment", type=click.Path(path_type=Path), help="Default: deployments/NETWORK.json."),
    click.option("--config", type=click.Path(path_type=Path), help="Default: config/networks/NETWORK.yaml."),
    click.option("--account", "alias", help="Ape's alias of the account that acts; a development chain has all keys."),
)


def governor_of(builder: Builder, record: DeploymentRecord, alias: str | None, dry_run: bool) -> Governor:
    """Who acts: one account, or on a development chain whoever holds the role."""
    addresses = {name: entry.address for name, entry in record.contracts.items()}
    account = account_named(alias) if alias or not (dry_run or networks.provider.network.is_dev) else None
    accounts = None if account is None else {str(account.address)}
    sender = None
    if not dry_run:
        sender = signing_backend(account) if account else reading_backend(record.deployer)
    return Governor(builder, addresses, record.block, sender, accounts)


def rehearse(governor: Governor, planned: Operation) -> Progress:
    """What a run would find, judged, with nothing sent."""
    standings = governor.survey(planned)
    governor.judge(planned, standings)
    return Progress(standings, 0)


def keep_record(builder: Builder, target: Path) -> None:
    """The deployment's record, with what the operation has added."""
    if all(is_done(step) for step in builder.steps if isinstance(step, Creation)):
        builder.describe().write(target)


def told(event: str, standing: Standing) -> None:
    until = f", ready {moment(standing.ready_at)}" if event == "announced" else ""
    click.echo(f"{event:10} {standing.step.name}{until}")


# What is shown -----------------------------------------------------------------------------------------------------


def show(planned: Operation, progress: Progress, network: str, dry_run: bool, in_json: bool) -> None:
    if in_json:
        click.echo(json.dumps(as_json(planned, progress, network, dry_run), indent=2))
        return
    table = Table("step", "call", "role", "by", "delay", "earliest", "state", title=planned.name, title_justify="left")
    for standing in progress.standings:
        when = moment(standing.ready_at) if standing.ready_at else ""
        delay = duration(standing.delay) if standing.role else ""
        table.add_row(
            standing.step.name,
            standing.step.describe(),
            standing.role,
            standing.holder,
            delay,
            when,
            state_of(standing),
        )
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    for note in planned.notes:
        click.echo(note)
    click.echo(summary(progress, dry_run))


def state_of(standing: Standing) -> str:
    return {
        Phase.DONE: "done",
        Phase.CREATE: "to create",
        Phase.CALL: "to do",
        Phase.ANNOUNCE: "to announce",
        Phase.WAIT: "announced",
        Phase.EXECUTE: "ready",
        Phase.NEED: "needed",
    }[standing.phase]


def summary(progress: Progress, dry_run: bool) -> str:
    if progress.is_done:
        return "done: the chain is as the operation wants it"
    prefix = "nothing was sent; it could go through: " if dry_run else ""
    return prefix + next_act(progress)


def next_act(progress: Progress) -> str:
    """Whose turn it is."""
    need = next((one for one in progress.standings if one.phase is Phase.NEED), None)
    waiting = {one.holder for one in progress.standings if one.phase not in (Phase.DONE, Phase.NEED, Phase.WAIT)}
    parts = []
    if need is not None:
        parts.append(need.step.describe())
    if waiting:
        parts.append(f"run it with the account of {', '.join(sorted(waiting))}")
    if progress.next_at:
        parts.append(f"run it again from {moment(progress.next_at)} on")
    return "; ".join(parts)


def as_json(planned: Operation, progress: Progress, network: str, dry_run: bool) -> dict[str, Any]:
    return {
        "operation": planned.name,
        "network": network,
        "dry_run": dry_run,
        "done": progress.is_done,
        "sent": progress.sent,
        "next_at": progress.next_at or None,
        "next": None if progress.is_done else next_act(progress),
        "notes": list(planned.notes),
        "steps": [_step_json(standing) for standing in progress.standings],
    }


def _step_json(standing: Standing) -> dict[str, Any]:
    step, sent = standing.step, standing.transaction
    is_act = isinstance(step, Setting)
    return {
        "name": step.name,
        "state": str(standing.phase),
        "target": step.contract.address if is_act else None,
        "function": f"{step.contract.name}.{step.function}" if is_act else None,
        "arguments": [str(argument) for argument in _plain(step.arguments)] if is_act else None,
        "describes": step.describe(),
        "role": standing.role or None,
        "holder": standing.holder or None,
        "delay": standing.delay,
        "ready_at": standing.ready_at or None,
        "to": sent.to if sent else None,
        "data": "0x" + sent.data.hex() if sent else None,
    }


def _plain(arguments: Iterable[Any]) -> Iterable[Any]:
    return (getattr(argument, "address", argument) for argument in arguments)
