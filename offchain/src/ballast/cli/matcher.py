"""`ballast matcher`: run one, look at a book, take an order back, check what it did; `matcher_rfq` has the quotes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.cli.account import AccountParameter
from ballast.cli.common import (
    EXIT_CHECK_FAILED,
    chain_options,
    console,
    json_option,
    money,
    print_json,
    reported,
)
from ballast.cli.keeper import configure_logging, exclusive
from ballast.cli.matcher_rfq import rfq, url_option
from ballast.errors import ConfigurationError
from ballast.keeper.runner import stop_on_signals
from ballast.matcher.audit import audited, receipt_in
from ballast.matcher.client import MatcherClient
from ballast.matcher.signatures import MatcherDomain, sign
from ballast.matcher.views import Names
from ballast.settings import MatcherSettings

RECEIPT_HELP = "What `ballast order submit --matcher` printed. Repeatable."
EXTRA = ("fastapi", "uvicorn", "websockets")
# Orders wait in turn while the node is asked: one that does not answer must not hold them for long.
NODE_ATTEMPTS, NODE_TIMEOUT = 2, 5.0


@click.group()
def matcher() -> None:
    """Run a matcher, look at its books, ask for quotes, take orders back, check what it did."""


matcher.add_command(rfq)


@matcher.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="[default: 8650]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the journal.  [default: .ballast/matcher]")
@click.option("--batch-seconds", type=click.IntRange(0), help="Longest wait of a match for others.  [default: 2]")
@click.option("--most-fills", type=click.IntRange(1), help="Of one settlement.  [default: 16]")
@click.option(
    "--self-trade",
    type=click.Choice(["newest", "oldest", "both"]),
    help="Which of two crossing orders of an owner goes.  [default: newest]",
)
@click.option("--most-orders", type=click.IntRange(1), help="Of an account, alive at once.  [default: 200]")
@click.option("--requests-per-second", type=float, help="Of one client, 100 at once.  [default: 20]")
@click.option(
    "--segment-entries",
    type=click.IntRange(1),
    help="Of one file of the journal; a start replays one.  [default: 100000]",
)
@click.option("--drain-seconds", type=float, help="Given to what is matched at the end.  [default: 30]")
@click.option("--poll", type=float, default=0.5, show_default=True, help="Seconds between looks for a new block.")
@click.option("--json-logs", is_flag=True, help="One JSON document a line, for machines.")
@click.option("--rpc-url", envvar="BALLAST_RPC_URL", show_envvar=True, help="JSON-RPC endpoint of the node.")
@click.option("--deployment", envvar="BALLAST_DEPLOYMENT", show_envvar=True, type=click.Path(), help="Deployment file.")
@reported
def run(poll: float, json_logs: bool, rpc_url: str | None, deployment: str | None, **options: Any) -> None:
    """Take signed orders over HTTP, match them by price and time, settle the matches on chain.

    The key comes from BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE; it pays for settlements and signs receipts, and has
    no right over any account. Each option is also read from BALLAST_MATCHER_<OPTION>. On SIGTERM it takes nothing more,
    settles what is matched, and ends; what it acknowledged is in the journal, so that it may be killed at any time.

    \b
    Example:
      ballast matcher run --port 8650 --data /var/lib/ballast/matcher --batch-seconds 2 --json-logs
    """
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"this needs {', '.join(missing)}: install the package with its extra `matcher`")
    from ballast.matcher.process import assembled, serve

    configure_logging(json_logs)
    settings = MatcherSettings().model_copy(update={key: value for key, value in options.items() if value is not None})
    key, url = settings.account(), rpc_url or settings.rpc_url
    place = Deployment.load(deployment or settings.deployment)

    def connected() -> System:
        return System(Connection(url, NODE_ATTEMPTS, NODE_TIMEOUT), place)

    with exclusive(settings.data / "chain.sqlite"):
        # The server hands signals on when it has stopped: they must not end the process before all is settled.
        stop_on_signals()
        with assembled(connected, key, settings) as assembly:
            went_well = serve(assembly, settings, poll)
    if not went_well:
        raise ConfigurationError("settlement ended by a fault; the log says which. Nothing acknowledged is lost")


@matcher.command()
@click.argument("instrument")
@click.option("--depth", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Levels of a side.")
@url_option
@json_option
@reported
def book(instrument: str, depth: int, url: str | None, as_json: bool) -> None:
    """The best levels of an instrument's book.

    \b
    Example:
      ballast matcher book PERP:ETH --depth 5
    """
    found = MatcherClient(url or MatcherSettings().url).book(instrument, depth)
    if as_json:
        print_json(found)
        return
    table = Table(title=instrument)
    for name in ("side", "price", "size"):
        table.add_column(name, justify="right")
    for price, size in reversed(found["asks"]):
        table.add_row("[red]ask[/red]", money(int(price)), money(int(size), 4))
    table.add_section()
    for price, size in found["bids"]:
        table.add_row("[green]bid[/green]", money(int(price)), money(int(size), 4))
    console.print(table)


@matcher.command()
@click.option("--receipt", "receipts", multiple=True, type=click.Path(exists=True, path_type=Path), help=RECEIPT_HELP)
@url_option
@chain_options
@json_option
def audit(system: System, receipts: tuple[Path, ...], url: str | None, as_json: bool) -> None:
    """Replay a matcher's journal and compare: its books, its requests for quotes, and the receipts that you hold.

    Exit status 1 where something differs.

    \b
    Example:
      ballast matcher audit --receipt buy.receipt.json
    """
    domain = MatcherDomain(system.deployment.chain_id, system.address("Exchange"))
    held = [receipt_in(json.loads(path.read_text(encoding="utf-8")), str(path)) for path in receipts]
    found = audited(MatcherClient(url or MatcherSettings().url), domain, Names.of(system), held)
    if as_json:
        print_json(vars(found))
    else:
        counted = f"{found.entries:,} entries, {found.orders:,} orders, {found.books} books"
        console.print(f"{counted}, {found.requests:,} requests for quotes replayed")
        for difference in found.differences:
            console.print(f"[red]{difference}[/red]", highlight=False)
    if found.differences:
        raise SystemExit(EXIT_CHECK_FAILED)


@matcher.command()
@click.argument("account", type=AccountParameter())
@click.argument("nonce", type=click.IntRange(0, 2**64 - 1))
@url_option
@chain_options
@json_option
def withdraw(system: System, account: int, nonce: int, url: str | None, as_json: bool) -> None:
    """Take an order out of a matcher's book, at no cost. Only `ballast order cancel` kills it on chain.

    \b
    Example:
      ballast matcher withdraw 0x7099…79C8 1798185600
    """
    settings = MatcherSettings()
    key = settings.account()
    message = MatcherDomain(system.deployment.chain_id, system.address("Exchange")).withdrawal(account, nonce)
    answer = MatcherClient(url or settings.url).withdraw(account, nonce, key.address, sign(message, key))
    if as_json:
        print_json(answer)
        return
    pending = int(answer["order"]["pending"])
    console.print("withdrawn" + (f"; {money(pending, 4)} is matched already and goes on" if pending else ""))
