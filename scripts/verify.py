"""Reads a deployment back from the chain and compares it with its configuration: addresses, code, parameters, roles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand
from rich.console import Console
from rich.table import Table

from ballast.deployment import Builder, DeploymentRecord, load_network
from ballast.deployment.verification import Finding, verify
from scripts.wallet import configuration_path, errors_as_messages, reading_backend, record_path


@click.command(cls=ConnectedProviderCommand)
@click.option("--config", type=click.Path(path_type=Path), help="Default: config/networks/NETWORK.yaml.")
@click.option("--deployment", type=click.Path(path_type=Path), help="Default: deployments/NETWORK.json.")
@click.option("--json", "as_json", is_flag=True, help="Print every finding as JSON.")
def cli(config: Path | None, deployment: Path | None, as_json: bool) -> None:
    """Compare the chain with the configuration; exit status 1 where they differ."""
    with errors_as_messages():
        network, book = load_network(configuration_path(config))
        record = DeploymentRecord.load(record_path(deployment))
        builder = Builder(network, book, reading_backend(record.deployer), record=record)
        findings = verify(builder, record)
    differing = [finding for finding in findings if not finding.agrees]
    if as_json:
        click.echo(json.dumps([as_plain(finding) for finding in findings], indent=2))
    else:
        show(findings, differing)
    sys.exit(1 if differing else 0)


def show(findings: list[Finding], differing: list[Finding]) -> None:
    console = Console()
    if differing:
        table = Table("what", "configuration", "chain", title="Differences")
        for finding in differing:
            table.add_row(finding.name, readable(finding.expected), readable(finding.actual))
        console.print(table)
    console.print(f"{len(findings)} compared, {len(differing)} differ")


def as_plain(finding: Finding) -> dict[str, Any]:
    expected, actual = readable(finding.expected), readable(finding.actual)
    return {"name": finding.name, "agrees": finding.agrees, "expected": expected, "actual": actual}


def readable(value: Any) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
