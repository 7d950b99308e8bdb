"""What can cure an account in a margin call, what it costs, and what the account is like afterwards.

Amounts are wad, in the integers of `margin_terms`: of the value unit for cash and costs, of the underlying for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

from ballast.risk.changes import deposited, traded
from ballast.risk.dated import OPTION, ExpiryQuote
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import BILLION, WAD, Margin, Portfolio, Quote, div_up

DAYS_A_YEAR = 365


class Kind(StrEnum):
    DEPOSIT = "deposit"
    CLOSE = "close"
    HEDGE = "hedge"


@dataclass(frozen=True)
class Situation:
    """An account and all that its margin depends on, at one moment."""

    portfolio: Portfolio
    quotes: tuple[Quote, ...]
    settlement_usd: int
    expiries: tuple[ExpiryQuote, ...]
    engine: MarginEngine

    def assess(self, portfolio: Portfolio) -> Margin:
        """The twin's margin of the account with another portfolio.

        Raises:
            MarginError: The contract would revert.
        """
        return self.engine.assess(portfolio, self.quotes, self.settlement_usd, self.expiries)

    def index(self, underlying: int) -> int:
        """Of an underlying; one for the settlement token, whose id is 0."""
        if underlying == 0:
            return WAD
        return next(quote.index for quote in self.quotes if quote.underlying == underlying)


@dataclass(frozen=True)
class Tradable:
    """An instrument that may be traded at ``mark``; ``step`` is its size step.

    Attributes:
        opens: Whether positions may grow; False where fills are reduce-only.
    """

    instrument: int
    mark: int
    step: int
    opens: bool = True


@dataclass(frozen=True)
class Token:
    """A token that may be deposited, up to ``most``; ``step`` is its smallest unit. Asset and underlying 0 are cash."""

    asset: int
    underlying: int
    step: int
    most: int


@dataclass(frozen=True)
class CostModel:
    """What acts cost beyond what they are worth; rates in parts of 1e9.

    A trade of q units pays ``fee`` of its price; ``half_spread`` of the index; ``slippage`` · q / D of the index, D
    being the underlying's depth in the risk book (nothing where it has none); and an option ``option_half_spread`` of
    its price. All of that comes out of the account. A deposit costs what the capital would have earned elsewhere, and a
    token ``half_spread`` of its value, for who buys it first. Every act costs ``per_act``, from the owner's pocket.
    """

    fee: int = 400_000
    half_spread: int = 500_000
    option_half_spread: int = 30_000_000
    slippage: int = 20_000_000
    capital_rate: int = 100_000_000
    capital_days: int = 30
    per_act: int = WAD // 2

    @property
    def of_capital(self) -> int:
        """Of what is deposited, parts of 1e9."""
        return div_up(self.capital_rate * self.capital_days, DAYS_A_YEAR)


@dataclass(frozen=True)
class Choice:
    """One thing an owner may do, in a direction: deposit, buy (``side`` 1) or sell (−1) an instrument.

    Attributes:
        most: Of it, in ``step``s.
        price: Of a unit, wad; ``index`` of its underlying.
        depth: Of its underlying in the risk book, 0 without one.
    """

    kind: Kind
    subject: int
    underlying: int
    side: int
    step: int
    most: int
    price: int
    index: int
    depth: int

    @property
    def is_option(self) -> bool:
        return self.kind != Kind.DEPOSIT and self.subject >> 248 == OPTION


@dataclass(frozen=True)
class Act:
    """A choice, taken ``steps`` times."""

    choice: Choice
    steps: int

    @property
    def amount(self) -> int:
        """Signed: negative is sold."""
        return self.choice.side * self.steps * self.choice.step

    def drag(self, costs: CostModel) -> int:
        """What it takes out of the account, rounded up."""
        choice, size = self.choice, abs(self.amount)
        if choice.kind == Kind.DEPOSIT:
            return 0
        rate = costs.fee + (costs.option_half_spread if choice.is_option else 0)
        paid = div_up(size * choice.price * rate, WAD * BILLION)
        paid += div_up(size * choice.index * costs.half_spread, WAD * BILLION)
        if choice.depth:
            paid += div_up(size * size * choice.index * costs.slippage, WAD * BILLION * choice.depth)
        return paid

    def cost(self, costs: CostModel) -> int:
        """All that it costs the owner, rounded up."""
        choice = self.choice
        if choice.kind != Kind.DEPOSIT:
            return self.drag(costs) + costs.per_act
        rate = costs.of_capital + (costs.half_spread if choice.subject else 0)
        return div_up(self.amount * choice.price * rate, WAD * BILLION) + costs.per_act

    def applied(self, portfolio: Portfolio, costs: CostModel) -> Portfolio:
        """The account after it."""
        choice = self.choice
        if choice.kind == Kind.DEPOSIT:
            return deposited(portfolio, choice.subject, choice.underlying, self.amount)
        after = traded(portfolio, choice.subject, self.amount, choice.price, choice.price)
        return deposited(after, 0, 0, -self.drag(costs))


@dataclass(frozen=True)
class Goal:
    """What cures: equity that supports risk reaches initial margin, or health reaches ``health`` (wad).

    An account that trades must meet initial margin whatever its health is to be: below it, fills are not settled.
    """

    health: int | None = None

    def surplus(self, margin: Margin, trades: bool = True) -> int:
        """What the account has beyond the goal, wad; it is met from 0 on."""
        initial = margin.new_risk_equity - margin.initial_margin
        if self.health is None:
            return initial
        healthy = margin.equity - div_up(self.health * margin.maintenance_margin, WAD)
        return min(initial, healthy) if trades else healthy


@dataclass(frozen=True)
class Cure:
    """Acts that together reach the goal, as the integer twin says.

    Attributes:
        name: Which kinds of acts were open to it.
        cost: To the owner, wad; capital deposited is not spent, only what it would have earned.
        capital: Value deposited, wad.
        after: The account's margin afterwards.
    """

    name: str
    acts: tuple[Act, ...]
    cost: int
    capital: int
    after: Margin


def is_trade(act: Act) -> bool:
    return act.choice.kind != Kind.DEPOSIT


def portfolio_after(portfolio: Portfolio, acts: Sequence[Act], costs: CostModel) -> Portfolio:
    """After all of them."""
    return reduce(lambda before, act: act.applied(before, costs), acts, portfolio)
