"""What the demo leaves behind: a table, `summary.json`, and a picture as PNG and SVG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

BANDS = (
    ("below maintenance", -np.inf, 1.0),
    ("1.0 – 1.1", 1.0, 1.1),
    ("1.1 – 1.5", 1.1, 1.5),
    ("1.5 – 3", 1.5, 3.0),
    ("above 3", 3.0, np.inf),
)
BAND_COLOURS = ("#b2182b", "#ef8a62", "#fddbc7", "#92c5de", "#2166ac")
PRICE_COLOURS = {"BTC": "#f2a900", "ETH": "#3c3c3d", "LINK": "#2a5ada"}


@dataclass(frozen=True)
class Sample:
    """Health of all accounts at one moment of the replay.

    Attributes:
        time: Unix seconds of the replayed history; health: health factor of every account that has a requirement.
        volatility: A year, by underlying, that options of the far expiry are quoted at.
    """

    time: int
    block: int
    prices: dict[str, float]
    health: tuple[float, ...]
    volatility: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The demo's result. Amounts in value units."""

    crisis: str
    accounts: int
    liquidations: int
    accounts_liquidated: int
    equity_kept_by_owners: float
    equity_kept_share: float
    bad_debt: float
    insurance_used: float
    socialised: float
    worst_health: float
    reconciled: bool
    checks: int
    breach_to_bid_blocks_p50: float
    breach_to_bid_blocks_p95: float
    margin_saved_vs_isolated: float
    accounts_with_options: int
    expiries_settled: dict[str, float]
    positions_settled: int
    keeper_starts: dict[str, int]
    keeper_bids: dict[str, int]
    blocks: int
    seconds: float
    seeds: dict[str, int] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        file = folder / "summary.json"
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")
        return file


def print_summary(console: Console, summary: Summary) -> None:
    table = Table(title=f"Crisis of {summary.crisis}", show_header=False, title_justify="left")
    rows = {
        "accounts": f"{summary.accounts:,}",
        "liquidated": f"{summary.accounts_liquidated:,} accounts in {summary.liquidations:,} auctions",
        "equity kept by their owners": f"{summary.equity_kept_by_owners:,.0f} USDC ({summary.equity_kept_share:.1%})",
        "bad debt": f"{summary.bad_debt:,.2f} USDC",
        "insurance used": f"{summary.insurance_used:,.2f} USDC",
        "worst health seen": f"{summary.worst_health:.3f}",
        "blocks from breach to bid": f"median {summary.breach_to_bid_blocks_p50:.0f}, "
        f"95 % {summary.breach_to_bid_blocks_p95:.0f}",
        "margin saved by one portfolio": f"{summary.margin_saved_vs_isolated:.1%} against isolated positions",
        "futures and options": f"{summary.accounts_with_options:,} accounts; {summary.positions_settled:,} positions "
        "settled at " + ", ".join(f"{name} {price:,.2f}" for name, price in summary.expiries_settled.items()),
        "auctions started": ", ".join(f"{name} {count}" for name, count in summary.keeper_starts.items()) or "none",
        "bids won": ", ".join(f"{name} {count}" for name, count in summary.keeper_bids.items()) or "none",
        "reconciliation": f"[green]exact[/green], {summary.checks:,} checks"
        if summary.reconciled
        else "[red]FAILED[/red]",
        "took": f"{summary.blocks:,} blocks in {summary.seconds:.0f} s",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def draw(samples: Sequence[Sample], liquidations: Sequence[int], expiry: int, title: str, folder: Path) -> list[Path]:
    """Price and volatility, accounts by health band, and auctions started over the replay.

    Args:
        liquidations: Replay times (Unix seconds) at which auctions started.
        expiry: When options settle within the replay.
    """
    times = [datetime.fromtimestamp(sample.time, UTC) for sample in samples]
    figure, (top, middle, bottom) = plt.subplots(
        3, 1, figsize=(11, 8.5), sharex=True, height_ratios=[3, 3, 1.4], layout="constrained"
    )
    for name, colour in PRICE_COLOURS.items():
        series = np.array([sample.prices[name] for sample in samples])
        top.plot(times, series / series[0] * 100, color=colour, label=name, linewidth=1.4)
    top.set_ylabel("price, start = 100")
    top.legend(loc="lower left", frameon=False, ncols=3)
    draw_volatility(top.twinx(), samples, times)
    for axis in (top, middle, bottom):
        axis.axvline(datetime.fromtimestamp(expiry, UTC), color="#444444", linestyle="--", linewidth=0.9)
    top.annotate(
        "an expiry settles", (datetime.fromtimestamp(expiry, UTC), 1.0), xycoords=("data", "axes fraction"),
        xytext=(4, -12), textcoords="offset points", fontsize=8,
    )  # fmt: skip
    top.set_title(title, loc="left", fontweight="bold")
    counts = [[sum(low <= h < high for h in sample.health) for sample in samples] for _, low, high in BANDS]
    middle.stackplot(times, counts, colors=BAND_COLOURS, labels=[name for name, _, _ in BANDS], step="post")
    middle.set_ylabel("accounts by health factor")
    middle.set_ylim(0, max(len(sample.health) for sample in samples))
    middle.legend(loc="upper left", ncols=5, fontsize=8, framealpha=0.9)
    edges = np.linspace(samples[0].time, samples[-1].time, 73)
    started, _ = np.histogram(liquidations, edges)
    bottom.bar(
        [datetime.fromtimestamp(edge, UTC) for edge in edges[:-1]],
        started,
        width=(edges[1] - edges[0]) / 86_400 * 0.9,
        align="edge",
        color="#b2182b",
    )
    bottom.set_ylabel("auctions started")
    bottom.yaxis.get_major_locator().set_params(integer=True)
    bottom.xaxis.set_major_formatter(mdates.ConciseDateFormatter(mdates.AutoDateLocator()))
    for axis in (top, middle, bottom):
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0)
    top.spines["right"].set_visible(True)
    files = [folder / "replay.png", folder / "replay.svg"]
    for file in files:
        figure.savefig(file, dpi=130, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)
    return files


def draw_volatility(axis: Axes, samples: Sequence[Sample], times: Sequence[datetime]) -> None:
    """What options of the far expiry are quoted at, beside prices."""
    for name in samples[0].volatility:
        series = [100 * sample.volatility[name] for sample in samples]
        axis.plot(times, series, color=PRICE_COLOURS[name], linewidth=0.9, linestyle=":", label=f"{name} volatility")
    axis.set_ylabel("volatility quoted, % a year")
    axis.set_ylim(0, 130 * max(max(sample.volatility.values()) for sample in samples))
    axis.margins(x=0)
    axis.legend(loc="upper right", frameon=False, ncols=2, fontsize=8)
    axis.spines["top"].set_visible(False)
