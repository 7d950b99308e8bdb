"""`ballast risk`: build, judge and show risk books; cut extracts from price archives."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ballast.cli.common import EXIT_CHECK_FAILED, console, json_option, print_json, reported
from ballast.risk.archives import read_history, write_crisis_extracts, write_history_extract
from ballast.risk.book import ONE_E9, WAD, Book, CollateralNotListable
from ballast.risk.construction import Construction, ConstructionSettings, build_book, load_terms
from ballast.risk.history import HourlyHistory, load_history
from ballast.risk.moves import joint_moves
from ballast.risk.quality import (
    LEAST_RATIO,
    BookRefused,
    Coverage,
    QualityReport,
    ShortfallRatio,
    assess_quality,
    coverage,
)

existing_folder = click.Path(exists=True, file_okay=False, path_type=Path)
existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def risk() -> None:
    """Risk books: joint scenarios, their quality, the history behind them."""


@risk.command()
@click.option("--data", type=existing_folder, help="Folder of full price archives; without it the shipped extract.")
@click.option("--terms", type=existing_file, help="Charges, ids and factors (JSON); without it the shipped ones.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Build on history up to here, count coverage after.")
@click.option("--seed", type=int, default=ConstructionSettings.seed, show_default=True, help="Of random portfolios.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the book here, if it passes.")
@json_option
@reported
def book(
    data: Path | None, terms: Path | None, until: datetime | None, seed: int, out: Path | None, as_json: bool
) -> None:
    """Build a scenario book from history and put it to its quality test.

    A book whose expected shortfall on nodes is below 0.9 of the unrounded one for any pair of underlyings is refused
    (exit status 1), and so is one under which a collateral may not be listed.
    """
    history = read_history(data) if data else load_history()
    end = int(until.replace(tzinfo=UTC).timestamp()) if until else int(history.time[-1])
    settings = ConstructionSettings(seed=seed)
    built = build_book(history.between(int(history.time[0]), end), load_terms(terms), settings)
    quality = assess_quality(built.book, built.moves, settings)
    covered = _coverage(built, history, end, settings) if until else coverage(built.book, history, built.moves)
    refusal = _refusal(built.book, quality)
    if as_json:
        print_json(_report(built.book, quality, covered, refusal))
    else:
        _print_book(built.book)
        _print_quality(quality)
        _print_coverage(covered, "after the book's history" if until else "in sample")
    _finish(built.book, out, refusal)


@risk.command()
@click.argument("file", type=existing_file)
@json_option
@reported
def show(file: Path, as_json: bool) -> None:
    """Show a book's rows, grids, charges and listing requirements."""
    stored = Book.load(file)
    if as_json:
        print_json(json.loads(stored.to_json()) | {"listing": _listing(stored)})
    else:
        _print_book(stored)


@risk.command()
@click.option("--data", type=existing_folder, required=True, help="Folder of full price archives.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@reported
def extract(data: Path, out: Path) -> None:
    """Cut the hourly history and the crisis windows from full archives."""
    for path in [write_history_extract(data, out), *write_crisis_extracts(data, out)]:
        click.echo(path)


def _coverage(built: Construction, history: HourlyHistory, end: int, settings: ConstructionSettings) -> list[Coverage]:
    """Coverage over what came after the history the book was built on, at the book's own target volatility."""
    later = replace(joint_moves(history, settings.moves).since(end), target_volatility=built.moves.target_volatility)
    return coverage(built.book, history.between(end, int(history.time[-1])), later)


def _refusal(built: Book, quality: QualityReport) -> str | None:
    try:
        quality.require()
        built.check_listing()
    except (BookRefused, CollateralNotListable) as refused:
        return str(refused)
    return None


def _finish(built: Book, out: Path | None, refusal: str | None) -> None:
    if refusal:
        click.echo(f"refused: {refusal}", err=True)
        sys.exit(EXIT_CHECK_FAILED)
    if out:
        built.save(out)
        click.echo(f"written: {out}", err=True)


def _report(built: Book, quality: QualityReport, covered: Sequence[Coverage], refusal: str | None) -> dict[str, Any]:
    return {
        "accepted": refusal is None,
        "refusal": refusal,
        "book": json.loads(built.to_json()),
        "quality": quality.to_dict() | {"least": LEAST_RATIO},
        "coverage": [asdict(line) for line in covered],
        "listing": _listing(built),
    }


def _listing(built: Book) -> list[dict[str, Any]]:
    return [
        {"asset": asset.symbol, "haircut": asset.haircut, "requirement": built.listing_requirement(asset)}
        for asset in built.assets
    ]


def _print_book(built: Book) -> None:
    span = " to ".join(moment[:10] for moment in built.metadata.get("span", ()))
    shape = f"{len(built.historical)} historical and {len(built.stress)} stress rows, k = {built.tail_rows}"
    rows = Table(title=f"Risk book {built.name} {span}: {shape}")
    rows.add_column("row", no_wrap=True)
    rows.add_column("weight", justify="right")
    rows.add_column("moves")
    for row in built.historical:
        rows.add_row(row.name, "", built.row_label(row))
    rows.add_section()
    for row in built.stress:
        rows.add_row(row.name, f"{row.weight / ONE_E9:.3f}", built.row_label(row))
    console.print(rows, _shocks_table(built), _charges_table(built), _listing_table(built))


def _shocks_table(built: Book) -> Table:
    table = Table(title="price shocks, %")
    table.add_column("", no_wrap=True)
    for _ in built.underlyings[0].price_shocks:
        table.add_column("", justify="right", no_wrap=True)
    for u in built.underlyings:
        table.add_row(u.symbol, *(f"{100 * shock / WAD:+g}" for shock in u.price_shocks))
    return table


def _charges_table(built: Book) -> Table:
    table = Table("", "hedged basis", "hedged vega", "short options", "concentration", "beyond", title="charges")
    for u in built.underlyings:
        charges = [f"{c / ONE_E9:.1%}" for c in (u.hedged_basis, u.hedged_vega, u.short_options, u.concentration)]
        table.add_row(u.symbol, *charges, f"{u.depth / WAD:,.0f}")
    return table


def _listing_table(built: Book) -> Table:
    table = Table("collateral", "haircut", "initial factor · worst fall + haircut (< 100 %)")
    for asset in built.assets:
        table.add_row(asset.symbol, f"{asset.haircut / ONE_E9:.1%}", f"{built.listing_requirement(asset) / WAD:.1%}")
    return table


def _print_quality(quality: QualityReport) -> None:
    title = f"Expected shortfall on nodes ÷ unrounded: same rows | whole history (least {LEAST_RATIO})"
    table = Table(title=title)
    for header in ("portfolio", "+ +", "+ −", "− +", "− −"):
        table.add_column(header, no_wrap=True)
    pairs = [ratio for ratio in quality.judged if ratio.group != "outright"]
    for (_, group), four in groupby(enumerate(pairs), key=lambda item: (item[0] // 4, item[1].group)):
        ratios = [ratio for _, ratio in four]
        name = ratios[0].portfolio.replace("long ", "").replace(", ", " : ")
        table.add_row(f"{name} ({group})", *map(_ratio_cell, ratios))
    for ratio in quality.judged:
        if ratio.group == "outright":
            table.add_row(ratio.portfolio, _ratio_cell(ratio))
    console.print(table)
    console.print(f"worst {quality.worst:.3f}; portfolios not fitted to: {quality.held_out_fit()}")


def _ratio_cell(ratio: ShortfallRatio) -> str:
    style = "red" if ratio.worst < LEAST_RATIO else "default"
    return f"[{style}]{ratio.rounding:.2f}|{ratio.fit:.2f}[/]"


def _print_coverage(covered: Sequence[Coverage], when: str) -> None:
    table = Table(title=f"24-hour losses beyond the requirement, {when}")
    table.add_column("portfolio", no_wrap=True)
    for header in ("needs", "hist. rows", "book", "× vol", "worst"):
        table.add_column(header, justify="right", no_wrap=True)
    for kind, lines in groupby(covered, key=lambda line: line.kind):
        table.add_row(f"[bold]{kind}[/]")
        for line in lines:
            shares = [f"{s:.3%}" for s in (line.exceeded_historical, line.exceeded, line.exceeded_multiplied)]
            table.add_row(line.portfolio, f"{line.requirement:.2%}", *shares, f"{line.worst_loss:.1%}")
        table.add_section()
    console.print(table)
