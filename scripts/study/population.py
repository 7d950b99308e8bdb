"""Accounts that a crisis meets: levered perpetuals, collateral that is borrowed or sold against, books of options.

Everything follows from a seed and the opening prices. What accounts are worth and need at every minute is found once,
by the vectorised engine; slices of an account are in proportion, so that every way to liquidate uses the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ballast.chain.ids import option_of, perp_of
from ballast.risk.book import Book, first_book
from ballast.risk.dated import Expiry, ExpiryQuote, OptionLeg, is_put, strike_of
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, OracleState, Portfolio, PositionLeg, Quote
from ballast.risk.pricing import Surface
from ballast.risk.scan import Holdings, VectorEngine
from scripts.study.paths import MINUTE, SYMBOLS, Floats, Path

IDS = {"BTC": 1, "ETH": 2, "LINK": 3}
ASSETS = {"BTC": 2, "ETH": 1, "LINK": 3}
OPENED = 1_700_000_000
TENOR = 21 * 86_400
BASE_VOLATILITY = {"BTC": 0.65, "ETH": 0.8}
VOLATILITY_OF_FALL = 2.5
"""Implied volatility grows by that times the fall from the highest price so far."""
STRIKES = (80, 90, 100, 110, 125)
OPTIONS_EVERY = 5
SIZES = np.geomspace(0.02, 60, 40)


@dataclass(frozen=True)
class Draft:
    """An account worth ``value`` before it takes a multiple of ``risk``, all for one value unit of it.

    Attributes:
        tokens: Value by symbol; the rest of the value is cash.
        perps: Notional by symbol, of one unit of risk.
        options: Number by (symbol, strike, is_put), for one value unit of the underlying, of one unit of risk.
        debt: Cash taken out, of one unit of risk.
    """

    group: str
    value: float
    multiple: float
    tokens: dict[str, float]
    perps: dict[str, float]
    options: dict[tuple[str, int, bool], float]
    debt: float = 0.0


GROUPS = ("perpetuals", "collateral", "options")


def draft(random: np.random.Generator) -> Draft:
    """One account, drawn."""
    group = random.choice(GROUPS, p=(0.55, 0.2, 0.25))
    value = float(np.clip(random.lognormal(np.log(6_000), 1.5), 300, 400_000))
    multiple = float(1.02 + random.gamma(1.2, 0.4))
    make = {"perpetuals": _perpetuals, "collateral": _collateral, "options": _options}[str(group)]
    return make(random, value, multiple)


def _perpetuals(random: np.random.Generator, value: float, multiple: float) -> Draft:
    """Mostly long, in one to three."""
    count = random.choice([1, 2, 3], p=(0.6, 0.25, 0.15))
    chosen = random.choice(SYMBOLS, size=count, replace=False, p=(0.4, 0.4, 0.2))
    perps = {str(one): float(random.uniform(0.3, 1) * random.choice([1, -1], p=(0.75, 0.25))) for one in chosen}
    return Draft("perpetuals", value, multiple, {}, perps, {})


def _collateral(random: np.random.Generator, value: float, multiple: float) -> Draft:
    """Tokens, and either cash borrowed on them or another perpetual sold against them."""
    token, other = (str(one) for one in random.choice(SYMBOLS, size=2, replace=False, p=(0.35, 0.45, 0.2)))
    if random.random() < 0.5:
        return Draft("collateral", value, multiple, {token: 1.0}, {}, {}, debt=1.0)
    return Draft("collateral", value, multiple, {token: 1.0}, {other: -1.0}, {})


def _options(random: np.random.Generator, value: float, multiple: float) -> Draft:
    """Sold straddles hedged at first, strangles, put spreads, covered calls."""
    on, kind = str(random.choice(["BTC", "ETH"])), random.integers(4)
    if kind == 0:
        return Draft("options", value, multiple, {}, {on: 0.05}, {(on, 100, False): -1.0, (on, 100, True): -1.0})
    if kind == 1:
        return Draft("options", value, multiple, {}, {}, {(on, 110, False): -1.0, (on, 90, True): -1.0})
    if kind == 2:
        return Draft("options", value, multiple, {}, {}, {(on, 90, True): -1.0, (on, 80, True): 1.0})
    return Draft("options", value, multiple, {on: 1.0}, {on: 0.5}, {(on, 110, False): -1.0})


def quotes_at(prices: Floats) -> list[Quote]:
    """By underlying id; the damped price is taken to be where the index is."""
    index = {IDS[symbol]: round(float(price) * 10**9) * 10**9 for symbol, price in zip(SYMBOLS, prices, strict=True)}
    return [Quote(number, OracleState.OK, one, one) for number, one in sorted(index.items())]


def expiries_at(path: Path, minute: int) -> list[ExpiryQuote]:
    """One expiry an underlying, on flat surfaces that rise as prices fall."""
    found = []
    for symbol, base in BASE_VOLATILITY.items():
        column = SYMBOLS.index(symbol)
        fall = 1 - path.prices[minute, column] / path.prices[: minute + 1, column].max()
        volatility = base * (1 + VOLATILITY_OF_FALL * float(fall))
        surface = Surface(0, round(volatility**2 * BILLION), 0, 0, 0, 0).pack()
        tenor = TENOR - minute * MINUTE
        found.append(ExpiryQuote(IDS[symbol], OPENED + TENOR, True, WAD, tenor, 0, surface))
    return sorted(found, key=lambda quote: quote.key)


def strike_at(opening: float, percent: int) -> int:
    return round(opening * percent / 100 * 100) * WAD // 100


def portfolio_of(one: Draft, size: float, opening: dict[str, float], marks: dict[int, int]) -> Portfolio:
    """The account with ``size`` units of risk, options paid from cash at ``marks``."""
    tokens = tuple(
        CollateralLeg(ASSETS[symbol], IDS[symbol], _wad(share * one.value / opening[symbol]))
        for symbol, share in one.tokens.items()
    )
    cash = _wad(one.value * (1 - sum(one.tokens.values()) - one.debt * size))
    positions = []
    for symbol, notional in one.perps.items():
        amount = _wad(notional * size * one.value / opening[symbol])
        mark = _wad(opening[symbol])
        positions.append(PositionLeg(perp_of(IDS[symbol]), amount, mark, -(amount * mark // WAD)))
    for (symbol, percent, put), number in one.options.items():
        strike = strike_at(opening[symbol], percent)
        instrument = option_of(IDS[symbol], OPENED + TENOR, strike, is_put=put)
        amount = _wad(number * size * one.value / opening[symbol])
        cash -= amount * marks[instrument] // WAD
        positions.append(PositionLeg(instrument, amount, 0, 0))
    return Portfolio(cash, tokens, tuple(positions))


def option_marks(opening: dict[str, float], quotes: Sequence[Quote], expiries: Sequence[ExpiryQuote]) -> dict[int, int]:
    """Price of each listed option, wad."""
    index = {quote.underlying: quote.index for quote in quotes}
    marks = {}
    for expiry in expiries:
        priced = Expiry(expiry, index[expiry.underlying], 0, 0)
        symbol = next(symbol for symbol, number in IDS.items() if number == expiry.underlying)
        for percent in STRIKES:
            for put in (False, True):
                strike = strike_at(opening[symbol], percent)
                instrument = option_of(expiry.underlying, expiry.expiry, strike, is_put=put)
                marks[instrument] = priced.price(strike, put)
    return marks


def open_accounts(path: Path, count: int, seed: int) -> tuple[list[Draft], list[Portfolio]]:
    """Accounts that open at the path's first minute, each at its multiple of initial margin."""
    random = np.random.default_rng([seed, 7])
    opening = {symbol: float(price) for symbol, price in zip(SYMBOLS, path.prices[0], strict=True)}
    quotes, expiries = quotes_at(path.prices[0]), expiries_at(path, 0)
    marks, engine = option_marks(opening, quotes, expiries), VectorEngine(first_book())
    drafts = [draft(random) for _ in range(count)]
    grid = [portfolio_of(one, float(size), opening, marks) for one in drafts for size in SIZES]
    found = engine.assess(Holdings.of(grid), quotes, WAD, expiries)
    ratio = (found.equity / np.maximum(found.initial_margin, 1e-9)).reshape(count, len(SIZES))
    chosen = []
    for row, one in enumerate(drafts):
        fits = np.flatnonzero(ratio[row] >= one.multiple)
        most = SIZES[fits[-1]] if len(fits) else SIZES[0]
        chosen.append(portfolio_of(one, float(most), opening, marks))
    healthy = engine.assess(Holdings.of(chosen), quotes, WAD, expiries)
    kept = np.flatnonzero(healthy.equity > healthy.initial_margin)
    return [drafts[row] for row in kept], [chosen[row] for row in kept]


@dataclass(frozen=True)
class Scene:
    """What every account is worth and needs at every minute, value units: a row a minute, a column an account.

    Attributes:
        fixed: The charge that does not shrink with an account.
        delta: Absolute value of net delta by underlying, on the last axis.
        premium: Σ of absolute values of options.
        notional: Both together.
        open_interest: Σ of absolute values of positions and of borrowed cash, at the first minute.
    """

    path: Path
    groups: tuple[str, ...]
    equity: Floats
    maintenance: Floats
    liquidation_end: Floats
    initial: Floats
    delta: Floats
    premium: Floats
    notional: Floats
    fixed: float
    open_interest: float

    @property
    def accounts(self) -> int:
        return self.equity.shape[1]


def measure(path: Path, drafts: Sequence[Draft], portfolios: Sequence[Portfolio]) -> Scene:
    """Options every five minutes, straight in between; all others every minute."""
    book = first_book()
    dated = np.array([bool(one.options) for one in drafts])
    shape = (len(path), len(portfolios))
    figures = {name: np.zeros(shape) for name in ("equity", "maintenance", "liquidation_end", "initial", "premium")}
    delta = np.zeros((*shape, len(SYMBOLS)))
    minutes = np.arange(len(path))
    coarse = np.unique(np.append(minutes[::OPTIONS_EVERY], minutes[-1]))
    for chosen, at in ((~dated, minutes), (dated, coarse)):
        columns = np.flatnonzero(chosen)
        if not len(columns):
            continue
        sampled = _measure(path, book, [portfolios[column] for column in columns], at)
        for name, values in sampled.items():
            target = delta if name == "delta" else figures[name]
            target[:, columns] = _between(values, at, minutes)
    delta = np.abs(delta)
    figures["notional"] = delta.sum(axis=2) + figures["premium"]
    open_interest = sum(_open_interest(one, path.prices[0]) for one in portfolios)
    return Scene(
        path, tuple(one.group for one in drafts), delta=delta, fixed=book.fixed_charge / BILLION,
        open_interest=open_interest, **figures,
    )  # fmt: skip


def _measure(path: Path, book: Book, portfolios: list[Portfolio], at: Sequence[int]) -> dict[str, Floats]:
    engine, holdings = VectorEngine(book), Holdings.of(portfolios)
    columns = {IDS[symbol]: column for column, symbol in enumerate(SYMBOLS)}
    of_position = np.array([columns[int(number)] for number in holdings.position_underlying], dtype=np.int64)
    linear = np.zeros((len(portfolios), len(SYMBOLS)))
    np.add.at(linear, (holdings.position_account, of_position), holdings.position_size)
    of_token = np.array([columns[int(number)] for number in holdings.collateral_underlying], dtype=np.int64)
    np.add.at(linear, (holdings.collateral_account, of_token), holdings.collateral_amount)
    names = ("equity", "maintenance", "liquidation_end", "initial", "premium", "delta")
    rows: dict[str, list[Floats]] = {name: [] for name in names}
    for minute in at:
        prices = path.prices[minute]
        quotes, expiries = quotes_at(prices), expiries_at(path, int(minute))
        marked = replace(holdings, position_mark=prices[of_position])
        found = engine.assess(marked, quotes, WAD, expiries)
        premium, deltas = _options_of(portfolios, quotes, expiries) if len(holdings.dated.size) else (0.0, 0.0)
        rows["equity"].append(found.equity)
        rows["maintenance"].append(found.maintenance_margin)
        rows["liquidation_end"].append(found.liquidation_end_margin)
        rows["initial"].append(found.initial_margin)
        rows["premium"].append(np.zeros(len(portfolios)) + premium)
        rows["delta"].append((linear + deltas) * prices)
    return {name: np.stack(values) for name, values in rows.items()}


def _options_of(
    portfolios: list[Portfolio], quotes: Sequence[Quote], expiries: Sequence[ExpiryQuote]
) -> tuple[Floats, Floats]:
    """Σ of absolute values of options, and their deltas by underlying, units."""
    index = {quote.underlying: quote.index for quote in quotes}
    priced = {quote.underlying: Expiry(quote, index[quote.underlying], 0, 0) for quote in expiries}
    premium, deltas = np.zeros(len(portfolios)), np.zeros((len(portfolios), len(SYMBOLS)))
    unit: dict[int, tuple[float, float]] = {}
    columns = {IDS[symbol]: column for column, symbol in enumerate(SYMBOLS)}
    for row, portfolio in enumerate(portfolios):
        for leg in portfolio.positions:
            if leg.kind == 1:
                continue
            if leg.instrument not in unit:
                expiry, strike, put = priced[leg.underlying], strike_of(leg.instrument), is_put(leg.instrument)
                unit[leg.instrument] = (
                    expiry.price(strike, put) / WAD,
                    expiry.delta(OptionLeg(strike, put, WAD)) / WAD,
                )
            price, unit_delta = unit[leg.instrument]
            premium[row] += abs(leg.size) / WAD * price
            deltas[row, columns[leg.underlying]] += leg.size / WAD * unit_delta
    return premium, deltas


def _between(values: Floats, at: Sequence[int], minutes: Sequence[int]) -> Floats:
    """Straight lines between sampled minutes, along the first axis."""
    if len(at) == len(minutes):
        return values
    place = np.clip(np.searchsorted(at, minutes, side="right") - 1, 0, len(at) - 2)
    start, end = np.asarray(at)[place], np.asarray(at)[place + 1]
    part = ((np.asarray(minutes) - start) / (end - start)).reshape(-1, *([1] * (values.ndim - 1)))
    return np.asarray(values[place] * (1 - part) + values[place + 1] * part)


def _open_interest(portfolio: Portfolio, prices: Floats) -> float:
    price = {IDS[symbol]: float(value) for symbol, value in zip(SYMBOLS, prices, strict=True)}
    positions = sum(abs(leg.size) / WAD * price[leg.underlying] for leg in portfolio.positions)
    return positions + max(0, -portfolio.cash) / WAD


def _wad(amount: float) -> int:
    return round(amount * 10**9) * 10**9
