"""`ballast order status`, `arm` and `watch`: what became of orders, and what they wait for."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.order_desk import domain_of
from ballast.chain.order_files import read_orders
from ballast.chain.order_watch import WAITING, Note, OrderWatch, reason_name
from ballast.chain.orders import DeadReason, Order, OrderFlags, SignedOrder
from ballast.chain.views import instrument_label
from ballast.cli.account import AccountParameter
from ballast.cli.common import (
    EXIT_CHECK_FAILED,
    account_label,
    chain_options,
    console,
    exact,
    json_option,
    money,
    print_json,
)
from ballast.cli.sending import send
from ballast.errors import ChainError, TransactionFailed
from ballast.settings import Settings

WATCH_EVERY = 2.0
_WAITING_NAMES = {reason_name(reason) for reason in WAITING}
# By the name of the typed error: what to do about it.
_ADVICE = {
    "TriggerNotReached": "the price is not there yet: try again when it is",
    "ReportTooOld": "no report newer than the order yet: try again after the next one",
    "PriceNotUsable": "the oracle is stale or halted: try again when it has recovered",
    "SurfaceNotUsable": "the expiry's surface is too old: try again when a new one is published",
    "AlreadyArmed": "nothing to do: settle it with `ballast order submit`",
    "NoTrigger": "a plain order needs no arming: settle it with `ballast order submit`",
    "OrderDead": "`ballast order status` says why; sign a new one",
}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--watch", is_flag=True, help="Look again every two seconds until none can be filled any more.")
@chain_options
@json_option
def status(system: System, files: tuple[Path, ...], watch: bool, as_json: bool) -> None:
    """What of signed orders is filled, since when they are armed, and why one is dead.

    \b
    Example:
      ballast order status buy.json stop.json --watch
    """
    orders = read_orders(files, domain_of(system))

    def look() -> list[dict[str, Any]]:
        return statuses_of(system, orders)

    def show(statuses: list[dict[str, Any]]) -> None:
        if as_json:
            print_json({"orders": statuses})
        else:
            console.print(table_of(statuses, "Orders"))

    seen = look()
    show(seen)
    if watch:
        latest, pause = seen, Event()
        while any(one["reason"] in _WAITING_NAMES for one in latest):
            pause.wait(WATCH_EVERY)
            latest = look()
            if latest != seen:
                show(latest)
                seen = latest


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@chain_options
@json_option
def arm(system: System, files: tuple[Path, ...], as_json: bool) -> None:
    """Show on chain that triggers are reached: from then on the orders can be settled. Anybody's key may send it.

    Exit status 1 if one could not be armed now; it says what to wait for.

    \b
    Example:
      ballast order arm stop.json && ballast order submit stop.json bid.json
    """
    key, outcomes = Settings().account(), []
    for signed in read_orders(files, domain_of(system)):
        outcome: dict[str, Any] = {"nonce": signed.order.nonce, "transaction": None, "refused": None, "advice": None}
        try:
            outcome["transaction"] = send(system, key, "arm", system.call("Exchange", "arm", signed))
        except TransactionFailed as fault:
            name = fault.reason.partition("(")[0]
            outcome |= {"refused": fault.reason, "advice": _ADVICE.get(name, "it would revert: see the reason")}
        outcomes.append(outcome)
        if not as_json:
            failed = f"[red]not armed[/red]: {outcome['refused']}\n  {outcome['advice']}"
            told = f"armed in {outcome['transaction']}" if outcome["transaction"] else failed
            console.print(f"{signed.order.nonce}: {told}", highlight=False)
    if as_json:
        print_json({"orders": outcomes})
    if any(outcome["refused"] for outcome in outcomes):
        raise SystemExit(EXIT_CHECK_FAILED)


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="FILE…|ACCOUNT")
@chain_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def watch(system: System, what: tuple[str, ...], as_json: bool) -> None:
    """Follow orders live: filled, skipped and why, armed, cancelled, dead. A line each, as it happens.

    Of files it ends, with exit status 0, when none can be filled any more; of an account it goes on until it is
    stopped. While the node does not answer it waits, and then goes on where it was.

    \b
    Examples:
      ballast order watch stop.json target.json
      ballast order watch 0x7099…79C8/1 --json
    """
    orders, account = _watched(system, what)
    start = system.connection.head()
    if as_json:
        click.echo(json.dumps({"block": start.number, "event": "watching"}))
    elif orders:
        console.print(table_of(statuses_of(system, orders), f"At block {start.number}"))
    follow(OrderWatch(system, start, orders, account), system, as_json)


def follow(watch: OrderWatch, system: System, as_json: bool) -> None:
    """Prints notes until the watch is over. Faults of the node are told once, and waited out."""
    pause, done, is_silent = Event(), None, False
    while not watch.is_over:
        try:
            head = system.connection.head()
            if head != done:
                for note in watch.step(head):
                    _print_note(note, as_json)
                done = head
                is_silent = False
                continue
        except ChainError as fault:
            if not is_silent:
                Console(stderr=True).print(f"[yellow]waiting:[/yellow] {fault}", highlight=False)
            is_silent = True
        pause.wait(WATCH_EVERY)


def _watched(system: System, what: Sequence[str]) -> tuple[list[SignedOrder], int | None]:
    paths = [Path(one) for one in what]
    if len(what) == 1 and not paths[0].exists():
        try:
            return [], AccountParameter().convert(what[0], None, None)
        except click.BadParameter as fault:
            raise click.UsageError(f"{what[0]}: no such file, and no account ({fault.message})") from None
    return read_orders(paths, domain_of(system)), None


def _print_note(note: Note, as_json: bool) -> None:
    if as_json:
        line = {"block": note.block, "event": note.event, "account": hex(note.account), "nonce": note.nonce}
        click.echo(json.dumps(exact(line | note.detail)))
        return
    told = ", ".join(_detail_text(name, value) for name, value in note.detail.items())
    order = "all" if note.nonce is None else note.nonce
    click.echo(f"{note.block}  {account_label(note.account)}  {order}  {note.event}" + (f": {told}" if told else ""))


def _detail_text(name: str, value: int | str) -> str:
    if isinstance(value, str):
        return value
    return money(value, 4) if name in ("filled", "price") else f"{name} {value}"


def statuses_of(system: System, orders: Sequence[SignedOrder]) -> list[dict[str, Any]]:
    """Filled size (wad), why each is dead (`none` while it can be filled), and what those with a trigger wait for."""
    domain = domain_of(system)
    told = system.read_all([("Exchange", "orderStatus", [one.order]) for one in orders])
    armed = system.read_all([("Exchange", "armedAt", [domain.hash(one.order)]) for one in orders])
    return [
        {
            "instrument": instrument_label(system, signed.order.instrument),
            "account": hex(signed.order.account),
            "nonce": signed.order.nonce,
            "size": signed.order.size,
            "limit": signed.order.limit,
            "filled": filled,
            "reason": reason_name(reason),
            "trigger": _trigger_text(signed.order),
            "armed_at": armed_at or None,
        }
        for signed, (filled, reason), armed_at in zip(orders, told, armed, strict=True)
    ]


def _trigger_text(order: Order) -> str | None:
    if not order.trigger:
        return None
    price = "mark" if order.flags & OrderFlags.TRIGGER_ON_MARK else "index"
    return f"{price} {'≥' if order.flags & OrderFlags.TRIGGER_ABOVE else '≤'} {money(order.trigger)}"


def table_of(statuses: list[dict[str, Any]], title: str) -> Table:
    table = Table("instrument", "nonce", title=title)
    for name in ("size", "price", "filled"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for one in statuses:
        table.add_row(
            one["instrument"],
            str(one["nonce"]),
            money(one["size"], 4),
            money(one["limit"]),
            money(one["filled"], 4),
            _state_text(one),
        )
    return table


def _state_text(one: dict[str, Any]) -> str:
    if one["reason"] == reason_name(DeadReason.NOT_ARMED):
        return f"waits for {one['trigger']}"
    if one["reason"] != reason_name(DeadReason.NONE):
        return str(one["reason"])
    if one["armed_at"] is None:
        return "live"
    ago = max(0, int(time.time()) - one["armed_at"])
    since = datetime.fromtimestamp(one["armed_at"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"live, armed since {since} ({ago:,} s ago)"
