"""`ballast order`: sign orders, settle them against each other, cancel them, see what became of them."""

from __future__ import annotations

import json
import time
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import click
from eth_account.signers.local import LocalAccount
from rich.table import Table
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from ballast.chain.contracts import ContractCall, System
from ballast.chain.ids import account_id
from ballast.chain.instruments import parse_instrument
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.chain.order_files import order_document, read_orders
from ballast.chain.orders import DeadReason, Match, Order, OrderDomain, OrderFlags, SignedOrder, settlement
from ballast.chain.views import instrument_label
from ballast.cli.account import AccountParameter
from ballast.cli.common import (
    EXIT_CHECK_FAILED,
    WAD,
    chain_options,
    console,
    json_option,
    money,
    print_json,
    underlying_named,
)
from ballast.errors import TransactionFailed
from ballast.settings import Settings
from ballast.store import Store

MINED_WITHIN = 120.0
WATCH_EVERY = 2.0
LIFETIME = 3_600


class AmountParameter(click.ParamType):
    """A decimal number, exact to 18 places, as wad."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            amount = Decimal(str(value)) * WAD
        except InvalidOperation:
            self.fail(f"{value!r} is no amount", param, ctx)
        if not amount.is_finite() or amount != int(amount):
            self.fail(f"{value!r} has more than 18 decimals", param, ctx)
        return int(amount)


@click.group()
def order() -> None:
    """Sign orders, settle them, cancel them, see what became of them."""


@order.command(context_settings={"ignore_unknown_options": True})
@click.argument("instrument")
@click.argument("size", metavar="±SIZE", type=AmountParameter())
@click.argument("limit", metavar="PRICE", type=AmountParameter())
@click.option("--account", "account", type=AccountParameter(), help="Whose; default: sub-account 0 of the key's owner.")
@click.option("--reduce-only", is_flag=True, help="Only bring the position towards 0.")
@click.option("--post-only", is_flag=True, help="Only as the maker, at this price.")
@click.option("--fill-or-kill", is_flag=True, help="Whole, or not at all.")
@click.option("--group", type=click.IntRange(1, 2**64 - 1), default=None, help="One cancels other: a number used once.")
@click.option("--lifetime", type=click.IntRange(1), default=LIFETIME, show_default=True, help="Seconds.")
@click.option("--nonce", type=click.IntRange(0, 2**64 - 1), default=None, help="Default: the second it is now.")
@chain_options
def sign(
    system: System,
    instrument: str,
    size: int,
    limit: int,
    account: int | None,
    group: int | None,
    lifetime: int,
    nonce: int | None,
    **flags: bool,
) -> None:
    """Print a signed order as JSON. Sends nothing; whoever holds it can settle it until it expires.

    The key comes from BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE: the account's owner, or a delegate of it.

    \b
    Examples:
      ballast order sign PERP:ETH +2 2500 > buy.json
      ballast order sign CALL:ETH:2026-12-25:3000 -1.5 80 --post-only --lifetime 86400 > offer.json
    """
    key = Settings().account()
    account = account_id(key.address) if account is None else account
    try:
        number = parse_instrument(instrument, partial(underlying_named, system))
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="INSTRUMENT") from None
    if size == 0 or not 0 < limit < 2**128:
        raise click.BadParameter("an order needs a size and a price above 0", param_hint="±SIZE PRICE")
    now = system.connection.timestamp(system.connection.head())
    wanted = Order(
        account=account,
        signer=key.address,
        instrument=number,
        size=size,
        limit=limit,
        flags=sum(flag for flag in OrderFlags if flags.get((flag.name or "").lower())),
        expiry=now + lifetime,
        nonce=int(time.time()) if nonce is None else nonce,
        group=group or 0,
        epoch=system.read("Exchange", "epochOf", account),
    )
    domain = domain_of(system)
    click.echo(json.dumps(order_document(domain.sign(wanted, key), domain), indent=2))


@order.command()
@click.argument("taker", type=click.Path(exists=True, path_type=Path))
@click.argument("makers", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@chain_options
@json_option
def submit(system: System, taker: Path, makers: tuple[Path, ...], as_json: bool) -> None:
    """Settle a signed order against others, in turn, each at its own limit. Anybody's key may send it.

    Exit status 1 if nothing was filled.

    \b
    Example:
      ballast order submit buy.json offer.json
    """
    orders = read_orders([taker, *makers], domain_of(system))
    matches = [Match(0, place, abs(signed.order.size)) for place, signed in enumerate(orders[1:], 1)]
    ascending, moved = settlement(orders, matches)
    sent = send(system, Settings().account(), "settle", system.call("Exchange", "settle", ascending, moved))
    statuses = [status_of(system, signed) for signed in orders]
    if as_json:
        print_json({"transaction": sent, "orders": statuses})
    else:
        console.print(_table(statuses, f"Settled in {sent}"))
    if not any(int(status["filled"]) for status in statuses):
        raise SystemExit(EXIT_CHECK_FAILED)


@order.command()
@click.argument("account", type=AccountParameter())
@click.option("--nonce", type=click.IntRange(0, 2**64 - 1), help="One order.")
@click.option("--below", type=click.IntRange(1, 2**64 - 1), help="Every order with a nonce below.")
@click.option("--all", "everything", is_flag=True, help="Every order signed so far.")
@chain_options
@json_option
def cancel(system: System, account: int, nonce: int | None, below: int | None, everything: bool, as_json: bool) -> None:
    """Cancel orders of an account on chain, for good.

    \b
    Examples:
      ballast order cancel 0x7099…79C8 --nonce 1798185600
      ballast order cancel 0x7099…79C8 --all
    """
    if (nonce is not None) + (below is not None) + everything != 1:
        raise click.UsageError("say which: one of --nonce, --below and --all")
    if nonce is not None:
        call = system.call("Exchange", "cancel", account, nonce)
    elif below is not None:
        call = system.call("Exchange", "cancelBelow", account, below)
    else:
        call = system.call("Exchange", "advanceEpoch", account)
    sent = send(system, Settings().account(), "cancel", call)
    if as_json:
        print_json({"transaction": sent})
    else:
        console.print(f"cancelled in {sent}")


@order.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--watch", is_flag=True, help="Look again every two seconds until none can be filled any more.")
@chain_options
@json_option
def status(system: System, files: tuple[Path, ...], watch: bool, as_json: bool) -> None:
    """What of signed orders is filled, and why one is dead.

    \b
    Example:
      ballast order status buy.json offer.json --watch
    """
    orders = read_orders(files, domain_of(system))

    def look() -> list[dict[str, Any]]:
        return [status_of(system, signed) for signed in orders]

    def show(statuses: list[dict[str, Any]]) -> None:
        if as_json:
            print_json({"orders": statuses})
        else:
            console.print(_table(statuses, "Orders"))

    seen = look()
    show(seen)
    if watch:
        latest, pause = seen, Event()
        while any(one["reason"] == "none" for one in latest):
            pause.wait(WATCH_EVERY)
            latest = look()
            if latest != seen:
                show(latest)
                seen = latest


def domain_of(system: System) -> OrderDomain:
    """What signatures of this deployment are bound to."""
    return OrderDomain(system.deployment.chain_id, system.address("Exchange"))


def status_of(system: System, signed: SignedOrder) -> dict[str, Any]:
    """Filled size (wad) and why it is dead, `none` while it can be filled."""
    filled, reason = system.read("Exchange", "orderStatus", signed.order)
    return {
        "instrument": instrument_label(system, signed.order.instrument),
        "account": hex(signed.order.account),
        "nonce": signed.order.nonce,
        "size": signed.order.size,
        "limit": signed.order.limit,
        "filled": filled,
        "reason": DeadReason(reason).name.lower().replace("_", " "),
    }


def send(system: System, key: LocalAccount, purpose: str, call: ContractCall) -> str:
    """Sends one transaction and waits until it is mined. Returns its hash.

    Raises:
        TransactionFailed: It would revert, reverted, or was not mined in two minutes.
    """
    lane = TransactionLane(system.connection, key, Store(":memory:"), LaneSettings())
    sent = lane.submit(purpose, call, system.connection.head().number)
    waiting = Retrying(
        retry=retry_if_result(lambda outcomes: not outcomes), wait=wait_fixed(0.2), stop=stop_after_delay(MINED_WITHIN)
    )
    try:
        (outcome,) = waiting(lambda: lane.collect(system.connection.head()))
    except RetryError:
        raise TransactionFailed(purpose, f"not mined within {MINED_WITHIN:.0f} s", sent) from None
    if not outcome.succeeded:
        raise TransactionFailed(purpose, "reverted", outcome.transaction_hash)
    return outcome.transaction_hash


def _table(statuses: list[dict[str, Any]], title: str) -> Table:
    table = Table("instrument", "nonce", title=title)
    for name in ("size", "price", "filled"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for one in statuses:
        state = "live" if one["reason"] == "none" else one["reason"]
        table.add_row(
            one["instrument"],
            str(one["nonce"]),
            money(one["size"], 4),
            money(one["limit"]),
            money(one["filled"], 4),
            state,
        )
    return table
