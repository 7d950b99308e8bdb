"""Futures and options of one expiry in Python integers, as `DatedExpiries.sol` and `Lattice.sol` have them on chain.

Prices, strikes and forwards are wad of the value unit, sizes wad of the underlying. Puts are kept as calls, less the
forward, plus the strike. "Exact" amounts are products of two wads, not yet rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ballast.risk.book import Underlying
from ballast.risk.pricing import (
    BILLION,
    PROBABILITY_BITS,
    WAD,
    Spread,
    Surface,
    clamped_volatility,
    cumulative,
    deviation,
    exp_wad,
    ln_of_price,
    ln_wad,
    root_of_time,
)

LOWEST_FACTOR = WAD // 4
TENOR_UNIT = 30 * 86_400 * WAD
FUTURE, OPTION = 2, 3
CALL, PUT = 1, 2


@dataclass(frozen=True)
class ExpiryQuote:
    """What the oracle says of one expiry; the fields of `contracts/types/ExpiryQuote.sol` in their order.

    ``surface`` is the packed word; ``open_share`` and ``fixed_part`` are wad, ``tenor`` seconds.
    """

    underlying: int
    expiry: int
    trusted: bool
    open_share: int
    tenor: int
    fixed_part: int
    surface: int

    @property
    def key(self) -> int:
        return self.underlying << 40 | self.expiry

    @cached_property
    def curve(self) -> Surface:
        return Surface.unpack(self.surface)

    @property
    def is_settled(self) -> bool:
        return self.open_share == 0

    def open_part(self, index: int) -> int:
        """What of the forward moves with the index, wad, rounded down."""
        return self.open_share * index * max(0, BILLION + self.curve.premium) // (WAD * BILLION)

    def forward(self, index: int) -> int:
        """The forward, at least one wei."""
        return max(1, self.fixed_part + self.open_part(index))

    def settled_price(self, is_put: bool, strike: int) -> int:
        return max(0, strike - self.fixed_part if is_put else self.fixed_part - strike)


def key_of(instrument: int) -> int:
    """The key of a dated instrument's expiry: underlying << 40 | expiry."""
    return instrument >> 200 & (2**48 - 1)


def strike_of(instrument: int) -> int:
    return instrument & (2**128 - 1)


def is_put(instrument: int) -> bool:
    return instrument >> 192 & 0xFF == PUT


@dataclass(frozen=True)
class OptionLeg:
    """An option of an expiry that is not settled."""

    strike: int
    is_put: bool
    size: int


@dataclass
class Expiry:
    """One expiry of a portfolio at an index, and its options."""

    quote: ExpiryQuote
    index: int
    stable_shock: int
    second_shock: int
    options: list[OptionLeg] = field(default_factory=list)
    # The same strike is asked for at every node.
    _volatilities: dict[int, int] = field(default_factory=dict)
    _call_prices: dict[int, int] = field(default_factory=dict)
    _spreads: dict[tuple[int, int], Spread] = field(default_factory=dict)

    @cached_property
    def open_part(self) -> int:
        return self.quote.open_part(self.index)

    @cached_property
    def base_forward(self) -> int:
        return self.forward(0)

    @cached_property
    def ln_base_forward(self) -> int:
        return ln_of_price(self.base_forward)

    @cached_property
    def root_of_time(self) -> int:
        return root_of_time(self.quote.tenor)

    def forward(self, shock: int) -> int:
        """The forward while the index moves by a shock, at least one wei."""
        return max(1, self.quote.fixed_part + self.open_part * (WAD + shock) // WAD)

    def open_quantity(self, size: int) -> int:
        """What of a size still moves, rounded away from 0."""
        open_size = -(-abs(size) * self.quote.open_share // WAD)
        return -open_size if size < 0 else open_size

    # One option

    def volatility(self, strike: int) -> int:
        if strike not in self._volatilities:
            self._volatilities[strike] = self.quote.curve.volatility(ln_of_price(strike) - self.ln_base_forward)
        return self._volatilities[strike]

    def call_price(self, strike: int) -> int:
        """A call's price now, never below intrinsic."""
        if strike not in self._call_prices:
            price = self._call(strike, self.base_forward, self.ln_base_forward)
            self._call_prices[strike] = max(max(0, self.base_forward - strike), price)
        return self._call_prices[strike]

    def price(self, strike: int, put: bool) -> int:
        """A unit's price now, or what it pays once settled."""
        if self.quote.is_settled:
            return self.quote.settled_price(put, strike)
        call = self.call_price(strike)
        return call - self.base_forward + strike if put else call

    def delta(self, leg: OptionLeg) -> int:
        """⌊size · (Φ(d₁), less one for a put) · open share⌋, wad."""
        if self.quote.tenor == 0:
            chance = 1 << PROBABILITY_BITS if self.base_forward > leg.strike else 0
        else:
            spread = Spread(deviation(self.volatility(leg.strike), self.root_of_time))
            chance = cumulative(spread.positions(self.ln_base_forward, ln_of_price(leg.strike))[0])
        unit = chance * self.quote.open_share >> PROBABILITY_BITS
        return leg.size * (unit - self.quote.open_share if leg.is_put else unit) // WAD

    def change_at_shock(self, strike: int, shock: int) -> int:
        """What a call is worth more at a shocked price and today's volatility, never below intrinsic there."""
        forward = self.forward(shock)
        call = max(max(0, forward - strike), self._call(strike, forward, ln_of_price(forward)))
        return call - self.call_price(strike)

    def call_at_node(self, strike: int, shock: int, factor: int) -> int:
        """A call's price at a node: a price shock and a factor of volatility."""
        forward = self.forward(shock)
        if self.quote.tenor == 0:
            return max(0, forward - strike)
        logarithm = ln_of_price(forward)
        if self.quote.fixed_part == 0:
            logarithm = self.ln_base_forward + ln_wad(WAD + shock)
        return self._spread(strike, factor).call(forward, logarithm, strike, ln_of_price(strike))

    def _spread(self, strike: int, factor: int) -> Spread:
        if (strike, factor) not in self._spreads:
            volatility = clamped_volatility(self.volatility(strike) * factor // WAD)
            self._spreads[strike, factor] = Spread(deviation(volatility, self.root_of_time))
        return self._spreads[strike, factor]

    def _call(self, strike: int, forward: int, ln_forward: int) -> int:
        if self.quote.tenor == 0:
            return max(0, forward - strike)
        spread = Spread(deviation(self.volatility(strike), self.root_of_time))
        return spread.call(forward, ln_forward, strike, ln_of_price(strike))

    # All options

    @property
    def calls(self) -> int:
        return sum(leg.size for leg in self.options if not leg.is_put)

    @property
    def puts(self) -> int:
        return sum(leg.size for leg in self.options if leg.is_put)

    @property
    def short_quantity(self) -> int:
        """What is sold more than bought, by type."""
        return max(0, -self.calls) + max(0, -self.puts)

    @property
    def value(self) -> int:
        return sum(leg.size * self.price(leg.strike, leg.is_put) // WAD for leg in self.options)

    @cached_property
    def stable_change(self) -> int:
        """What all calls are worth more at the stable price, wad, rounded down once."""
        return self._change_at_shock(self.stable_shock)

    @cached_property
    def second_change(self) -> int:
        return self._change_at_shock(self.second_shock)

    def _change_at_shock(self, shock: int) -> int:
        return sum(leg.size * self.change_at_shock(leg.strike, shock) for leg in self.options) // WAD

    def change_at_node(self, leg: OptionLeg, shock: int, factor: int) -> int:
        """What a leg, as a call, is worth more at a node. Exact."""
        return leg.size * (self.call_at_node(leg.strike, shock, factor) - self.call_price(leg.strike))

    def changes(self, shock: int, factor: int) -> int:
        """What all calls are worth more at a node. Exact."""
        return sum(self.change_at_node(leg, shock, factor) for leg in self.options)

    @property
    def worst_payoff(self) -> int:
        """Least that the options pay at expiry, at any price, where no type is sold more than bought. Exact."""
        return min(self._payoff(price) for price in (0, *(leg.strike for leg in self.options)))

    def _payoff(self, price: int) -> int:
        gains = ((leg.strike - price if leg.is_put else price - leg.strike, leg.size) for leg in self.options)
        return sum(size * max(0, gain) for gain, size in gains)


def volatility_factors(grid: Underlying, tenor: int) -> tuple[int, ...]:
    """For each volatility shock s, max(1/4, ⌊1 + s · (30 d / max(T, shortest))^p⌋), wad."""
    ratio = TENOR_UNIT // max(tenor, grid.shortest_tenor)
    scale = exp_wad(ln_wad(ratio) * grid.volatility_tenor_power // BILLION)
    return tuple(max(LOWEST_FACTOR, WAD + shock * scale // WAD) for shock in grid.volatility_shocks)


def loss_cap(expiries: list[Expiry]) -> int:
    """Most that an account of cash and these options can lose: Σ of value less worst pay-off, wad, rounded up."""
    return max(0, sum(expiry.value - expiry.worst_payoff // WAD for expiry in expiries))
