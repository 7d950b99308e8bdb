"""`ballast waterfall`: where an account, or the protocol, stands between a margin call and a socialised loss."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.views import instrument_label, underlying_name
from ballast.chain.waterfall import (
    AccountStanding,
    ProtocolStanding,
    Step,
    account_dict,
    read_account_standing,
    read_protocol_standing,
)
from ballast.cli.account import AccountParameter
from ballast.cli.common import WAD, account_label, chain_options, console, json_option, money, print_json


@click.group()
def waterfall() -> None:
    """The default waterfall: margin calls, auctions, insurance, socialised losses."""


@waterfall.command()
@click.argument("account_id", metavar="[ACCOUNT]", type=AccountParameter(), required=False)
@chain_options
@json_option
def show(account_id: int | None, system: System, as_json: bool) -> None:
    """Where an account stands in the waterfall; without one, the protocol.

    \b
    Examples:
      ballast waterfall show
      ballast waterfall show 0x7099…79C8/2 --json
    """
    block = system.connection.head()
    if account_id is not None:
        standing = read_account_standing(system, account_id, block)
        if as_json:
            print_json({"block": block.number, **account_dict(standing)})
        else:
            console.print(_account_table(standing))
        return
    protocol = read_protocol_standing(system, block)
    if as_json:
        print_json({"block": block.number, **protocol.as_dict()})
        return
    console.print(_protocol_table(protocol))
    if protocol.auctions:
        console.print(_auctions_table(protocol))
    if any(one.paid_lately for one in protocol.outflows):
        console.print(_outflows_table(system, protocol))
    if protocol.loss_shares:
        console.print(_loss_shares_table(system, protocol))
    if protocol.redemptions:
        console.print(_redemptions_table(protocol))


def _account_table(standing: AccountStanding) -> Table:
    table = Table(title=account_label(standing.account), show_header=False)
    rows = {
        "step": standing.step.value,
        "equity": money(standing.equity),
        "maintenance margin": money(standing.maintenance_margin),
        "initial margin": money(standing.initial_margin),
        "missing to it": money(standing.missing),
        "cash held back": money(standing.held_back),
        "claim outstanding": money(standing.claim),
        "claim collectable": money(standing.collectable),
    }
    if auction := standing.auction:
        rows |= {
            "auction": f"{auction.id}, since {_time(auction.started_at)}",
            "clock": f"{auction.clock_seconds:,} s"
            + (", starts again at the next look" if auction.clock_stands else ""),
            _rate_name(standing): f"{auction.rate / WAD:.2%}",
            "proceeds": money(auction.proceeds),
            "price of the whole": money(auction.price),
            "a bid may take": f"{auction.least_fraction / WAD:.1%} to {auction.largest_fraction / WAD:.1%}",
        }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _rate_name(standing: AccountStanding) -> str:
    return "discount now" if standing.step == Step.SOLVENT else "premium now"


def _protocol_table(protocol: ProtocolStanding) -> Table:
    table = Table(title="The default waterfall", show_header=False)
    sections = (
        {
            "live auctions": str(len(protocol.auctions)),
            "they lack": money(protocol.open_shortfall),
        },
        {
            "insurance fund": money(protocol.reserves),
            "it can pay now": f"{money(protocol.outflow_left)}, {protocol.hourly_fraction / WAD:.0%} an hour",
            "paid lately": money(protocol.paid_lately),
            "redemptions pending": str(len(protocol.redemptions)),
        },
        {
            "loss not yet spread": money(protocol.uncovered_loss),
            "held back of cash": f"{protocol.held_back_share / WAD:.4%}",
            "claims outstanding": money(protocol.claims),
            "repaid, to be collected": money(protocol.claim_pool),
        },
        {
            "settlement tokens for cash": money(protocol.liquidity),
            "collateral for sale below": money(protocol.conversion_threshold),
            "at a discount of": f"{protocol.conversion_discount / WAD:.2%}",
        },
    )
    for section in sections:
        for name, value in section.items():
            table.add_row(name, value)
        table.add_section()
    return table


def _auctions_table(protocol: ProtocolStanding) -> Table:
    table = Table("account", "step", title="Auctions")
    for name in ("equity", "maintenance margin", "rate", "proceeds", "price of the whole"):
        table.add_column(name, justify="right")
    for standing in protocol.auctions:
        if standing.auction is None:
            continue
        table.add_row(
            account_label(standing.account),
            standing.step.value,
            money(standing.equity),
            money(standing.maintenance_margin),
            f"{standing.auction.rate / WAD:.2%}",
            money(standing.auction.proceeds),
            money(standing.auction.price),
        )
    return table


def _outflows_table(system: System, protocol: ProtocolStanding) -> Table:
    table = Table("losses in", title="What the fund pays, by underlying")
    for column in ("at once", "paid lately", "left"):
        table.add_column(column, justify="right")
    for one in protocol.outflows:
        name = underlying_name(system, one.underlying) if one.underlying else "debts of none"
        table.add_row(name, f"{one.fraction / WAD:.0%}", money(one.paid_lately), money(one.left))
    return table


def _loss_shares_table(system: System, protocol: ProtocolStanding) -> Table:
    table = Table("instrument", title="Losses shared with the other side, a unit")
    for side in ("longs paid", "shorts paid"):
        table.add_column(side, justify="right")
    for share in protocol.loss_shares:
        table.add_row(instrument_label(system, share.instrument), money(share.long, 6), money(share.short, 6))
    return table


def _redemptions_table(protocol: ProtocolStanding) -> Table:
    table = Table("holder", "shares", "from", "until", title="Shares of the fund that wait for redemption")
    for one in protocol.redemptions:
        table.add_row(one.holder, f"{one.shares:,}", _time(one.ready_at), _time(one.lapses_at))
    return table


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
