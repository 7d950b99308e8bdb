"""`ballast matcher rfq`: ask makers for quotes of several legs together, answer, take one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.order_desk import domain_of, to_wad
from ballast.chain.order_files import order_document, read_orders
from ballast.cli.common import chain_options, console, json_option, money, print_json, reported
from ballast.cli.order import AmountParameter
from ballast.matcher.client import MatcherClient
from ballast.settings import MatcherSettings

LEG_HELP = "INSTRUMENT ±SIZE: a leg, where you sign once you have seen quotes. Repeatable."
url_option = click.option("--matcher", "url", help="Address of the matcher.  [default: BALLAST_MATCHER_URL]")
legs_argument = click.argument("legs", type=click.Path(exists=True, path_type=Path))
number_argument = click.argument("number", type=click.IntRange(1))


@click.group()
def rfq() -> None:
    """Ask for quotes of several legs together, answer, take one: all legs at once, or none."""


@rfq.command(context_settings={"ignore_unknown_options": True})
@click.argument("orders", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--leg", "legs", type=(str, AmountParameter()), multiple=True, help=LEG_HELP)
@click.option("--seconds", type=click.IntRange(1, 300), default=15, show_default=True, help="Time to answer.")
@url_option
@chain_options
@json_option
def ask(
    system: System,
    orders: Path | None,
    legs: tuple[tuple[str, Decimal], ...],
    seconds: int,
    url: str | None,
    as_json: bool,
) -> None:
    """Ask for quotes: with a file of signed legs, or with --leg and no signature.

    Signed legs are matched with the best quote within their limits when the time is over. Their limits stand in the
    matcher's public journal: sign later, by `ballast matcher rfq take`, where makers should not know them.

    \b
    Examples:
      ballast matcher rfq ask spread.json --seconds 20
      ballast matcher rfq ask --leg CALL:ETH:2026-12-25:3000 +1 --leg CALL:ETH:2026-12-25:3500 -1
    """
    if (orders is None) == (not legs):
        raise click.UsageError("say what for: a file of signed legs, or --leg twice or more")
    document: dict[str, Any] = {"seconds": seconds}
    if orders is not None:
        document["orders"] = _documents(system, orders)
    else:
        document["legs"] = [{"instrument": name, "size": str(to_wad(size))} for name, size in legs]
    _print(_client(url).ask(document), as_json)


@rfq.command()
@number_argument
@legs_argument
@url_option
@chain_options
@json_option
def quote(system: System, number: int, legs: Path, url: str | None, as_json: bool) -> None:
    """Answer a request with signed orders against all its legs. Firm: take it back with `ballast matcher withdraw`.

    \b
    Example:
      ballast matcher rfq quote 7 quote.json
    """
    _print(_client(url).answer(number, _documents(system, legs)), as_json)


@rfq.command()
@number_argument
@legs_argument
@url_option
@chain_options
@json_option
def take(system: System, number: int, legs: Path, url: str | None, as_json: bool) -> None:
    """Sign off a request that you made without signing: the best quote within the orders' limits, at once, or nothing.

    \b
    Example:
      ballast matcher rfq take 7 spread.json
    """
    _print(_client(url).take(number, _documents(system, legs)), as_json)


@rfq.command()
@number_argument
@url_option
@json_option
@reported
def show(number: int, url: str | None, as_json: bool) -> None:
    """A request, its quotes, and what became of it.

    \b
    Example:
      ballast matcher rfq show 7
    """
    found = _client(url).request(number)
    if as_json:
        print_json(found)
    else:
        console.print(_table_of(found))


def _client(url: str | None) -> MatcherClient:
    return MatcherClient(url or MatcherSettings().url)


def _documents(system: System, legs: Path) -> list[dict[str, Any]]:
    domain = domain_of(system)
    return [order_document(one, domain) for one in read_orders([legs], domain)]


def _print(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        console.print(_table_of(answer["request"]))


def _table_of(request: dict[str, Any]) -> Table:
    legs = ", ".join(f"{money(int(leg['size']), 4)} {leg['instrument']}" for leg in request["legs"])
    table = Table(title=f"Request {request['id']}, {request['state']}: {legs}")
    for name in ("quote", "taker pays", *(leg["instrument"] for leg in request["legs"]), "state"):
        table.add_column(name, justify="right")
    for quote in sorted(request["quotes"], key=lambda one: (int(one["cost"]), one["sequence"])):
        limits = (money(int(limit)) for limit in quote["limits"])
        table.add_row(str(quote["sequence"]), money(int(quote["cost"])), *limits, quote["state"])
    return table
