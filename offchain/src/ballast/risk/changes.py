"""An account after a trade or a deposit, before anything is charged for it.

Amounts are wad; trades are at mark, rounded against the account.
"""

from __future__ import annotations

from dataclasses import replace

from ballast.errors import BallastError
from ballast.risk.dated import OPTION
from ballast.risk.margin_terms import WAD, CollateralLeg, Portfolio, PositionLeg


class HoldsLess(BallastError):
    """More is to be taken out than there is."""


def traded(portfolio: Portfolio, instrument: int, size: int, mark: int, perp_mark: int = 0) -> Portfolio:
    """With ``size`` bought (sold where negative) at ``mark``.

    Options are paid for from cash, the others from their own quote balance, which closing moves to cash.

    Args:
        perp_mark: What a perpetual that is not held yet is marked at.
    """
    held = {leg.instrument: leg for leg in portfolio.positions}
    old = held.get(instrument) or PositionLeg(instrument, 0, perp_mark, 0)
    paid, is_option = -(-size * mark // WAD), instrument >> 248 == OPTION
    held[instrument] = replace(old, size=old.size + size, offset=old.offset - (0 if is_option else paid))
    moved = sum(leg.offset for leg in held.values() if not leg.size) - (paid if is_option else 0)
    kept = tuple(leg for leg in held.values() if leg.size)
    return replace(portfolio, cash=portfolio.cash + moved, positions=kept)


def deposited(portfolio: Portfolio, asset: int, underlying: int, amount: int) -> Portfolio:
    """With ``amount`` of a collateral token more, or of cash where ``asset`` is 0; taken out where negative.

    Raises:
        HoldsLess: The account has less of the token.
    """
    if asset == 0:
        return replace(portfolio, cash=portfolio.cash + amount)
    held = {leg.asset: leg for leg in portfolio.collaterals}
    total = (held[asset].amount if asset in held else 0) + amount
    if total < 0:
        raise HoldsLess("the account holds less of that collateral")
    held[asset] = CollateralLeg(asset, underlying, total)
    return replace(portfolio, collaterals=tuple(leg for leg in held.values() if leg.amount))
