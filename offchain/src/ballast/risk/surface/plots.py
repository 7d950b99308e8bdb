"""Pictures of a fitted surface: every smile against its quotes, and total variance by expiry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from ballast.risk.surface.fit import FittedSmile, FittedSurface

COLUMNS = 4
QUOTE_COLOUR, SMILE_COLOUR = "#7f8fa6", "#b2182b"


def draw(surface: FittedSurface, folder: Path, stem: str, formats: tuple[str, ...] = ("png", "svg")) -> list[Path]:
    """Smiles against bid and ask, then total variance by expiry, where lines must not cross.

    Returns:
        The files written: ``stem`` with each of ``formats``.
    """
    rows = -(-(len(surface.smiles) + 1) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(13, 2.7 * rows), layout="constrained", squeeze=False)
    panels = list(axes.flat)
    for fitted, panel in zip(surface.smiles, panels, strict=False):
        _draw_smile(fitted, panel)
    _draw_total_variance(surface, panels[len(surface.smiles)])
    for panel in panels[len(surface.smiles) + 1 :]:
        panel.set_visible(False)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    moment = datetime.fromtimestamp(surface.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    figure.suptitle(f"{surface.currency} options, {moment}: bid to ask, and the fitted smile", fontweight="bold")
    files = [folder / f"{stem}.{suffix}" for suffix in formats]
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        figure.savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)
    return files


def _draw_smile(fitted: FittedSmile, panel: Axes) -> None:
    quotes = fitted.quotes
    strikes = quotes.forward * np.exp(quotes.k)
    panel.vlines(strikes, quotes.bid, quotes.ask, color=QUOTE_COLOUR, linewidth=2.5)
    k = np.linspace(quotes.k[0], quotes.k[-1], 200)
    panel.plot(quotes.forward * np.exp(k), fitted.smile.volatility(k), color=SMILE_COLOUR, linewidth=1.2)
    panel.axvline(quotes.forward, color="#cccccc", linewidth=0.8, zorder=0)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    day = datetime.fromtimestamp(quotes.expiry, UTC).strftime("%Y-%m-%d")
    panel.set_title(f"{day}: {100 * fitted.error:.2f} vol points, {fitted.inside:.0%} inside", fontsize=9, loc="left")


def _draw_total_variance(surface: FittedSurface, panel: Axes) -> None:
    k = np.linspace(-1.0, 1.0, 201)
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(surface.smiles)))
    for fitted, colour in zip(surface.smiles, colours, strict=True):
        panel.plot(k, fitted.smile.variance(k) * fitted.quotes.years, color=colour, linewidth=1.0)
    panel.set_yscale("log")
    panel.set_title("total variance by log-moneyness", fontsize=9, loc="left")
