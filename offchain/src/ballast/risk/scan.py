"""Margin of thousands of accounts at once, in floats: fast, close, and never the last word.

The same formulas as `ballast.risk.margin`, without its roundings; a unit of each future and option is priced by its
integers once, for all its holders (`ballast.risk.units`). Against the integers, each figure is within ``ERROR_BOUND``
of the account's gross value, plus ``ERROR_FLOOR`` value units: who acts on a figure near a threshold asks the chain.
Gross value is Σ of the absolute values of cash, collateral, and positions and their offsets, an option counting as the
sum of its forward and its strike. Amounts are floats of value units and whole units of the underlying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from ballast.risk.book import ONE_E9, WAD, Book
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin_terms import BILLION, HIGHEST_PRICE_RATIO, LOWEST_SHOCK, PERP, OracleState, Portfolio, Quote
from ballast.risk.units import DatedLegs, Units

ERROR_BOUND = 1e-12
ERROR_FLOOR = 1e-9

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Holdings:
    """Many portfolios as flat arrays: ``account`` is the row of each leg's owner, ``underlying`` and ``asset`` are ids.

    ``offset`` is the quote balance less funding owed; a position is worth size · mark + offset. Positions are perps;
    futures and options are in ``dated``.
    """

    cash: Floats
    collateral_account: Integers
    collateral_asset: Integers
    collateral_underlying: Integers
    collateral_amount: Floats
    position_account: Integers
    position_underlying: Integers
    position_size: Floats
    position_mark: Floats
    position_offset: Floats
    dated: DatedLegs = field(default_factory=lambda: DatedLegs.of([]))

    @staticmethod
    def of(portfolios: Sequence[Portfolio]) -> Holdings:
        """From exact portfolios, whose amounts are wad."""
        collaterals = [(row, leg) for row, portfolio in enumerate(portfolios) for leg in portfolio.collaterals]
        legs = [(row, leg) for row, portfolio in enumerate(portfolios) for leg in portfolio.positions]
        positions = [(row, leg) for row, leg in legs if leg.kind == PERP]
        return Holdings(
            cash=_units([portfolio.cash for portfolio in portfolios]),
            collateral_account=_integers([row for row, _ in collaterals]),
            collateral_asset=_integers([leg.asset for _, leg in collaterals]),
            collateral_underlying=_integers([leg.underlying for _, leg in collaterals]),
            collateral_amount=_units([leg.amount for _, leg in collaterals]),
            position_account=_integers([row for row, _ in positions]),
            position_underlying=_integers([leg.underlying for _, leg in positions]),
            position_size=_units([leg.size for _, leg in positions]),
            position_mark=_units([leg.mark for _, leg in positions]),
            position_offset=_units([leg.offset for _, leg in positions]),
            dated=DatedLegs.of([(row, leg) for row, leg in legs if leg.kind != PERP]),
        )


@dataclass(frozen=True)
class Estimates:
    """One figure an account, value units. ``gross`` scales the error bound."""

    equity: Floats
    halt_bonus: Floats
    scan: Floats
    maintenance_margin: Floats
    liquidation_end_margin: Floats
    initial_margin: Floats
    gross: Floats

    @property
    def health(self) -> Floats:
        """(equity + halt bonus) / maintenance margin; ±infinity where nothing is required."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (self.equity + self.halt_bonus) / self.maintenance_margin
        return np.where(self.maintenance_margin > 0, ratio, np.where(self.equity >= 0, np.inf, -np.inf))


@dataclass(frozen=True)
class _Requirement:
    """What one book, or a blend of two, asks of each account."""

    scan: Floats
    charges: Floats
    halt_bonus: Floats
    initial_factor: Floats
    liquidation_end_factor: Floats


@dataclass(frozen=True)
class _Gathered:
    """Exposures by account (rows) and underlying (columns of the book); ``changes`` of options by node as well,
    ``vega`` by column of the expiry, ``loss_cap`` by account alone: infinite where there is no bound."""

    value: Floats
    long: Floats
    short: Floats
    positions: Floats
    delta: Floats
    sold: Floats
    changes: Floats
    long_vega: Floats
    short_vega: Floats
    loss_cap: Floats


class VectorEngine:
    """The margin engine at one moment, as `ballast.risk.margin.MarginEngine`."""

    def __init__(
        self,
        current: Book,
        previous: Book | None = None,
        weight_of_current: int = WAD,
        multipliers: Mapping[int, int] | None = None,
    ) -> None:
        self._current = current
        self._previous = previous if weight_of_current < WAD else None
        self._weight = weight_of_current / WAD
        self._multipliers = dict(multipliers or {})

    def assess(
        self,
        holdings: Holdings,
        quotes: Sequence[Quote],
        settlement_token_usd: int = WAD,
        expiries: Sequence[ExpiryQuote] = (),
    ) -> Estimates:
        """Estimates for every account.

        Args:
            quotes: One for every underlying held; an underlying without one makes its holders' figures NaN.
            expiries: The same for futures and options.
        """
        by_id = {quote.underlying: quote for quote in quotes}
        units = self._units_of(self._current, holdings, by_id, expiries)
        requirement, cap = self._requirement(self._current, holdings, by_id, units, settlement_token_usd)
        if self._previous is not None:
            previous = self._units_of(self._previous, holdings, by_id, expiries)
            before, _ = self._requirement(self._previous, holdings, by_id, previous, settlement_token_usd)
            requirement = _blend(before, requirement, self._weight)
        equity, gross = _equity(self._current, holdings, by_id, units)
        scan = requirement.scan
        most = np.maximum(cap, scan)
        return Estimates(
            equity=equity,
            halt_bonus=requirement.halt_bonus,
            scan=scan,
            maintenance_margin=scan + requirement.charges,
            liquidation_end_margin=np.minimum(scan * requirement.liquidation_end_factor, most) + requirement.charges,
            initial_margin=np.minimum(scan * requirement.initial_factor, most) + requirement.charges,
            gross=gross,
        )

    def _units_of(
        self, book: Book, holdings: Holdings, quotes: Mapping[int, Quote], expiries: Sequence[ExpiryQuote]
    ) -> Units:
        by_key = {expiry.key: expiry for expiry in expiries}
        return Units.of(book, holdings.dated.instruments, quotes, by_key, self._multipliers)

    def _requirement(
        self, book: Book, holdings: Holdings, quotes: Mapping[int, Quote], units: Units, usd: int
    ) -> tuple[_Requirement, Floats]:
        """What a book asks, and the most that each account can lose."""
        index = _index(book, quotes)
        gathered = _gather(book, holdings, index, units)
        shocks = self._shocks(book, quotes)
        accounts = np.ones(len(holdings.cash))
        requirement = _Requirement(
            scan=np.minimum(_scan(book, gathered, shocks), gathered.loss_cap),
            charges=_charges(book, holdings, gathered, index, usd),
            halt_bonus=_halt_bonus(book, gathered, shocks, quotes),
            initial_factor=accounts * (book.initial_factor / ONE_E9),
            liquidation_end_factor=accounts * (book.liquidation_end_factor / ONE_E9),
        )
        return requirement, gathered.loss_cap

    def _shocks(self, book: Book, quotes: Mapping[int, Quote]) -> Floats:
        """Price shock of each node of each underlying; the last column is the stable node."""
        rows = []
        for grid in book.underlyings:
            multiplier = self._multipliers.get(grid.id, BILLION) / BILLION
            shocks = [
                max((grid.price_shock(node) or 0) / WAD * multiplier, LOWEST_SHOCK / WAD)
                for node in range(grid.stable_node)
            ]
            quote = quotes.get(grid.id)
            rows.append([*shocks, _stable_shock(quote)])
        return np.array(rows)


def _stable_shock(quote: Quote | None) -> float:
    if quote is None or not quote.index or not quote.stable:
        return np.nan
    return min(quote.stable / quote.index, HIGHEST_PRICE_RATIO / WAD) - 1


def _halt_bonus(book: Book, gathered: _Gathered, shocks: Floats, quotes: Mapping[int, Quote]) -> Floats:
    bonus = np.zeros(len(gathered.value))
    for column, grid in enumerate(book.underlyings):
        quote = quotes.get(grid.id)
        if quote is not None and quote.state == OracleState.HALTED:
            values = np.outer(gathered.value[:, column], shocks[column]) + gathered.changes[:, column]
            bonus += np.maximum(0.0, np.max(values, axis=1))
    return bonus


def _equity(book: Book, holdings: Holdings, quotes: Mapping[int, Quote], units: Units) -> tuple[Floats, Floats]:
    """Equity and gross value."""
    collateral = _collateral_values(book, holdings, _index(book, quotes))
    position = holdings.position_size * holdings.position_mark
    equity, gross = holdings.cash.copy(), np.abs(holdings.cash)
    for target, of_collateral, of_position in (
        (equity, collateral, position + holdings.position_offset),
        (gross, np.abs(collateral), np.abs(position) + np.abs(holdings.position_offset)),
    ):
        np.add.at(target, holdings.collateral_account, of_collateral)
        np.add.at(target, holdings.position_account, of_position)
    dated = holdings.dated
    np.add.at(equity, dated.account, dated.size * units.price[dated.instrument] + dated.offset)
    np.add.at(gross, dated.account, np.abs(dated.size) * units.gross[dated.instrument] + np.abs(dated.offset))
    return equity, gross


def _index(book: Book, quotes: Mapping[int, Quote]) -> Floats:
    """Index of each of the book's underlyings, NaN where unknown; a price of 0 is none."""
    known = [quotes[grid.id].index if grid.id in quotes else 0 for grid in book.underlyings]
    return np.array([index / WAD if index else np.nan for index in known])


def _gather(book: Book, holdings: Holdings, index: Floats, units: Units) -> _Gathered:
    shape = (len(holdings.cash), len(book.underlyings))
    value, long, short, positions, delta = (np.zeros(shape) for _ in range(5))
    owners, columns = holdings.collateral_account, _columns(book, holdings.collateral_underlying)
    np.add.at(value, (owners, columns), _collateral_values(book, holdings, index))
    np.add.at(long, (owners, columns), holdings.collateral_amount)
    owners, columns = holdings.position_account, _columns(book, holdings.position_underlying)
    np.add.at(value, (owners, columns), holdings.position_size * holdings.position_mark)
    np.add.at(long, (owners, columns), np.maximum(0.0, holdings.position_size))
    np.add.at(short, (owners, columns), np.maximum(0.0, -holdings.position_size))
    np.add.at(positions, (owners, columns), np.abs(holdings.position_size))
    unknown = np.concatenate(
        [
            holdings.collateral_account[_unknown_collaterals(book, holdings)],
            holdings.position_account[_unknown(book, holdings.position_underlying) & (holdings.position_size != 0)],
        ]
    )
    value[unknown] = np.nan
    dated = holdings.dated.held
    where, of = (dated.account, units.column[dated.instrument]), dated.instrument
    quantity = dated.size * units.quantity[of]
    np.add.at(value, where, dated.size * units.linear[of])
    np.add.at(long, where, np.maximum(0.0, quantity))
    np.add.at(short, where, np.maximum(0.0, -quantity))
    np.add.at(positions, where, np.abs(dated.size) * units.counted[of])
    np.add.at(delta, where, dated.size * units.delta[of])
    linear = (long + short).any(axis=1)
    sold, loss_cap = _sold_and_loss_cap(shape, dated, units, linear)
    changes = np.zeros((*shape, units.changes.shape[1]))
    np.add.at(changes, where, dated.size[:, None] * units.changes[of])
    return _Gathered(value, long, short, positions, delta, sold, changes, *_vegas(shape, dated, units), loss_cap)


def _by_column(shape: tuple[int, int], by_expiry: Floats, units: Units) -> Floats:
    total = np.zeros(shape)
    np.add.at(total.T, units.column_of_expiry, by_expiry.T)
    return total


def _vegas(shape: tuple[int, int], dated: DatedLegs, units: Units) -> tuple[Floats, Floats]:
    """Σ over expiries of what options gain at the highest volatility: where they gain, where they lose."""
    vega = np.zeros((shape[0], units.expiries))
    options = units.expiry[dated.instrument] >= 0
    of = dated.instrument[options]
    np.add.at(vega, (dated.account[options], units.expiry[of]), dated.size[options] * units.vega[of])
    return tuple(_by_column(shape, np.maximum(0.0, side), units) for side in (vega, -vega))  # type: ignore[return-value]


def _sold_and_loss_cap(
    shape: tuple[int, int], dated: DatedLegs, units: Units, linear: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Σ of what is sold more than bought, by underlying; and max(0, Σ of value less worst pay-off over expiries).

    The latter is infinite where an account has a linear leg, no option, or sold more of a type than it bought.
    """
    sold, naked = np.zeros(shape), linear.copy()
    for is_put in (False, True):
        columns = np.where(units.is_put == is_put, units.expiry, -1)
        net, negative = dated.net((shape[0], units.expiries), columns)
        sold += _by_column(shape, np.maximum(0.0, -net), units)
        naked |= negative.any(axis=1)
    options = units.expiry[dated.instrument] >= 0
    holders = np.zeros(shape[0], dtype=np.bool_)
    holders[dated.account[options]] = True
    cap = np.where(holders & ~naked, 0.0, np.inf)
    for expiry in range(units.expiries):
        cap += _greatest_loss(shape[0], dated, units, options & (units.expiry[dated.instrument] == expiry))
    return sold, np.maximum(0.0, cap)


def _greatest_loss(accounts: int, dated: DatedLegs, units: Units, chosen: NDArray[np.bool_]) -> Floats:
    """Value less worst pay-off of the chosen legs, all of one expiry; at 0 or at a strike: it is straight between."""
    listed, place = np.unique(dated.instrument[chosen], return_inverse=True)
    sizes = np.zeros((accounts, len(listed)))
    np.add.at(sizes, (dated.account[chosen], place), dated.size[chosen])
    strikes, sign = units.strike[listed], np.where(units.is_put[listed], -1.0, 1.0)
    prices = np.concatenate([[0.0], strikes])
    payoffs = np.maximum(0.0, sign * (prices[:, None] - strikes))
    value: Floats = sizes @ units.price[listed] - (sizes @ payoffs.T).min(axis=1)
    return value


def _scan(book: Book, gathered: _Gathered, shocks: Floats) -> Floats:
    nodes = np.array([row.nodes for row in book.rows], dtype=np.int64)
    by_row = shocks[np.arange(len(book.underlyings)), nodes]
    # Without a holding an unknown price does not matter: 0 · NaN must stay 0.
    losses = np.zeros((len(gathered.value), len(book.rows)))
    for column in range(len(book.underlyings)):
        value = gathered.value[:, [column]]
        losses -= np.where(value != 0, value * by_row[:, column], 0.0)
        losses -= gathered.changes[:, column][:, nodes[:, column]]
    historical = losses[:, : len(book.historical)]
    tail = np.sort(historical, axis=1)[:, -book.tail_rows :].mean(axis=1)
    scan = np.maximum(0.0, tail)
    if book.stress:
        weights = np.array([row.weight for row in book.stress]) / ONE_E9
        scan = np.maximum(scan, (losses[:, len(book.historical) :] * weights).max(axis=1))
    return scan


def _charges(book: Book, holdings: Holdings, gathered: _Gathered, index: Floats, usd: int) -> Floats:
    haircuts = np.array([asset.haircut for asset in book.assets]) / ONE_E9
    known = (holdings.collateral_asset < len(haircuts)) | (holdings.collateral_amount == 0)
    rates = np.where(known, haircuts[np.minimum(holdings.collateral_asset, len(haircuts) - 1)], np.nan)
    charges = np.zeros(len(holdings.cash))
    np.add.at(charges, holdings.collateral_account, _collateral_values(book, holdings, index) * rates)
    price = np.nan_to_num(index)
    basis = np.array([grid.hedged_basis for grid in book.underlyings]) / ONE_E9
    concentration = np.array([grid.concentration for grid in book.underlyings]) / ONE_E9
    depth = _units([grid.depth for grid in book.underlyings])
    depeg = max(0.0, book.settlement_token_floor / ONE_E9 - usd / WAD)
    charges += np.minimum(gathered.long, gathered.short) @ (basis * price)
    vega, short_options = (
        np.array([getattr(grid, name) for grid in book.underlyings]) / ONE_E9
        for name in ("hedged_vega", "short_options")
    )
    charges += np.minimum(gathered.long_vega, gathered.short_vega) @ vega
    charges += gathered.sold @ (short_options * price)
    net = gathered.long - gathered.short + gathered.delta
    charges += np.maximum(0.0, np.abs(net) - depth) @ (concentration * price)
    charges += gathered.positions @ (depeg * price)
    charges += np.where(gathered.positions.any(axis=1), book.fixed_charge / ONE_E9, 0.0)
    return charges


def _blend(before: _Requirement, after: _Requirement, weight: float) -> _Requirement:
    """Part by part; accounts that the older book does not know take the newer one's figures."""
    known = ~np.isnan(before.scan + before.charges)
    weights = np.where(known, weight, 1.0)
    mixed = {
        part.name: np.nan_to_num(getattr(before, part.name)) * (1 - weights) + getattr(after, part.name) * weights
        for part in fields(_Requirement)
    }
    for name in ("initial_factor", "liquidation_end_factor"):
        # Factors are whole billionths, blended upwards; the slack keeps what floats add from rounding one too far.
        mixed[name] = np.ceil(mixed[name] * ONE_E9 - 1e-6) / ONE_E9
    return _Requirement(**mixed)


def _collateral_values(book: Book, holdings: Holdings, index: Floats) -> Floats:
    columns = _columns(book, holdings.collateral_underlying)
    values: Floats = holdings.collateral_amount * index[columns]
    return np.where(
        holdings.collateral_amount == 0, 0.0, np.where(_unknown_collaterals(book, holdings), np.nan, values)
    )


def _unknown_collaterals(book: Book, holdings: Holdings) -> NDArray[np.bool_]:
    """Legs of nothing ask nothing of a book that does not know them."""
    return _unknown(book, holdings.collateral_underlying) & (holdings.collateral_amount != 0)


def _columns(book: Book, underlyings: Integers) -> Integers:
    place = np.zeros(256, dtype=np.int64)
    for column, grid in enumerate(book.underlyings):
        place[grid.id] = column
    return place[underlyings]


def _unknown(book: Book, underlyings: Integers) -> NDArray[np.bool_]:
    return ~np.isin(underlyings, [grid.id for grid in book.underlyings])


def _units(wads: Sequence[int]) -> Floats:
    return np.array([amount / WAD for amount in wads], dtype=np.float64)


def _integers(values: Sequence[int]) -> Integers:
    return np.array(values, dtype=np.int64)
