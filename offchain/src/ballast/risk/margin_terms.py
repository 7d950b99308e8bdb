"""What the margin engine takes and gives, in Python integers, with its errors, limits and roundings.

Units are the chain's: values, prices and quantities in wad (1e18 is one), factors and charges in parts of 1e9. Python's
``//`` rounds towards minus infinity; every other rounding goes through `div_up` or `div_to_zero`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ballast.errors import BallastError
from ballast.risk.book import Underlying
from ballast.risk.dated import OptionLeg, is_put, strike_of

WAD = 10**18
BILLION = 10**9
LOWEST_SHOCK = -99 * WAD // 100
HIGHEST_PRICE_RATIO = 10**24
QUANTITY_LIMIT = 2**112
PRICE_LIMIT = 2**96
CASH_LIMIT = 2**191
LEG_LIMIT = 256
BLEND_DURATION = 86_400
MULTIPLIER_STEP_PER_HOUR = 50_000_000
INT256_MAX, INT256_MIN = 2**255 - 1, -(2**255)
PERP = 1


class MarginError(BallastError):
    """The margin of a portfolio cannot be computed. Subclasses bear the names of the contract's errors."""


class UnderlyingNotInBook(MarginError):
    pass


class AssetNotInBook(MarginError):
    pass


class QuoteMissing(MarginError):
    pass


class QuotesNotAscending(MarginError):
    pass


class ExpiryMissing(MarginError):
    pass


class ExpiriesNotAscending(MarginError):
    pass


class UnsupportedInstrument(MarginError):
    pass


class TooManyLegs(MarginError):
    pass


class CashOutOfRange(MarginError):
    pass


class QuantityOutOfRange(MarginError):
    pass


class PriceOutOfRange(MarginError):
    pass


def div_up(x: int, y: int) -> int:
    """⌈x / y⌉, y > 0."""
    return -(-x // y)


def div_to_zero(x: int, y: int) -> int:
    """x / y towards 0, as the EVM's SDIV."""
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


# ---- what goes in


class OracleState(IntEnum):
    OK = 0
    WIDE = 1
    STALE = 2
    HALTED = 3


@dataclass(frozen=True)
class CollateralLeg:
    """``amount`` in whole units of the underlying, wad."""

    asset: int
    underlying: int
    amount: int


@dataclass(frozen=True)
class PositionLeg:
    """``offset`` is the quote balance less funding owed, wad: the position is worth ⌊size · mark⌋ + offset.

    Futures and options are marked at the engine's own price, whatever ``mark`` is.
    """

    instrument: int
    size: int
    mark: int
    offset: int

    @property
    def underlying(self) -> int:
        return (self.instrument >> 240) & 0xFF

    @property
    def kind(self) -> int:
        return self.instrument >> 248

    @property
    def linear_value(self) -> int:
        """Of a perp."""
        return self.size * self.mark // WAD

    @property
    def as_option(self) -> OptionLeg:
        return OptionLeg(strike_of(self.instrument), is_put(self.instrument), self.size)


@dataclass(frozen=True)
class Portfolio:
    """A whole account, interest and funding accrued to now. Cash in the value unit, wad; negative is debt."""

    cash: int
    collaterals: tuple[CollateralLeg, ...] = ()
    positions: tuple[PositionLeg, ...] = ()

    @staticmethod
    def of(record: Sequence[Any]) -> Portfolio:
        """From a decoded `Portfolio` struct."""
        cash, collaterals, positions = record
        return Portfolio(
            cash, tuple(CollateralLeg(*leg) for leg in collaterals), tuple(PositionLeg(*leg) for leg in positions)
        )


@dataclass(frozen=True)
class Quote:
    """What the oracle says of one underlying; prices in the value unit, wad. ``second`` is 0 where unknown."""

    underlying: int
    state: int
    index: int
    stable: int
    second: int = 0


@dataclass(frozen=True)
class ShockMultiplier:
    """A multiplier on its way from one value to another, parts of 1e9, since a Unix second."""

    origin: int = BILLION
    target: int = BILLION
    since: int = 0

    def value_at(self, timestamp: int) -> int:
        """Along a straight line by 5 % of ``origin`` an hour, then ``target``."""
        moved = self.origin * MULTIPLIER_STEP_PER_HOUR * (timestamp - self.since) // (3600 * BILLION)
        if self.target > self.origin:
            return min(self.origin + moved, self.target)
        return max(self.origin - moved, self.target)


# ---- what comes out


@dataclass(frozen=True)
class Charges:
    """Each charge by name, wad, rounded up."""

    haircut: int = 0
    hedged_basis: int = 0
    hedged_vega: int = 0
    short_options: int = 0
    concentration: int = 0
    settlement_token: int = 0
    fixed_charge: int = 0


@dataclass(frozen=True)
class Margin:
    """The margin of one portfolio, wad; the fields of `contracts/types/Margin.sol` in their order."""

    equity: int
    stable_gap: int
    untrusted_gain: int
    unrealised_gain: int
    halt_bonus: int
    scan: int
    scaling_charges: int
    concentration: int
    fixed_charge: int
    maintenance_margin: int
    liquidation_end_margin: int
    initial_margin: int

    @property
    def new_risk_equity(self) -> int:
        """Equity that may support new risk."""
        return self.equity - self.stable_gap - self.untrusted_gain

    @property
    def withdrawal_equity(self) -> int:
        """Equity that may support taking value out."""
        return self.new_risk_equity - self.unrealised_gain

    @property
    def is_liquidatable(self) -> bool:
        """A halted underlying counts at its best node."""
        return self.equity + self.halt_bonus < self.maintenance_margin

    @property
    def health_factor(self) -> int:
        """equity / maintenance margin, wad, rounded down; the ends of int256 where nothing is required."""
        if self.maintenance_margin == 0:
            return INT256_MAX if self.equity >= 0 else INT256_MIN
        return self.equity * WAD // self.maintenance_margin


@dataclass(frozen=True)
class UnderlyingRisk:
    """What one underlying adds to a maintenance margin, wad: the fields of the contract's `UnderlyingRisk`, in order.

    Attributes:
        loss: Of all that follows it, in the rows of the scan: their mean, or the weighted stress row. Rounded down.
        charges: Its haircuts and charges, rounded up.
        shock: The relative change of its price in those rows, mean or weighted like the loss.
    """

    underlying: int
    loss: int
    charges: int
    shock: int


@dataclass(frozen=True)
class Explanation:
    """A margin and what made it; the fields of the contract's `Explanation` in their order."""

    margin: Margin
    charges: Charges
    rows: tuple[int, ...]
    row_losses: tuple[int, ...]
    is_stress: bool
    collateral_contributions: tuple[int, ...]
    position_contributions: tuple[int, ...]
    account_contribution: int


@dataclass(frozen=True)
class NodeValues:
    """Price shocks in force and gains at each node of an underlying, wad, the stable node last."""

    grid: Underlying
    shocks: tuple[int, ...]
    gains: tuple[int, ...]
