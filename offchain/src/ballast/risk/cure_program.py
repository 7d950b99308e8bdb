"""The cheapest cure as a linear program, in floats: a proposal, which the integer twin then judges.

Expected shortfall is convex and piecewise linear in what is held, and each option is one leg at each node, so all of
the requirement but two charges is linear constraints (Rockafellar and Uryasev 2000 for the mean of the k largest
losses). The two, hedged basis and hedged vega, are the smaller of two sums: each is bounded by one of them, whichever
was smaller at the last solution, which is exact while it stays the smaller, and otherwise asks for more than the engine
does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from ballast.risk.book import Book, Underlying
from ballast.risk.cure_terms import Choice, CostModel, Kind, Situation
from ballast.risk.gathering import Exposure, gather
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, Portfolio, PositionLeg

Floats = NDArray[np.float64]
# Slippage is quadratic: chords over these shares of the depth, then the last one's marginal rate at twice the depth.
BREAKS = (0.01, 0.05, 0.2, 0.6)
LAST_MARGINAL = 4.0
# What keeps a variable at the largest of its forms where nothing else presses it down.
TOUCH = 1e-9
LONG, SHORT = "long", "short"


@dataclass(frozen=True)
class Form:
    """constant + Σ coefficient · variable."""

    constant: float = 0.0
    terms: Mapping[int, float] = field(default_factory=dict)

    def __add__(self, other: Form) -> Form:
        terms = dict(self.terms)
        for at, coefficient in other.terms.items():
            terms[at] = terms.get(at, 0.0) + coefficient
        return Form(self.constant + other.constant, terms)

    def __mul__(self, factor: float) -> Form:
        return Form(self.constant * factor, {at: value * factor for at, value in self.terms.items()})

    def __sub__(self, other: Form) -> Form:
        return self + other * -1.0

    def at(self, solution: Floats) -> float:
        return self.constant + sum(value * float(solution[at]) for at, value in self.terms.items())


def total(forms: Iterable[Form]) -> Form:
    summed = Form()
    for form in forms:
        summed = summed + form
    return summed


class Program:
    """Least cost under forms that must not be positive. Variables are not negative."""

    def __init__(self) -> None:
        self._costs: list[float] = []
        self._most: list[float] = []
        self._forms: list[Form] = []

    def variable(self, cost: float = 0.0, most: float = np.inf) -> Form:
        self._costs.append(cost)
        self._most.append(most)
        return Form(0.0, {len(self._costs) - 1: 1.0})

    def require(self, form: Form) -> None:
        """form ≤ 0."""
        self._forms.append(form)

    def above(self, forms: Iterable[Form]) -> Form:
        """A variable not below 0 nor below any of the forms."""
        top = self.variable(TOUCH)
        for form in forms:
            self.require(form - top)
        return top

    def solve(self) -> Floats | None:
        """None where nothing meets what is required."""
        entries = [(row, at, value) for row, form in enumerate(self._forms) for at, value in form.terms.items()]
        rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
        matrix = coo_matrix((values, (rows, columns)), shape=(len(self._forms), len(self._costs)))
        bounds = [(0, None if most == np.inf else most) for most in self._most]
        limits = [-form.constant for form in self._forms]
        found = linprog(self._costs, A_ub=matrix.tocsr(), b_ub=limits, bounds=bounds, method="highs")
        return found.x if found.status == 0 else None


@dataclass(frozen=True)
class Leg:
    """What a quantity adds to one underlying: a unit of a choice, or all that an account holds.

    Attributes:
        nodes: Gain at each node of each book.
        stable: Gain at the stable price, and at the second source's.
        vega: Gain at the highest volatility by expiry and book.
        sold: Size of options by expiry and type.
    """

    underlying: int
    nodes: tuple[Floats, ...]
    stable: tuple[float, float]
    long: float
    short: float
    positions: float
    delta: float
    vega: Mapping[tuple[int, int], float]
    sizes: Mapping[tuple[int, bool], float]

    @staticmethod
    def of(exposure: Exposure, books: Sequence[Book]) -> Leg:
        underlying = exposure.quote.underlying
        grids = [grid_of(book, underlying) for book in books]
        linear, dated = exposure.linear_value, exposure.expiries
        return Leg(
            underlying,
            tuple(np.array(exposure.node_values(grid), dtype=np.float64) / WAD for grid in grids),
            (
                (linear * exposure.stable_shock // WAD + sum(one.stable_change for one in dated)) / WAD,
                (linear * exposure.second_shock // WAD + sum(one.second_change for one in dated)) / WAD,
            ),
            exposure.long_quantity / WAD,
            exposure.short_quantity / WAD,
            exposure.position_quantity / WAD,
            exposure.net_delta / WAD,
            {
                (expiry.quote.key, number): vega / WAD / WAD
                for number, grid in enumerate(grids)
                for expiry, vega in zip(dated, exposure.vegas(grid), strict=True)
            },
            {
                (expiry.quote.key, is_put): (expiry.puts if is_put else expiry.calls) / WAD
                for expiry in dated
                for is_put in (False, True)
            },
        )


NOTHING = Leg(0, (), (0.0, 0.0), 0.0, 0.0, 0.0, 0.0, {}, {})
"""A unit of cash."""


def grid_of(book: Book, underlying: int) -> Underlying:
    return next(grid for grid in book.underlyings if grid.id == underlying)


def exposures(situation: Situation, portfolio: Portfolio) -> dict[int, Exposure]:
    """Of a portfolio in an account's market."""
    found = gather(
        portfolio, situation.quotes, situation.settlement_usd, situation.engine.multipliers, situation.expiries
    )
    return {number: one for number, one in found.exposures.items() if one.is_held}


def unit_of(situation: Situation, choice: Choice, sign: int) -> Leg:
    """What one unit more of a choice's instrument or token is, held with a sign."""
    if choice.kind == Kind.DEPOSIT:
        portfolio = Portfolio(0, (CollateralLeg(choice.subject, choice.underlying, WAD),))
    else:
        portfolio = Portfolio(0, (), (PositionLeg(choice.subject, sign * WAD, choice.price, 0),))
    books = [book for _, book in situation.engine.books]
    return Leg.of(exposures(situation, portfolio)[choice.underlying], books)


@dataclass
class CureProgram:
    """The requirement of an account that takes any of some choices, as a linear program.

    Args:
        units: What a unit of each choice adds; what a close adds is a unit of what is held, taken away.
        buffer: Surplus to reach beyond the goal, value units.
        sides: By (charge, book, underlying), which of the two sums bounds it.
    """

    situation: Situation
    choices: Sequence[Choice]
    units: Sequence[Leg]
    costs: CostModel
    health: float | None
    trades: bool
    base: Mapping[int, Leg]
    buffer: float = 0.0
    sides: Mapping[tuple[str, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._program = Program()
        self._sums: dict[tuple[str, int, int], tuple[Form, Form]] = {}
        self._amounts, drag = self._variables()
        self._build(drag)

    def solve(self) -> tuple[list[float], dict[tuple[str, int, int], str]] | None:
        """Units of each choice, and which of the two sums was smaller; None where the choices cannot cure."""
        solution = self._program.solve()
        if solution is None:
            return None
        sides = {
            place: LONG if long.at(solution) <= short.at(solution) else SHORT
            for place, (long, short) in self._sums.items()
        }
        return [amount.at(solution) for amount in self._amounts], sides

    def _variables(self) -> tuple[list[Form], Form]:
        """The amount of each choice, and what trades take out of the account."""
        amounts, drag = [], Form()
        for choice in self.choices:
            amount = Form()
            for rate, most in rates_of(choice, self.costs):
                part = self._program.variable(rate, most)
                amount = amount + part
                drag = drag + (part * rate if choice.kind != Kind.DEPOSIT else Form())
            self._program.require(amount - Form(choice.most * choice.step / WAD))
            amounts.append(amount)
        return amounts, drag

    def _build(self, drag: Form) -> None:
        situation = self.situation
        margin = situation.assess(situation.portfolio)
        paid_in = total(
            amount * (choice.price / WAD)
            for amount, choice in zip(self._amounts, self.choices, strict=True)
            if choice.kind == Kind.DEPOSIT
        )
        equity = Form(margin.equity / WAD) + paid_in - drag
        scan, initial, charges = Form(), 0.0, Form()
        for number, (weight, book) in enumerate(situation.engine.books):
            scan = scan + self._scan(number, book) * (weight / WAD)
            charges = charges + self._charges(number, book) * (weight / WAD)
            initial += book.initial_factor / BILLION * weight / WAD
        if self.trades or self.health is None:
            supporting = equity - self._stable_gap() - Form(margin.untrusted_gain / WAD)
            self._program.require(scan * initial + charges + Form(self.buffer) - supporting)
        if self.health is not None:
            self._program.require((scan + charges) * self.health + Form(self.buffer) - equity)

    # Sums over legs

    def _legs(self, underlying: int) -> list[tuple[Form, Leg]]:
        """What is held and may be held of an underlying, each with how much of it."""
        legs = [(Form(1.0), self.base[underlying])] if underlying in self.base else []
        chosen = zip(self._amounts, self.choices, self.units, strict=True)
        for amount, choice, unit in chosen:
            if choice.underlying == underlying:
                legs.append((amount * (-1.0 if choice.kind == Kind.CLOSE else 1.0), unit))
        return legs

    @property
    def _underlyings(self) -> list[int]:
        return sorted({*self.base, *(choice.underlying for choice in self.choices if choice.underlying)})

    def _scan(self, number: int, book: Book) -> Form:
        """At least the mean of the k largest historical losses, and every weighted stress loss."""
        places = [(at, self._legs(grid.id)) for at, grid in enumerate(book.underlyings)]
        losses = [
            total(form * -float(leg.nodes[number][row.nodes[at]]) for at, legs in places for form, leg in legs)
            for row in book.rows
        ]
        historical, stress = losses[: len(book.historical)], losses[len(book.historical) :]
        threshold = self._program.variable() - self._program.variable()
        beyond = [self._program.above([loss - threshold]) for loss in historical]
        shortfall = threshold + total(beyond) * (1.0 / book.tail_rows)
        weighted = [loss * (row.weight / BILLION) for row, loss in zip(book.stress, stress, strict=True)]
        return self._program.above([shortfall, *weighted])

    def _stable_gap(self) -> Form:
        return total(
            self._program.above(
                total(form * -leg.stable[source] for form, leg in self._legs(underlying)) for source in (0, 1)
            )
            for underlying in self._underlyings
        )

    def _charges(self, number: int, book: Book) -> Form:
        charges = total(self._charges_of(number, book, underlying) for underlying in self._underlyings)
        for asset, index, amount in self._collaterals():
            charges = charges + amount * (book.assets[asset].haircut / BILLION * index / WAD)
        has_position = bool(self.situation.portfolio.positions) or self.trades
        return charges + Form(book.fixed_charge / BILLION if has_position else 0.0)

    def _collaterals(self) -> list[tuple[int, int, Form]]:
        """Asset, index and amount of all that is and may be deposited, but cash."""
        held = [
            (leg.asset, self.situation.index(leg.underlying), Form(leg.amount / WAD))
            for leg in self.situation.portfolio.collaterals
        ]
        chosen = zip(self._amounts, self.choices, strict=True)
        return held + [
            (choice.subject, choice.index, amount)
            for amount, choice in chosen
            if choice.kind == Kind.DEPOSIT and choice.subject
        ]

    def _charges_of(self, number: int, book: Book, underlying: int) -> Form:
        legs, grid = self._legs(underlying), grid_of(book, underlying)
        index = self.situation.index(underlying) / WAD
        basis = self._smaller(
            ("basis", number, underlying),
            total(form * leg.long for form, leg in legs),
            total(form * leg.short for form, leg in legs),
        )
        charges = basis * (grid.hedged_basis / BILLION * index)
        charges = charges + self._hedged_vega(number, grid, legs) * (grid.hedged_vega / BILLION)
        charges = charges + self._sold(legs) * (grid.short_options / BILLION * index)
        delta = total(form * leg.delta for form, leg in legs)
        depth = Form(min(grid.depth, 2**100) / WAD)
        excess = self._program.above([delta - depth, delta * -1.0 - depth])
        charges = charges + excess * (grid.concentration / BILLION * index)
        depeg = max(0.0, book.settlement_token_floor / BILLION - self.situation.settlement_usd / WAD)
        return charges + total(form * leg.positions for form, leg in legs) * (depeg * index)

    def _hedged_vega(self, number: int, grid: Underlying, legs: Sequence[tuple[Form, Leg]]) -> Form:
        keys = sorted({key for _, leg in legs for key, book in leg.vega if book == number})
        vegas = [total(form * leg.vega.get((key, number), 0.0) for form, leg in legs) for key in keys]
        gains, losses = (total(self._program.above([vega * sign]) for vega in vegas) for sign in (1.0, -1.0))
        return self._smaller(("vega", number, grid.id), gains, losses)

    def _sold(self, legs: Sequence[tuple[Form, Leg]]) -> Form:
        places = sorted({place for _, leg in legs for place in leg.sizes})
        return total(
            self._program.above([total(form * -leg.sizes.get(place, 0.0) for form, leg in legs)]) for place in places
        )

    def _smaller(self, place: tuple[str, int, int], long: Form, short: Form) -> Form:
        """A bound on the smaller of two sums."""
        self._sums[place] = long, short
        side = self.sides.get(place) or (LONG if long.constant <= short.constant else SHORT)
        return long if side == LONG else short


def rates_of(choice: Choice, costs: CostModel) -> list[tuple[float, float]]:
    """Cost of a unit and how many units at it, ascending."""
    price, index = choice.price / WAD, choice.index / WAD
    if choice.kind == Kind.DEPOSIT:
        rate = costs.of_capital + (costs.half_spread if choice.subject else 0)
        return [(price * rate / BILLION, np.inf)]
    flat = costs.fee + (costs.option_half_spread if choice.is_option else 0)
    least = price * flat / BILLION + index * costs.half_spread / BILLION
    if not choice.depth or not costs.slippage:
        return [(least, np.inf)]
    depth, slope = choice.depth / WAD, index * costs.slippage / BILLION
    starts = (0.0, *BREAKS)
    chords = [(least + slope * (a + b), (b - a) * depth) for a, b in zip(starts, BREAKS, strict=False)]
    return [*chords, (least + slope * LAST_MARGINAL, np.inf)]
