"""`ballast markets`: every instrument with its mark, index and open interest, and what its kind has beside them."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from ballast.chain.accounts import read_expiries
from ballast.chain.contracts import System
from ballast.chain.ids import KIND_OPTION, kind_of
from ballast.chain.instruments import underlying_of
from ballast.chain.views import ORACLE_STATES, WAD, instrument_label
from ballast.cli.common import chain_options, console, json_option, money, print_json
from ballast.errors import ChainError
from ballast.risk.dated import Expiry, ExpiryQuote, OptionLeg, is_put, key_of, strike_of
from ballast.store import BlockRef

BILLION = 10**9


@click.command()
@chain_options
@json_option
def markets(system: System, as_json: bool) -> None:
    """Mark, index, oracle state and open interest of every instrument; basis and funding of perpetuals, premium of
    futures, volatility and delta of options."""
    block = system.connection.head()
    rows = read_markets(system, block)
    if as_json:
        print_json({"block": block.number, "markets": rows})
        return
    table = Table("instrument", title=f"Markets at block {block.number}")
    for name in ("index", "mark", "over index", "volatility", "delta", "open interest", "cap", "funding a unit"):
        table.add_column(name, justify="right")
    table.add_column("oracle")
    for row in rows:
        table.add_row(
            row["instrument"],
            money(row["index"]),
            money(row["mark"]),
            "" if row["basis"] is None else f"{row['basis'] / BILLION:+.4%}",
            "" if row["volatility"] is None else f"{row['volatility'] / WAD:.1%}",
            "" if row["delta"] is None else f"{row['delta'] / WAD:+.3f}",
            money(row["open_interest"], 4),
            money(row["open_interest_cap"], 0),
            "" if row["cumulative_funding"] is None else f"{row['cumulative_funding'] / WAD:+.6f}",
            row["state"] + (", reduce-only" if row["reduce_only"] else ""),
        )
    console.print(table)


def read_markets(system: System, block: BlockRef) -> list[dict[str, Any]]:
    """One row an instrument, by registry index.

    Prices, sizes, funding, volatility and delta wad, basis (of futures: premium) 1e9; None where the kind has none.
    """
    count = system.read("Clearinghouse", "instrumentCount", block=block)
    views = system.read_all([("Clearinghouse", "instrumentOf", [i]) for i in range(1, count + 1)], block)
    marks = system.read_many([("Clearinghouse", "markOf", [i]) for i in range(1, count + 1)], block)
    bits = 0
    for view in views:
        bits |= 1 << underlying_of(view.id)
    quotes, _ = system.read("OracleHub", "quotesOf", bits, block=block)
    quote_of = {quote.underlying: quote for quote in quotes}
    expiry_of = {quote.key: quote for quote in read_expiries(system, [view.id for view in views], block)}
    return [
        {
            "index_in_registry": view.index,
            "instrument": instrument_label(system, view.id),
            "mark": 0 if isinstance(mark, ChainError) else mark,
            "index": quote_of[underlying_of(view.id)].index,
            "oracle_state": ORACLE_STATES[quote_of[underlying_of(view.id)].state],
            "open_interest": view.openInterest,
            "open_interest_cap": view.openInterestCap,
            "size_step": view.sizeStep,
            "reduce_only": view.reduceOnly,
            **_terms(view, quote_of[underlying_of(view.id)], expiry_of.get(key_of(view.id))),
        }
        for view, mark in zip(views, marks, strict=True)
    ]


def _terms(view: Any, quote: Any, expiry: ExpiryQuote | None) -> dict[str, Any]:
    """What only some kinds of instruments have."""
    none = {"basis": None, "cumulative_funding": None, "volatility": None, "delta": None}
    state = ORACLE_STATES[quote.state]
    if expiry is None:
        return none | {"basis": view.basis, "cumulative_funding": view.cumulativeFunding, "state": state}
    if expiry.is_settled:
        return none | {"state": "settled"}
    state = f"{state}, {_phase(expiry)}" if _phase(expiry) else state
    if kind_of(view.id) != KIND_OPTION:
        return none | {"basis": (expiry.forward(quote.index) - quote.index) * BILLION // quote.index, "state": state}
    option = OptionLeg(strike_of(view.id), is_put(view.id), WAD)
    priced = Expiry(expiry, quote.index, 0, 0)
    volatility = priced.volatility(option.strike) if expiry.tenor else None
    return none | {"volatility": volatility, "delta": priced.delta(option), "state": state}


def _phase(expiry: ExpiryQuote) -> str:
    if expiry.tenor == 0:
        return "waiting for its price"
    if expiry.open_share != WAD:
        return "averaging"
    return "" if expiry.trusted else "surface stale"
