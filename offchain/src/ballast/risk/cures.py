"""The cheapest cures of an account in a margin call: deposit, close, hedge, and the best of all together.

Each family of acts is a linear program (`cure_program`); its solution is rounded up to whole steps, judged by the
integer twin, mended where it falls short, and then trimmed: no act could be one step smaller. A cure of several acts is
the cheapest up to the program's two bounded charges, the rounding to steps, and what each act costs by itself, which is
weighed by leaving out one act at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ballast.risk.book import Book
from ballast.risk.cure_program import NOTHING, CureProgram, Leg, exposures, grid_of, unit_of
from ballast.risk.cure_terms import (
    Act,
    Choice,
    CostModel,
    Cure,
    Goal,
    Kind,
    Situation,
    Token,
    Tradable,
    is_trade,
    portfolio_after,
)
from ballast.risk.margin_terms import QUANTITY_LIMIT, WAD, Margin, MarginError, Portfolio

MOST_POSITIONS = 64
ROUNDS = 8
"""Programs solved for one family before it is given up."""
LEAST_BUFFER = 1e-3
"""Value units, beyond the tolerance of the program's solver; trimming gives back what was not needed of it."""
DUST = 1e-9
"""Of a step: less than that of a choice is none of it."""


def propose(
    situation: Situation,
    tradables: Sequence[Tradable],
    tokens: Sequence[Token],
    goal: Goal | None = None,
    costs: CostModel | None = None,
) -> list[Cure]:
    """Cures that reach the goal, the cheapest first; empty where there is none, or none is needed.

    One a token alone; one by closing; one by perpetuals and futures; one by options; and the best of everything. Every
    cure was judged by the integer twin after its costs. A family in which nothing reaches the goal is left out.

    Args:
        tradables: What may be traded: all that the account holds, and what may hedge it.
        tokens: What may be deposited.

    Raises:
        MarginError: The account as it is has no margin: an oracle does not answer for something it holds.
    """
    return Adviser(situation, goal or Goal(), costs or CostModel()).propose(tradables, tokens)


@dataclass(frozen=True)
class Adviser:
    """`propose` for one account."""

    situation: Situation
    goal: Goal
    costs: CostModel
    _units: dict[Choice, Leg] = field(default_factory=dict)

    def propose(self, tradables: Sequence[Tradable], tokens: Sequence[Token]) -> list[Cure]:
        """See there."""
        if self.goal.surplus(self.situation.assess(self.situation.portfolio), trades=False) >= 0:
            return []
        deposits = [self._deposit(token) for token in tokens if self._is_known(token.underlying)]
        closes, hedges = self.closes(tradables), self._hedges(tradables)
        families: list[tuple[str, list[Choice]]] = [("deposit", [choice]) for choice in deposits]
        families += [
            ("close", closes),
            ("hedge with perpetuals and futures", [one for one in hedges if not one.is_option]),
            ("hedge with options", [one for one in hedges if one.is_option]),
            ("best of all", deposits + closes + hedges),
        ]
        found = [self._cheapest(name, choices) for name, choices in families if choices]
        return _ranked([cure for cure in found if cure is not None])

    # What may be done

    def _deposit(self, token: Token) -> Choice:
        index = self.situation.index(token.underlying)
        return Choice(
            Kind.DEPOSIT, token.asset, token.underlying, 1, token.step, token.most // token.step, index, index, 0
        )

    def closes(self, tradables: Sequence[Tradable]) -> list[Choice]:
        """Each position that can be closed, up to all of it."""
        held = {leg.instrument: leg.size for leg in self.situation.portfolio.positions if leg.size}
        return [
            self._trade(Kind.CLOSE, one, -1 if held[one.instrument] > 0 else 1, abs(held[one.instrument]) // one.step)
            for one in tradables
            if one.instrument in held and self._is_known(one.instrument >> 240 & 0xFF)
        ]

    def _hedges(self, tradables: Sequence[Tradable]) -> list[Choice]:
        held = {leg.instrument: leg.size for leg in self.situation.portfolio.positions if leg.size}
        return [
            self._trade(Kind.HEDGE, one, side, (QUANTITY_LIMIT - 1) // one.step // 2**20)
            for one in tradables
            if one.opens and self._is_known(one.instrument >> 240 & 0xFF)
            for side in (1, -1)
            if held.get(one.instrument, 0) * side >= 0
        ]

    def _trade(self, kind: Kind, one: Tradable, side: int, most: int) -> Choice:
        underlying = one.instrument >> 240 & 0xFF
        grid = grid_of(self.situation.engine.books[-1][1], underlying)
        depth = grid.depth if grid.depth < QUANTITY_LIMIT else 0
        index = self.situation.index(underlying)
        return Choice(kind, one.instrument, underlying, side, one.step, most, one.mark, index, depth)

    def _is_known(self, underlying: int) -> bool:
        """Whether the oracle answers for it, and every book knows it."""
        quoted = underlying == 0 or any(quote.underlying == underlying for quote in self.situation.quotes)
        return quoted and all(underlying in (0, *(grid.id for grid in book.underlyings)) for book in self._books)

    # One family

    def _cheapest(self, name: str, choices: Sequence[Choice]) -> Cure | None:
        """By all choices of a family, then without each that is not worth its fixed cost."""
        best = self._solve(name, choices) or self._all_closed(name, choices)
        if best is None or len(best.acts) == 1:
            return best
        for act in sorted(best.acts, key=lambda act: act.cost(self.costs)):
            rest = [one.choice for one in best.acts if one.choice != act.choice]
            if len(rest) == len(best.acts):
                continue
            fewer = self._solve(name, rest)
            if fewer is not None and fewer.cost < best.cost:
                best = fewer
        return best

    def _all_closed(self, name: str, choices: Sequence[Choice]) -> Cure | None:
        """An account without positions owes no fixed charge, which the program always asks for."""
        acts = tuple(Act(choice, choice.most) for choice in choices if choice.kind == Kind.CLOSE and choice.most)
        surplus = self._surplus(acts) if len(acts) == len(choices) else None
        return self._cure(name, self._trimmed(acts)) if surplus is not None and surplus >= 0 else None

    def _solve(self, name: str, choices: Sequence[Choice]) -> Cure | None:
        trades = any(choice.kind != Kind.DEPOSIT for choice in choices)
        health = self.goal.health / WAD if self.goal.health is not None else None
        units = [self._unit(choice) for choice in choices]
        program = CureProgram(self.situation, choices, units, self.costs, health, trades, self._base)
        return self._mended(name, program)

    @cached_property
    def _base(self) -> dict[int, Leg]:
        held = exposures(self.situation, self.situation.portfolio)
        return {number: Leg.of(one, self._books) for number, one in held.items()}

    @property
    def _books(self) -> list[Book]:
        return [book for _, book in self.situation.engine.books]

    def _unit(self, choice: Choice) -> Leg:
        if choice not in self._units:
            sign = -choice.side if choice.kind == Kind.CLOSE else choice.side
            self._units[choice] = unit_of(self.situation, choice, sign) if choice.underlying else NOTHING
        return self._units[choice]

    def _mended(self, name: str, program: CureProgram) -> Cure | None:
        """Solves, rounds up and asks the twin, with a larger buffer while it falls short."""
        best: Cure | None = None
        for _ in range(ROUNDS):
            if (solved := program.solve()) is None:
                break
            amounts, sides = solved
            acts = _rounded(program.choices, amounts)
            surplus = self._surplus(acts)
            if surplus is not None and surplus >= 0:
                cure = self._cure(name, self._trimmed(acts))
                best = cure if best is None or cure.cost < best.cost else best
            if surplus is None or (surplus >= 0 and sides == dict(program.sides)):
                break
            short = max(-surplus / WAD, program.buffer, LEAST_BUFFER) if surplus < 0 else 0.0
            program = replace(program, buffer=program.buffer + short, sides=sides)
        return best

    def _trimmed(self, acts: tuple[Act, ...]) -> tuple[Act, ...]:
        """Each act as small as it can be beside the others, the dearest first."""
        while True:
            before = acts
            for act in sorted(acts, key=_unit_cost(self.costs), reverse=True):
                acts = self._with_fewest(acts, act)
            if acts == before:
                return acts

    def _with_fewest(self, acts: tuple[Act, ...], act: Act) -> tuple[Act, ...]:
        place = acts.index(act)

        def with_steps(steps: int) -> tuple[Act, ...]:
            kept = (replace(act, steps=steps),) if steps else ()
            return acts[:place] + kept + acts[place + 1 :]

        return with_steps(smallest(lambda steps: self._surplus(with_steps(steps)), act.steps))

    def _surplus(self, acts: Sequence[Act]) -> int | None:
        """Beyond the goal after some acts; None where the account could not be like that."""
        try:
            margin, portfolio = self._after(acts)
        except MarginError:
            return None
        if len(portfolio.positions) > MOST_POSITIONS:
            return None
        return self.goal.surplus(margin, any(is_trade(act) for act in acts))

    def _after(self, acts: Sequence[Act]) -> tuple[Margin, Portfolio]:
        portfolio = portfolio_after(self.situation.portfolio, acts, self.costs)
        return self.situation.assess(portfolio), portfolio

    def _cure(self, name: str, acts: tuple[Act, ...]) -> Cure:
        paid_in = [act for act in acts if not is_trade(act)]
        capital = sum(act.amount * act.choice.price // WAD for act in paid_in)
        return Cure(name, acts, sum(act.cost(self.costs) for act in acts), capital, self._after(acts)[0])


def smallest(surplus: Callable[[int], int | None], enough: int) -> int:
    """The fewest steps in [0, ``enough``] with a surplus of at least 0, where one fewer has less than that.

    ``enough`` has it. Interpolates (the surplus is piecewise linear in most acts) and halves in turn.
    """
    low, high = -1, enough
    at_low: int | None = None
    at_high = surplus(enough)
    turn = 0
    while high - low > 1:
        guess = (low + high) // 2
        if turn % 2 == 0 and at_low is not None and at_high is not None and at_high > at_low:
            guess = min(max(low - at_low * (high - low) // (at_high - at_low), low + 1), high - 1)
        elif low < 0:
            guess = 0
        found = surplus(guess)
        if found is not None and found >= 0:
            high, at_high = guess, found
        else:
            low, at_low = guess, found
        turn += 1
    return high


def _rounded(choices: Sequence[Choice], amounts: Sequence[float]) -> tuple[Act, ...]:
    """Up to whole steps; a close at most to what there is."""
    acts = []
    for choice, amount in zip(choices, amounts, strict=True):
        steps = amount * WAD / choice.step
        if steps > DUST:
            acts.append(Act(choice, min(-int(-steps // 1), choice.most)))
    return tuple(acts)


def _unit_cost(costs: CostModel) -> Callable[[Act], float]:
    return lambda act: (act.cost(costs) - costs.per_act) / act.steps


def _ranked(cures: Sequence[Cure]) -> list[Cure]:
    """The cheapest first, each set of acts once, under its plainest name."""
    found: dict[tuple[Act, ...], Cure] = {}
    for cure in cures:
        found.setdefault(tuple(sorted(cure.acts, key=repr)), cure)
    return sorted(found.values(), key=lambda cure: cure.cost)
