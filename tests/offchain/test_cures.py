"""Cures of margin calls: the twin says that they cure, nothing smaller does, and brute force finds none cheaper."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from ballast.chain.ids import perp_of
from ballast.risk.book import first_book
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
from ballast.risk.cures import Adviser, propose, smallest
from ballast.risk.margin import MarginEngine, option_prices
from ballast.risk.margin_terms import WAD, CollateralLeg, OracleState, Portfolio, PositionLeg, Quote
from tests.support.margin import btc, eth, perp, simple_book
from tests.support.structures import EXPIRIES, QUOTES, STRUCTURES, call, put, structures_book

CASH = Token(0, 0, 10**12, 10**9 * WAD)
WETH, WBTC = Token(1, 1, 1, 10**6 * WAD), Token(2, 2, 10**10, 10**5 * WAD)
TOKENS = (CASH, WETH, WBTC)
COSTS = CostModel()
PERPS = (Tradable(perp_of(1), 2000 * WAD, WAD // 100), Tradable(perp_of(2), 40_000 * WAD, WAD // 1000))


def situation(cash: int, *positions: PositionLeg, collaterals: Sequence[CollateralLeg] = ()) -> Situation:
    portfolio = Portfolio(cash * WAD, tuple(collaterals), positions)
    return Situation(portfolio, (eth(), btc()), WAD, (), MarginEngine(simple_book()))


def short_of(one: Situation, percent: int) -> Situation:
    """With so much cash that a part of initial margin is missing."""
    margin = one.assess(one.portfolio)
    missing = margin.initial_margin * (100 - percent) // 100 - margin.new_risk_equity
    return replace(one, portfolio=replace(one.portfolio, cash=one.portfolio.cash + missing))


def by_name(cures: Sequence[Cure]) -> dict[str, Cure]:
    return {cure.name: cure for cure in cures if cure.name != "deposit"}


def is_cured(one: Situation, acts: Sequence[Act], goal: Goal = Goal()) -> bool:
    margin = one.assess(portfolio_after(one.portfolio, acts, COSTS))
    return goal.surplus(margin, any(is_trade(act) for act in acts)) >= 0


def one_step_less(acts: Sequence[Act]) -> Iterator[tuple[Act, ...]]:
    for place, act in enumerate(acts):
        less = (*acts[:place], replace(act, steps=act.steps - 1), *acts[place + 1 :])
        yield tuple(one for one in less if one.steps)


def assert_cures(one: Situation, cures: Sequence[Cure], goal: Goal = Goal()) -> None:
    """Ranked, told as they are, and each act needed to its last step."""
    assert [cure.cost for cure in cures] == sorted(cure.cost for cure in cures)
    for cure in cures:
        assert is_cured(one, cure.acts, goal), cure.name
        assert cure.after == one.assess(portfolio_after(one.portfolio, cure.acts, COSTS))
        assert cure.cost == sum(act.cost(COSTS) for act in cure.acts)
        assert not any(is_cured(one, acts, goal) for acts in one_step_less(cure.acts)), cure.name


# ---- one kind of act


def test_propose__above_initial_margin__nothing():
    assert propose(situation(50_000, perp(eth(), 10 * WAD)), PERPS, TOKENS) == []


def test_propose__cash_alone__is_what_is_missing_to_the_last_unit():
    one = situation(5_000, perp(eth(), 20 * WAD))
    margin = one.assess(one.portfolio)
    missing = margin.initial_margin - margin.new_risk_equity
    (cure,) = propose(one, (), (CASH,))

    assert [(act.choice.kind, act.choice.subject) for act in cure.acts] == [(Kind.DEPOSIT, 0)]
    assert cure.capital == -(-missing // CASH.step) * CASH.step
    assert cure.cost == -(-cure.capital * COSTS.of_capital // 10**9) + COSTS.per_act


def test_propose__token_that_hedges__less_of_it_is_needed_than_of_one_that_does_not():
    """Ether against short ether: it takes risk away beside its value."""
    one = short_of(situation(0, perp(eth(), -50 * WAD)), 20)
    deposits = {cure.acts[0].choice.subject: cure for cure in propose(one, (), (CASH, WETH))}

    assert_cures(one, list(deposits.values()))
    assert deposits[1].capital < deposits[0].capital


def test_propose__token_not_enough_of_it__is_left_out():
    one = situation(5_000, perp(eth(), 20 * WAD))
    cures = propose(one, (), (CASH, replace(WETH, most=WAD // 10)))

    assert [cure.acts[0].choice.subject for cure in cures] == [0]


def test_propose__health_wanted__reaches_it_and_not_more():
    one = situation(5_000, perp(eth(), 20 * WAD))
    margin, goal = one.assess(one.portfolio), Goal(13 * WAD // 10)
    (cure,) = propose(one, (), (CASH,), goal)

    assert cure.after.health_factor >= 13 * WAD // 10
    assert margin.equity + cure.capital - CASH.step < -(-13 * margin.maintenance_margin // 10)


def test_propose__trades_for_a_low_health__meet_initial_margin_too():
    """Below it, no fill would be settled."""
    one, goal = situation(5_000, perp(eth(), 20 * WAD)), Goal(101 * WAD // 100)
    cures = propose(one, PERPS, (CASH,), goal)

    assert_cures(one, cures, goal)
    for cure in cures:
        free = cure.after.new_risk_equity - cure.after.initial_margin
        assert free >= 0 if any(is_trade(act) for act in cure.acts) else free < 0


# ---- beside brute force


def brute_force(one: Situation, choices: Sequence[Choice], counts: Sequence[int]) -> int:
    """Least cost over every number of steps of every choice."""
    found = []
    for steps in product(*(range(count + 1) for count in counts)):
        acts = [Act(choice, n) for choice, n in zip(choices, steps, strict=True) if n]
        if is_cured(one, acts):
            found.append(sum(act.cost(COSTS) for act in acts))
    return min(found)


def step_costs(cure: Cure) -> int:
    """What one step of each act costs at the margin: rounding to steps may miss the least by as much."""
    less = [replace(act, steps=act.steps - 1) for act in cure.acts]
    return sum(act.cost(COSTS) - one.cost(COSTS) for act, one in zip(cure.acts, less, strict=True))


COARSE = (Tradable(perp_of(1), 2000 * WAD, WAD), Tradable(perp_of(2), 40_000 * WAD, WAD // 10))
CALLED = {
    "long both": (20, 0.8),
    "long and short": (30, -1.2),
    "one dominates": (3, 1.5),
    "short both": (-18, -0.7),
}


@pytest.mark.parametrize("name", CALLED)
def test_propose__closing__no_dearer_than_every_way_to_close(name):
    ethers, bitcoins = CALLED[name]
    one = short_of(situation(0, perp(eth(), ethers * WAD), perp(btc(), round(bitcoins * 10) * WAD // 10)), 30)
    cures = propose(one, [replace(tradable, opens=False) for tradable in COARSE], ())
    assert_cures(one, cures)

    cure = min(cures, key=lambda cure: cure.cost)
    choices = [
        Choice(Kind.CLOSE, leg.instrument, leg.underlying, -1 if leg.size > 0 else 1, tradable.step, 0, leg.mark,
               leg.mark, 100 * WAD)
        for leg, tradable in zip(one.portfolio.positions, COARSE, strict=True)
    ]  # fmt: skip
    counts = [abs(leg.size) // tradable.step for leg, tradable in zip(one.portfolio.positions, COARSE, strict=True)]
    assert cure.cost <= brute_force(one, choices, counts) + step_costs(cure)


def test_propose__everything__no_dearer_than_every_way_to_close_hedge_and_pay_in():
    """A position in ether, a hedge in bitcoin or cash: on a grid of each."""
    one = situation(11_000, perp(eth(), 25 * WAD))
    cash = replace(CASH, step=500 * WAD)
    cures = propose(one, COARSE, (cash,))
    assert_cures(one, cures)

    def choice(kind: Kind, subject: int, underlying: int, side: int, step: int, price: int) -> Choice:
        return Choice(kind, subject, underlying, side, step, 0, price, price, 0 if kind == Kind.DEPOSIT else 100 * WAD)

    choices = [
        choice(Kind.CLOSE, perp_of(1), 1, -1, WAD, 2000 * WAD),
        choice(Kind.HEDGE, perp_of(2), 2, -1, WAD // 10, 40_000 * WAD),
        choice(Kind.DEPOSIT, 0, 0, 1, 500 * WAD, WAD),
    ]
    assert cures[0].cost <= brute_force(one, choices, (25, 13, 12)) + step_costs(cures[0])


# ---- portfolios of every kind


INDEX = {1: 40_000 * WAD, 2: 2_000 * WAD, 3: 15 * WAD}


def called(random: Random, engine: MarginEngine) -> tuple[Situation, list[Tradable]]:
    """An account of perps and collateral, its cash such that it is in a margin call."""
    quotes = tuple(
        Quote(u, OracleState.OK, price := one * random.randint(60, 150) // 100, price * random.randint(93, 107) // 100)
        for u, one in INDEX.items()
    )
    positions = []
    for quote in random.sample(quotes, random.randint(1, 3)):
        size = random.choice([-1, 1]) * (random.randint(10**3, 10**5) * WAD * WAD // quote.index // 10**15) * 10**15
        positions.append(perp(quote, size or 10**15))
    collaterals = [
        CollateralLeg(asset.id, asset.underlying, random.randint(100, 10**4) * WAD * WAD // INDEX[asset.underlying])
        for asset in random.sample([a for a in first_book().assets if a.underlying in INDEX], random.randint(0, 2))
    ]
    one = Situation(Portfolio(0, tuple(collaterals), tuple(positions)), quotes, WAD, (), engine)
    return short_of(one, random.randint(1, 30)), [
        Tradable(perp_of(quote.underlying), quote.index, 10**15) for quote in quotes
    ]


def closed(one: Situation, tradables: Sequence[Tradable]) -> list[Act]:
    """All positions."""
    adviser = Adviser(one, Goal(), COSTS)
    return [Act(choice, choice.most) for choice in adviser.closes(tradables)]


@pytest.mark.parametrize("seed", range(12))
def test_propose__random_accounts__every_cure_holds(seed):
    random = Random(seed)
    one, tradables = called(random, MarginEngine(first_book()))
    tokens = (CASH, *(Token(a.id, a.underlying, 10**10, 10**8 * WAD) for a in first_book().assets if a.id))
    cures = propose(one, tradables, tokens)

    assert any(cure.acts[0].choice.subject == 0 for cure in cures), "cash always cures"
    assert ("close" in by_name(cures)) == is_cured(one, closed(one, tradables))
    assert_cures(one, cures)


def test_propose__books_blending__every_cure_holds():
    random = Random(5)
    harsher = replace(first_book(), initial_factor=15 * 10**8, fixed_charge=60 * 10**9)
    one, tradables = called(random, MarginEngine(harsher, first_book(), WAD // 3))
    cures = propose(one, tradables, (CASH,))

    assert len(cures) >= 2
    assert_cures(one, cures)


# ---- options


def tradables_of(positions: Sequence[PositionLeg], opens: bool = True) -> list[Tradable]:
    dated = [leg.instrument for leg in positions if leg.kind != 1]
    marks = dict(zip(dated, option_prices(dated, QUOTES, EXPIRIES), strict=True))
    listed = {leg.instrument: marks.get(leg.instrument, leg.mark) for leg in positions}
    return [Tradable(instrument, mark, WAD // 10, opens) for instrument, mark in listed.items()]


@pytest.mark.parametrize("name", ["covered call", "calendar", "delta-hedged straddle", "future against perp"])
def test_propose__structures_of_options__every_cure_holds(name):
    """A tenth of initial margin is missing."""
    engine = MarginEngine(structures_book())
    one = Situation(STRUCTURES[name], QUOTES, WAD, EXPIRIES, engine)
    one = short_of(one, 10)
    tradables = tradables_of([*one.portfolio.positions, call(2400, 1), perp(eth(), WAD)])
    cures = propose(one, tradables, (CASH,))

    assert {"close", "deposit"} <= {cure.name for cure in cures} or len(cures) > 1
    assert_cures(one, cures)


def test_propose__short_straddle__options_bought_hedge_it():
    engine = MarginEngine(structures_book())
    one = short_of(Situation(STRUCTURES["delta-hedged straddle"], QUOTES, WAD, EXPIRIES, engine), 20)
    wings = tradables_of([put(1600, 1), call(2400, 1)])
    hedge = by_name(propose(one, wings, ()))["hedge with options"]

    assert {act.choice.side for act in hedge.acts} == {1}
    assert_cures(one, [hedge])


# ---- the search


@pytest.mark.parametrize("threshold", [0, 1, 7, 8, 999, 1000])
def test_smallest__surplus_with_a_kink__finds_where_it_turns(threshold):
    asked = []

    def surplus(steps: int) -> int:
        asked.append(steps)
        return (steps - threshold) * (1000 if steps < threshold else 3)

    assert smallest(surplus, 1000) == threshold
    assert len(asked) < 25
