"""`ballast markets`: every instrument with its mark, index, funding and open interest."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.views import ORACLE_STATES, WAD, instrument_label
from ballast.cli.common import chain_options, console, json_option, money, print_json
from ballast.errors import ChainError
from ballast.store import BlockRef

BILLION = 10**9


@click.command()
@chain_options
@json_option
def markets(system: System, as_json: bool) -> None:
    """Mark, index, oracle state, basis, funding and open interest of every instrument."""
    block = system.connection.head()
    rows = read_markets(system, block)
    if as_json:
        print_json({"block": block.number, "markets": rows})
        return
    table = Table(
        *("instrument", "index", "mark", "basis", "oracle", "open interest", "cap", "funding a unit"),
        title=f"Markets at block {block.number}",
    )
    for row in rows:
        table.add_row(
            row["instrument"],
            money(row["index"]),
            money(row["mark"]),
            f"{row['basis'] / BILLION:+.4%}",
            row["oracle_state"] + (", reduce-only" if row["reduce_only"] else ""),
            money(row["open_interest"], 4),
            money(row["open_interest_cap"], 0),
            f"{row['cumulative_funding'] / WAD:+.6f}",
        )
    console.print(table)


def read_markets(system: System, block: BlockRef) -> list[dict[str, Any]]:
    """One row an instrument, by registry index. Prices, sizes and funding wad; basis 1e9."""
    count = system.read("Clearinghouse", "instrumentCount", block=block)
    views = system.read_all([("Clearinghouse", "instrumentOf", [i]) for i in range(1, count + 1)], block)
    marks = system.read_many([("Clearinghouse", "markOf", [i]) for i in range(1, count + 1)], block)
    bits = 0
    for view in views:
        bits |= 1 << (view.id >> 240 & 0xFF)
    quotes, _ = system.read("OracleHub", "quotesOf", bits, block=block)
    by_underlying = {quote.underlying: quote for quote in quotes}
    return [
        {
            "index_in_registry": view.index,
            "instrument": instrument_label(system, view.id),
            "mark": 0 if isinstance(mark, ChainError) else mark,
            "index": by_underlying[view.id >> 240 & 0xFF].index,
            "oracle_state": ORACLE_STATES[by_underlying[view.id >> 240 & 0xFF].state],
            "basis": view.basis,
            "cumulative_funding": view.cumulativeFunding,
            "open_interest": view.openInterest,
            "open_interest_cap": view.openInterestCap,
            "size_step": view.sizeStep,
            "reduce_only": view.reduceOnly,
        }
        for view, mark in zip(views, marks, strict=True)
    ]
