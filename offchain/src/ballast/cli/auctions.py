"""`ballast auctions`: every live auction and what a bid would do now."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.logs import EventReader
from ballast.cli.common import WAD, account_label, chain_options, console, json_option, money, print_json
from ballast.keeper.decide import Policy
from ballast.keeper.mirror import Mirror, accounts_of
from ballast.keeper.snapshot import take_snapshot


@click.command()
@chain_options
@json_option
def auctions(system: System, as_json: bool) -> None:
    """Live auctions: equity, discount or premium, and the largest fraction a bid may take."""
    block = system.connection.head()
    started = EventReader(system, ["Auctions"]).read(system.deployment.block, block.number)
    suspects = accounts_of(event for event in started if event.name == "AuctionStarted")
    snapshot = take_snapshot(system, block, suspects, Mirror(), Policy())
    rows: list[dict[str, Any]] = [
        {
            "account": hex(auction.account),
            "auction": auction.auction_id,
            "insolvent": auction.insolvent,
            "equity": snapshot.accounts[auction.account].equity,
            "maintenance_margin": snapshot.accounts[auction.account].maintenance,
            "discount": auction.discount,
            "premium_rate": auction.premium_rate,
            "proceeds": auction.proceeds,
            "largest_fraction": auction.max_fraction,
        }
        for auction in snapshot.auctions.values()
    ]
    if as_json:
        print_json({"block": block.number, "auctions": rows, "unknown": [hex(a) for a in sorted(snapshot.unknown)]})
        return
    table = Table(
        "account", "equity", "maintenance margin", "terms", "largest bid", title=f"Auctions at {block.number}"
    )
    for row in rows:
        terms = (
            f"premium {row['premium_rate'] / WAD:.1%}" if row["insolvent"] else f"discount {row['discount'] / WAD:.1%}"
        )
        table.add_row(
            account_label(int(str(row["account"]), 16)),
            money(row["equity"]),
            money(row["maintenance_margin"]),
            terms,
            f"{row['largest_fraction'] / WAD:.1%}",
        )
    console.print(table)
