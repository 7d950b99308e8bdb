"""Fills: what they move, what they are held to, and whom the margin check lets trade."""

import pytest

from tests.support.clearing import Fill, Module, cash_of, drive, imbalance, position_of
from tests.support.evm import reverts
from tests.support.system import DAY, WAD, Market, System, trader, wad

TAKER, MAKER, THIRD = trader("taker"), trader("maker"), trader("third")
DELEGATE = trader("delegate")
BOTH = [TAKER.account, MAKER.account]
MARK = wad(2_500)


@pytest.fixture
def exchange(system: System, market: Market) -> Module:
    """Two accounts with 10,000 each, and the exchange in the test's hands."""
    market.fund(TAKER, USDC=10_000)
    market.fund(MAKER, USDC=10_000)
    return drive(system, system.exchange)


@pytest.fixture
def eth(market: Market) -> int:
    return market.instrument("ETH")


def test_fill__two_accounts__opposite_positions_and_fees(system: System, exchange: Module, eth: int):
    applied, losses = exchange.settle(BOTH, Fill(eth, wad(2), MARK, takerFee=wad(3), makerFee=wad(1)))
    taker, maker = (position_of(system, account) for account in BOTH)
    assert (taker.size, maker.size) == (wad(2), -wad(2))
    assert (taker.quote, maker.quote) == (-2 * MARK, 2 * MARK)
    assert (taker.value, maker.value) == (0, 0)
    assert [cash_of(system, account) for account in BOTH] == [wad(9_997), wad(9_999)]
    assert system.clearinghouse.call("vaultState").fees == wad(4)
    assert system.clearinghouse.call("instrumentOf", eth).openInterest == wad(2)
    assert [system.clearinghouse.call("accountOf", account).positionNonce for account in BOTH] == [1, 1]
    assert (list(applied), [list(pair) for pair in losses]) == ([True], [[0, 0]])
    assert imbalance(system, BOTH) == 0


def test_fill__back_to_zero__sweeps_the_quote_to_cash(system: System, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    price = MARK + wad(20)
    exchange.settle(BOTH, Fill(eth, -wad(2), price))
    assert [cash_of(system, account) for account in BOTH] == [wad(10_040), wad(9_960)]
    for account in BOTH:
        assert system.clearinghouse.call("accountOf", account).positions == []
    assert system.clearinghouse.call("instrumentOf", eth).openInterest == 0
    assert system.clearinghouse.call("underlyingLimitsOf", system.record.underlyings["ETH"]).openInterest == 0


def test_fill__through_zero__the_sides_change_over(system: System, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad(1), MARK))
    exchange.settle(BOTH, Fill(eth, -wad(3), MARK))
    assert [position_of(system, account).size for account in BOTH] == [-wad(2), wad(2)]
    assert system.clearinghouse.call("instrumentOf", eth).openInterest == wad(2)


def test_fill__closing_one_of_two__the_last_place_fills_the_hole(system: System, market: Market, exchange: Module):
    instruments = [market.instrument(symbol) for symbol in ("BTC", "ETH", "LINK")]
    marks = [market.mark(symbol) for symbol in ("BTC", "ETH", "LINK")]
    for instrument, mark in zip(instruments, marks, strict=True):
        exchange.settle(BOTH, Fill(instrument, wad("0.1"), mark))
    exchange.settle(BOTH, Fill(instruments[0], -wad("0.1"), marks[0]))
    held = system.clearinghouse.call("accountOf", TAKER.account).positions
    assert [position.index for position in held] == [instruments[2], instruments[1]]
    assert imbalance(system, BOTH) == 0


@pytest.mark.parametrize("size", [0, WAD // 1_000 - 1, WAD + 1])
def test_fill__off_the_size_step__refused(exchange: Module, eth: int, size: int):
    with reverts("InvalidSize", instrument=eth, size=size):
        exchange.settle(BOTH, Fill(eth, size, MARK))


def test_fill__unknown_instrument__refused(exchange: Module):
    for instrument in (0, 99):
        with reverts("UnknownInstrument", instrument=instrument):
            exchange.settle(BOTH, Fill(instrument, WAD, MARK))


def test_fill__outside_the_price_band__refused(exchange: Module, eth: int):
    edge = MARK // 100
    for price in (MARK - edge - 1, MARK + edge + 1, 0):
        with reverts("OutsidePriceBand", instrument=eth, price=price, mark=MARK):
            exchange.settle(BOTH, Fill(eth, WAD, price))
    exchange.settle(BOTH, Fill(eth, WAD, MARK + edge))


def test_fill__with_itself__refused(exchange: Module, eth: int):
    with reverts("SelfTrade", account=TAKER.account):
        exchange.settle(BOTH, Fill(eth, WAD, MARK, maker=0))


def test_fill__of_nobody_or_the_clearinghouse__refused(system: System, exchange: Module, eth: int):
    for owner in (0, int(system.clearinghouse.address, 16)):
        with reverts("InvalidOwner"):
            exchange.settle([TAKER.account, owner << 96], Fill(eth, WAD, MARK))


def test_fill__in_liquidation__refused(system: System, exchange: Module, eth: int):
    drive(system, system.auctions).run(("startLiquidation", MAKER.account, 0, 0))
    with reverts("AccountInLiquidation", account=MAKER.account):
        exchange.settle(BOTH, Fill(eth, WAD, MARK))


# Reduce-only -----------------------------------------------------------------------------------------------------


def test_reduce_only_fill__nothing_to_reduce__skipped(system: System, exchange: Module, eth: int):
    applied, _ = exchange.settle(BOTH, Fill(eth, WAD, MARK, takerReduceOnly=True))
    assert list(applied) == [False]
    assert system.clearinghouse.call("accountOf", TAKER.account).positions == []


def test_reduce_only_fill__past_zero__skipped(system: System, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    fills = [Fill(eth, -wad(1), MARK, takerReduceOnly=True), Fill(eth, -wad(2), MARK, makerReduceOnly=True)]
    applied, _ = exchange.settle(BOTH, *fills)
    assert list(applied) == [True, False], "after the first only 1 is left to reduce"
    assert position_of(system, TAKER.account).size == wad(1)


def test_reduce_only_instrument__only_both_sides_reducing(system: System, market: Market, exchange: Module, eth: int):
    market.fund(THIRD, USDC=10_000)
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    until = system.evm.timestamp + DAY
    system.act_as("guardian", system.clearinghouse, "setReduceOnly", eth, until)
    assert system.clearinghouse.call("instrumentOf", eth).reduceOnly
    for accounts in ([TAKER.account, THIRD.account], [THIRD.account, MAKER.account]):
        with reverts("ReduceOnlyInstrument", instrument=eth):
            exchange.settle(accounts, Fill(eth, -wad(1), MARK))
    exchange.settle(BOTH, Fill(eth, -wad(2), MARK))
    market.advance(DAY)
    assert not system.clearinghouse.call("instrumentOf", eth).reduceOnly
    exchange.settle(BOTH, Fill(eth, wad(1), market.mark("ETH")))


def silence(system: System, market: Market, seconds: int) -> None:
    """Every feed but ETH's reports on."""
    del market.prices["ETH"]
    while seconds > 0:
        market.advance(min(seconds, 6 * 3_600))
        seconds -= 6 * 3_600


def test_stale_price__fills_only_reduce(system: System, market: Market, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    silence(system, market, 27 * 3_600)
    with reverts("ReduceOnlyInstrument", instrument=eth):
        exchange.settle(BOTH, Fill(eth, wad(1), MARK))
    exchange.settle(BOTH, Fill(eth, -wad(1), MARK))
    assert position_of(system, TAKER.account).size == wad(1)


def test_halted_price__no_fill(system: System, market: Market, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    silence(system, market, 60 * 3_600)
    with reverts("OracleNotUsable", underlying=system.record.underlyings["ETH"]):
        exchange.settle(BOTH, Fill(eth, -wad(1), MARK))


# Open interest ---------------------------------------------------------------------------------------------------


def test_open_interest__above_the_instruments_cap__refused(system: System, exchange: Module, eth: int):
    system.act_as("risk", system.clearinghouse, "setOpenInterestCap", eth, wad(3))
    exchange.settle(BOTH, Fill(eth, wad(3), MARK))
    with reverts("OpenInterestCapExceeded", instrument=eth, openInterest=wad(4), cap=wad(3)):
        exchange.settle(BOTH, Fill(eth, wad(1), MARK))
    exchange.settle(BOTH, Fill(eth, wad(2), MARK), Fill(eth, -wad(2), MARK))


@pytest.mark.parametrize("cap", [{"openInterestCap": wad(3)}, {"openInterestValueCap": 3 * MARK}])
def test_open_interest__above_the_underlyings_cap__refused(system: System, exchange: Module, eth: int, cap: dict):
    underlying = system.record.underlyings["ETH"]
    limits, _ = system.clearinghouse.call("underlyingLimitsOf", underlying)
    changed = limits.as_dict() | cap
    system.act_as("risk", system.clearinghouse, "setUnderlyingLimits", underlying, changed)
    exchange.settle(BOTH, Fill(eth, wad(3), MARK))
    with reverts("UnderlyingOpenInterestCapExceeded", underlying=underlying, openInterest=wad(4), value=4 * MARK):
        exchange.settle(BOTH, Fill(eth, wad(1), MARK))


# Margin ----------------------------------------------------------------------------------------------------------


def test_trade__up_to_initial_margin__and_no_further_I6(system: System, exchange: Module, eth: int):
    # One ETH needs 1.25 · 750, an account 20: 10.645 ETH fit into 10,000.
    exchange.settle(BOTH, Fill(eth, wad("10.645"), MARK))
    with reverts("InitialMarginShortfall", equity=wad(10_000)):
        exchange.settle(BOTH, Fill(eth, wad("0.001"), MARK), Fill(eth, wad("0.001"), MARK))


def lower_to_between_margins(system: System, market: Market, exchange: Module, eth: int) -> int:
    """The taker's equity is 8,750 with 10 ETH at 2,375: maintenance 7,145, initial 8,926.25."""
    market.fund(MAKER, USDC=100_000)
    exchange.settle(BOTH, Fill(eth, wad(10), MARK))
    market.set_price("ETH", 2_375)
    market.settle_stable_prices()
    return market.mark("ETH")


def test_trade__between_margins_closing__allowed_I6(system: System, market: Market, exchange: Module, eth: int):
    mark = lower_to_between_margins(system, market, exchange, eth)
    exchange.settle(BOTH, Fill(eth, -wad(1), mark))
    assert position_of(system, TAKER.account).size == wad(9)


def test_trade__between_margins_opening__refused_I6(system: System, market: Market, exchange: Module, eth: int):
    mark = lower_to_between_margins(system, market, exchange, eth)
    with reverts("RiskNotReduced", account=TAKER.account, rule=b"scan".ljust(32, b"\0")):
        exchange.settle(BOTH, Fill(eth, wad("0.001"), mark))


def test_trade__between_margins_losing_too_much__refused_I6(system: System, market: Market, exchange: Module, eth: int):
    mark = lower_to_between_margins(system, market, exchange, eth)
    edge = mark - mark // 1_000
    with reverts("RiskNotReduced", account=TAKER.account, rule=b"equity".ljust(32, b"\0")):
        exchange.settle(BOTH, Fill(eth, -wad("0.1"), edge - wad(1)))
    exchange.settle(BOTH, Fill(eth, -wad("0.1"), edge + wad(1), takerFee=wad(5)))


def test_trade__between_margins_hedging_with_a_new_leg__refused_I6(
    system: System, market: Market, exchange: Module, eth: int
):
    lower_to_between_margins(system, market, exchange, eth)
    link, mark = market.instrument("LINK"), market.mark("LINK")
    with reverts("RiskNotReduced", account=TAKER.account, rule=b"leg".ljust(32, b"\0")):
        exchange.settle(BOTH, Fill(link, -wad(4), mark))


def test_withdraw__between_margins__refused_I6(system: System, market: Market, exchange: Module, eth: int):
    lower_to_between_margins(system, market, exchange, eth)
    with reverts("RiskNotReduced", account=TAKER.account, rule=b"excess".ljust(32, b"\0")):
        system.clearinghouse.transact("withdraw", TAKER.account, 0, 1, TAKER.address, sender=TAKER.address)


def test_trade__below_maintenance_margin__refused_I6(system: System, market: Market, exchange: Module, eth: int):
    market.fund(MAKER, USDC=100_000)
    exchange.settle(BOTH, Fill(eth, wad(10), MARK))
    market.set_price("ETH", 2_100)
    with reverts("BelowMaintenanceMargin", account=TAKER.account, equity=wad(6_000), requirement=wad(6_320)):
        exchange.settle(BOTH, Fill(eth, -wad("0.001"), market.mark("ETH")))


# Delegates -------------------------------------------------------------------------------------------------------


def test_fill__signed_by_delegates__their_loss_against_mark_is_reported(exchange: Module, eth: int):
    both = {"takerDelegate": DELEGATE.address, "makerDelegate": DELEGATE.address}
    fills = [Fill(eth, wad(2), MARK + 7, **both), Fill(eth, wad(2), MARK - 7, **both), Fill(eth, wad(2), MARK + 7)]
    _, losses = exchange.settle(BOTH, *fills)
    assert [list(pair) for pair in losses] == [[14, 0], [0, 14], [0, 0]]


def test_settlement__many_accounts_in_one__each_checked_once(
    system: System, market: Market, exchange: Module, eth: int
):
    market.fund(THIRD, USDC=20)
    accounts = [*BOTH, THIRD.account]
    chain = [Fill(eth, wad(1), MARK, taker=2, maker=1), Fill(eth, -wad(1), MARK, taker=2, maker=0)]
    exchange.settle(accounts, *chain)
    assert system.clearinghouse.call("accountOf", THIRD.account).positions == []
    assert [position_of(system, account).size for account in BOTH] == [wad(1), -wad(1)]
