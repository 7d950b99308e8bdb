"""`ballast surface`: volatility surfaces from option quotes, their errors, their words for the chain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.cli.common import chain_options, console, json_option, print_json, reported
from ballast.keeper.publisher import QuorumPublisher
from ballast.keeper.surfaces import FileSurfaces
from ballast.risk.surface.chains import Chain, load_chains, nearest_chain, read_chains, write_extract
from ballast.risk.surface.fit import FittedSurface, fit_surface
from ballast.risk.surface.report import Study, surface_document
from ballast.risk.surface.report import study as study_chains
from ballast.settings import Settings
from ballast.store import Store

existing_path = click.Path(exists=True, path_type=Path)
data_option = click.option(
    "--data", type=existing_path, help="File of option chains, or folder of deribit_chain* files; else the shipped one."
)
at_option = click.option(
    "--at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="Snapshot nearest to this (UTC); else the last."
)


@click.group()
def surface() -> None:
    """Volatility surfaces: fitted to option quotes, free of static arbitrage."""


@surface.command()
@data_option
@click.option("--currency", "currencies", multiple=True, help="BTC, ETH, …; may be repeated. Else all.")
@at_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write surfaces.json and plots here.")
@json_option
@reported
def fit(data: Path | None, currencies: Sequence[str], at: datetime | None, out: Path | None, as_json: bool) -> None:
    """Fit a smile to every expiry of a chain, without butterflies and calendars.

    Per expiry: volatility at the forward, the n quotes used, root mean square and largest distance to their mids, root
    mean square distance to the exchange's marks, median spread, and the share of quotes the smile stays inside of.
    """
    fitted = [fit_surface(chain) for chain in _chosen(data, currencies, at)]
    document = {"surfaces": [surface_document(each) for each in fitted]}
    if as_json:
        print_json(document)
    else:
        for each in fitted:
            console.print(_surface_table(each))
            for reason in each.refused.values():
                console.print(f"[yellow]no smile[/]: {reason}", highlight=False)
    if out:
        _write(fitted, document, out)


@surface.command()
@data_option
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Take every n-th snapshot.")
@json_option
@reported
def study(data: Path | None, every: int, as_json: bool) -> None:
    """Fit many chains; tell errors by currency and tenor: median, 95 % quantile and worst of the smiles."""
    chains = read_chains(data) if data else load_chains()
    found = study_chains(_every(chains, every))
    if as_json:
        print_json(found.document())
    else:
        _print_study(found)


@surface.command()
@click.option("--data", type=existing_path, required=True, help="File or folder of full option chains.")
@at_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write (.csv.gz).")
@reported
def extract(data: Path, at: datetime | None, out: Path) -> None:
    """Cut one snapshot of all currencies from an archive."""
    click.echo(write_extract(_chosen(data, (), at), out))


@surface.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--reports", type=click.Path(path_type=Path), required=True, help="Folder of the quorum signers' reports."
)
@click.option("--database", envvar="BALLAST_DATABASE", show_envvar=True, type=click.Path(path_type=Path))
@chain_options
def publish(file: Path, reports: Path, database: Path | None, system: System) -> None:
    """Play a quorum signer's part once for the surfaces in FILE, which `fit --out` wrote.

    Proposes a batch where it is one's turn, signs the proposals one's own surfaces agree with, and submits what has
    enough signatures. The key is the keeper's; so is the database, which no keeper may hold meanwhile.
    """
    from ballast.cli.keeper import exclusive

    settings = Settings()
    path = database or settings.database
    with exclusive(path):
        lane = TransactionLane(system.connection, settings.account(), Store(path), LaneSettings())
        head = system.connection.head()
        lane.collect(head)
        QuorumPublisher(system, settings.account(), FileSurfaces(file), reports).publish(lane, head)
        click.echo(f"under way: {', '.join(sorted(lane.pending_purposes())) or 'nothing'}")


def _chosen(data: Path | None, currencies: Sequence[str], at: datetime | None) -> list[Chain]:
    chains = read_chains(data) if data else load_chains()
    time = int(at.replace(tzinfo=UTC).timestamp()) if at else None
    wanted = list(currencies) or sorted({chain.currency for chain in chains})
    return [nearest_chain(chains, currency, time) for currency in wanted]


def _every(chains: Sequence[Chain], step: int) -> list[Chain]:
    by_currency = {chain.currency: [c for c in chains if c.currency == chain.currency] for chain in chains}
    return [chain for of_currency in by_currency.values() for chain in of_currency[::step]]


def _write(fitted: Sequence[FittedSurface], document: dict[str, Any], out: Path) -> None:
    from ballast.risk.surface.plots import draw

    out.mkdir(parents=True, exist_ok=True)
    file = out / "surfaces.json"
    file.write_text(json.dumps(document, indent=2) + "\n")
    for path in [file, *(path for each in fitted for path in draw(each, out, each.currency))]:
        click.echo(f"written: {path}", err=True)


def _surface_table(fitted: FittedSurface) -> Table:
    title = f"{fitted.currency} {_moment(fitted.time)}, index {fitted.index:,.2f}; volatility points"
    table = Table(title=title)
    table.add_column("expiry", no_wrap=True)
    for header in ("days", "level", "n", "error", "worst", "mark", "spread", "inside"):
        table.add_column(header, justify="right", no_wrap=True)
    for each in fitted.smiles:
        quotes = each.quotes
        spread = sorted(quotes.ask - quotes.bid)[len(quotes.k) // 2]
        table.add_row(
            _moment(quotes.expiry)[:10],
            f"{quotes.tenor / 86_400:.1f}",
            f"{100 * each.level:.1f}",
            f"{len(quotes.k)}",
            *(f"{100 * value:.2f}" for value in (each.error, each.worst, each.error_to_mark, spread)),
            f"{each.inside:.0%}",
        )
    return table


def _print_study(found: Study) -> None:
    span = f"{_moment(found.first)[:10]} to {_moment(found.last)[:10]}"
    for currency, lines in groupby(found.lines, key=lambda line: line.currency):
        table = Table(title=f"{currency}, {span}; volatility points")
        table.add_column("to expiry", no_wrap=True)
        for header in ("smiles", "quotes", "median", "95 %", "worst", "spread", "inside"):
            table.add_column(header, justify="right", no_wrap=True)
        for line in lines:
            levels = (f"{100 * level:.2f}" for level in (line.median, line.high, line.worst, line.spread))
            table.add_row(line.tenor, f"{line.smiles:,}", f"{line.quotes:,}", *levels, f"{line.inside:.1%}")
        console.print(table)
    refused = ", ".join(f"{count} {reason}" for reason, count in found.refused.items()) or "none"
    console.print(f"{found.chains} chains; expiries without a smile: {refused}")


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
