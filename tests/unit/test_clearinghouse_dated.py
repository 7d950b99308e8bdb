"""Dated futures and options in the clearinghouse: listing, trading, settlement."""

from itertools import permutations

import pytest

from tests.support.clearing import Fill, cash_of, drive, imbalance
from tests.support.dated import CAP, STEP_EXPONENT, DatedMarket
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, WAD, Market, System, trader, wad

LONG, SHORT, THIRD = trader("long"), trader("short"), trader("third")
EVERYONE = (LONG, SHORT, THIRD)
ACCOUNTS = [who.account for who in EVERYONE]


@pytest.fixture
def dated(market: Market) -> DatedMarket:
    dated = DatedMarket(market)
    for who in EVERYONE:
        market.fund(who, USDC=100_000)
    return dated


def sizes(system: System, instrument: int) -> list[int]:
    found = []
    for account in ACCOUNTS:
        held = system.clearinghouse.call("accountOf", account).positions
        found += [position.size for position in held if position.index == instrument]
    return found


# Listing ---------------------------------------------------------------------------------------------------------


def test_list_options__a_strike__one_call_and_one_put(system: System, dated: DatedMarket):
    call, put = (system.clearinghouse.call("instrumentOf", index) for index in (dated.call(2_500), dated.put(2_500)))
    for report, option_type in ((call, 1), (put, 2)):
        assert report.id >> 248 == 3
        assert (report.id >> 240) & 0xFF == dated.underlying
        assert (report.id >> 200) & (2**40 - 1) == dated.expiry
        assert (report.id >> 192) & 0xFF == option_type
        assert report.id & (2**128 - 1) == wad(2_500)
        assert (report.sizeStep, report.openInterestCap) == (10**STEP_EXPONENT, CAP)


@pytest.mark.parametrize("strike", [0, 10**9 - 1, 2_500 * WAD + 1, 2**64 * 10**9])
def test_list_options__strike_off_its_grid__refused(system: System, dated: DatedMarket, strike: int):
    with reverts("ParameterOutOfBounds"):
        arguments = (dated.underlying, dated.expiry, [strike], STEP_EXPONENT, CAP)
        dated.market.act_as("risk", system.clearinghouse, "listOptions", *arguments)


def test_list_dated__twice__refused(system: System, dated: DatedMarket):
    with reverts("InstrumentAlreadyListed", index=dated.future):
        arguments = (dated.underlying, dated.expiry, STEP_EXPONENT, CAP)
        dated.market.act_as("risk", system.clearinghouse, "listFuture", *arguments)
    with reverts("InstrumentAlreadyListed", index=dated.call(2_500)):
        arguments = (dated.underlying, dated.expiry, [wad(2_500)], STEP_EXPONENT, CAP)
        dated.market.act_as("risk", system.clearinghouse, "listOptions", *arguments)


def test_list_dated__expiry_not_listed_or_over__refused(system: System, dated: DatedMarket):
    with reverts("ExpiryNotLive", underlying=dated.underlying, expiry=dated.expiry + DAY):
        arguments = (dated.underlying, dated.expiry + DAY, STEP_EXPONENT, CAP)
        dated.market.act_as("risk", system.clearinghouse, "listFuture", *arguments)
    dated.go_to(dated.expiry)
    with reverts("ExpiryNotLive", underlying=dated.underlying, expiry=dated.expiry):
        arguments = (dated.underlying, dated.expiry, [wad(2_600)], STEP_EXPONENT, CAP)
        dated.market.act_as("risk", system.clearinghouse, "listOptions", *arguments)


# Trading ---------------------------------------------------------------------------------------------------------


def test_future__traded_and_touched__value_goes_to_cash(system: System, dated: DatedMarket):
    forward = dated.mark(dated.future)
    assert forward == wad(2_500) * (10**9 + dated.smile.premium) // 10**9
    dated.trade(LONG, SHORT, dated.future, 4)
    dated.market.set_price("ETH", 2_600)
    moved = 4 * (dated.mark(dated.future) - forward)
    assert system.clearinghouse.call("marginOf", LONG.account).equity == wad(100_000) + moved
    for who in (LONG, SHORT):
        system.clearinghouse.transact("realise", who.account)
    assert [cash_of(system, who.account) for who in (LONG, SHORT)] == [wad(100_000) + moved, wad(100_000) - moved]
    assert imbalance(system, ACCOUNTS) == 0


def test_option__traded__premium_moves_at_once_and_no_quote_stays(system: System, dated: DatedMarket):
    call = dated.call(3_000)
    price = dated.mark(call)
    assert 0 < price < wad(2_500)
    dated.trade(LONG, SHORT, call, "1.5")
    premium, value = -(-3 * price // 2), 3 * price // 2  # the buyer pays what rounding leaves
    assert cash_of(system, SHORT.account) - wad(100_000) == premium
    assert wad(100_000) - cash_of(system, LONG.account) == premium
    [held] = system.clearinghouse.call("accountOf", LONG.account).positions
    assert (held.size, held.quote, held.value) == (wad("1.5"), 0, value)
    assert system.clearinghouse.call("marginOf", LONG.account).equity == wad(100_000) - (premium - value)
    assert imbalance(system, ACCOUNTS) == 0


def test_margin_of__every_kind_of_leg__is_the_engines_of_the_portfolio(system: System, dated: DatedMarket):
    market, house = dated.market, system.clearinghouse
    market.fund(LONG, WETH=2)
    sold, bought = dated.call(3_000), dated.put(2_000)
    for instrument, size in ((market.instrument("ETH"), 1), (dated.future, 3), (bought, 4)):
        dated.trade(LONG, SHORT, instrument, size)
    dated.trade(SHORT, LONG, sold, 5)
    market.set_price("ETH", 2_600)
    portfolio = house.call("portfolioOf", LONG.account)
    held = [(leg.instrument >> 248, leg.size) for leg in portfolio.positions]
    assert held == [(1, wad(1)), (2, wad(3)), (3, wad(4)), (3, -wad(5))]
    named = [house.call("instrumentOf", index).id for index in (bought, sold)]
    assert [leg.instrument for leg in portfolio.positions[2:]] == named
    quotes, settlement_token_usd = system.oracle_hub.call("quotesOf", 1 << dated.underlying)
    expiries = system.expiries.call("quotesOf", [dated.key])
    margin = system.margin_engine.call("assess", portfolio, quotes, expiries, settlement_token_usd)
    assert tuple(house.call("marginOf", LONG.account)) == tuple(margin)


def test_margin_of__engine_that_refuses__says_why(system: System, dated: DatedMarket):
    dated.trade(LONG, SHORT, dated.call(2_500), 1)
    bookless = system.evm.deploy("MarginEngine", system.authority.address, system.margin_engine.call("explainer"))
    dated.market.act_as("governance", system.clearinghouse, "setMarginEngine", bookless.address)
    with reverts("NoRiskBook"):
        system.clearinghouse.call("marginOf", LONG.account)


def test_option__fill_outside_the_band_around_its_mark__refused(system: System, dated: DatedMarket):
    put = dated.put(2_500)
    mark, band = dated.mark(put), wad(2_500) * system.network.underlyings["ETH"].trading.price_band // 10**9
    for price in (mark + band + 1, mark - band - 1):
        if price < 0:
            continue
        with reverts("OutsidePriceBand", instrument=put, mark=mark):
            dated.trade(LONG, SHORT, put, 1, price)
    dated.trade(LONG, SHORT, put, 1, mark + band)


def test_dated__surface_gone_stale__only_what_reduces_both_sides(system: System, dated: DatedMarket):
    call = dated.call(2_500)
    dated.trade(LONG, SHORT, call, 2)
    dated.market.advance(HOUR)
    with reverts("ReduceOnlyInstrument"):
        dated.trade(LONG, SHORT, call, 1)
    dated.trade(SHORT, LONG, call, 1)
    assert sizes(system, call) == [wad(1), -wad(1)]


def test_dated__at_expiry__no_trade_in_the_last_second_or_later(system: System, dated: DatedMarket):
    dated.trade(LONG, SHORT, dated.future, 1)
    dated.go_to(dated.expiry)
    for instrument in (dated.future, dated.put(2_500)):
        with reverts("InstrumentExpired", instrument=instrument, expiry=dated.expiry):
            dated.exchange.settle([LONG.account, SHORT.account], Fill(instrument, -wad(1), wad(2_500)))


# Settlement ------------------------------------------------------------------------------------------------------


def test_settle__calls_puts_and_future__each_pays_what_it_promised(system: System, dated: DatedMarket):
    before = {who: cash_of(system, who.account) for who in EVERYONE}
    dated.trade(LONG, SHORT, dated.call(2_500), 2)
    dated.trade(THIRD, LONG, dated.put(3_000), 1)
    dated.trade(LONG, THIRD, dated.future, 3)
    paid = {who: cash_of(system, who.account) - before[who] for who in EVERYONE}
    forward = dated.mark(dated.future)
    dated.expire("2710.5")
    dated.settle(*EVERYONE)
    call, put, future = wad("210.5"), wad("289.5"), wad("2710.5") - forward
    gains = {LONG: 2 * call - put + 3 * future, SHORT: -2 * call, THIRD: put - 3 * future}
    for who in EVERYONE:
        assert cash_of(system, who.account) - before[who] - paid[who] == gains[who]
        assert system.clearinghouse.call("accountOf", who.account).positions == []
    assert imbalance(system, ACCOUNTS) == 0


def test_settle__part_of_the_accounts__clearing_takes_the_other_side_I2(system: System, dated: DatedMarket):
    call = dated.call(2_500)
    dated.trade(LONG, SHORT, call, 2)
    dated.trade(LONG, THIRD, call, 1)
    dated.expire(2_600)
    receipt = dated.settle(LONG)
    [event] = receipt.events("PositionSettled")
    assert (event.size, event.price, event.value) == (wad(3), wad(100), wad(300))
    report = system.clearinghouse.call("instrumentOf", call)
    assert (report.clearedSize, report.clearedQuote, report.openInterest) == (wad(3), -wad(300), 0)
    assert sum(sizes(system, call)) + report.clearedSize == 0
    assert imbalance(system, ACCOUNTS) == 0
    assert dated.settle(LONG).events("PositionSettled") == [], "nothing is settled twice"
    dated.settle(SHORT, THIRD)
    report = system.clearinghouse.call("instrumentOf", call)
    assert (report.clearedSize, report.clearedQuote) == (0, 0)


@pytest.mark.parametrize("order", list(permutations(EVERYONE)))
def test_i28__settlement_in_any_order__same_result_and_the_remainder_to_fees(
    system: System, dated: DatedMarket, order: tuple
):
    call = dated.call(2_500)
    dated.trade(LONG, SHORT, call, "0.333")
    dated.trade(LONG, THIRD, call, "0.334")
    dated.expire(2_500, buckets=19)
    dated.market.advance(HOUR)
    dated.publish_settlement("2500.000000000000000003")
    cash = {who: cash_of(system, who.account) for who in EVERYONE}
    fees = system.clearinghouse.call("vaultState").feesRay
    for who in order[:-1]:
        assert dated.settle(who).events("InstrumentCleared") == []
    [cleared] = dated.settle(order[-1]).events("InstrumentCleared")
    gained = {who: cash_of(system, who.account) - cash[who] for who in EVERYONE}
    assert gained == {LONG: 2, SHORT: -1, THIRD: -2}, "every account's pay-off is rounded down"
    assert cleared.remainder == 1
    assert system.clearinghouse.call("vaultState").feesRay - fees == 10**27
    assert imbalance(system, ACCOUNTS) == 0


@pytest.mark.parametrize("before", [(), (SHORT,), (LONG, SHORT)])
def test_i3a__longs_and_shorts_settled_in_one_act__what_rounding_leaves_goes_to_fees(
    system: System, dated: DatedMarket, before: tuple
):
    """Together they leave the clearing account no size, but a wei that must not be lost."""
    call, fourth = dated.call(2_500), trader("fourth")
    dated.market.fund(fourth, USDC=100_000)
    dated.trade(LONG, SHORT, call, "0.333")
    dated.trade(fourth, THIRD, call, "0.334")
    dated.expire(2_500, buckets=19)
    dated.market.advance(HOUR)
    dated.publish_settlement("2500.000000000000000002")
    everyone = (*EVERYONE, fourth)
    fees = system.clearinghouse.call("vaultState").feesRay
    if before:
        dated.settle(*before)
    [cleared] = dated.settle(*(who for who in everyone if who not in before)).events("InstrumentCleared")
    assert cleared.remainder == 2
    report = system.clearinghouse.call("instrumentOf", call)
    assert (report.clearedSize, report.clearedQuote) == (0, 0)
    assert system.clearinghouse.call("vaultState").feesRay - fees == 2 * 10**27
    assert imbalance(system, [*ACCOUNTS, fourth.account]) == 0


def test_settle__account_in_liquidation_or_touched_otherwise__settled_all_the_same(system: System, dated: DatedMarket):
    dated.trade(LONG, SHORT, dated.call(2_500), 1)
    dated.expire(2_600)
    drive(system, system.auctions).run(("startLiquidation", SHORT.account, 0, 0))
    [event] = dated.settle(SHORT).events("PositionSettled")
    assert event.value == -wad(100)
    expected = system.clearinghouse.call("marginOf", LONG.account)
    [event] = system.clearinghouse.transact("realise", LONG.account).events("PositionSettled")
    assert event.value == wad(100)
    assert system.clearinghouse.call("marginOf", LONG.account) == expected


def test_settle__too_few_observations__waits_for_the_signers_price(system: System, dated: DatedMarket):
    dated.trade(LONG, SHORT, dated.put(2_500), 1)
    dated.expire(2_450, buckets=19)
    assert dated.settle(LONG, SHORT).events("PositionSettled") == []
    margin = system.clearinghouse.call("marginOf", SHORT.account)
    assert margin.scan > 0, "while the price is open, its risk is"
    dated.market.advance(HOUR)
    dated.publish_settlement(2_440)
    settled = dated.settle(LONG, SHORT).events("PositionSettled")
    assert [event.value for event in settled] == [wad(60), -wad(60)]
    assert system.clearinghouse.call("marginOf", SHORT.account).maintenanceMargin == 0


def test_settlement_push__one_minute_moved__moves_the_price_by_a_thirtieth(system: System, dated: DatedMarket):
    dated.trade(LONG, SHORT, dated.future, 1)
    dated.expire(2_500, buckets=29)
    assert system.expiries.call("expiryOf", dated.underlying, dated.expiry).observed == 29
    price = system.clearinghouse.call("markOf", dated.future)
    assert price == wad(2_500)
