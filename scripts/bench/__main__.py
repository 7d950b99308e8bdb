"""`./dev bench`: measure, compare with what is committed, or write it anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ballast.chain.artifacts import checkout_root
from scripts.bench.capital import RULES, compare
from scripts.bench.capital import document as capital_document
from scripts.bench.gas import Figure, measure_gas
from scripts.bench.matching import as_rows, measure_matching

COMMITTED = Path("benchmarks") / "gas.json"
COMMITTED_CAPITAL = Path("benchmarks") / "capital.json"
COMMITTED_MATCHING = Path("benchmarks") / "matching.json"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure what acts cost, and what portfolios need."""


@main.command()
@click.option("--write", is_flag=True, help="Write the figures to benchmarks/gas.json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def gas(write: bool, as_json: bool) -> None:
    """Gas of acts and margin checks, each in a transaction of its own on a fresh Anvil: nothing is warm beforehand.

    Deterministic. Exit status 1 if a figure has grown beyond what is committed.
    """
    figures = measure_gas()
    file = checkout_root() / COMMITTED
    committed = json.loads(file.read_text())["figures"] if file.is_file() else {}
    if write:
        file.write_text(json.dumps(document(figures), indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(document(figures), indent=2))
    else:
        print_table(figures, committed)
    grown = [figure.name for figure in figures if figure.gas > committed.get(figure.name, {}).get("gas", figure.gas)]
    sys.exit(1 if grown and not write else 0)


@main.command()
@click.option("--write", is_flag=True, help="Write the figures to benchmarks/capital.json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def capital(write: bool, as_json: bool) -> None:
    """Initial margin of ten structures beside leg-by-leg margin, SPAN's scenarios and Deribit's portfolio margin.

    Exit status 1 if a figure is another than what is committed.
    """
    found = capital_document(compare())
    file = checkout_root() / COMMITTED_CAPITAL
    if write:
        file.write_text(json.dumps(found, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        print_capital(found)
    sys.exit(0 if file.is_file() and json.loads(file.read_text()) == found else 1)


@main.command()
@click.option("--orders", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--naive-orders", default=4_000, show_default=True, type=click.IntRange(1), help="Of the plain matcher.")
@click.option("--write", is_flag=True, help="Write the figures to benchmarks/matching.json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def matching(orders: int, naive_orders: int, write: bool, as_json: bool) -> None:
    """Orders a second through the matcher's book, engine and journal, beside a list that is sorted for each order.

    Of this machine and its disk: what is committed is one run, and only the multiples mean something elsewhere.
    """
    rows = as_rows(measure_matching(orders, naive_orders))
    if write:
        found = {"how": "./dev bench matching, two cores that others used too; each write synchronised", "parts": rows}
        (checkout_root() / COMMITTED_MATCHING).write_text(json.dumps(found, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(*rows[0], title="Matching")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int | float) else value for value in row.values()))
    Console().print(table)


def print_capital(found: dict[str, Any]) -> None:
    factors = ", ".join(f"{name} {value:.2f}" for name, value in found["multipliers"].items())
    table = Table(title=f"Initial margin, USD; {found['market']['source']}; multipliers {factors}")
    table.add_column("100 ETH", no_wrap=True)
    for header in ("Ballast", "legs", "SPAN", "Deribit", "÷ legs", "÷ Der."):
        table.add_column(header, justify="right", no_wrap=True)
    for name, row in found["structures"].items():
        ratios = (f"{row['ballast'] / row[rule]:.0%}" if row[rule] >= 1 else "–" for rule in ("leg_by_leg", "deribit"))
        figures = (f"{row[rule]:,.0f}" for rule in RULES if rule != "ballast_at_one")
        table.add_row(name, *figures, *ratios)
    Console().print(table)


def document(figures: list[Figure]) -> dict[str, object]:
    """What `benchmarks/gas.json` holds."""
    return {
        "how": "Anvil, hardfork cancun; each figure one transaction of its own, nothing warm; the oracle apart "
        "(with_oracle is both); margin checks and their oracle without the 21,000 and the calldata of the transaction",
        "figures": {figure.name: figure.as_dict() for figure in figures},
    }


def print_table(figures: list[Figure], committed: dict[str, dict[str, int]]) -> None:
    table = Table("figure", "gas", "target", "of target", "since commit", "beside it", title="Gas")
    for figure in figures:
        before = committed.get(figure.name, {}).get("gas")
        table.add_row(
            figure.name,
            f"{figure.gas:,}",
            f"{figure.target:,}" if figure.target else "",
            f"{figure.gas / figure.target:.0%}" if figure.target else "",
            f"{figure.gas - before:+,}" if before is not None else "new",
            figure.rival,
        )
    Console().print(table)


if __name__ == "__main__":
    main()
