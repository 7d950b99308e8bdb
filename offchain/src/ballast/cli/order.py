"""`ballast order`: sign orders, settle them against each other, cancel them; `order_follow` has the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Unpack

import click

from ballast.chain.contracts import System
from ballast.chain.ids import account_id
from ballast.chain.order_desk import LIFETIME, NoOrder, OrderDesk, Terms, domain_of, to_wad
from ballast.chain.order_files import order_document, read_orders
from ballast.chain.orders import Match, OrderDomain, SignedOrder, settlement
from ballast.cli.account import AccountParameter
from ballast.cli.common import EXIT_CHECK_FAILED, WAD, chain_options, console, json_option, print_json
from ballast.cli.order_follow import arm, status, statuses_of, table_of, watch
from ballast.cli.sending import send
from ballast.matcher.client import MatcherClient
from ballast.settings import Settings

LEG_HELP = "INSTRUMENT ±SIZE PRICE: a further order, filled together with the first, whole, or not at all. Repeatable."


class AmountParameter(click.ParamType):
    """A decimal number, exact to 18 places."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            return Decimal(to_wad(value)) / WAD
        except NoOrder as fault:
            self.fail(str(fault), param, ctx)


@click.group()
def order() -> None:
    """Sign orders, arm and settle them, cancel them, see what becomes of them."""


order.add_command(arm)
order.add_command(status)
order.add_command(watch)


@order.command(context_settings={"ignore_unknown_options": True})
@click.argument("instrument")
@click.argument("size", metavar="±SIZE", type=AmountParameter())
@click.argument("limit", metavar="PRICE", type=AmountParameter())
@click.option("--leg", "legs", type=(str, AmountParameter(), AmountParameter()), multiple=True, help=LEG_HELP)
@click.option("--account", "account", type=AccountParameter(), help="Whose; default: sub-account 0 of the key's owner.")
@click.option("--reduce-only", is_flag=True, help="Only bring the position towards 0.")
@click.option("--post-only", is_flag=True, help="Only as the maker, at this price.")
@click.option("--fill-or-kill", is_flag=True, help="Whole, or not at all.")
@click.option(
    "--trigger-below", type=AmountParameter(), metavar="PRICE", help="Sleep until the index was that or less."
)
@click.option("--trigger-above", type=AmountParameter(), metavar="PRICE", help="Sleep until it was that or more.")
@click.option("--on-mark", is_flag=True, help="Trigger on the instrument's mark instead of the index.")
@click.option("--group", type=click.IntRange(0, 2**64 - 1), default=0, help="One cancels other: a number used once.")
@click.option("--lifetime", type=click.IntRange(1), default=LIFETIME, show_default=True, help="Seconds.")
@click.option("--nonce", type=click.IntRange(0, 2**64 - 1), default=None, help="Default: the second it is now.")
@chain_options
def sign(
    system: System,
    instrument: str,
    size: Decimal,
    limit: Decimal,
    legs: tuple[tuple[str, Decimal, Decimal], ...],
    account: int | None,
    **terms: Unpack[Terms],
) -> None:
    """Print a signed order as JSON. Sends nothing; whoever holds it can settle it until it expires.

    An order that sleeps is woken by `ballast order arm`, which anybody may send.
    The key comes from BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE: the account's owner, or a delegate of it.

    \b
    Examples:
      ballast order sign PERP:ETH +2 2500 > buy.json
      ballast order sign CALL:ETH:2026-12-25:3000 -1.5 80 --post-only --lifetime 86400 > offer.json
      ballast order sign PERP:ETH -2 2350 --reduce-only --trigger-below 2400 > stop.json
      ballast order sign CALL:ETH:2026-12-25:3000 +1 80 --leg CALL:ETH:2026-12-25:3500 -1 30 > spread.json
    """
    desk = OrderDesk(system, Settings().account(), account)
    try:
        if not legs:
            signed = [desk.sign(instrument, size, limit, **terms)]
        elif terms.get("nonce") is not None:
            raise NoOrder("each leg has a nonce of its own: leave --nonce away")
        else:
            signed = desk.sign_legs([(instrument, size, limit), *legs], **terms)
    except NoOrder as fault:
        raise click.UsageError(str(fault)) from None
    documents = [order_document(one, desk.domain) for one in signed]
    click.echo(json.dumps(documents if legs else documents[0], indent=2))


@order.command()
@click.argument("taker", type=click.Path(exists=True, path_type=Path))
@click.argument("makers", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--matcher", "url", help="Give them to the matcher at this address instead, which finds who fills them.")
@chain_options
@json_option
def submit(system: System, taker: Path, makers: tuple[Path, ...], url: str | None, as_json: bool) -> None:
    """Settle a signed order, or legs, against others, in turn, each at its own limit. Anybody's key may send it.

    Triggered orders whose price is there are armed on the way; their bounties go to the key's sub-account 0.
    Exit status 1 if nothing was filled.

    \b
    Examples:
      ballast order submit buy.json offer.json
      ballast order submit spread.json quote.json
      ballast order submit buy.json --matcher http://127.0.0.1:8650
    """
    domain = domain_of(system)
    if url is not None:
        print_json(bring(MatcherClient(url), read_orders([taker, *makers], domain), domain))
        return
    if not makers:
        raise click.UsageError("say what settles against it: further orders, or --matcher")
    takers, others = read_orders([taker], domain), read_orders(makers, domain)
    orders = [*takers, *others]
    ascending, moved = settlement(orders, pairs_of(takers, others))
    key = Settings().account()
    call = system.call("Exchange", "execute", ascending, moved, account_id(key.address))
    sent = send(system, key, "settle", call)
    statuses = statuses_of(system, orders)
    if as_json:
        print_json({"transaction": sent, "orders": statuses})
    else:
        console.print(table_of(statuses, f"Settled in {sent}"))
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


def bring(matcher: MatcherClient, orders: Sequence[SignedOrder], domain: OrderDomain) -> list[dict[str, Any]]:
    """A matcher's answer to each order; at the first that it refuses it ends."""
    return [matcher.submit(order_document(one, domain)) for one in orders]


def pairs_of(takers: Sequence[SignedOrder], makers: Sequence[SignedOrder]) -> list[Match]:
    """Each taker against each maker, as `[*takers, *makers]` lists them: a single order against all, of several legs
    each against those of its own instrument."""
    return [
        Match(place, len(takers) + other, abs(maker.order.size))
        for place, taker in enumerate(takers)
        for other, maker in enumerate(makers)
        if len(takers) == 1 or taker.order.instrument == maker.order.instrument
    ]
