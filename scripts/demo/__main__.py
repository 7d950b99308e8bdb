"""`./dev demo`: a real crash replayed on a local chain, every loss its owner's own."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.risk.dated import ExpiryQuote
from ballast.risk.history import Crisis, UnknownCrisis, load_crisis
from ballast.risk.pricing import WAD, Surface
from scripts.anvil import AnvilError, anvil
from scripts.demo.board import Board, Quotes
from scripts.demo.desk import Desk
from scripts.demo.findings import Findings, find
from scripts.demo.listing import Signers, with_expiries
from scripts.demo.operators import Operator, start_operator
from scripts.demo.population import key_of, populate
from scripts.demo.progress import ReplayProgress
from scripts.demo.replay import LONGEST_BLOCK, Market, Replay, Watch, moments_of
from scripts.demo.report import Sample, Summary, draw, print_summary
from scripts.demo.requirement import Arithmetic
from scripts.demo.stage import (
    DAY,
    DEALERS,
    FUND_CASH,
    MAKER_CASH,
    MAKERS,
    Stage,
    at_prices,
    configuration,
    deploy,
    fund,
    fund_insurance,
    impersonate,
    open_books,
    report_prices,
    set_clock,
)

OPERATORS = {"north": 400_000, "south": 250_000}
# One keeper of a deployment keeps its oracle.
UPKEEP = {True: "--upkeep", False: "--no-upkeep"}
SAMPLES = 240
SET_UP_BLOCKS = 400
# Where there is such a place, the keepers' keys and databases never touch a disk.
MEMORY = Path("/dev/shm")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--crisis", default="2021-05-19", show_default=True, help="Window to replay, by its day.")
@click.option("--accounts", default=300, show_default=True, type=click.IntRange(1, 5_000), help="Traders to open.")
@click.option("--speed", default=1, show_default=True, type=click.IntRange(1), help="Bars of history a block.")
@click.option("--seed", default=7, show_default=True, help="Draws the population and the feeds' errors.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="For results."
)
@click.option("--whole", is_flag=True, help="Replay the whole window that ships, not only the crisis' own day.")
def main(crisis: str, accounts: int, speed: int, seed: int, out: Path, whole: bool) -> None:
    """Deploy Ballast on a chain of its own, open ACCOUNTS books by signed orders, and replay a real crisis through
    lagging price feeds while two keepers of limited capital compete, each its own process.

    Writes summary.json, replay.png and replay.svg to --out. Exit status 0 only if every balance reconciles to the wei.
    """
    console = Console()
    try:
        window = load_crisis(crisis)
    except UnknownCrisis as unknown:
        raise click.BadParameter(str(unknown), param_hint="--crisis") from None
    try:
        summary = run(console, window, accounts, speed, seed, out, whole)
    except AnvilError as fault:
        console.print(f"[red]error:[/red] {fault}")
        sys.exit(3)
    sys.exit(0 if summary.reconciled else 1)


def run(console: Console, crisis: Crisis, accounts: int, speed: int, seed: int, out: Path, whole: bool) -> Summary:
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    market = Market(crisis, np.random.default_rng(seed))
    bars = bars_of(crisis, speed, whole)
    network, book = configuration()
    board = Board.of(crisis, market.prices(bars[0]), {name: one.id for name, one in network.underlyings.items()})
    quotes, moments = Quotes(crisis, board), moments_of(market, bars, board.near, speed)
    # Every block's state is asked for again in the end, and would else go to disk.
    kept = ("--prune-history", str(len(moments) + SET_UP_BLOCKS))
    genesis = market.time(bars[0]) - 3 * DAY
    with (
        tempfile.TemporaryDirectory(prefix="ballast-demo-", dir=MEMORY if MEMORY.is_dir() else None) as private,
        anvil("--timestamp", str(genesis), "--gas-limit", "60000000", *kept) as node,
    ):
        console.print(f"[bold]{crisis.title}[/bold], {crisis.name}: {len(moments):,} blocks, {accounts:,} accounts")
        stage = deploy(
            node, with_expiries(at_prices(network, market.prices(bars[0])), board), book, market.prices(bars[0]), out
        )
        signers = Signers(stage)
        console.print(f"deployed {len(stage.record.contracts)} contracts ({time.monotonic() - started:.0f} s)")
        opening = market.time(bars[0]) - DAY
        surfaces = quotes.surfaces(bars[0], opening)
        expiries = quoted(surfaces, opening)
        arithmetic = Arithmetic(stage.book, stage.record, market.prices(bars[0]), board.instruments(), expiries)
        stage.traders = populate(accounts, seed, market.prices(bars[0]), board, arithmetic.shortfall, arithmetic.steps)
        set_up_accounts(stage, market, bars[0], seed)
        stage.send([signers.publication(surfaces, opening)])
        open_books(stage, market.prices(bars[0]), board.instruments(), opening, seed)
        console.print(f"opened {accounts:,} books by signed orders ({time.monotonic() - started:.0f} s)")
        operators = hire(stage, out, Path(private), seed, crisis.bar_seconds)
        system = System(Connection(node.url), Deployment.load(out / "deployment.json"))
        try:
            with ReplayProgress(console, stage, market, len(moments)) as progress:
                desk, watch = Desk(stage, operators, seed), Watch(stage, system, market, quotes)
                played = Replay(stage, market, quotes, signers, operators, desk, watch)
                samples = played.run(moments, max(1, len(moments) // SAMPLES), progress.update)
        finally:
            statuses = {operator.name: operator.stop() for operator in operators}
        if any(statuses.values()):
            console.print(f"[red]a keeper ended badly:[/red] {statuses}; see {out}/keeper-<name>.log")
        findings = find(stage, operators, arithmetic, system, board)
    return conclude(console, crisis, findings, board.near, samples, accounts, seed, out, time.monotonic() - started)


def quoted(surfaces: Mapping[int, Surface], now: int) -> list[ExpiryQuote]:
    """Surfaces by expiry key as the oracle would tell them, well before any expiry."""
    return [
        ExpiryQuote(*divmod(key, 1 << 40), True, WAD, key % (1 << 40) - now, 0, surface.pack())
        for key, surface in surfaces.items()
    ]


def bars_of(crisis: Crisis, speed: int, whole: bool) -> list[int]:
    """Bars to replay: from the start of the crisis' own day unless `whole`; the last bar always."""
    day = int(np.datetime64(crisis.name, "s").astype(int))
    first = 0 if whole else int(np.searchsorted(crisis.open_time, day))
    last = len(crisis.open_time) - 1
    return sorted({*range(first, last + 1, speed), last})


def set_up_accounts(stage: Stage, market: Market, bar: int, seed: int) -> None:
    """Caps ramp for a day; then makers, insurers and traders deposit."""
    prices, opening = market.prices(bar), market.time(bar) - DAY
    makers = [key_of(seed, f"maker {number}") for number in range(MAKERS)]
    makers += [key_of(seed, f"dealer {number}") for number in range(DEALERS)]
    insurer = key_of(seed, "insurer")
    impersonate(stage, [key.address for key in (*makers, insurer, *(trader.key for trader in stage.traders))])
    stage.node.request("evm_setAutomine", False)
    set_clock(stage.node, opening)
    everything = {**prices, "USDC": 1.0}
    stage.send(report_prices(stage, everything, opening))
    fund(stage, [(maker.address, {"USDC": MAKER_CASH}) for maker in makers])
    fund(stage, [(trader.key.address, trader.deposits) for trader in stage.traders])
    fund_insurance(stage, insurer.address, FUND_CASH)


def hire(stage: Stage, out: Path, private: Path, seed: int, block_seconds: int) -> list[Operator]:
    """Starts the competing keepers, each with its own capital in its own account."""
    operators = []
    for name, capital in OPERATORS.items():
        key = key_of(seed, f"operator {name}")
        impersonate(stage, [key.address])
        fund(stage, [(key.address, {"USDC": capital})])
        options = ["--bidder", key.address, "--poll", "0.02", "--least-profit", "2", UPKEEP[not operators]]
        # A look that is decided on at one block is taken with the next, within five minutes of the one before.
        options += ["--poke-every", str(240 if block_seconds <= 60 else LONGEST_BLOCK)]
        operators.append(start_operator(name, key, stage.node.url, out / "deployment.json", private / name, options))
    return operators


def conclude(
    console: Console,
    crisis: Crisis,
    findings: Findings,
    expiry: int,
    samples: Sequence[Sample],
    accounts: int,
    seed: int,
    out: Path,
    seconds: float,
) -> Summary:
    summary = findings.summary(crisis.name, accounts, samples, seconds, {"population": seed, "feeds": seed})
    summary.write(out)
    title = f"{crisis.title}, {crisis.name}: {accounts:,} accounts"
    pictures = draw(samples, findings.started_at, expiry, title, out)
    print_summary(console, summary)
    for check in findings.reconciliation.failures[:10]:
        console.print(
            f"[red]{check.invariant}[/red] {check.subject}: {check.left} − {check.right} = {check.difference}"
        )
    console.print(f"written: {out / 'summary.json'}, {', '.join(str(picture) for picture in pictures)}")
    return summary


if __name__ == "__main__":
    main()
