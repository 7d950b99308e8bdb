"""`./dev study`: simulations that parameters are judged by."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from ballast.chain.artifacts import checkout_root
from scripts.study.experiments import study
from scripts.study.report import plot, tables

COMMITTED = Path("benchmarks") / "auctions.json"
IMAGE = Path("docs") / "images" / "auction-study.png"
PAGE = Path("docs") / "auction-study.md"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Simulations that parameters are judged by."""


@main.command()
@click.option("--write", is_flag=True, help=f"Write {COMMITTED}, {IMAGE} and the tables of {PAGE}.")
def auctions(write: bool) -> None:
    """Liquidation by auction in five crises, beside what others do, on one core in some minutes. Deterministic."""
    started = time.monotonic()
    document = study(click.echo)
    click.echo(f"{time.monotonic() - started:.0f} s")
    for name, table in tables(document).items():
        click.echo(f"\n{name}\n{table}")
    if write:
        root = checkout_root()
        (root / COMMITTED).write_text(packed(document))
        plot(document, root / IMAGE)
        (root / PAGE).write_text(filled((root / PAGE).read_text(), document))


def packed(document: dict[str, Any]) -> str:
    """One run a line."""
    parts = [f'"settings": {json.dumps(document["settings"])}']
    for name in ("alternatives", "variants", "capital", "costs", "rebound", "seeds"):
        rows = ",\n".join("  " + json.dumps(row) for row in document[name])
        parts.append(f'"{name}": [\n{rows}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def filled(page: str, document: dict[str, Any]) -> str:
    """The page with each table between its marks."""
    for name, table in tables(document).items():
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        if start in page:
            head, rest = page.split(start, 1)
            page = head + start + "\n" + table + "\n" + end + rest.split(end, 1)[1]
    return page


if __name__ == "__main__":
    main()
