"""Futures and options in the margin engine, rule by rule, in the market of docs/structures.md."""

from dataclasses import replace

import pytest

from ballast.chain.ids import future_of, option_of
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin_terms import BILLION, WAD, OracleState, Portfolio, PositionLeg
from ballast.risk.pricing import YEAR, call_price
from tests.support.dated_portfolios import flat_surface
from tests.support.evm import reverts
from tests.support.margin import Scene, btc, eth, perp
from tests.support.structures import EXPIRIES, FAR, NEAR, QUOTES, call, future, portfolio, put, structures_book

VOLATILITY = 8 * WAD // 10
NEAR_QUOTE, FAR_QUOTE = EXPIRIES


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(structures_book())
    return scene


def assess(scene: Scene, held: Portfolio, quotes=QUOTES, expiries=EXPIRIES):
    return scene.assess(held, list(quotes), WAD, expiries)


def charges(scene: Scene, held: Portfolio, expiries=EXPIRIES):
    return scene.explain(held, list(QUOTES), WAD, expiries).charges


def at(scene: Scene, *legs: PositionLeg, quotes=QUOTES, expiries=EXPIRIES) -> list[int]:
    return scene.engine.call("optionPrices", [leg.instrument for leg in legs], list(quotes), expiries)


def with_near(**changes) -> tuple[ExpiryQuote, ExpiryQuote]:
    return replace(NEAR_QUOTE, **changes), FAR_QUOTE


# Prices ----------------------------------------------------------------------------------------------------------


def test_option_prices__future__index_times_premium(scene):
    assert at(scene, future(1), future(1, NEAR)) == [2040 * WAD, 2000 * WAD]


def test_option_prices__within_the_window__known_part_and_share_of_the_forward(scene):
    window = with_near(open_share=WAD // 4, tenor=150, fixed_part=1530 * WAD)
    assert at(scene, future(1, NEAR), expiries=window) == [1530 * WAD + 2000 * WAD // 4]


def test_option_prices__calls_and_puts__apart_by_forward_less_strike_and_rounded_down(scene):
    bought, sold = at(scene, call(2200, 1), put(2200, 1))
    assert bought == call_price(2000 * WAD, 2200 * WAD, VOLATILITY, YEAR // 16)
    assert sold == bought + 200 * WAD


def test_option_prices__no_time_left__intrinsic(scene):
    waiting = with_near(tenor=0)
    assert at(scene, call(1900, 1), put(1900, 1), call(2100, 1), put(2100, 1), expiries=waiting) == [
        100 * WAD, 0, 0, 100 * WAD,
    ]  # fmt: skip


def test_option_prices__settled__what_they_pay(scene):
    settled = with_near(open_share=0, tenor=0, fixed_part=2300 * WAD)
    legs = future(1, NEAR), call(2200, 1), put(2200, 1), put(2500, 1)
    assert at(scene, *legs, expiries=settled) == [2300 * WAD, 100 * WAD, 0, 200 * WAD]


def test_option_prices__forward_of_nothing__one_wei(scene):
    nothing = with_near(surface=flat_surface(0.8, -1.0))
    assert at(scene, future(1, NEAR), put(2000, 1), expiries=nothing) == [1, 2000 * WAD - 1]


# Value -----------------------------------------------------------------------------------------------------------


def test_assess__marks_of_dated_legs__the_engines_own(scene):
    [price] = at(scene, call(2200, 1))
    for mark in (0, 10**30):
        held = portfolio(replace(call(2200, -3), mark=mark))
        assert assess(scene, held).equity == -3 * price


def test_assess__untrusted_expiry__gains_support_no_new_risk_losses_count(scene):
    held, [price] = portfolio(call(2200, 2), put(1800, -1)), at(scene, call(2200, 1))
    trusted, untrusted = (assess(scene, held, expiries=with_near(trusted=flag)) for flag in (True, False))
    assert (trusted.untrusted_gain, untrusted.untrusted_gain) == (0, 2 * price)
    assert untrusted.new_risk_equity == trusted.new_risk_equity - 2 * price
    assert (untrusted.equity, untrusted.scan) == (trusted.equity, trusted.scan)


def test_assess__stale_underlying__gains_of_its_options_too(scene):
    held, [price] = portfolio(call(2200, 2)), at(scene, call(2200, 1))
    assert assess(scene, held, [eth(state=OracleState.STALE)]).untrusted_gain == 2 * price


def test_assess__bought_options__their_value_is_unrealised(scene):
    held, prices = portfolio(call(2200, 2), put(1800, 1), put(1600, -1)), at(scene, call(2200, 1), put(1800, 1))
    assert assess(scene, held).unrealised_gain == 2 * prices[0] + prices[1]


def test_assess__settled_legs__final_value_and_nothing_asked(scene):
    settled = with_near(open_share=0, tenor=0, fixed_part=2300 * WAD)
    held = portfolio(call(2200, -10), put(2400, 1), replace(future(5, NEAR), offset=0))
    explanation = scene.explain(held, list(QUOTES), 9 * WAD // 10, settled)
    assert explanation.margin.equity == (-1000 + 100 + 11_500) * WAD
    assert explanation.margin.maintenanceMargin == 0
    assert explanation.positionContributions == [0, 0, 0]


# Scan ------------------------------------------------------------------------------------------------------------


def test_scan__future_within_the_window__what_is_open_alone(scene):
    held = portfolio(future(10, NEAR))
    window = with_near(open_share=WAD // 4, tenor=150, fixed_part=1500 * WAD)
    assert assess(scene, held).scan == 9_000 * WAD  # 0.9 · 50 % of 20,000
    assert assess(scene, held, expiries=window).scan == 2_250 * WAD


def test_scan__option_within_the_window__what_is_known_shields(scene):
    window = with_near(open_share=WAD // 8, tenor=0, fixed_part=1750 * WAD)
    # Now worth 100; at −50 % the forward is 1,750 + 125.
    assert assess(scene, portfolio(call(1900, 10)), expiries=window).scan == 900 * WAD


def test_scan__waiting_for_its_settlement_price__at_index_and_in_full(scene):
    waiting = with_near(tenor=0, surface=0)
    assert assess(scene, portfolio(put(1600, -10)), expiries=waiting).scan == 5_400 * WAD  # 0.9 · (1,600 − 1,000) · 10


def test_scan__volatility_shock__scaled_by_tenor(scene):
    """Half the tenor's power at a quarter of 30 days: a rise of 50 % becomes one of 100 %."""
    grids = tuple(replace(grid, volatility_tenor_power=BILLION // 2) for grid in structures_book().underlyings)
    rows = structures_book().historical
    book = structures_book(underlyings=grids, tail_rows=1, historical=rows[4:5], stress=())
    other = Scene.deploy()
    other.set_book(book)
    days = 86_400
    for tenor, factor in ((30 * days, 1.5), (30 * days // 4, 2.0), (120 * days, 1.25), (days, 1 + 30**0.5 / 2)):
        expiries = with_near(tenor=tenor)
        prices = [call_price(2000 * WAD, 2000 * WAD, round(v * WAD), tenor) for v in (0.8, 0.8 * factor)]
        scan = assess(other, portfolio(call(2000, -10)), expiries=expiries).scan
        assert scan / WAD == pytest.approx(10 * (prices[1] - prices[0]) / WAD, abs=1e-6)


@pytest.mark.parametrize(("shock", "power", "factor"), [(-0.9, BILLION, 0.25), (2.0, BILLION, 5 / 0.8)])
def test_scan__volatility_shock__bounded(shock, power, factor):
    """No less than a quarter of volatility is left, and no volatility exceeds 500 %."""
    shocks = tuple(sorted((0, round(shock * WAD))))
    node = 2 * 2 + (0 if shock < 0 else 1)
    grids = tuple(
        replace(grid, volatility_shocks=shocks, volatility_tenor_power=power) for grid in structures_book().underlyings
    )
    row = replace(structures_book().historical[4], nodes=(node, node))
    scene = Scene.deploy()
    scene.set_book(structures_book(underlyings=grids, tail_rows=1, historical=(row,), stress=()))
    tenor = 86_400
    prices = [call_price(2000 * WAD, 2000 * WAD, round(v * WAD), tenor) for v in (0.8, 0.8 * factor)]
    held = portfolio(call(2000, 10 if shock < 0 else -10))
    scan = assess(scene, held, expiries=with_near(tenor=tenor)).scan
    assert scan / WAD == pytest.approx(10 * abs(prices[1] - prices[0]) / WAD, abs=1e-6)


def test_scan__shock_multiplier__moves_forwards_as_it_moves_indices():
    other = Scene.deploy()
    other.set_book(structures_book())
    other.engine.transact("setShockMultiplier", 1, BILLION * 3 // 2)
    other.evm.advance(48 * 3600)
    assert assess(other, portfolio(future(10, NEAR))).scan == 13_500 * WAD
    worst = call_price(500 * WAD, 1000 * WAD, 12 * WAD // 10, YEAR // 16) + 500 * WAD
    now = at(other, put(1000, 1))[0]
    found = assess(other, portfolio(put(1000, -10))).scan
    assert found / WAD == pytest.approx(9 * (worst - now) / WAD, abs=1e-4)


def test_scan__legs_in_another_order_or_in_parts__the_same_to_the_wei(scene):
    legs = [call(2200, -3), put(1800, 2), call(2000, 5, FAR), call(2200, 1), put(2200, 4), call(2000, -2)]
    first = assess(scene, portfolio(*legs))
    assert assess(scene, portfolio(*reversed(legs))) == first
    assert assess(scene, portfolio(*sorted(legs, key=lambda leg: leg.instrument))) == first


def test_stable_gap__options__what_they_lose_at_the_stable_price(scene):
    fallen = eth(stable=1600 * WAD)
    now, then = (at(scene, call(2000, 1), quotes=[quote])[0] for quote in (eth(), eth(index=1600 * WAD)))
    assert assess(scene, portfolio(call(2000, 10)), [fallen]).stable_gap == 10 * (now - then)
    assert assess(scene, portfolio(call(2000, -10)), [fallen]).stable_gap == 0


def test_stable_gap__wide_oracle__the_worse_of_stable_and_second_price(scene):
    wide = eth(state=OracleState.WIDE, stable=1900 * WAD, second=2400 * WAD)
    now, second = (at(scene, call(2000, 1), quotes=[quote])[0] for quote in (eth(), eth(index=2400 * WAD)))
    assert assess(scene, portfolio(call(2000, -10)), [wide]).stable_gap == 10 * (second - now)


def test_halt_bonus__sold_call__its_best_node(scene):
    """Every node counts, not only those that rows name: at −50 % with volatility down the call is worth least."""
    held, halted = portfolio(call(2000, -10)), eth(state=OracleState.HALTED)
    least = call_price(1000 * WAD, 2000 * WAD, 6 * WAD // 10, YEAR // 16)
    found = assess(scene, held, [halted]).halt_bonus
    assert found / WAD == pytest.approx(10 * (at(scene, call(2000, 1))[0] - least) / WAD, abs=1e-4)


# Charges ---------------------------------------------------------------------------------------------------------


def test_hedged_vega__bought_far_and_sold_near__a_part_of_the_lesser_vega(scene):
    near, far = (
        10
        * (call_price(forward, 2000 * WAD, 12 * WAD // 10, tenor) - call_price(forward, 2000 * WAD, VOLATILITY, tenor))
        for forward, tenor in ((2000 * WAD, YEAR // 16), (2040 * WAD, YEAR // 4))
    )
    found = charges(scene, portfolio(call(2000, 10, FAR), call(2000, -10))).hedgedVega
    assert near < far
    assert found / WAD == pytest.approx(0.3 * near / WAD, abs=1e-4)
    assert charges(scene, portfolio(call(2000, 10, FAR), call(2000, 10))).hedgedVega == 0
    assert charges(scene, portfolio(call(2000, 10), call(2200, -10))).hedgedVega == 0, "one expiry nets"


@pytest.mark.parametrize(
    ("legs", "sold"),
    [
        ((call(2200, -10),), 10),
        ((call(2200, -10), put(1800, -5)), 15),
        ((call(2200, -10), put(1800, 20)), 10),
        ((call(2200, -10), call(2400, 4)), 6),
        ((call(2200, -10), call(2200, 10, FAR)), 10),
        ((call(2200, 10), put(1800, 1)), 0),
    ],
)
def test_short_options__net_by_expiry_and_type__a_minimum_of_the_index(scene, legs, sold):
    assert charges(scene, portfolio(*legs)).shortOptions == 20 * sold * WAD


def test_concentration__delta_of_options_beside_quantities(scene):
    deep = 1000  # a call at 1,000 moves with its forward
    assert charges(scene, portfolio(call(deep, 150))).concentration == pytest.approx(10_000 * WAD, rel=1e-3)
    hedged = portfolio(call(deep, 150), perp(eth(), -150 * WAD))
    assert charges(scene, hedged).concentration == 0
    half_open = with_near(open_share=WAD // 2, tenor=150, fixed_part=1000 * WAD)
    assert charges(scene, portfolio(call(deep, 150)), half_open).concentration == 0


def test_hedged_basis__future_against_perp__legs_of_their_own_and_options_none(scene):
    assert charges(scene, portfolio(future(10), perp(eth(), -6 * WAD))).hedgedBasis == 180 * WAD
    assert charges(scene, portfolio(call(2000, 10), put(2000, -10), perp(eth(), -10 * WAD))).hedgedBasis == 0
    window = with_near(open_share=WAD // 4, tenor=150, fixed_part=1500 * WAD)
    assert charges(scene, portfolio(future(10, NEAR), perp(eth(), -6 * WAD)), window).hedgedBasis == 75 * WAD


def test_settlement_token__options_and_futures__by_size(scene):
    held = portfolio(call(2200, -10), future(5))
    found = scene.explain(held, list(QUOTES), 97 * WAD // 100, EXPIRIES).charges
    assert found.settlementToken == 300 * WAD  # 0.01 · 15 · 2,000


# Bounded loss ----------------------------------------------------------------------------------------------------

SPREAD = (put(1800, -10), put(1600, 10))


def test_initial_margin__spread__no_more_than_value_less_worst_pay_off(scene):
    margin = assess(scene, portfolio(*SPREAD))
    sold, bought = at(scene, *SPREAD)
    assert margin.initial_margin == -10 * (sold - bought) + 2_020 * WAD
    assert margin.scan * 5 // 4 + 20 * WAD > margin.initial_margin


@pytest.mark.parametrize(
    "other",
    [
        perp(eth(), 1, 0),
        PositionLeg(put(1600, 1).instrument, -1, 0, 0),
        PositionLeg(call(9000, 1, FAR).instrument, -1, 0, 0),
        perp(btc(), 1, 0),
    ],
    ids=["linear leg", "one put too many", "naked call of another expiry", "linear leg of another underlying"],
)
def test_initial_margin__anything_that_can_lose_more__not_bounded(scene, other):
    margin = assess(scene, portfolio(*SPREAD, other))
    assert margin.initial_margin > assess(scene, portfolio(*SPREAD)).initial_margin + 100 * WAD


def test_initial_margin__bought_options__no_more_than_they_are_worth(scene):
    held = portfolio(call(2600, 10), put(1500, 10, FAR))
    margin = assess(scene, held)
    assert margin.initial_margin <= margin.equity + 20 * WAD


def test_initial_margin__call_bought_below_a_put__what_they_always_pay_cannot_be_lost():
    """Between 1,900 and 2,100 they pay 200 together, elsewhere more."""
    strict = Scene.deploy()
    strict.set_book(structures_book(initial_factor=4 * BILLION, tail_rows=1))
    margin = assess(strict, portfolio(call(1900, 10), put(2100, 10)))
    assert 4 * margin.scan > margin.equity - 2_000 * WAD
    assert margin.initial_margin == margin.equity - 2_000 * WAD + 20 * WAD


def test_initial_margin__spreads_of_two_expiries__each_by_its_own_worst(scene):
    expiries = NEAR_QUOTE, replace(FAR_QUOTE, tenor=YEAR // 16)
    far = put(1800, -10, FAR), put(1600, 10, FAR)
    both, near = (assess(scene, portfolio(*legs), expiries=expiries) for legs in ((*SPREAD, *far), SPREAD))
    sold, bought = at(scene, *far, expiries=expiries)
    assert both.initial_margin == near.initial_margin - 10 * (sold - bought) + 2_000 * WAD


# What is refused -------------------------------------------------------------------------------------------------

TYPELESS = PositionLeg(option_of(1, NEAR, WAD, is_put=True) + (1 << 192), WAD, 0, 0)
REFUSED = [
    ("ExpiryMissing", portfolio(call(2000, 1, NEAR + 1)), EXPIRIES),
    ("ExpiryMissing", portfolio(replace(future(1), instrument=future_of(2, NEAR))), EXPIRIES),
    ("ExpiriesNotAscending", portfolio(), (FAR_QUOTE, NEAR_QUOTE)),
    ("ExpiriesNotAscending", portfolio(), (NEAR_QUOTE, NEAR_QUOTE)),
    ("UnsupportedInstrument", portfolio(TYPELESS), EXPIRIES),
    ("PriceOutOfRange", portfolio(replace(call(1, 1), instrument=call(0, 1).instrument | 2**96)), EXPIRIES),
    ("PriceOutOfRange", portfolio(call(2000, 1)), with_near(fixed_part=2**96)),
    ("QuantityOutOfRange", portfolio(replace(call(2000, 1), size=2**112)), EXPIRIES),
    ("QuantityOutOfRange", portfolio(replace(future(1), size=-(2**112))), EXPIRIES),
    ("QuoteMissing", portfolio(replace(call(2000, 1), instrument=option_of(3, NEAR, WAD, is_put=False))), EXPIRIES),
]


@pytest.mark.parametrize("function", ["assess", "explain"])
@pytest.mark.parametrize(("error", "held", "expiries"), REFUSED)
def test_assess_and_explain__what_they_cannot_price__reverts_by_type(scene, function, error, held, expiries):
    with reverts(error):
        getattr(scene, function)(held, list(QUOTES), WAD, expiries)


@pytest.mark.parametrize("instrument", [TYPELESS.instrument, perp(eth(), 1).instrument])
def test_option_prices__neither_future_nor_option__refused(scene, instrument):
    with reverts("UnsupportedInstrument", instrument=instrument):
        scene.engine.call("optionPrices", [instrument], list(QUOTES), EXPIRIES)
