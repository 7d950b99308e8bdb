"""The margin engine in Python integers: equal to the contract `MarginEngine` to the wei.

Units are the chain's: values, prices and quantities in wad (1e18 is one), factors and charges in parts of 1e9. Formulas
and roundings are those of docs/margin.md. Python's ``//`` rounds towards minus infinity; every other rounding goes
through `div_up` or `div_to_zero`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property
from typing import Any

from ballast.errors import BallastError
from ballast.risk.book import Book, Row, Underlying
from ballast.risk.dated import (
    CALL,
    FUTURE,
    OPTION,
    PUT,
    Expiry,
    ExpiryQuote,
    OptionLeg,
    is_put,
    key_of,
    loss_cap,
    strike_of,
    volatility_factors,
)

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


# ---- gathering


@dataclass
class Exposure:
    """Everything a portfolio holds in one underlying."""

    quote: Quote
    multiplier: int
    linear_value: int = 0
    long_quantity: int = 0
    short_quantity: int = 0
    position_quantity: int = 0
    expiries: list[Expiry] = field(default_factory=list)

    def __post_init__(self) -> None:
        prices = (self.quote.index, self.quote.stable)
        for price in prices + ((self.quote.second,) if self.has_second else ()):
            if not 0 < price < PRICE_LIMIT:
                raise PriceOutOfRange(f"underlying {self.quote.underlying}: price {price}")

    @property
    def has_second(self) -> bool:
        return self.quote.state == OracleState.WIDE and self.quote.second != 0

    @property
    def has_options(self) -> bool:
        return any(expiry.options for expiry in self.expiries)

    @property
    def is_held(self) -> bool:
        """Legs without a quantity are no legs, nor are settled ones."""
        return bool(self.long_quantity or self.short_quantity or self.has_options)

    @cached_property
    def net_delta(self) -> int:
        """Δ: linear quantities and the deltas of options."""
        options = sum(expiry.delta(leg) for expiry in self.expiries for leg in expiry.options)
        return self.long_quantity - self.short_quantity + options

    @cached_property
    def stable_shock(self) -> int:
        return self._shock_to(self.quote.stable)

    @cached_property
    def second_shock(self) -> int:
        return self._shock_to(self.quote.second) if self.has_second else 0

    @property
    def stable_loss(self) -> int:
        """max(0, loss at the stable price, loss at the second source's)."""
        at_stable = self.linear_value * self.stable_shock // WAD + sum(e.stable_change for e in self.expiries)
        at_second = self.linear_value * self.second_shock // WAD + sum(e.second_change for e in self.expiries)
        return max(0, -at_stable, -at_second)

    def shock_at(self, grid: Underlying, node: int) -> int:
        """Price shock of a node, multiplier and stable price included, wad."""
        shock = grid.price_shock(node)
        return self.stable_shock if shock is None else max(shock * self.multiplier // BILLION, LOWEST_SHOCK)

    def node_values(self, grid: Underlying) -> list[int]:
        """What everything is worth at each node less what it is worth now, wad; all that is linear, and the options of
        each expiry, are rounded down once."""
        values = [self.linear_value * self.shock_at(grid, node) // WAD for node in range(grid.stable_node + 1)]
        for expiry in self.expiries:
            factors = volatility_factors(grid, expiry.quote.tenor)
            for node in range(grid.stable_node):
                factor = factors[node % len(factors)]
                values[node] += expiry.changes(self.shock_at(grid, node), factor) // WAD
            values[grid.stable_node] += expiry.stable_change
        return values

    def vegas(self, grid: Underlying) -> list[int]:
        """What the options of each expiry are worth more at the highest volatility. Exact."""
        return [e.changes(0, volatility_factors(grid, e.quote.tenor)[-1]) for e in self.expiries]

    def hedged_vega(self, grid: Underlying) -> tuple[int, int]:
        """Sums of what expiries gain at the highest volatility, and of what others lose. Exact."""
        vegas = self.vegas(grid)
        return sum(max(0, vega) for vega in vegas), sum(max(0, -vega) for vega in vegas)

    def _shock_to(self, price: int) -> int:
        return min(price * WAD // self.quote.index, HIGHEST_PRICE_RATIO) - WAD


@dataclass
class _Gathered:
    """A portfolio by underlying, and the parts of its margin that no risk book enters."""

    portfolio: Portfolio
    exposures: dict[int, Exposure]
    settlement_token_usd: int
    equity: int
    expiry_quotes: dict[int, ExpiryQuote] = field(default_factory=dict)
    untrusted_gain: int = 0
    unrealised_gain: int = 0

    @cached_property
    def held(self) -> list[Exposure]:
        """Exposures at risk."""
        return [exposure for exposure in self.exposures.values() if exposure.is_held]

    @cached_property
    def loss_cap(self) -> int | None:
        """Most that the account can lose: None where there is a linear leg, or a type sold more than bought."""
        if any(exposure.long_quantity or exposure.short_quantity for exposure in self.exposures.values()):
            return None
        expiries = [expiry for exposure in self.held for expiry in exposure.expiries]
        if not expiries or any(min(expiry.calls, expiry.puts) < 0 for expiry in expiries):
            return None
        return loss_cap(expiries)

    def exposure(self, underlying: int, quantity: int) -> Exposure:
        if abs(quantity) >= QUANTITY_LIMIT:
            raise QuantityOutOfRange(f"underlying {underlying}: {quantity}")
        if underlying not in self.exposures:
            raise QuoteMissing(f"underlying {underlying}")
        return self.exposures[underlying]

    def linear_exposure(self, underlying: int, quantity: int) -> Exposure:
        exposure = self.exposure(underlying, quantity)
        exposure.long_quantity += max(0, quantity)
        exposure.short_quantity += max(0, -quantity)
        return exposure

    def expiry(self, exposure: Exposure, instrument: int) -> Expiry:
        """The expiry of a dated instrument, with the options gathered so far."""
        key = key_of(instrument)
        for expiry in exposure.expiries:
            if expiry.quote.key == key:
                return expiry
        if key not in self.expiry_quotes:
            raise ExpiryMissing(f"underlying {key >> 40}, expiry {key % 2**40}")
        quote = self.expiry_quotes[key]
        if quote.fixed_part >= PRICE_LIMIT:
            raise PriceOutOfRange(f"underlying {quote.underlying}: fixed part {quote.fixed_part}")
        exposure.expiries.append(Expiry(quote, exposure.quote.index, exposure.stable_shock, exposure.second_shock))
        return exposure.expiries[-1]

    def add_collateral(self, leg: CollateralLeg) -> None:
        exposure = self.linear_exposure(leg.underlying, leg.amount)
        value = leg.amount * exposure.quote.index // WAD
        exposure.linear_value += value
        self.equity += value
        self.untrusted_gain += value if exposure.quote.state >= OracleState.STALE else 0

    def price(self, instrument: int) -> int:
        """A unit's, of a future or an option."""
        _require_dated(instrument)
        underlying = instrument >> 240 & 0xFF
        expiry = self.expiry(self.exposure(underlying, 0), instrument)
        if instrument >> 248 == FUTURE:
            return expiry.quote.fixed_part if expiry.quote.is_settled else expiry.base_forward
        strike = strike_of(instrument)
        if strike >= PRICE_LIMIT and not expiry.quote.is_settled:
            raise PriceOutOfRange(f"underlying {underlying}: strike {strike}")
        return expiry.price(strike, is_put(instrument))

    def add_position(self, leg: PositionLeg) -> None:
        if leg.kind != PERP:
            self._add_dated(leg)
            return
        if leg.mark >= PRICE_LIMIT:
            raise PriceOutOfRange(f"underlying {leg.underlying}: mark {leg.mark}")
        exposure = self.linear_exposure(leg.underlying, leg.size)
        exposure.position_quantity += abs(leg.size)
        exposure.linear_value += leg.linear_value
        self._add_value(leg.linear_value + leg.offset, exposure, True)

    def _add_dated(self, leg: PositionLeg) -> None:
        _require_dated(leg.instrument)
        exposure = self.exposure(leg.underlying, leg.size)
        expiry = self.expiry(exposure, leg.instrument)
        value = (
            self._add_future(leg, exposure, expiry) if leg.kind == FUTURE else self._add_option(leg, exposure, expiry)
        )
        exposure.position_quantity += 0 if expiry.quote.is_settled else abs(leg.size)
        self._add_value(value + leg.offset, exposure, expiry.quote.trusted)

    def _add_future(self, leg: PositionLeg, exposure: Exposure, expiry: Expiry) -> int:
        if expiry.quote.is_settled:
            return leg.size * expiry.quote.fixed_part // WAD
        self.linear_exposure(leg.underlying, expiry.open_quantity(leg.size))
        exposure.linear_value += leg.size * expiry.open_part // WAD
        return leg.size * expiry.base_forward // WAD

    def _add_option(self, leg: PositionLeg, exposure: Exposure, expiry: Expiry) -> int:
        option = leg.as_option
        if option.strike >= PRICE_LIMIT:
            raise PriceOutOfRange(f"underlying {leg.underlying}: strike {option.strike}")
        if leg.size == 0:
            return 0
        if not expiry.quote.is_settled:
            expiry.options.append(option)
            exposure.linear_value += -leg.size * expiry.open_part // WAD if option.is_put else 0
        return leg.size * expiry.price(option.strike, option.is_put) // WAD

    def _add_value(self, value: int, exposure: Exposure, trusted: bool) -> None:
        self.equity += value
        self.unrealised_gain += max(0, value)
        self.untrusted_gain += 0 if trusted and exposure.quote.state < OracleState.STALE else max(0, value)


def _require_dated(instrument: int) -> None:
    kind = instrument >> 248
    if kind != FUTURE and not (kind == OPTION and instrument >> 192 & 0xFF in (CALL, PUT)):
        raise UnsupportedInstrument(f"{instrument:#066x}")


def _gather(
    portfolio: Portfolio,
    quotes: Iterable[Quote],
    settlement_token_usd: int,
    multipliers: Mapping[int, int],
    expiries: Iterable[ExpiryQuote],
) -> _Gathered:
    legs = len(portfolio.collaterals) + len(portfolio.positions)
    if legs > LEG_LIMIT:
        raise TooManyLegs(str(legs))
    if not -CASH_LIMIT <= portfolio.cash < CASH_LIMIT:
        raise CashOutOfRange(str(portfolio.cash))
    exposures = _exposures(quotes, multipliers)
    gathered = _Gathered(portfolio, exposures, settlement_token_usd, portfolio.cash, _by_key(expiries))
    for collateral in portfolio.collaterals:
        gathered.add_collateral(collateral)
    for position in portfolio.positions:
        gathered.add_position(position)
    return gathered


def _exposures(quotes: Iterable[Quote], multipliers: Mapping[int, int]) -> dict[int, Exposure]:
    exposures: dict[int, Exposure] = {}
    last = 0
    for quote in quotes:
        if quote.underlying <= last:
            raise QuotesNotAscending(f"underlying {quote.underlying}")
        last = quote.underlying
        exposures[last] = Exposure(quote, multipliers.get(last, BILLION))
    return exposures


def _by_key(expiries: Iterable[ExpiryQuote]) -> dict[int, ExpiryQuote]:
    by_key: dict[int, ExpiryQuote] = {}
    last = 0
    for quote in expiries:
        if quote.key <= last:
            raise ExpiriesNotAscending(f"underlying {quote.underlying}, expiry {quote.expiry}")
        last = quote.key
        by_key[last] = quote
    return by_key


# ---- one book


@dataclass(frozen=True)
class Tail:
    """The rows that made a scan, worst first, ties to the lower row; none where it is 0."""

    scan: int = 0
    is_stress: bool = False
    rows: tuple[int, ...] = ()
    losses: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Requirement:
    """What one book, or a blend of two, asks of a portfolio."""

    scan: int
    halt_bonus: int
    initial_factor: int
    liquidation_end_factor: int
    charges: Charges


def tail_of(book: Book, losses: Sequence[int]) -> Tail:
    """scan = max(0, ⌈mean of the k largest historical losses⌉, largest ⌈weight · loss⌉ of the stress rows)."""
    historical = len(book.historical)
    worst = sorted(range(historical), key=lambda row: (-losses[row], row))[: book.tail_rows]
    shortfall = max(0, div_up(sum(losses[row] for row in worst), len(worst)))
    stressed = [row.weight * loss for row, loss in zip(book.stress, losses[historical:], strict=True)]
    stress = div_up(max(0, *stressed), BILLION) if stressed else 0
    if stress > shortfall:
        row = historical + stressed.index(max(stressed))
        return Tail(stress, True, (row,), (losses[row],))
    if shortfall == 0:
        return Tail()
    return Tail(shortfall, False, tuple(worst), tuple(losses[row] for row in worst))


class _BookRules:
    """One risk book applied to gathered portfolios."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.place = {grid.id: position for position, grid in enumerate(book.underlyings)}
        self.rows: tuple[Row, ...] = book.rows

    def covers(self, gathered: _Gathered) -> bool:
        """Whether the book knows every asset and underlying of the portfolio."""
        assets = all(leg.asset < len(self.book.assets) for leg in gathered.portfolio.collaterals if leg.amount)
        return assets and all(exposure.quote.underlying in self.place for exposure in gathered.held)

    def grid(self, exposure: Exposure) -> Underlying:
        if exposure.quote.underlying not in self.place:
            raise UnderlyingNotInBook(f"underlying {exposure.quote.underlying}")
        return self.book.underlyings[self.place[exposure.quote.underlying]]

    def measure(self, gathered: _Gathered) -> tuple[_Requirement, Tail]:
        charges = self._charges(gathered)
        losses, halt_bonus = [0] * len(self.rows), 0
        for exposure in gathered.held:
            values = exposure.node_values(self.grid(exposure))
            place = self.place[exposure.quote.underlying]
            losses = [loss - values[row.nodes[place]] for loss, row in zip(losses, self.rows, strict=True)]
            halt_bonus += max(0, *values) if exposure.quote.state == OracleState.HALTED else 0
        tail, book = tail_of(self.book, losses), self.book
        scan = tail.scan if gathered.loss_cap is None else min(tail.scan, gathered.loss_cap)
        return _Requirement(scan, halt_bonus, book.initial_factor, book.liquidation_end_factor, charges), tail

    def _charges(self, gathered: _Gathered) -> Charges:
        exposures = gathered.held
        has_position = any(exposure.position_quantity for exposure in exposures)
        return Charges(
            haircut=sum(self._haircut(gathered, leg) for leg in gathered.portfolio.collaterals),
            hedged_basis=sum(self._hedged_basis(exposure) for exposure in exposures),
            hedged_vega=sum(self._hedged_vega(exposure) for exposure in exposures),
            short_options=sum(self._short_options(exposure) for exposure in exposures),
            concentration=sum(self._concentration(exposure) for exposure in exposures),
            settlement_token=sum(self._settlement_token(gathered, exposure) for exposure in exposures),
            fixed_charge=self.book.fixed_charge * BILLION if has_position else 0,
        )

    def _haircut(self, gathered: _Gathered, leg: CollateralLeg) -> int:
        if leg.amount == 0:
            return 0
        if leg.asset >= len(self.book.assets):
            raise AssetNotInBook(f"asset {leg.asset}")
        value = div_up(leg.amount * gathered.exposures[leg.underlying].quote.index, WAD)
        return div_up(self.book.assets[leg.asset].haircut * value, BILLION)

    def _hedged_basis(self, exposure: Exposure) -> int:
        hedged = min(exposure.long_quantity, exposure.short_quantity)
        return div_up(self.grid(exposure).hedged_basis * exposure.quote.index * hedged, BILLION * WAD)

    def _hedged_vega(self, exposure: Exposure) -> int:
        grid = self.grid(exposure)
        return div_up(grid.hedged_vega * min(exposure.hedged_vega(grid)), BILLION * WAD)

    def _short_options(self, exposure: Exposure) -> int:
        sold = sum(expiry.short_quantity for expiry in exposure.expiries)
        return div_up(self.grid(exposure).short_options * exposure.quote.index * sold, BILLION * WAD)

    def _concentration(self, exposure: Exposure) -> int:
        grid = self.grid(exposure)
        excess = max(0, abs(exposure.net_delta) - grid.depth)
        return div_up(grid.concentration * exposure.quote.index * excess, BILLION * WAD)

    def _settlement_token(self, gathered: _Gathered, exposure: Exposure) -> int:
        return div_up(self._depeg(gathered) * exposure.quote.index * exposure.position_quantity, WAD * WAD)

    def _depeg(self, gathered: _Gathered) -> int:
        return max(0, self.book.settlement_token_floor * BILLION - gathered.settlement_token_usd)

    # Euler contributions

    def contributions(self, gathered: _Gathered, tail: Tail, scan: int) -> list[int]:
        """Contribution of each leg, collaterals first, each rounded by itself; the fixed charge left out.

        Args:
            scan: What of the tail's the account needs, which may be able to lose less.
        """
        shares = []
        for leg in gathered.portfolio.collaterals:
            exposure = gathered.exposures[leg.underlying]
            value = leg.amount * exposure.quote.index // WAD
            share = self._linear_share(exposure, tail, scan, value, leg.amount)
            shares.append(share + self._haircut(gathered, leg))
        for position in gathered.portfolio.positions:
            shares.append(self._position_share(gathered, tail, scan, position))
        return shares

    def _position_share(self, gathered: _Gathered, tail: Tail, scan: int, leg: PositionLeg) -> int:
        if leg.size == 0:
            return 0
        exposure = gathered.exposures[leg.underlying]
        token_share = self._depeg(gathered) * exposure.quote.index * abs(leg.size) // (WAD * WAD)
        if leg.kind == PERP:
            return token_share + self._linear_share(exposure, tail, scan, leg.linear_value, leg.size)
        expiry = gathered.expiry(exposure, leg.instrument)
        if expiry.quote.is_settled:
            return 0
        if leg.kind == FUTURE:
            value = leg.size * expiry.open_part // WAD
            return token_share + self._linear_share(exposure, tail, scan, value, expiry.open_quantity(leg.size))
        return token_share + self._option_share(exposure, tail, scan, expiry, leg.as_option)

    def _linear_share(self, exposure: Exposure, tail: Tail, scan: int, value: int, quantity: int) -> int:
        if quantity == 0:
            return 0
        share = self._scan_share(tail, scan, value * sum(self._tail_shocks(exposure, tail)))
        if (quantity > 0) == (exposure.long_quantity <= exposure.short_quantity):
            share += self.grid(exposure).hedged_basis * exposure.quote.index * abs(quantity) // (BILLION * WAD)
        return share + self._concentration_share(exposure, quantity)

    def _option_share(self, exposure: Exposure, tail: Tail, scan: int, expiry: Expiry, leg: OptionLeg) -> int:
        grid, place = self.grid(exposure), self.place[exposure.quote.underlying]
        factors = volatility_factors(grid, expiry.quote.tenor)
        change = 0
        for row, shock in zip(tail.rows, self._tail_shocks(exposure, tail), strict=True):
            node = self.rows[row].nodes[place]
            if node == grid.stable_node:
                change += leg.size * expiry.change_at_shock(leg.strike, shock)
            else:
                change += expiry.change_at_node(leg, shock, factors[node % len(factors)])
            change += (-leg.size * expiry.open_part // WAD) * shock if leg.is_put else 0
        share = self._scan_share(tail, scan, change) + self._concentration_share(exposure, expiry.delta(leg))
        share += self._vega_share(exposure, expiry, leg, factors[-1])
        if (expiry.puts if leg.is_put else expiry.calls) < 0:
            share += -leg.size * grid.short_options * exposure.quote.index // (BILLION * WAD)
        return share

    def _vega_share(self, exposure: Exposure, expiry: Expiry, leg: OptionLeg, factor: int) -> int:
        grid, vega = self.grid(exposure), expiry.changes(0, factor)
        gains, losses = exposure.hedged_vega(grid)
        if vega == 0 or (vega > 0) != (gains <= losses):
            return 0
        part = expiry.change_at_node(leg, 0, factor)
        return (part if vega > 0 else -part) * grid.hedged_vega // (BILLION * WAD)

    def _tail_shocks(self, exposure: Exposure, tail: Tail) -> list[int]:
        """The underlying's price shock in each row of a tail."""
        if tail.scan == 0:
            return []
        grid, place = self.grid(exposure), self.place[exposure.quote.underlying]
        return [exposure.shock_at(grid, self.rows[row].nodes[place]) for row in tail.rows]

    def _scan_share(self, tail: Tail, scan: int, change: int) -> int:
        """A leg's loss over the tail, from what it is worth more over all its rows, exact."""
        if tail.scan == 0:
            return 0
        loss = -change // WAD
        weight = self.rows[tail.rows[0]].weight
        share = loss * weight // BILLION if tail.is_stress else loss // len(tail.rows)
        return share if scan == tail.scan else div_to_zero(share * scan, tail.scan)

    def _concentration_share(self, exposure: Exposure, delta: int) -> int:
        concentration = self._concentration(exposure)
        return div_to_zero(concentration * delta, exposure.net_delta) if concentration else 0


# ---- the engine


class MarginEngine:
    """The contract at one moment: its books, how far they are blended, and its multipliers in force.

    ``weight_of_current`` is wad in [0, 1]; `blend_weight` gives it for a time. ``multipliers`` maps underlying ids to
    parts of 1e9; those left out are one.
    """

    def __init__(
        self,
        current: Book,
        previous: Book | None = None,
        weight_of_current: int = WAD,
        multipliers: Mapping[int, int] | None = None,
    ) -> None:
        self._current = _BookRules(current)
        self._previous = _BookRules(previous) if previous is not None and weight_of_current < WAD else None
        self._weight = weight_of_current
        self._multipliers = dict(multipliers or {})

    def assess(
        self,
        portfolio: Portfolio,
        quotes: Iterable[Quote],
        settlement_token_usd: int = WAD,
        expiries: Iterable[ExpiryQuote] = (),
    ) -> Margin:
        """Margin of a portfolio.

        Raises:
            MarginError: the contract would revert; the class bears the error's name.
        """
        gathered = _gather(portfolio, quotes, settlement_token_usd, self._multipliers, expiries)
        requirement, _ = self._current.measure(gathered)
        if previous := self._blended_from(gathered):
            requirement = _blend_up(previous.measure(gathered)[0], requirement, self._weight)
        return _margin(gathered, requirement)

    def explain(
        self,
        portfolio: Portfolio,
        quotes: Iterable[Quote],
        settlement_token_usd: int = WAD,
        expiries: Iterable[ExpiryQuote] = (),
    ) -> Explanation:
        """The same, and what made it.

        Raises:
            MarginError: as `assess`.
        """
        gathered = _gather(portfolio, quotes, settlement_token_usd, self._multipliers, expiries)
        requirement, tail = self._current.measure(gathered)
        shares = self._current.contributions(gathered, tail, requirement.scan)
        if previous := self._blended_from(gathered):
            before, before_tail = previous.measure(gathered)
            requirement = _blend_up(before, requirement, self._weight)
            weights = WAD - self._weight, self._weight
            pairs = zip(previous.contributions(gathered, before_tail, before.scan), shares, strict=True)
            shares = [(old * weights[0] + new * weights[1]) // WAD for old, new in pairs]
        return _explanation(
            _margin(gathered, requirement), requirement.charges, tail, shares, len(portfolio.collaterals)
        )

    def node_values(
        self, portfolio: Portfolio, quotes: Iterable[Quote], expiries: Iterable[ExpiryQuote] = ()
    ) -> dict[int, NodeValues]:
        """What the legs of each underlying at risk are worth more at each node of the newer book.

        Raises:
            MarginError: as `assess`.
        """
        gathered = _gather(portfolio, quotes, WAD, self._multipliers, expiries)
        found = {}
        for exposure in gathered.held:
            grid = self._current.grid(exposure)
            nodes = range(grid.stable_node + 1)
            shocks = tuple(exposure.shock_at(grid, node) for node in nodes)
            found[exposure.quote.underlying] = NodeValues(grid, shocks, tuple(exposure.node_values(grid)))
        return found

    def _blended_from(self, gathered: _Gathered) -> _BookRules | None:
        return self._previous if self._previous and self._previous.covers(gathered) else None


def option_prices(instruments: Iterable[int], quotes: Iterable[Quote], expiries: Iterable[ExpiryQuote]) -> list[int]:
    """A unit's price of each future or option, wad, rounded down: what `MarginEngine.assess` marks it at.

    Raises:
        MarginError: the contract would revert; the class bears the error's name.
    """
    gathered = _Gathered(Portfolio(0), _exposures(quotes, {}), WAD, 0, _by_key(expiries))
    return [gathered.price(instrument) for instrument in instruments]


def blend_weight(timestamp: int, blended_from: int) -> int:
    """Weight of the newer book, wad: 0 in the block of the change, one a day later."""
    return min(WAD, (timestamp - blended_from) * WAD // BLEND_DURATION)


def _blend_up(previous: _Requirement, current: _Requirement, weight: int) -> _Requirement:
    def mix(old: int, new: int) -> int:
        return div_up(old * (WAD - weight) + new * weight, WAD)

    names = [field.name for field in fields(Charges)]
    return _Requirement(
        mix(previous.scan, current.scan),
        mix(previous.halt_bonus, current.halt_bonus),
        mix(previous.initial_factor, current.initial_factor),
        mix(previous.liquidation_end_factor, current.liquidation_end_factor),
        Charges(**{name: mix(getattr(previous.charges, name), getattr(current.charges, name)) for name in names}),
    )


def _margin(gathered: _Gathered, requirement: _Requirement) -> Margin:
    scan, charges = requirement.scan, requirement.charges
    scaling = charges.haircut + charges.hedged_basis + charges.hedged_vega + charges.short_options
    scaling += charges.settlement_token
    total = scaling + charges.concentration + charges.fixed_charge
    # Blending may round the scan above what the account can lose.
    most = None if gathered.loss_cap is None else max(gathered.loss_cap, scan)

    def scaled(factor: int) -> int:
        multiple = div_up(scan * factor, BILLION)
        return multiple if most is None else min(multiple, most)

    return Margin(
        equity=gathered.equity,
        stable_gap=sum(exposure.stable_loss for exposure in gathered.exposures.values()),
        untrusted_gain=gathered.untrusted_gain,
        unrealised_gain=gathered.unrealised_gain,
        halt_bonus=requirement.halt_bonus,
        scan=scan,
        scaling_charges=scaling,
        concentration=charges.concentration,
        fixed_charge=charges.fixed_charge,
        maintenance_margin=scan + total,
        liquidation_end_margin=scaled(requirement.liquidation_end_factor) + total,
        initial_margin=scaled(requirement.initial_factor) + total,
    )


def _explanation(margin: Margin, charges: Charges, tail: Tail, shares: list[int], collaterals: int) -> Explanation:
    if shares:
        shares[-1] = margin.maintenance_margin - charges.fixed_charge - sum(shares[:-1])
    return Explanation(
        margin=margin,
        charges=charges,
        rows=tail.rows,
        row_losses=tail.losses,
        is_stress=tail.is_stress,
        collateral_contributions=tuple(shares[:collaterals]),
        position_contributions=tuple(shares[collaterals:]),
        account_contribution=charges.fixed_charge,
    )
