"""Option prices in Python integers: equal to the contracts of `contracts/pricing` to the wei.

Prices, strikes and forwards are wad of the value unit; volatilities, logarithms and deviations (volatility times the
root of time) are wad. Black-76 with r = 0 (Black, "The pricing of commodity contracts", 1976); the surface is raw SVI
(Gatheral) over the time to expiry. Logarithm and exponential are Solady's, their roundings included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from math import isqrt

WAD = 10**18
BILLION = 10**9
YEAR = 365 * 86_400
LOWEST_VOLATILITY = 5 * WAD // 100
HIGHEST_VOLATILITY = 5 * WAD

INTERVALS_A_UNIT = 96
"""Intervals of the table of Φ a unit of its argument."""
INTERVALS = 1120
LANE_BYTES = 16
POSITION_BITS = 32
PROBABILITY_BITS = 112
MIDDLE = (INTERVALS // 2) << POSITION_BITS
TOP = INTERVALS << POSITION_BITS
CERTAIN = 1 << PROBABILITY_BITS
INVERSE_BITS = 96
_KNOT_BITS = 48
_SERIES_BITS = 160


# ---- Φ


def cumulative(position: int) -> int:
    """Φ of a position, 2¹¹² is one. A position counts 1/96/2³² from −5.8333, below which Φ is 0; beyond 5.8333 it is 1.

    Within 3.7e-9 of Φ, and never falling.
    """
    if position < 0:
        return 0
    if position >= TOP:
        return CERTAIN
    level, slope, bend = normal_table()[position >> POSITION_BITS]
    rest = position & ((1 << POSITION_BITS) - 1)
    return (bend * rest + (slope << POSITION_BITS)) * rest + (level << 2 * POSITION_BITS)


@cache
def normal_table() -> tuple[tuple[int, int, int], ...]:
    """An interval's (level, slope, bend), 2⁴⁸ is one: Φ ≈ level + slope·t + bend·t² for t from 0 to 1 across it.

    The parabola through Φ at both ends and in the middle; both ends are shared with the neighbours, so that Φ never
    falls from one to the next.
    """
    width = 2 * INTERVALS_A_UNIT
    ends = [_phi(2 * i - INTERVALS, width) for i in range(INTERVALS + 1)]
    middles = [_phi(2 * i + 1 - INTERVALS, width) for i in range(INTERVALS)]
    rows = []
    for start, middle, end in zip(ends, middles, ends[1:], strict=False):
        level, after = _rounded(start), _rounded(end)
        bend = _rounded(2 * (start + end) - 4 * middle)
        rows.append((level, after - level - bend, bend))
    return tuple(rows)


def encode_normal_table() -> bytes:
    """The table as the data contract holds it, 16 bytes an interval: bend (36 bits), slope (44), level (48)."""
    lanes = ((bend % 2**36) << 92 | slope << 48 | level for level, slope, bend in normal_table())
    return b"".join(lane.to_bytes(LANE_BYTES, "big") for lane in lanes)


def _rounded(value: int) -> int:
    """To the nearest 2⁻⁴⁸."""
    return (value + (1 << (_SERIES_BITS - _KNOT_BITS - 1))) >> (_SERIES_BITS - _KNOT_BITS)


def _phi(numerator: int, denominator: int) -> int:
    """Φ(numerator / denominator), 2¹⁶⁰ is one: ½ + φ(x)·Σ x^(2n+1) / (2n+1)!!."""
    one = 1 << _SERIES_BITS
    square = numerator * numerator * one // (denominator * denominator)
    term = total = abs(numerator) * one // denominator
    odd = 1
    while term:
        odd += 2
        term = term * square // one // odd
        total += term
    half = one // 2 + total * _density(square) // one
    return half if numerator >= 0 else one - half


def _density(square: int) -> int:
    """φ(x) by x², 2¹⁶⁰ is one: e^(−x²/2) by its series of the 64th part."""
    one = 1 << _SERIES_BITS
    part = square // 128
    term, total, count = one, one, 0
    while term:
        count += 1
        term = term * part // one // count
        total += term
    for _ in range(6):
        total = total * total // one
    root = isqrt((_PI << 1) * one)
    return one * one // total * one // root


def _pi() -> int:
    """π by Machin's formula, 2¹⁶⁰ is one."""

    def arctan(inverse: int) -> int:
        term = total = (1 << _SERIES_BITS + 32) // inverse
        sign, odd = -1, 3
        while term:
            term //= inverse * inverse
            total += sign * (term // odd)
            sign, odd = -sign, odd + 2
        return total

    return 4 * (4 * arctan(5) - arctan(239)) >> 32


_PI = _pi()


# ---- prices


@dataclass(frozen=True)
class Spread:
    """How wide the logarithm of the price may be at expiry, prepared for `call`: σ√T, wad, at least one."""

    deviation: int

    @cached_property
    def inverse(self) -> int:
        """Positions a unit of log-moneyness in wad, 2⁹⁶ is one."""
        return (INTERVALS_A_UNIT << POSITION_BITS + INVERSE_BITS) // self.deviation

    @cached_property
    def width(self) -> int:
        """The deviation in positions: from that of d₂ to that of d₁."""
        return (self.deviation * INTERVALS_A_UNIT << POSITION_BITS) // WAD

    def positions(self, ln_forward: int, ln_strike: int) -> tuple[int, int]:
        """Positions of d₁ and d₂."""
        start = ((MIDDLE + (self.width >> 1)) << INVERSE_BITS) - ln_strike * self.inverse
        first = (ln_forward * self.inverse + start) >> INVERSE_BITS
        return first, first - self.width

    def call(self, forward: int, ln_forward: int, strike: int, ln_strike: int) -> int:
        """F·Φ(d₁) − K·Φ(d₂), rounded down; within 4e-9 of forward and strike: it may fall short of intrinsic."""
        first, second = self.positions(ln_forward, ln_strike)
        return (forward * cumulative(first) - strike * cumulative(second)) >> PROBABILITY_BITS


def deviation(volatility: int, root_of_time: int) -> int:
    """σ√T, wad, rounded down."""
    return volatility * root_of_time // WAD


def root_of_time(tenor: int) -> int:
    """√T of a tenor in seconds, wad of the root of a year, rounded down."""
    return isqrt(tenor * WAD * WAD // YEAR)


def call_price(forward: int, strike: int, volatility: int, tenor: int) -> int:
    """A call's price a unit: Black-76, never below intrinsic, which it is at a tenor of 0.

    Args:
        forward, strike: Below 2¹¹⁸; a logarithm is taken of at least one wei.
        volatility: Between `LOWEST_VOLATILITY` and `HIGHEST_VOLATILITY`.
        tenor: Seconds.
    """
    intrinsic = max(0, forward - strike)
    if tenor == 0:
        return intrinsic
    spread = Spread(deviation(volatility, root_of_time(tenor)))
    return max(intrinsic, spread.call(forward, ln_of_price(forward), strike, ln_of_price(strike)))


def put_price(forward: int, strike: int, volatility: int, tenor: int) -> int:
    """A put's, by parity: call − forward + strike."""
    return call_price(forward, strike, volatility, tenor) - forward + strike


def call_delta(forward: int, strike: int, volatility: int, tenor: int) -> int:
    """Φ(d₁), wad, rounded down; without time left one where the forward is above the strike, else 0."""
    if tenor == 0:
        return WAD if forward > strike else 0
    spread = Spread(deviation(volatility, root_of_time(tenor)))
    first, _ = spread.positions(ln_of_price(forward), ln_of_price(strike))
    return cumulative(first) * WAD >> PROBABILITY_BITS


def ln_of_price(price: int) -> int:
    """ln(price), wad; of one wei where there is none."""
    return ln_wad(max(price, 1))


# ---- surface


@dataclass(frozen=True)
class Surface:
    """Forward and volatility of one expiry; 1e9 is one in every field but ``published_at``, Unix seconds.

    ``premium`` is forward / index − 1; v(k) = a + b·(rho·(k − m) + √((k − m)² + s²)) is the variance a year.
    """

    premium: int
    a: int
    b: int
    rho: int
    m: int
    s: int
    published_at: int = 0

    def pack(self) -> int:
        """The word of the chain. Every field must fit its bits."""
        word = 0
        for name, bits in _FIELDS:
            word = word << bits | getattr(self, name) % (1 << bits)
        return word

    @staticmethod
    def unpack(word: int) -> Surface:
        values: list[int] = []
        for name, bits in reversed(_FIELDS):
            raw, word = word % (1 << bits), word >> bits
            values.append(raw - (1 << bits) if name in _SIGNED and raw >> (bits - 1) else raw)
        return Surface(*reversed(values))

    def scaled(self, factor: int) -> Surface:
        """The same smile at all volatilities times ``factor``, wad; parameters rounded down."""
        square = factor * factor
        return replace(self, a=self.a * square // WAD**2, b=self.b * square // WAD**2)

    def variance(self, log_moneyness: int) -> int:
        """v(k), wad, rounded down; k = ln(strike / forward), wad."""
        distance = log_moneyness - self.m * BILLION
        root = isqrt(distance * distance + (self.s * BILLION) ** 2)
        return self.a * BILLION + self.b * (self.rho * distance + root * BILLION) // WAD

    def volatility(self, log_moneyness: int) -> int:
        """√v(k), wad, rounded down, within the bounds of a volatility."""
        return clamped_volatility(isqrt(max(0, self.variance(log_moneyness)) * WAD))


_FIELDS = (("premium", 32), ("a", 40), ("b", 40), ("rho", 32), ("m", 40), ("s", 40), ("published_at", 32))
_SIGNED = {"premium", "a", "rho", "m"}


def clamped_volatility(volatility: int) -> int:
    return min(max(volatility, LOWEST_VOLATILITY), HIGHEST_VOLATILITY)


# ---- Solady's logarithm and exponential


@lru_cache(maxsize=4096)
def ln_wad(x: int) -> int:
    """`FixedPointMathLib.lnWad`: ln(x / 1e18), wad; x from 1 up to below 2²⁵⁵."""
    shift = 256 - x.bit_length()
    x = (x << shift) >> 159
    p = 3273285459638523848632254066296 + x
    p = 24828157081833163892658089445524 + (p * x >> 96)
    p = (43456485725739037958740375743393 + (p * x >> 96)) * x >> 96
    p -= 11111509109440967052023855526967
    p = (p * x >> 96) - 45023709667254063763336534515857
    p = (p * x >> 96) - 14706773417378608786704636184526
    p = p * x - (795164235651350426258249787498 << 96)
    q = 5573035233440673466300451813936 + x
    for term in (
        71694874799317883764090561454958,
        283447036172924575727196451306956,
        401686690394027663651624208769553,
        204048457590392012362485061816622,
        31853899698501571402653359427138,
        909429971244387300277376558375,
    ):
        q = term + (x * q >> 96)
    p = _truncated(p, q) * 1677202110996718588342820967067443963516166
    p += 16597577552685614221487285958193947469193820559219878177908093499208371 * (159 - shift)
    p += 600920179829731861736702779321621459595472258049074101567377883020018308
    return p >> 174


def exp_wad(x: int) -> int:
    """`FixedPointMathLib.expWad`: e^(x / 1e18), wad; x below 135.3 wad."""
    if x <= -41446531673892822313:
        return 0
    x = _truncated(x << 78, 5**18)
    k = (_truncated(x << 96, 54916777467707473351141471128) + 2**95) >> 96
    x -= k * 54916777467707473351141471128
    y = x + 1346386616545796478920950773328
    y = (y * x >> 96) + 57155421227552351082224309758442
    p = y + x - 94201549194550492254356042504812
    p = (p * y >> 96) + 28719021644029726153956944680412240
    p = p * x + (4385272521454847904659076985693276 << 96)
    q = x - 2855989394907223263936484059900
    for term in (
        50020603652535783019961831881945,
        -533845033583426703283633433725380,
        3604857256930695427073651918091429,
        -14423608567350463180887372962807573,
        26449188498355588339934803723976023,
    ):
        q = (q * x >> 96) + term
    return _truncated(p, q) * 3822833074963236453042738258902158003155416615667 >> (195 - k)


def _truncated(x: int, y: int) -> int:
    """x / y towards 0, as the EVM's SDIV."""
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient
