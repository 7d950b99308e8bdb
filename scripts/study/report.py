"""The study's figures as JSON, as tables for docs/auction-study.md, and as a plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from scripts.study.simulation import Result

Row = Mapping[str, Any]
COLOURS = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]


def figures(result: Result) -> dict[str, Any]:
    """Of one run: bad debt in parts of 10,000 of open interest, parts of one, minutes."""
    minutes = result.minutes or [0]
    return {
        "bad_debt_bps": round(result.bad_debt / result.open_interest * 1e4, 3),
        "kept": round(1 - result.penalty, 4),
        "sold": round(result.sold, 4),
        "minutes_median": round(float(np.median(minutes)), 1),
        "minutes_95": round(float(np.quantile(minutes, 0.95)), 1),
        "liquidated": len(result.minutes),
        "unfinished": sum(not episode.finished for episode in result.episodes),
        "bids": result.bids,
        "taker_profit_bps": round(result.taker_profit / result.open_interest * 1e4, 3),
        "taker_costs_bps": round(result.taker_costs / result.open_interest * 1e4, 3),
    }


def mean(rows: Iterable[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def summary(rows: Sequence[Row], key: str) -> list[dict[str, Any]]:
    """Means over the rows of each value of ``key``, in order of appearance; and the worst bad debt."""
    found = []
    for value in dict.fromkeys(row[key] for row in rows):
        chosen = [row for row in rows if row[key] == value]
        found.append(
            {
                key: value,
                **{
                    name: mean(chosen, name)
                    for name in ("bad_debt_bps", "kept", "sold", "minutes_median", "minutes_95", "taker_profit_bps")
                },
                "worst_bps": max(row["bad_debt_bps"] for row in chosen),
            }
        )
    return found


HEADER = (
    "bad debt, bps of OI",
    "worst run",
    "equity kept",
    "liquidated",
    "minutes, median",
    "95 %",
    "takers' profit, bps",
)


def summary_table(rows: Sequence[Row], key: str, title: str) -> str:
    """A row a value of ``key``."""
    lines = [f"| {title} | " + " | ".join(HEADER) + " |", "|---" + "|---:" * len(HEADER) + "|"]
    for row in summary(rows, key):
        cells = (
            f"{row['bad_debt_bps']:.1f}",
            f"{row['worst_bps']:.1f}",
            f"{row['kept']:.1%}",
            f"{row['sold']:.0%}",
            f"{row['minutes_median']:.0f}",
            f"{row['minutes_95']:.0f}",
            f"{row['taker_profit_bps']:.1f}",
        )
        lines.append(f"| {row[key]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cross_table(rows: Sequence[Row], down: str, across: str, name: str, form: str) -> str:
    """Means of one figure by two keys."""
    columns = list(dict.fromkeys(row[across] for row in rows))
    lines = ["| | " + " | ".join(str(column) for column in columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for value in dict.fromkeys(row[down] for row in rows):
        cells = [
            format(mean([row for row in rows if row[down] == value and row[across] == column], name), form)
            for column in columns
        ]
        lines.append(f"| {value} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Each table of the page by name."""
    alternatives, variants, capital = (document[name] for name in ("alternatives", "variants", "capital"))
    costs, rebound, seeds = (document[name] for name in ("costs", "rebound", "seeds"))
    return {
        "alternatives": summary_table(alternatives, "mechanism", "mechanism"),
        "by competition": cross_table(alternatives, "mechanism", "bidders", "bad_debt_bps", ".1f"),
        "kept by competition": cross_table(alternatives, "mechanism", "bidders", "kept", ".1%"),
        "by crisis": cross_table(alternatives, "mechanism", "crisis", "bad_debt_bps", ".1f"),
        "by chain": cross_table(alternatives, "mechanism", "regime", "bad_debt_bps", ".1f"),
        "capital": cross_table(capital, "mechanism", "capital", "bad_debt_bps", ".1f"),
        "costs": cross_table(costs, "mechanism", "costs", "bad_debt_bps", ".1f"),
        "kept by costs": cross_table(costs, "mechanism", "costs", "kept", ".1%"),
        "seeds": cross_table(seeds, "mechanism", "seed", "bad_debt_bps", ".1f"),
        "kept by seed": cross_table(seeds, "mechanism", "seed", "kept", ".1%"),
        "without rebound": summary_table(rebound, "variant", "way"),
        "variants": summary_table(variants, "variant", "variant"),
    }


def plot(document: Mapping[str, Any], file: Path) -> None:
    """Bad debt against what owners lose: mechanisms by competition, and our variants."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2))
    rows = document["alternatives"]
    for colour, name in zip(COLOURS, dict.fromkeys(row["mechanism"] for row in rows), strict=False):
        points = []
        for bidders in (1, 2, 5):
            chosen = [row for row in rows if row["mechanism"] == name and row["bidders"] == bidders]
            points.append((100 * (1 - mean(chosen, "kept")), mean(chosen, "bad_debt_bps")))
        left.plot(*zip(*points, strict=True), color=colour, linewidth=1, alpha=0.6)
        for (x, y), size in zip(points, (25, 60, 130), strict=True):
            left.scatter(x, y, s=size, color=colour, label=name if size == 60 else None, zorder=3)
    left.set(title="Ways to liquidate: 1, 2, 5 bidders (small to large)", yscale="log")
    left.legend(fontsize=8)
    _plot_variants(document, right)
    for axes in (left, right):
        axes.set(xlabel="equity lost to liquidation, % of equity at breach", ylabel="bad debt, bps of open interest")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _plot_variants(document: Mapping[str, Any], axes: Any) -> None:
    """Those near the first parameters without a name."""
    rows = summary(document["variants"], "variant")
    lost = {row["variant"]: 100 * (1 - row["kept"]) for row in rows}
    first, height = rows[0], 0.0
    for row in sorted(rows, key=lambda row: row["bad_debt_bps"]):
        x, y = lost[row["variant"]], row["bad_debt_bps"]
        chosen = row["variant"] in ("first parameters", "knee 40 %, premium in 4 h")
        axes.scatter(x, y, color=COLOURS[0] if chosen else "0.5", s=90 if chosen else 25, zorder=3)
        if abs(y - first["bad_debt_bps"]) + abs(x - lost[first["variant"]]) > 1.5 or row is first:
            height = max(y, height + 0.55)
            axes.annotate(
                row["variant"], (x, y), (18.2, height), fontsize=6.5, va="center",
                arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.6},
            )  # fmt: skip
    axes.set(title="Our auction with parameters changed", xlim=(7, 24))
