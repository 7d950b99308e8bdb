"""Reads a deployment back from the chain and compares it with its configuration: addresses, code, parameters, roles."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand
from rich.console import Console
from rich.table import Table

from ballast.deployment import Builder, DeploymentRecord, load_network
from ballast.deployment.access import Access, read_access
from ballast.deployment.finding import Finding
from ballast.deployment.powers import of_access
from ballast.deployment.powers_view import (
    ANNOUNCED,
    FUNCTIONS,
    HOLDERS,
    UNGUARDED,
    Row,
    announced_rows,
    as_json,
    function_rows,
    holder_rows,
    open_rows,
)
from ballast.deployment.verification import verify
from scripts.wallet import configuration_path, errors_as_messages, reading_backend, record_path


@click.command(cls=ConnectedProviderCommand)
@click.option("--config", type=click.Path(path_type=Path), help="Default: config/networks/NETWORK.yaml.")
@click.option("--deployment", type=click.Path(path_type=Path), help="Default: deployments/NETWORK.json.")
@click.option("--powers", is_flag=True, help="Only who can do what: every role, holder and function, as tables.")
@click.option("--json", "in_json", is_flag=True, help="Print everything as JSON.")
def cli(config: Path | None, deployment: Path | None, powers: bool, in_json: bool) -> None:
    """Compare the chain with the configuration; exit status 1 where they differ."""
    with errors_as_messages():
        network, book = load_network(configuration_path(config))
        record = DeploymentRecord.load(record_path(deployment))
        builder = Builder(network, book, reading_backend(record.deployer), record=record)
        access = read_access(builder, record.block)
        findings = list(of_access(builder.network, access)) if powers else verify(builder, record, access)
    differing = [finding for finding in findings if not finding.agrees]
    if in_json:
        plain: Any = [as_plain(finding) for finding in findings]
        click.echo(json.dumps({"powers": as_json(access), "findings": plain} if powers else plain, indent=2))
    else:
        if powers:
            show_powers(access)
        show(findings, differing)
    sys.exit(1 if differing else 0)


def show_powers(access: Access) -> None:
    tables: Sequence[tuple[str, Row, list[Row]]] = (
        ("Roles", HOLDERS, holder_rows(access)),
        ("What a role can call", FUNCTIONS, function_rows(access)),
        ("What no role can call", UNGUARDED, open_rows(access)),
        ("Announced and not yet done", ANNOUNCED, announced_rows(access)),
    )
    for title, header, rows in tables:
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        wide_console().print(table)


def show(findings: list[Finding], differing: list[Finding]) -> None:
    console = wide_console()
    if differing:
        table = Table("what", "configuration", "chain", title="Differences")
        for finding in differing:
            table.add_row(finding.name, readable(finding.expected), readable(finding.actual))
        console.print(table)
    console.print(f"{len(findings)} compared, {len(differing)} differ")


def wide_console() -> Console:
    """Addresses are for copying: into a file they are never broken."""
    return Console(width=None if sys.stdout.isatty() else 200)


def as_plain(finding: Finding) -> dict[str, Any]:
    expected, actual = readable(finding.expected), readable(finding.actual)
    return {"name": finding.name, "agrees": finding.agrees, "expected": expected, "actual": actual}


def readable(value: Any) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
