"""`./dev audit`: slither, halmos and forge's fuzzer over the contracts."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tools.audit import properties, slither
from tools.audit.bench import ROOT
from tools.audit.verdict import GOOD, AuditError, Verdict

COMMITTED = ROOT / "benchmarks" / "audit.json"
TOOLS: dict[str, Callable[[], list[Verdict]]] = {
    "slither": slither.audit,
    "halmos": properties.prove,
    "fuzz": properties.fuzz,
}
WIDTH = 160  # of the table where there is no terminal


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "chosen", multiple=True, type=click.Choice(list(TOOLS)), help="This tool; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--write", is_flag=True, help="Write the summary to benchmarks/audit.json; needs all tools.")
def main(chosen: tuple[str, ...], as_json: bool, write: bool) -> None:
    """Look for known faults with slither, prove properties with halmos, try others with forge's fuzzer.

    Exit status 1 if a finding has no answer in tools/audit/triage.yaml, an answer no finding, or a property fails; 2 if
    a tool could not run.
    """
    if write and chosen:
        raise click.UsageError("--write needs all tools")
    verdicts: list[Verdict] = []
    seconds: dict[str, int] = {}
    try:
        for name in chosen or TOOLS:
            click.echo(f"» {name}", err=True)
            started = time.monotonic()
            verdicts += TOOLS[name]()
            seconds[name] = round(time.monotonic() - started)
    except AuditError as fault:
        click.echo(f"audit: {fault}", err=True)
        sys.exit(2)
    summary = document(verdicts, seconds)
    if write:
        COMMITTED.write_text(json.dumps(summary, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        print_table(verdicts, seconds)
    sys.exit(0 if all(verdict.good for verdict in verdicts) else 1)


def document(verdicts: Sequence[Verdict], seconds: dict[str, int]) -> dict[str, Any]:
    """What is committed: what each tool came to and took, and every line of the table."""
    counts = {name: dict(Counter(one.status for one in verdicts if one.tool == name)) for name in seconds}
    return {"tools": counts, "seconds": seconds, "verdicts": [verdict.as_dict() for verdict in verdicts]}


def print_table(verdicts: Sequence[Verdict], seconds: dict[str, int]) -> None:
    table = Table("tool", "target", "result", "s", "detail")
    for verdict in verdicts:
        colour = "green" if verdict.status in GOOD else "red"
        table.add_row(
            verdict.tool, verdict.target, f"[{colour}]{verdict.status}[/]", f"{verdict.seconds:.1f}", verdict.detail
        )
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
    bad = sum(not verdict.good for verdict in verdicts)
    took = ", ".join(f"{name} {value} s" for name, value in seconds.items())
    click.echo(f"{len(verdicts) - bad} of {len(verdicts)} good ({took})")


if __name__ == "__main__":
    main()
