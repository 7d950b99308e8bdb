"""The simulated margin: an order alone, and with what else its account has open."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballast.chain.accounts import ChainAccount
from ballast.chain.ids import option_of, perp_of
from ballast.matcher.admission import Exposure
from ballast.matcher.margin import Shortfall, Terms, Trade, shortfall, with_trades, worst_shortfall
from ballast.matcher.records import Withdraw
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import Portfolio, PositionLeg, Quote
from tests.support.book import plain_book
from tests.support.matching import BTC, ETH, Floor

WAD = 10**18
MARKS = {perp_of(number): price * WAD for number, price in ((1, 2_500), (2, 40_000), (3, 25))}
TERMS = Terms(500_000, MARKS)
QUOTES = tuple(Quote(number, 0, MARKS[perp_of(number)], MARKS[perp_of(number)]) for number in (1, 2, 3))
ENGINE = MarginEngine(plain_book())


def account(cash: int, **positions: int) -> ChainAccount:
    """Cash in whole units, positions in ETH and BTC perpetuals likewise, at mark."""
    names = {"eth": ETH, "btc": BTC}
    legs = tuple(
        PositionLeg(names[name], size * WAD, MARKS[names[name]], -size * MARKS[names[name]])
        for name, size in positions.items()
    )
    return ChainAccount(Portfolio(cash * WAD, (), legs), QUOTES, WAD, (), ENGINE)


def buy(size: float, price: int = 2_500, instrument: int = ETH) -> Trade:
    return Trade(instrument, round(size * 10**9) * 10**9, price * WAD)


def sell(size: float, price: int = 2_500, instrument: int = ETH) -> Trade:
    return buy(-size, price, instrument)


def free(found: ChainAccount) -> int:
    margin = found.assess()
    return margin.new_risk_equity - margin.initial_margin


@pytest.mark.parametrize(("price", "lost"), [(2_510, 10), (2_490, 0)])
def test_with_trades__a_limit_worse_than_mark__costs_the_difference_and_a_better_one_gains_nothing(
    price: int, lost: int
) -> None:
    before, after = account(10_000), with_trades(account(10_000), [buy(1, price)], Terms(0, MARKS))
    assert after.assess().equity == before.assess().equity - lost * WAD


def test_with_trades__a_fee__is_paid_from_cash_rounded_up() -> None:
    after = with_trades(account(10_000), [Trade(ETH, 1, 2_500 * WAD)], TERMS)
    assert after.portfolio.cash == 10_000 * WAD - 2


def test_with_trades__closing_a_position__moves_its_quote_to_cash() -> None:
    after = with_trades(account(10_000, eth=2), [sell(2, 2_400)], Terms(0, MARKS))
    assert after.portfolio.positions == ()
    assert after.portfolio.cash == (10_000 - 200) * WAD


def test_with_trades__an_option__pays_its_premium_at_once() -> None:
    call = option_of(1, 1_900_000_000, 3_000 * WAD, is_put=False)
    terms = Terms(0, {call: 80 * WAD})
    after = with_trades(account(1_000), [Trade(call, 2 * WAD, 90 * WAD)], terms)
    assert after.portfolio.cash == (1_000 - 180) * WAD
    assert [(leg.instrument, leg.size, leg.offset) for leg in after.portfolio.positions] == [(call, 2 * WAD, 0)]


def test_shortfall__enough_margin__none_and_too_little__says_how_much() -> None:
    assert shortfall(account(10_000), [buy(1)], TERMS) is None
    found = shortfall(account(100), [buy(5)], TERMS)
    assert found is not None
    assert (found.rule, found.surplus < 0) == ("initial margin", True)


def test_shortfall__between_maintenance_and_initial__only_what_lowers_risk() -> None:
    stretched = account(10_000, eth=10)
    margin = stretched.assess()
    cash = 10_000 * WAD - margin.equity + (margin.maintenance_margin + margin.initial_margin) // 2
    stretched = replace(stretched, portfolio=replace(stretched.portfolio, cash=cash))
    assert shortfall(stretched, [sell(0.1)], TERMS) is None
    assert shortfall(stretched, [buy(1)], TERMS) is not None
    assert shortfall(stretched, [sell(25)], TERMS) is not None, "through zero to the other side"
    assert shortfall(stretched, [sell(0.1, 2_300)], TERMS) is not None, "it loses more than a trade may"


def test_shortfall__between_maintenance_and_initial__no_new_leg_even_where_it_hedges() -> None:
    stretched = account(10_000, eth=10)
    margin = stretched.assess()
    cash = (margin.maintenance_margin + margin.initial_margin) // 2
    stretched = replace(stretched, portfolio=replace(stretched.portfolio, cash=cash))
    hedge = sell(0.05, 40_000, BTC)
    assert with_trades(stretched, [hedge], TERMS).assess().scan < margin.scan
    assert shortfall(stretched, [hedge], TERMS) is not None


def test_shortfall__below_maintenance__nothing() -> None:
    sunk = account(100, eth=10)
    found = shortfall(sunk, [sell(1)], TERMS)
    assert found is not None
    assert found.rule == "below maintenance margin"


def test_worst_shortfall__resting_orders_of_the_same_side__count() -> None:
    found = account(3_000)
    assert worst_shortfall(found, [buy(2)], (), (), TERMS) is None
    assert worst_shortfall(found, [buy(2)], (), (buy(4, 2_490),), TERMS) is not None
    assert worst_shortfall(found, [sell(2)], (), (buy(4, 2_490),), TERMS) is None, "they do not add up"


def test_worst_shortfall__matched_already__counts_for_certain() -> None:
    assert worst_shortfall(account(3_000), [buy(2)], (buy(4),), (), TERMS) is not None
    assert worst_shortfall(account(3_000), [sell(2)], (buy(4),), (), TERMS) is None


def test_worst_shortfall__a_hedge_that_may_not_come__does_not_help() -> None:
    """The order alone needs more than there is, though a resting order would hedge it."""
    assert worst_shortfall(account(3_000), [buy(7)], (), (sell(5, 2_510),), TERMS) is not None


def test_worst_shortfall__order_that_closes__is_not_blamed_for_others_that_rest() -> None:
    found = account(5_000, eth=5)
    resting = (buy(100, 2_490),)
    assert worst_shortfall(found, [buy(1)], (), resting, TERMS) is not None
    assert worst_shortfall(found, [sell(1)], (), resting, TERMS) is None
    assert worst_shortfall(found, [sell(1)], (), (buy(2, 39_000, BTC),), TERMS) is None


def test_worst_shortfall__legs_together__are_hedged_and_one_alone_is_not() -> None:
    assert worst_shortfall(account(3_000), [buy(7)], (), (), TERMS) is not None
    assert worst_shortfall(account(3_000), [buy(7), sell(5)], (), (), TERMS) is None


def test_worst_shortfall__packages__one_of_each_choice_may_come_whole_or_not_at_all() -> None:
    found = account(3_000)
    spread = (buy(4), sell(4))
    assert worst_shortfall(found, [buy(2)], (), (), TERMS, [[spread]]) is None, "its legs come together"
    assert worst_shortfall(found, [buy(2)], (), (), TERMS, [[(buy(4),)]]) is not None
    assert worst_shortfall(found, [buy(2)], (), (), TERMS, [[(sell(4),), (buy(4),)]]) is not None
    small = (buy(1),)
    assert worst_shortfall(found, [buy(2)], (), (), TERMS, [[small, small]]) is None, "one of them"
    assert worst_shortfall(found, [buy(2)], (), (), TERMS, [[small], [small, small], [small]]) is not None


sizes = st.integers(-30, 30).filter(bool).map(lambda tenths: tenths / 10)
trades = st.builds(
    lambda instrument, size: Trade(instrument, round(size * 10**9) * 10**9, MARKS[instrument]),
    st.sampled_from(sorted(MARKS)),
    sizes,
)


@settings(max_examples=40)
@given(cash=st.integers(100, 6_000), trade=trades, possible=st.lists(trades, max_size=4))
def test_worst_shortfall__granted__every_choice_of_sides_has_its_margin(
    cash: int, trade: Trade, possible: list[Trade]
) -> None:
    found = account(cash)
    if worst_shortfall(found, [trade], (), possible, TERMS) is not None:
        return
    instruments = {one.instrument for one in possible}
    for sides in product((True, False), repeat=len(instruments)):
        side_of = dict(zip(sorted(instruments), sides, strict=True)) | {trade.instrument: trade.size > 0}
        filled = [one for one in possible if (one.size > 0) == side_of[one.instrument]]
        surplus = free(with_trades(found, [*filled, trade], TERMS))
        assert surplus >= 0 or surplus >= free(with_trades(found, filled, TERMS))


def test_exposure__of_an_account__matches_for_certain_rest_possible_one_a_group() -> None:
    floor = Floor()
    floor.enter(1, -10, 100)
    floor.enter(2, 4, 100)
    floor.enter(2, 3, 90, group=5)
    floor.enter(2, 6, 80, group=5)
    floor.enter(2, 9, 70, flags=1)
    withdrawn = floor.enter(2, 9, 60)
    floor.give(Withdraw(withdrawn.hash))
    found = Exposure.of(floor.engine, 2 << 96)
    assert found == Exposure((Trade(ETH, 4, 100),), (Trade(ETH, 6, 80),))
    assert Exposure.of(floor.engine, 7 << 96) == Exposure()


def test_shortfall__surplus__is_what_is_missing() -> None:
    assert Shortfall("initial margin", 3, 5).surplus == -2
