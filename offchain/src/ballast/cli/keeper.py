"""`ballast keeper`: run one, or look at what it did."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import structlog
from eth_account.signers.local import LocalAccount
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.ids import account_id
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.cli.account import AccountParameter
from ballast.cli.common import WAD, account_label, chain_options, console, json_option, money, print_json, reported
from ballast.errors import ConfigurationError
from ballast.keeper.caretaker import Caretaker
from ballast.keeper.decide import Policy, Snapshot
from ballast.keeper.margin_calls import MarginCallWatch
from ballast.keeper.metrics import Metrics
from ballast.keeper.publisher import FilePrices, Publishers, QuorumPublisher, Views
from ballast.keeper.runner import Duties, Keeper, Upkeep, stop_on_signals
from ballast.keeper.scanner import FloatScanner
from ballast.keeper.surfaces import FileSurfaces
from ballast.keeper.triggers import TriggerDuty, TriggerPolicy
from ballast.settings import Settings
from ballast.store import Store


class WadParameter(click.ParamType):
    """A decimal number of value units."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        whole, _, rest = str(value).partition(".")
        try:
            return int(whole or 0) * WAD + int(rest.ljust(18, "0") or 0)
        except ValueError:
            self.fail(f"{value!r} is not an amount", param, ctx)


@click.group()
def keeper() -> None:
    """Run a keeper, or look at what it did."""


@keeper.command()
@click.option(
    "--bidder", type=AccountParameter(), help="Account that bids and receives bounties; default: none, only starts."
)
@click.option("--least-profit", type=WadParameter(), default="5", show_default=True, help="Of a bid after costs, USDC.")
@click.option("--transaction-cost", type=WadParameter(), default="0.5", show_default=True, help="Of a bid, USDC.")
@click.option("--hedge-cost", type=float, default=0.001, show_default=True, help="Part of the value taken on.")
@click.option(
    "--margin-of-error", type=float, default=0.02, show_default=True, help="Health read on chain below 1 + this."
)
@click.option("--publish-from", type=click.Path(path_type=Path), help="JSON file of prices to sign as a quorum signer.")
@click.option(
    "--publish-surfaces",
    type=click.Path(path_type=Path),
    help="surfaces.json of `ballast surface fit`, to sign likewise.",
)
@click.option("--reports", type=click.Path(path_type=Path), help="Folder where quorum signers leave their reports.")
@click.option(
    "--upkeep/--no-upkeep",
    default=True,
    show_default=True,
    help="Keep oracle and auction clocks where nobody's act does; one keeper of a deployment is enough.",
)
@click.option(
    "--poke-every", type=int, default=Policy.poke_every, show_default=True, help="Seconds between looks at an auction."
)
@click.option(
    "--alert-for",
    "alerts",
    type=AccountParameter(),
    multiple=True,
    help="Warn of this account's margin calls, with the cheapest cure.",
)
@click.option(
    "--triggers",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of signed orders: arm the triggered ones, fill them with the plain ones, for their bounty.",
)
@click.option("--metrics-port", type=int, help="Serve Prometheus metrics on localhost.")
@click.option("--poll", type=float, default=0.5, show_default=True, help="Seconds between looks for a new block.")
@click.option("--database", envvar="BALLAST_DATABASE", show_envvar=True, type=click.Path(path_type=Path))
@click.option("--watch-only", is_flag=True, help="Send nothing and need no key: print what would be done.")
@click.option("--once", is_flag=True, help="Handle the newest block and stop.")
@chain_options
@json_option
def run(system: System, database: Path | None, once: bool, as_json: bool, **options: Any) -> None:
    """Watch every account; start auctions, bid, keep clocks running, keep the oracle, publish prices.

    The key comes from BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE. Stops on SIGTERM after the step under way; what it
    must remember lies in the database, so that it may be killed at any time.

    \b
    Examples:
      ballast keeper run --bidder 0x7099…79C8/1 --least-profit 20
      ballast keeper run --watch-only --once --json
    """
    configure_logging(as_json)
    settings = Settings()
    path = database or settings.database
    with exclusive(path):
        store = Store(path)
        if not store.bind(system.deployment.chain_id, system.address("Clearinghouse")):
            raise ConfigurationError(f"{path} belongs to another deployment; set --database to a new file")
        runner = build(system, store, settings, options)
        stop = stop_on_signals()
        if once:
            report(runner.step(system.connection.head()), as_json)
        else:
            runner.run(stop, options["poll"])
        store.close()


def build(system: System, store: Store, settings: Settings, options: dict[str, Any]) -> Keeper:
    account = None if options["watch_only"] else settings.account()
    metrics = Metrics()
    if options["metrics_port"]:
        metrics.serve(options["metrics_port"])
    publisher = build_publisher(system, account, options)
    policy = Policy(
        bidder=options["bidder"],
        least_profit=options["least_profit"],
        transaction_cost=options["transaction_cost"],
        hedge_cost=int(options["hedge_cost"] * WAD),
        poke_every=options["poke_every"] if options["upkeep"] else None,
        related=frozenset({int(account.address, 16)}) if account else frozenset(),
    )
    lane = TransactionLane(system.connection, account, store, LaneSettings()) if account else None
    scanner = FloatScanner(system, options["margin_of_error"])
    upkeep = build_upkeep(system, account, policy, options)
    watch = MarginCallWatch(system, frozenset(options["alerts"]), metrics) if options["alerts"] else None
    return Keeper(system, store, scanner, policy, lane, publisher, metrics, upkeep, watch)


def build_upkeep(
    system: System, account: LocalAccount | None, policy: Policy, options: dict[str, Any]
) -> Upkeep | None:
    jobs: list[Upkeep] = [Caretaker(system)] if options["upkeep"] else []
    if options["triggers"] and account is not None:
        executor = policy.bidder or account_id(account.address)
        costs = TriggerPolicy(arm_cost=policy.transaction_cost // 2, execute_cost=policy.transaction_cost)
        jobs.append(TriggerDuty(system, options["triggers"], executor, costs))
    return Duties(jobs) if jobs else None


def build_publisher(system: System, account: LocalAccount | None, options: dict[str, Any]) -> Publishers | None:
    views: list[Views] = []
    if options["publish_from"]:
        views.append(FilePrices(options["publish_from"]))
    if options["publish_surfaces"]:
        views.append(FileSurfaces(options["publish_surfaces"]))
    if not views:
        return None
    if account is None or options["reports"] is None:
        raise ConfigurationError("--publish-from and --publish-surfaces need a key and --reports")
    return Publishers(tuple(QuorumPublisher(system, account, view, options["reports"]) for view in views))


def configure_logging(as_json: bool) -> None:
    stamped: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso")]
    # The console's renderer prints tracebacks itself.
    rendered: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*stamped, *(rendered if as_json else [structlog.dev.ConsoleRenderer()])],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def exclusive(database: Path) -> Iterator[IO[str]]:
    """One keeper a database: two would share a nonce.

    Raises:
        ConfigurationError: Another process holds it.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_suffix(".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(f"another keeper runs on {database}; give this one its own --database") from None
        yield handle


def report(snapshot: Snapshot, as_json: bool) -> None:
    liquidatable = [health for health in snapshot.accounts.values() if health.liquidatable]
    if as_json:
        print_json(
            {
                "block": snapshot.block,
                "confirmed": len(snapshot.accounts),
                "unknown": [hex(account) for account in sorted(snapshot.unknown)],
                "liquidatable": [hex(health.account) for health in liquidatable],
                "auctions": [hex(account) for account in sorted(snapshot.auctions)],
            }
        )
        return
    table = Table("account", "equity", "maintenance margin", title=f"Liquidatable at block {snapshot.block}")
    for health in liquidatable:
        table.add_row(account_label(health.account), money(health.equity), money(health.maintenance))
    console.print(table)
    if snapshot.unknown:
        console.print(f"[red]{len(snapshot.unknown)} accounts could not be read[/red]")


@keeper.command()
@click.option("--database", envvar="BALLAST_DATABASE", show_envvar=True, type=click.Path(path_type=Path))
@click.option("--last", type=int, default=20, show_default=True, help="Actions to show.")
@json_option
@reported
def status(database: Path | None, last: int, as_json: bool) -> None:
    """What a keeper saw and did last, from its database; it may be running meanwhile."""
    path = database or Settings().database
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such database; no keeper has run with it")
    store = Store(path)
    head, handled = store.head(), store.handled()
    actions = store.actions(last)
    if as_json:
        names = ("block", "kind", "account", "outcome", "detail")
        rows = [dict(zip(names, action, strict=True)) for action in actions]
        followed = head.number if head else None
        print_json({"handled": handled, "block": followed, "watched": len(store.accounts()), "actions": rows})
        return
    console.print(
        f"block {'–' if handled is None else handled} handled, logs followed to {head.number if head else '–'}, "
        f"{len(store.accounts()):,} accounts watched"
    )
    table = Table("block", "act", "account", "outcome", "detail")
    for block, kind, account, outcome, detail in actions:
        table.add_row(str(block), kind, account_label(int(account, 16)), outcome, detail)
    console.print(table)
