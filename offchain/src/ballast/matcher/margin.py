"""What an account's margin would be with orders filled: the integer twin, before anything is signed off to the chain.

The chain checks again when it settles. This only keeps orders out that would make a settlement fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ballast.chain.accounts import ChainAccount
from ballast.chain.ids import KIND_OPTION, kind_of
from ballast.risk.margin_terms import WAD, Margin, Portfolio, PositionLeg, div_up

# A trade between maintenance and initial margin may cost its fee and a thousandth of its notional.
TOLERANCE_DIVISOR = 1_000
# size · price · rate is wad · wad · 1e9; a fee is wad.
FEE_DIVISOR = 10**27
# Every corner of what may be filled is looked at up to so many instruments; beyond, one side at a time.
ALL_CORNERS_UP_TO = 4


@dataclass(frozen=True)
class Trade:
    """A fill that may come. Positive sizes buy; size and price wad."""

    instrument: int
    size: int
    price: int


Choice = Sequence[Sequence[Trade]]
"""One of several sets of trades."""


@dataclass(frozen=True)
class Terms:
    """What trades cost and are marked at: the higher of both fees in 1e9 of notional; marks by instrument, wad."""

    fee_rate: int
    marks: Mapping[int, int]


@dataclass(frozen=True)
class Shortfall:
    """Why trades are not allowed: the rule that fails, and two numbers of it, wad."""

    rule: str
    equity: int
    required: int

    @property
    def surplus(self) -> int:
        return self.equity - self.required


def with_trades(account: ChainAccount, trades: Iterable[Trade], terms: Terms) -> ChainAccount:
    """The account after trades, each at the worse of its limit and mark, so that no paper gain supports it."""
    portfolio = account.portfolio
    for trade in trades:
        portfolio = _with_trade(portfolio, trade, terms)
    return replace(account, portfolio=portfolio)


def _with_trade(portfolio: Portfolio, trade: Trade, terms: Terms) -> Portfolio:
    mark = terms.marks[trade.instrument]
    price = worst_price(trade, mark)
    held = {one.instrument: one for one in portfolio.positions}
    old = held.get(trade.instrument) or PositionLeg(trade.instrument, 0, mark, 0)
    # The chain rounds the buyer's and the seller's quote down and up; the worse for whom is checked.
    paid = div_up(trade.size * price, WAD)
    fee = fee_up(trade, price, terms.fee_rate)
    is_option = kind_of(trade.instrument) == KIND_OPTION
    held[trade.instrument] = replace(old, size=old.size + trade.size, offset=old.offset - (0 if is_option else paid))
    closed = sum(one.offset for one in held.values() if not one.size)
    cash = portfolio.cash - fee + closed - (paid if is_option else 0)
    return replace(portfolio, cash=cash, positions=tuple(one for one in held.values() if one.size))


def worst_price(trade: Trade, mark: int) -> int:
    """Wad."""
    return max(trade.price, mark) if trade.size > 0 else min(trade.price, mark)


def fee_up(trade: Trade, price: int, rate: int) -> int:
    """Of a fill, wad, rounded up."""
    return div_up(abs(trade.size) * price * rate, FEE_DIVISOR)


def shortfall(account: ChainAccount, trades: Sequence[Trade], terms: Terms) -> Shortfall | None:
    """Why the chain would not let an account make trades, as its margin check decides; None where it would.

    Raises:
        MarginError: The margin cannot be computed.
    """
    after_trades = with_trades(account, trades, terms)
    after = after_trades.assess()
    if after.new_risk_equity >= after.initial_margin:
        return None
    before = account.assess()
    if before.equity < before.maintenance_margin:
        return Shortfall("below maintenance margin", before.equity, before.maintenance_margin)
    tolerance = sum(_tolerance(trade, terms) for trade in trades)
    if _lowers_risk(before, after, tolerance) and not _raises_a_leg(account.portfolio, after_trades.portfolio):
        return None
    return Shortfall("initial margin", after.new_risk_equity, after.initial_margin)


def _tolerance(trade: Trade, terms: Terms) -> int:
    price = worst_price(trade, terms.marks[trade.instrument])
    return fee_up(trade, price, terms.fee_rate) + abs(trade.size) * price // WAD // TOLERANCE_DIVISOR


def _lowers_risk(before: Margin, after: Margin, tolerance: int) -> bool:
    return (
        after.scan <= before.scan
        and after.maintenance_margin <= before.maintenance_margin
        and after.equity - after.maintenance_margin >= before.equity - before.maintenance_margin
        and after.equity >= before.equity - tolerance
    )


def _raises_a_leg(before: Portfolio, after: Portfolio) -> bool:
    found = {leg.instrument: leg.size for leg in before.positions}
    return any(
        abs(leg.size) > abs(old) or (leg.size < 0) != (old < 0)
        for leg in after.positions
        for old in [found.get(leg.instrument, 0)]
    )


def worst_shortfall(
    account: ChainAccount,
    trades: Sequence[Trade],
    certain: Sequence[Trade],
    possible: Sequence[Trade],
    terms: Terms,
    packages: Sequence[Choice] = (),
) -> Shortfall | None:
    """As `shortfall` of trades that come together, alone and with whatever else may come first: the first found.

    Trades that leave no corner worse than it would be without them are not to blame for it.

    Args:
        certain: Matched already.
        possible: Resting orders. In the trades' instruments those of their side are filled, in each other one either
            its bids or its offers, whichever is worse.
        packages: Legs that come together or not at all; of each choice at most one package comes.
    """
    found = shortfall(account, [*certain, *trades], terms)
    if found is not None:
        return found
    choices = [*_sides(possible, trades), *([(), *choice] for choice in packages)]
    for corner in _corners(account, [*certain, *trades], choices, terms):
        found = shortfall(account, [*certain, *trades, *corner], terms)
        if found is None:
            continue
        without = shortfall(account, [*certain, *corner], terms)
        if without is None or found.surplus < without.surplus:
            return found
    return None


def _sides(possible: Sequence[Trade], trades: Sequence[Trade]) -> list[Choice]:
    """By instrument: what may be filled, bids and offers apart; of the trades' instruments their own side alone."""
    found: list[Choice] = []
    own = {trade.instrument: trade.size > 0 for trade in trades}
    for instrument in dict.fromkeys(one.instrument for one in possible):
        here = [one for one in possible if one.instrument == instrument]
        bids, offers = ([one for one in here if (one.size > 0) == buys] for buys in (True, False))
        if instrument in own:
            found.append([bids if own[instrument] else offers])
        else:
            found.append([bids, offers])
    return found


def _corners(
    account: ChainAccount, base: Sequence[Trade], sides: Sequence[Choice], terms: Terms
) -> Iterable[list[Trade]]:
    if len(sides) <= ALL_CORNERS_UP_TO:
        for choice in product(*sides):
            yield [trade for side in choice for trade in side]
        return
    chosen = [side[0] for side in sides]
    for place, side in enumerate(sides):
        options = [[*chosen[:place], one, *chosen[place + 1 :]] for one in side]
        chosen = min(options, key=lambda option: _surplus(account, base, option, terms))
    yield [trade for side in chosen for trade in side]


def _surplus(account: ChainAccount, base: Sequence[Trade], chosen: Sequence[Sequence[Trade]], terms: Terms) -> int:
    """Equity beyond initial margin, wad."""
    margin = with_trades(account, [*base, *(trade for side in chosen for trade in side)], terms).assess()
    return margin.new_risk_equity - margin.initial_margin
