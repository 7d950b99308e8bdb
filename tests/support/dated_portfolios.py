"""Random expiries, and portfolios of futures and options on them, for sweeps of chain against twin."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ballast.chain.ids import future_of, option_of
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin_terms import BILLION, WAD, Portfolio, PositionLeg, Quote
from ballast.risk.pricing import Surface
from tests.support.margin import random_portfolio, random_quantity

DAY = 86_400
NOW = 1_700_000_000


def random_surface(random: Random, premium: int | None = None) -> Surface:
    """Of any market, or of none."""
    if random.random() < 0.1:
        bits = random.getrandbits
        return Surface(bits(31) - 2**30, bits(40) - 2**39, bits(40), bits(32) - 2**31, bits(40) - 2**39, bits(40))
    if premium is None:
        premium = random.randint(-50_000_000, 50_000_000)
    level = random.randint(1, 10**9)
    slope, tilt = random.randint(0, 10**9), random.randint(-999_999_999, 999_999_999)
    return Surface(premium, level, slope, tilt, random.randint(-(10**9), 10**9), random.randint(0, 10**9))


def random_expiry(random: Random, quote: Quote, expiry: int) -> ExpiryQuote:
    """Far, near, within its window, waiting for its price, or settled."""
    trusted, word = random.random() < 0.8, random_surface(random).pack()
    fixed = quote.index * random.randint(0, 2000) // 1000
    phases = {
        "far": (WAD, random.randint(1, 3 * 365 * DAY), 0),
        "near": (WAD, random.randint(1, DAY), 0),
        "window": (random.randint(1, WAD - 1), random.randint(0, 600), fixed),
        "waiting": (WAD, 0, 0),
        "settled": (0, 0, fixed),
    }
    phase = random.choice(["far", "far", "near", "window", "waiting", "settled"])
    open_share, tenor, fixed_part = phases[phase]
    return ExpiryQuote(quote.underlying, expiry, trusted, open_share, tenor, min(fixed_part, 2**96 - 1), word)


def random_expiries(random: Random, quotes: list[Quote], most: int = 3) -> list[ExpiryQuote]:
    """Up to `most` an underlying, ascending."""
    dates = [NOW + random.randint(-DAY, 400 * DAY) for _ in range(most)]
    return [
        random_expiry(random, quote, date)
        for quote in quotes
        for date in sorted(set(random.sample(dates, random.randint(0, most))))
    ]


def random_strike(random: Random, index: int) -> int:
    near = index * random.choice([500, 800, 900, 950, 1000, 1050, 1100, 1200, 2000, random.randint(1, 20_000)]) // 1000
    return min(random.choice([near] * 12 + [0, 1, 2**96 - 1]), 2**96 - 1)


def random_dated_position(random: Random, quotes: list[Quote], expiries: list[ExpiryQuote], bits: int) -> PositionLeg:
    expiry = random.choice(expiries)
    index = next(quote.index for quote in quotes if quote.underlying == expiry.underlying)
    size = random_quantity(random, bits) * random.choice([-1, 1])
    offset = random.choice([0, random.getrandbits(80) - 2**79])
    if random.random() < 0.2:
        return PositionLeg(future_of(expiry.underlying, expiry.expiry), size, random.getrandbits(90), offset)
    is_put = random.random() < 0.5
    strike = random_strike(random, index)
    return PositionLeg(option_of(expiry.underlying, expiry.expiry, strike, is_put=is_put), size, 0, offset)


def random_dated_portfolio(
    random: Random, quotes: list[Quote], expiries: list[ExpiryQuote], assets: int = 6, most: int = 64
) -> Portfolio:
    """Futures and options alone, covered ones, or beside perps and collateral."""
    linear = random_portfolio(random, quotes, assets) if random.random() < 0.6 else Portfolio(random.getrandbits(80))
    if not expiries:
        return linear
    bits = random.choice([70, 70, 112])
    count = random.choice([1, 2, 4, 8, random.randint(1, most)])
    dated = [random_dated_position(random, quotes, expiries, bits) for _ in range(count)]
    if random.random() < 0.3:
        dated.sort(key=lambda leg: leg.instrument & ~(0xFF << 192))
    if random.random() < 0.3:  # as much bought as sold, or more
        dated += [
            replace(
                leg, instrument=leg.instrument ^ (random.getrandbits(20) if random.random() < 0.5 else 0), size=size
            )
            for leg in dated
            if (size := random.choice([-leg.size, abs(leg.size)])) and leg.instrument >> 248 == 3
        ]
        linear = replace(linear, collaterals=(), positions=())
    return replace(linear, positions=(*linear.positions, *dated))


def flat_surface(volatility: float, premium: float = 0.0) -> int:
    """The word of a surface of one volatility."""
    return Surface(round(premium * BILLION), round(volatility * volatility * BILLION), 0, 0, 0, 0).pack()
