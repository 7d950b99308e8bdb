"""An account in a margin call, read at one block, with all that could cure it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ballast.chain.accounts import ChainAccount, read_account
from ballast.chain.contracts import System
from ballast.chain.ids import ISOLATED_BIT
from ballast.chain.instruments import expiry_of, underlying_of
from ballast.chain.views import instrument_label
from ballast.errors import ChainError
from ballast.risk.cure_terms import Act, CostModel, Cure, Goal, Kind, Situation, Token, Tradable
from ballast.risk.cures import propose
from ballast.risk.dated import key_of
from ballast.risk.margin_terms import WAD, Margin, OracleState
from ballast.store import BlockRef

CASH_MOST = 10**12 * WAD
MOST_COLLATERALS = 8


@dataclass(frozen=True)
class MarginCall:
    """An account's margin, what it may do, and at which fee.

    Attributes:
        tradables: Nothing where it is in liquidation, which only deposits can end.
    """

    account: int
    situation: Situation
    tradables: tuple[Tradable, ...]
    tokens: tuple[Token, ...]
    taker_fee: int

    @property
    def margin(self) -> Margin:
        return self.situation.assess(self.situation.portfolio)

    def cures(self, goal: Goal, costs: CostModel) -> list[Cure]:
        """The cheapest first, at the exchange's own fee."""
        return propose(self.situation, self.tradables, self.tokens, goal, replace(costs, fee=self.taker_fee))


def read_margin_call(
    system: System, account: int, block: BlockRef, have: Mapping[int, int] | None = None
) -> MarginCall:
    """Reads an account, the instruments it could trade and the tokens it could deposit.

    Args:
        have: Wad by asset id that the owner can deposit, cash 0; None: any token, as far as its cap allows.

    Raises:
        ChainError: Something cannot be read.
        TwinDisagrees: As `read_account`.
    """
    count, fees, view = system.read_all(
        [("Clearinghouse", "instrumentCount", []), ("Exchange", "fees", []), ("Clearinghouse", "accountOf", [account])],
        block,
    )
    numbers = range(1, count + 1)
    markets = system.read_all([("Clearinghouse", "instrumentOf", [number]) for number in numbers], block)
    marks = system.read_many([("Clearinghouse", "markOf", [number]) for number in numbers], block)
    now = system.connection.timestamp(block)
    live = [
        (market, mark)
        for market, mark in zip(markets, marks, strict=True)
        if not isinstance(mark, ChainError) and not 0 < expiry_of(market.id) <= now
    ]
    chain = read_account(system, account, block, [market.id for market, _ in live])
    bound = view.boundUnderlying if account & ISOLATED_BIT else 0
    tradables = () if view.inLiquidation else _tradables(chain, live, bound)
    tokens = _tokens(system, chain, block, bound, have)
    situation = Situation(chain.portfolio, chain.quotes, chain.settlement_usd, chain.expiries, chain.engine)
    return MarginCall(account, situation, tradables, tokens, fees.taker)


def _tradables(chain: ChainAccount, live: Sequence[tuple[Any, int]], bound: int) -> tuple[Tradable, ...]:
    """Those that are held, and those that may hedge what is at risk: perpetuals all, dated ones of what is held."""
    states = {quote.underlying: quote.state for quote in chain.quotes}
    trusted = {quote.key for quote in chain.expiries if quote.trusted and quote.tenor}
    held = {leg.instrument for leg in chain.portfolio.positions}
    at_risk = {leg.underlying for leg in chain.portfolio.positions}
    at_risk |= {leg.underlying for leg in chain.portfolio.collaterals}
    found = []
    for market, mark in live:
        underlying = underlying_of(market.id)
        is_perp = expiry_of(market.id) == 0
        usable = states.get(underlying, OracleState.HALTED) < OracleState.STALE and bound in (0, underlying)
        fits = is_perp or (underlying in at_risk and key_of(market.id) in trusted)
        opens = usable and fits and not market.reduceOnly and market.openInterest < market.openInterestCap
        if opens or market.id in held:
            found.append(Tradable(market.id, mark, market.sizeStep, opens))
    return tuple(found)


def _tokens(
    system: System, chain: ChainAccount, block: BlockRef, bound: int, have: Mapping[int, int] | None
) -> tuple[Token, ...]:
    assets = [asset for asset in system.deployment.assets if asset]
    views = system.read_all([("Clearinghouse", "assetOf", [asset]) for asset in (0, *assets)], block)
    held = {leg.asset for leg in chain.portfolio.collaterals}
    tokens = [Token(0, 0, 10 ** (18 - views[0].decimals), CASH_MOST)]
    for asset, view in zip(assets, views[1:], strict=True):
        step = 10 ** (18 - view.decimals)
        fits = asset in held or len(held) < MOST_COLLATERALS
        if fits and view.cap > view.total and bound in (0, view.underlying):
            tokens.append(Token(asset, view.underlying, step, (view.cap - view.total) * step))
    if have is None:
        return tuple(tokens)
    return tuple(replace(t, most=min(t.most, have[t.asset])) for t in tokens if have.get(t.asset, 0) >= t.step)


def act_label(system: System, act: Act) -> str:
    """`sell 1.5 PERP:ETH`, `deposit 200 USDC`."""
    choice, amount = act.choice, f"{abs(act.amount) / WAD:,.10g}"
    if choice.kind == Kind.DEPOSIT:
        return f"deposit {amount} {system.deployment.assets[choice.subject]}"
    verb = "buy" if choice.side > 0 else "sell"
    return f"{verb} {amount} {instrument_label(system, choice.subject)}"
