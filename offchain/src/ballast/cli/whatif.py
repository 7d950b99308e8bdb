"""`ballast whatif`: health and requirements before and after a change that was not made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from rich.table import Table

from ballast.chain.contracts import System
from ballast.chain.ids import perp_of
from ballast.chain.views import underlyings_of
from ballast.cli.account import AccountParameter
from ballast.cli.common import WAD, account_label, chain_options, console, json_option, money, print_json
from ballast.errors import BallastError, ConfigurationError
from ballast.risk.book import Book
from ballast.risk.margin import CollateralLeg, Margin, MarginEngine, Portfolio, PositionLeg, Quote

CASH = "CASH"


class TwinDisagrees(BallastError):
    """The chain and the integer twin differ on the account as it is: nothing said of a change would be worth much."""


@click.command()
@click.argument("account_id", metavar="ACCOUNT", type=AccountParameter())
@click.option(
    "--leg",
    "legs",
    multiple=True,
    metavar="KIND:NAME:±AMOUNT",
    help="PERP:ETH:+2, COLLATERAL:WBTC:-0.1, CASH:USDC:+500.",
)
@click.option(
    "--shock", "shocks", multiple=True, metavar="NAME=±PERCENT", help="ETH=-20 or ETH=-20%: index and marks move."
)
@chain_options
@json_option
def whatif(account_id: int, legs: tuple[str, ...], shocks: tuple[str, ...], system: System, as_json: bool) -> None:
    """Add legs at their marks, move prices, and see equity, margins and health before and after.

    \b
    Examples:
      ballast whatif 0x7099…79C8 --leg PERP:ETH:+2 --leg CASH:USDC:-1000
      ballast whatif 0x7099…79C8 --shock ETH=-20% --shock BTC=-15%
    """
    block = system.connection.head()
    chain = read_account(system, account_id, block)
    before = chain.engine.assess(chain.portfolio, chain.quotes, chain.settlement_usd)
    if before.maintenance_margin != chain.maintenance_margin:
        raise TwinDisagrees(f"maintenance margin: chain {chain.maintenance_margin}, twin {before.maintenance_margin}")
    changed, quotes = chain.portfolio, chain.quotes
    for leg in legs:
        changed = add_leg(system, changed, quotes, leg)
    for shock in shocks:
        changed, quotes = apply_shock(system, changed, quotes, shock)
    after = chain.engine.assess(changed, quotes, chain.settlement_usd)
    if as_json:
        print_json(
            {"account": hex(account_id), "block": block.number, "before": as_dict(before), "after": as_dict(after)}
        )
        return
    console.print(comparison(account_label(account_id), before, after))


class ChainAccount:
    """An account and everything its margin depends on, at one block."""

    def __init__(
        self, portfolio: Portfolio, quotes: Sequence[Quote], settlement_usd: int, engine: MarginEngine, mm: int
    ):
        self.portfolio, self.quotes, self.settlement_usd = portfolio, tuple(quotes), settlement_usd
        self.engine, self.maintenance_margin = engine, mm


def read_account(system: System, account: int, block: Any) -> ChainAccount:
    """Reads all known underlyings' quotes too, so that legs in others can be added."""
    portfolio = system.read("Clearinghouse", "portfolioOf", account, block=block)
    current, previous, weight = system.read("MarginEngine", "riskBooks", block=block)
    book = Book.decode(current)
    ids = [grid.id for grid in book.underlyings]
    listed = system.read("OracleHub", "listedUnderlyings", block=block)
    wanted = underlyings_of(portfolio) | (listed & sum(1 << one for one in ids))
    quotes, usd = system.read("OracleHub", "quotesOf", wanted & ~1, block=block)
    multipliers = system.read_all([("MarginEngine", "shockMultiplierOf", [one]) for one in ids], block)
    margin = system.read("Clearinghouse", "marginOf", account, block=block)
    older = Book.decode(previous) if weight < WAD else None
    engine = MarginEngine(book, older, weight, dict(zip(ids, multipliers, strict=True)))
    known = [Quote(q.underlying, q.state, q.index, q.stable, q.second) for q in quotes]
    return ChainAccount(Portfolio.of(portfolio), known, usd, engine, margin.maintenanceMargin)


def add_leg(system: System, portfolio: Portfolio, quotes: Sequence[Quote], text: str) -> Portfolio:
    """The portfolio with a leg bought at its mark, or an amount of collateral or cash deposited."""
    try:
        kind, name, amount = text.split(":")
        wad = int(Decimal(amount) * WAD)
    except (ValueError, InvalidOperation):
        raise click.BadParameter(
            f"{text!r}: write KIND:NAME:±AMOUNT, such as PERP:ETH:+2", param_hint="--leg"
        ) from None
    if kind == CASH:
        return replace(portfolio, cash=portfolio.cash + wad)
    if kind == "COLLATERAL":
        return _add_collateral(system, portfolio, name, wad)
    if kind == "PERP":
        return _add_perp(portfolio, quotes, _underlying(system, name), wad)
    raise click.BadParameter(f"{kind!r} is none of PERP, COLLATERAL, CASH", param_hint="--leg")


def _add_collateral(system: System, portfolio: Portfolio, symbol: str, wad: int) -> Portfolio:
    found = [asset for asset, known in system.deployment.assets.items() if known == symbol and asset]
    if not found:
        raise ConfigurationError(
            f"no collateral named {symbol}; there are {', '.join(system.deployment.assets.values())}"
        )
    underlying = system.read("Clearinghouse", "assetOf", found[0]).underlying
    held = {leg.asset: leg for leg in portfolio.collaterals}
    amount = (held[found[0]].amount if found[0] in held else 0) + wad
    if amount < 0:
        raise ConfigurationError(f"the account holds less {symbol} than that")
    held[found[0]] = CollateralLeg(found[0], underlying, amount)
    return replace(portfolio, collaterals=tuple(leg for leg in held.values() if leg.amount))


def _add_perp(portfolio: Portfolio, quotes: Sequence[Quote], underlying: int, wad: int) -> Portfolio:
    instrument = perp_of(underlying)
    held = {leg.instrument: leg for leg in portfolio.positions}
    index = next(quote.index for quote in quotes if quote.underlying == underlying)
    old = held.get(instrument, PositionLeg(instrument, 0, index, 0))
    held[instrument] = replace(old, size=old.size + wad, offset=old.offset - wad * old.mark // WAD)
    closed = sum(leg.offset for leg in held.values() if not leg.size)
    kept = tuple(leg for leg in held.values() if leg.size)
    return replace(portfolio, cash=portfolio.cash + closed, positions=kept)


def apply_shock(
    system: System, portfolio: Portfolio, quotes: Sequence[Quote], text: str
) -> tuple[Portfolio, tuple[Quote, ...]]:
    """Index, stable price and marks of one underlying, all moved alike."""
    name, _, percent = text.partition("=")
    try:
        factor = WAD + int(Decimal(percent.rstrip("%")) * WAD / 100)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r}: write NAME=±PERCENT, such as ETH=-20", param_hint="--shock") from None
    underlying = _underlying(system, name)
    moved = tuple(
        replace(q, index=q.index * factor // WAD, stable=q.stable * factor // WAD, second=q.second * factor // WAD)
        if q.underlying == underlying
        else q
        for q in quotes
    )
    legs = tuple(
        replace(leg, mark=leg.mark * factor // WAD) if leg.underlying == underlying else leg
        for leg in portfolio.positions
    )
    return replace(portfolio, positions=legs), moved


def _underlying(system: System, name: str) -> int:
    for underlying, known in system.deployment.underlyings.items():
        if known == name and underlying:
            return underlying
    raise ConfigurationError(
        f"no underlying named {name}; there are {', '.join(system.deployment.underlyings.values())}"
    )


def as_dict(margin: Margin) -> dict[str, Any]:
    return {**vars(margin), "health_factor": margin.health_factor, "liquidatable": margin.is_liquidatable}


def comparison(label: str, before: Margin, after: Margin) -> Table:
    table = Table("", "before", "after", "change", title=label)
    names = ("equity", "scan", "maintenance_margin", "initial_margin")
    for name in names:
        old, new = getattr(before, name), getattr(after, name)
        table.add_row(name.replace("_", " "), money(old), money(new), money(new - old))
    free = [margin.new_risk_equity - margin.initial_margin for margin in (before, after)]
    table.add_row("free for new risk", money(free[0]), money(free[1]), money(free[1] - free[0]))
    table.add_row("health factor", *(_health(margin) for margin in (before, after)), "")
    return table


def _health(margin: Margin) -> str:
    if margin.maintenance_margin == 0:
        return "no requirement" if margin.equity >= 0 else "only debt"
    style = "red" if margin.is_liquidatable else "green"
    return f"[{style}]{margin.health_factor / WAD:.4f}[/{style}]"
