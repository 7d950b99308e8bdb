"""The margin engine in Python integers: equal to the contract `MarginEngine` to the wei.

Formulas and roundings are those of docs/margin.md. What goes in and comes out is in `margin_terms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from ballast.risk.book import Book, Row, Underlying
from ballast.risk.dated import FUTURE, Expiry, ExpiryQuote, OptionLeg, volatility_factors
from ballast.risk.gathering import (
    Exposure,
    Gathered,
    by_key,
    exposures_of,
    gather,
)
from ballast.risk.margin_terms import (
    BILLION,
    BLEND_DURATION,
    PERP,
    WAD,
    AssetNotInBook,
    Charges,
    CollateralLeg,
    Explanation,
    Margin,
    NodeValues,
    OracleState,
    Portfolio,
    PositionLeg,
    Quote,
    UnderlyingNotInBook,
    UnderlyingRisk,
    div_to_zero,
    div_up,
)

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

    def covers(self, gathered: Gathered) -> bool:
        """Whether the book knows every asset and underlying of the portfolio."""
        assets = all(leg.asset < len(self.book.assets) for leg in gathered.portfolio.collaterals if leg.amount)
        return assets and all(exposure.quote.underlying in self.place for exposure in gathered.held)

    def grid(self, exposure: Exposure) -> Underlying:
        if exposure.quote.underlying not in self.place:
            raise UnderlyingNotInBook(f"underlying {exposure.quote.underlying}")
        return self.book.underlyings[self.place[exposure.quote.underlying]]

    def measure(self, gathered: Gathered) -> tuple[_Requirement, Tail]:
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

    def _charges(self, gathered: Gathered) -> Charges:
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

    def _haircut(self, gathered: Gathered, leg: CollateralLeg) -> int:
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

    def _settlement_token(self, gathered: Gathered, exposure: Exposure) -> int:
        return div_up(self._depeg(gathered) * exposure.quote.index * exposure.position_quantity, WAD * WAD)

    def _depeg(self, gathered: Gathered) -> int:
        return max(0, self.book.settlement_token_floor * BILLION - gathered.settlement_token_usd)

    # What each underlying adds

    def parts(self, gathered: Gathered, tail: Tail, scan: int) -> list[UnderlyingRisk]:
        """One a quote, in their order.

        Args:
            scan: What of the tail's the account needs, which may be able to lose less.
        """
        return [self._part(gathered, tail, scan, exposure) for exposure in gathered.exposures.values()]

    def _part(self, gathered: Gathered, tail: Tail, scan: int, exposure: Exposure) -> UnderlyingRisk:
        underlying = exposure.quote.underlying
        followers = [leg for leg in gathered.portfolio.collaterals if leg.underlying == underlying]
        charges = sum(self._haircut(gathered, leg) for leg in followers)
        if not exposure.is_held:
            return UnderlyingRisk(underlying, 0, charges, 0)
        charges += self._hedged_basis(exposure) + self._hedged_vega(exposure) + self._short_options(exposure)
        charges += self._concentration(exposure) + self._settlement_token(gathered, exposure)
        values, place = exposure.node_values(self.grid(exposure)), self.place[underlying]
        loss = -sum(values[self.rows[row].nodes[place]] for row in tail.rows)
        shock = sum(self._tail_shocks(exposure, tail))
        return UnderlyingRisk(
            underlying, self._in_scan(tail, scan, loss), charges, self._in_scan(tail, tail.scan, shock)
        )

    # Euler contributions

    def contributions(self, gathered: Gathered, tail: Tail, scan: int) -> list[int]:
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

    def _position_share(self, gathered: Gathered, tail: Tail, scan: int, leg: PositionLeg) -> int:
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
        return self._in_scan(tail, scan, -change // WAD)

    def _in_scan(self, tail: Tail, scan: int, total: int) -> int:
        """Mean over the rows of a tail, or weighted, rounded down; in proportion where the account needs less."""
        if tail.scan == 0:
            return 0
        weight = self.rows[tail.rows[0]].weight
        share = total * weight // BILLION if tail.is_stress else total // len(tail.rows)
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

    @property
    def books(self) -> tuple[tuple[int, Book], ...]:
        """Each book in force and its weight in the blend, wad; the newer one last."""
        if self._previous is None:
            return ((WAD, self._current.book),)
        return (WAD - self._weight, self._previous.book), (self._weight, self._current.book)

    @property
    def multipliers(self) -> Mapping[int, int]:
        """In force, parts of 1e9, by underlying; those left out are one."""
        return self._multipliers

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
        gathered = gather(portfolio, quotes, settlement_token_usd, self._multipliers, expiries)
        requirement, _ = self._current.measure(gathered)
        if previous := self._blended_from(gathered):
            requirement = _blend_up(previous.measure(gathered)[0], requirement, self._weight)
        return _margin(gathered, requirement)

    def assess_in_parts(
        self,
        portfolio: Portfolio,
        quotes: Iterable[Quote],
        settlement_token_usd: int = WAD,
        expiries: Iterable[ExpiryQuote] = (),
    ) -> tuple[Margin, tuple[UnderlyingRisk, ...]]:
        """The same, and what each underlying adds to it: one a quote.

        Raises:
            MarginError: as `assess`.
        """
        gathered = gather(portfolio, quotes, settlement_token_usd, self._multipliers, expiries)
        requirement, tail = self._current.measure(gathered)
        parts = self._current.parts(gathered, tail, requirement.scan)
        if previous := self._blended_from(gathered):
            before, before_tail = previous.measure(gathered)
            older = previous.parts(gathered, before_tail, before.scan)
            parts = [_blend_part(*pair, self._weight) for pair in zip(older, parts, strict=True)]
            requirement = _blend_up(before, requirement, self._weight)
        return _margin(gathered, requirement), tuple(parts)

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
        gathered = gather(portfolio, quotes, settlement_token_usd, self._multipliers, expiries)
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
        gathered = gather(portfolio, quotes, WAD, self._multipliers, expiries)
        found = {}
        for exposure in gathered.held:
            grid = self._current.grid(exposure)
            nodes = range(grid.stable_node + 1)
            shocks = tuple(exposure.shock_at(grid, node) for node in nodes)
            found[exposure.quote.underlying] = NodeValues(grid, shocks, tuple(exposure.node_values(grid)))
        return found

    def _blended_from(self, gathered: Gathered) -> _BookRules | None:
        return self._previous if self._previous and self._previous.covers(gathered) else None


def option_prices(instruments: Iterable[int], quotes: Iterable[Quote], expiries: Iterable[ExpiryQuote]) -> list[int]:
    """A unit's price of each future or option, wad, rounded down: what `MarginEngine.assess` marks it at.

    Raises:
        MarginError: the contract would revert; the class bears the error's name.
    """
    gathered = Gathered(Portfolio(0), exposures_of(quotes, {}), WAD, 0, by_key(expiries))
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


def _blend_part(previous: UnderlyingRisk, current: UnderlyingRisk, weight: int) -> UnderlyingRisk:
    def mix(old: int, new: int) -> int:
        return old * (WAD - weight) + new * weight

    return UnderlyingRisk(
        current.underlying,
        mix(previous.loss, current.loss) // WAD,
        div_up(mix(previous.charges, current.charges), WAD),
        mix(previous.shock, current.shock) // WAD,
    )


def _margin(gathered: Gathered, requirement: _Requirement) -> Margin:
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
