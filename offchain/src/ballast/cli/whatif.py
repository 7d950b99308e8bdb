"""`ballast whatif`: health and requirements before and after a change that was not made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import click
from rich.table import Table

from ballast.chain.accounts import ChainAccount, read_account
from ballast.chain.contracts import System
from ballast.chain.ids import KIND_PERP, kind_of
from ballast.chain.instruments import parse_instrument, underlying_of
from ballast.chain.views import underlying_named
from ballast.cli.account import AccountParameter
from ballast.cli.common import (
    WAD,
    account_label,
    chain_options,
    console,
    json_option,
    money,
    print_json,
)
from ballast.cli.explanation import RiskReport
from ballast.errors import ConfigurationError
from ballast.risk.analysis import GREEKS, Greeks
from ballast.risk.changes import deposited, traded
from ballast.risk.margin import option_prices
from ballast.risk.margin_terms import Margin
from ballast.risk.pricing import Surface

CASH, COLLATERAL = "CASH", "COLLATERAL"


@click.command()
@click.argument("account_id", metavar="ACCOUNT", type=AccountParameter())
@click.option(
    "--leg",
    "legs",
    multiple=True,
    metavar="KIND:NAME:±AMOUNT",
    help="PERP:ETH:+2, CALL:ETH:2026-12-25:3000:-5, FUTURE:BTC:2026-12-25:+1, COLLATERAL:WBTC:-0.1, CASH:USDC:+500.",
)
@click.option(
    "--shock", "shocks", multiple=True, metavar="NAME=±PERCENT", help="ETH=-20 or ETH=-20%: index and marks move."
)
@click.option(
    "--volatility", "volatility_shocks", multiple=True, metavar="NAME=±PERCENT", help="ETH=+30%: of what it is now."
)
@chain_options
@json_option
def whatif(
    account_id: int,
    legs: tuple[str, ...],
    shocks: tuple[str, ...],
    volatility_shocks: tuple[str, ...],
    system: System,
    as_json: bool,
) -> None:
    """Add legs at their marks, move prices and volatilities, and see equity, margins, greeks and health before and
    after.

    \b
    Examples:
      ballast whatif 0x7099…79C8 --leg PERP:ETH:+2 --leg CASH:USDC:-1000
      ballast whatif 0x7099…79C8 --shock ETH=-20% --shock BTC=-15%
      ballast whatif 0x7099…79C8 --leg PUT:ETH:2026-12-25:2500:+10 --volatility ETH=+30%
    """
    block = system.connection.head()
    added = [parse_leg(system, leg) for leg in legs]
    chain = read_account(system, account_id, block, [leg.instrument for leg in added if leg.instrument])
    changed = chain
    for leg in added:
        changed = add_leg(changed, leg)
    for shock in shocks:
        changed = shock_prices(system, changed, shock)
    for shock in volatility_shocks:
        changed = shock_volatility(system, changed, shock)
    before, after = (RiskReport.of(system, account) for account in (chain, changed))
    margins = chain.assess(), changed.assess()
    if as_json:
        names = {"account": hex(account_id), "block": block.number}
        print_json({**names, "before": as_dict(margins[0], before), "after": as_dict(margins[1], after)})
        return
    console.print(comparison(account_label(account_id), margins, (before, after)))


@dataclass(frozen=True)
class Leg:
    """What is added, wad: an instrument, a collateral asset, or cash where both are 0."""

    amount: int
    instrument: int = 0
    asset: int = 0
    underlying: int = 0


def parse_leg(system: System, text: str) -> Leg:
    """`CALL:ETH:2026-12-25:3000:+5` and the like.

    Raises:
        BadParameter: It is no leg; the message says what one looks like.
        ConfigurationError: There is no such collateral or underlying.
    """
    what, _, amount = text.rpartition(":")
    try:
        wad = int(Decimal(amount) * WAD)
    except InvalidOperation:
        raise click.BadParameter(
            f"{text!r}: write KIND:NAME:±AMOUNT, such as PERP:ETH:+2", param_hint="--leg"
        ) from None
    kind, _, name = what.partition(":")
    if kind == CASH:
        return Leg(wad)
    if kind == COLLATERAL:
        asset = _asset(system, name)
        return Leg(wad, asset=asset, underlying=system.read("Clearinghouse", "assetOf", asset).underlying)
    try:
        return Leg(wad, instrument=parse_instrument(what, partial(underlying_named, system)))
    except ValueError as fault:
        raise click.BadParameter(f"{fault}; or COLLATERAL:WETH, CASH:USDC", param_hint="--leg") from None


def _asset(system: System, symbol: str) -> int:
    for asset, known in system.deployment.assets.items():
        if known == symbol and asset:
            return asset
    raise ConfigurationError(f"no collateral named {symbol}; there are {', '.join(system.deployment.assets.values())}")


def add_leg(account: ChainAccount, leg: Leg) -> ChainAccount:
    """The account with a leg bought at its mark, or an amount of collateral or cash deposited.

    Raises:
        HoldsLess: More collateral is taken out than the account has.
    """
    if leg.instrument:
        mark = _mark(account, leg.instrument)
        portfolio = traded(account.portfolio, leg.instrument, leg.amount, mark, _perp_mark(account, leg.instrument))
    else:
        portfolio = deposited(account.portfolio, leg.asset, leg.underlying, leg.amount)
    return replace(account, portfolio=portfolio)


def _perp_mark(account: ChainAccount, instrument: int) -> int:
    """Index, as a perpetual that the account does not hold has no mark here; 0 for others, which the engine prices."""
    if kind_of(instrument) != KIND_PERP:
        return 0
    return next(quote.index for quote in account.quotes if quote.underlying == underlying_of(instrument))


def _mark(account: ChainAccount, instrument: int) -> int:
    if kind_of(instrument) == KIND_PERP:
        held = (leg.mark for leg in account.portfolio.positions if leg.instrument == instrument)
        return next(held, _perp_mark(account, instrument))
    return option_prices([instrument], account.quotes, account.expiries)[0]


def shock_prices(system: System, account: ChainAccount, text: str) -> ChainAccount:
    """Index, stable price and marks of one underlying, all moved alike; forwards follow."""
    underlying, factor = _parse_shock(system, text, "--shock")
    quotes = tuple(
        replace(q, index=q.index * factor // WAD, stable=q.stable * factor // WAD, second=q.second * factor // WAD)
        if q.underlying == underlying
        else q
        for q in account.quotes
    )
    legs = tuple(
        replace(leg, mark=leg.mark * factor // WAD) if leg.underlying == underlying else leg
        for leg in account.portfolio.positions
    )
    return replace(account, portfolio=replace(account.portfolio, positions=legs), quotes=quotes)


def shock_volatility(system: System, account: ChainAccount, text: str) -> ChainAccount:
    """Every volatility of one underlying, all moved alike."""
    underlying, factor = _parse_shock(system, text, "--volatility")
    expiries = []
    for quote in account.expiries:
        if quote.underlying == underlying:
            curve = quote.curve.scaled(factor)
            if factor < 0 or Surface.unpack(curve.pack()) != curve:
                raise click.BadParameter(f"{text!r} is beyond what a surface can hold", param_hint="--volatility")
            quote = replace(quote, surface=curve.pack())
        expiries.append(quote)
    return replace(account, expiries=tuple(expiries))


def _parse_shock(system: System, text: str, option: str) -> tuple[int, int]:
    """The underlying, and what it is multiplied by, wad."""
    name, _, percent = text.partition("=")
    try:
        factor = WAD + int(Decimal(percent.rstrip("%")) * WAD / 100)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r}: write NAME=±PERCENT, such as ETH=-20", param_hint=option) from None
    return underlying_named(system, name), factor


def as_dict(margin: Margin, risk: RiskReport) -> dict[str, Any]:
    health = {"health_factor": margin.health_factor, "liquidatable": margin.is_liquidatable}
    return {**vars(margin), **health, **risk.as_dict()}


def comparison(label: str, margins: tuple[Margin, Margin], risks: tuple[RiskReport, RiskReport]) -> Table:
    before, after = margins
    table = Table("", "before", "after", "change", title=label)
    names = ("equity", "scan", "maintenance_margin", "initial_margin")
    for name in names:
        old, new = getattr(before, name), getattr(after, name)
        table.add_row(name.replace("_", " "), money(old), money(new), money(new - old))
    free = [margin.new_risk_equity - margin.initial_margin for margin in (before, after)]
    table.add_row("free for new risk", money(free[0]), money(free[1]), money(free[1] - free[0]))
    alone = [risk.leg_by_leg for risk in risks]
    table.add_row("initial margin leg by leg", money(alone[0]), money(alone[1]), money(alone[1] - alone[0]))
    table.add_row("netting saves", *(f"{risk.netting_benefit:.0%}" for risk in risks), "")
    table.add_row("health factor", *(_health(margin) for margin in (before, after)), "")
    if any(risk.has_options for risk in risks):
        table.add_section()
        for row in _greek_rows(*risks):
            table.add_row(*row)
    return table


def _greek_rows(before: RiskReport, after: RiskReport) -> Iterator[tuple[str, ...]]:
    """A row a greek of each underlying."""
    for symbol in sorted({*before.underlyings, *after.underlyings}):
        old, new = (risk.underlyings.get(symbol, Greeks()) for risk in (before, after))
        for name in GREEKS:
            values = getattr(old, name), getattr(new, name)
            yield f"{symbol} {name}", f"{values[0]:+,.4f}", f"{values[1]:+,.4f}", f"{values[1] - values[0]:+,.4f}"


def _health(margin: Margin) -> str:
    if margin.maintenance_margin == 0:
        return "no requirement" if margin.equity >= 0 else "only debt"
    style = "red" if margin.is_liquidatable else "green"
    return f"[{style}]{margin.health_factor / WAD:.4f}[/{style}]"
