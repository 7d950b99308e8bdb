"""A portfolio gathered by underlying, and the parts of its margin that no risk book enters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ballast.risk.book import Underlying
from ballast.risk.dated import (
    CALL,
    FUTURE,
    OPTION,
    PUT,
    Expiry,
    ExpiryQuote,
    is_put,
    key_of,
    loss_cap,
    strike_of,
    volatility_factors,
)
from ballast.risk.margin_terms import (
    BILLION,
    CASH_LIMIT,
    HIGHEST_PRICE_RATIO,
    LEG_LIMIT,
    LOWEST_SHOCK,
    PERP,
    PRICE_LIMIT,
    QUANTITY_LIMIT,
    WAD,
    CashOutOfRange,
    CollateralLeg,
    ExpiriesNotAscending,
    ExpiryMissing,
    OracleState,
    Portfolio,
    PositionLeg,
    PriceOutOfRange,
    QuantityOutOfRange,
    Quote,
    QuoteMissing,
    QuotesNotAscending,
    TooManyLegs,
    UnsupportedInstrument,
)


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
class Gathered:
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


def gather(
    portfolio: Portfolio,
    quotes: Iterable[Quote],
    settlement_token_usd: int,
    multipliers: Mapping[int, int],
    expiries: Iterable[ExpiryQuote],
) -> Gathered:
    legs = len(portfolio.collaterals) + len(portfolio.positions)
    if legs > LEG_LIMIT:
        raise TooManyLegs(str(legs))
    if not -CASH_LIMIT <= portfolio.cash < CASH_LIMIT:
        raise CashOutOfRange(str(portfolio.cash))
    exposures = exposures_of(quotes, multipliers)
    gathered = Gathered(portfolio, exposures, settlement_token_usd, portfolio.cash, by_key(expiries))
    for collateral in portfolio.collaterals:
        gathered.add_collateral(collateral)
    for position in portfolio.positions:
        gathered.add_position(position)
    return gathered


def exposures_of(quotes: Iterable[Quote], multipliers: Mapping[int, int]) -> dict[int, Exposure]:
    exposures: dict[int, Exposure] = {}
    last = 0
    for quote in quotes:
        if quote.underlying <= last:
            raise QuotesNotAscending(f"underlying {quote.underlying}")
        last = quote.underlying
        exposures[last] = Exposure(quote, multipliers.get(last, BILLION))
    return exposures


def by_key(expiries: Iterable[ExpiryQuote]) -> dict[int, ExpiryQuote]:
    by_key: dict[int, ExpiryQuote] = {}
    last = 0
    for quote in expiries:
        if quote.key <= last:
            raise ExpiriesNotAscending(f"underlying {quote.underlying}, expiry {quote.expiry}")
        last = quote.key
        by_key[last] = quote
    return by_key
