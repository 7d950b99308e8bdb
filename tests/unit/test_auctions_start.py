"""Margin call, start, poke and end of an auction, and its clock."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.chain.orders import DeadReason, Match, settlement
from ballast.risk import auction as twin
from tests.support.evm import reverts
from tests.support.liquidation import MINUTE, PARAMETERS, Room, money_flows
from tests.support.system import WAD, Market, trader, wad


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


def test_call__below_initial_margin__announces_what_is_missing(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "1.1")
    margin = room.margin(owner.account)

    [event] = room.auctions.transact("call", owner.account).events("MarginCalled")

    new_risk_equity = margin.equity - margin.stableGap - margin.untrustedGain
    assert event.account == owner.account
    assert event.shortfall == margin.initialMargin - new_risk_equity > 0
    assert not room.house.call("accountOf", owner.account).inLiquidation


def test_call__at_initial_margin__reverts(room: Room) -> None:
    owner = room.long("owner")
    with reverts("NoMarginCall", account=owner.account, initialMargin=room.margin(owner.account).initialMargin):
        room.auctions.transact("call", owner.account)


def test_start__below_maintenance_margin__opens_and_pays_the_bounty(room: Room) -> None:
    """I8, I3a: the starter's bounty is the account's loss, and nobody else's."""
    owner, starter = room.long("owner"), trader("starter")
    room.drop_to(owner, "0.9")
    margin = room.margin(owner.account)

    with money_flows(room, owner=owner.account, starter=starter.account) as flows:
        receipt = room.start(owner, starter.account)

    [event] = receipt.events("AuctionStarted")
    assert (event.account, event.auctionId, event.bounty) == (owner.account, receipt.result, 5 * WAD)
    assert (event.equity, event.maintenanceMargin) == (margin.equity, margin.maintenanceMargin)
    assert flows.equity == {"owner": -5 * WAD, "starter": 5 * WAD, "dealer": 0, "fund": 0}
    assert (flows.uncovered, flows.tokens) == (0, 0)
    assert room.house.call("accountOf", owner.account).inLiquidation
    assert room.auctions.call("isLive", owner.account)


@pytest.mark.parametrize("health", ["1", "1.05"])
def test_start__at_or_above_maintenance_margin__reverts(room: Room, health: str) -> None:
    """I8."""
    owner = room.long("owner")
    room.drop_to(owner, health)
    with reverts("NotLiquidatable", account=owner.account, equity=room.margin(owner.account).equity):
        room.start(owner)


def test_start__just_below_maintenance_margin__opens(room: Room) -> None:
    """I8: one part in 10⁷ below is below."""
    owner = room.long("owner")
    price = room.drop_to(owner, "1")
    room.market.set_price("ETH", price - Decimal("1e-7"))
    assert room.start(owner).events("AuctionStarted")


def test_start__little_equity__pays_one_percent_of_it(room: Room) -> None:
    owner, starter = room.long("owner"), trader("starter")
    room.drop_to(owner, "0.06")
    equity = room.margin(owner.account).equity
    assert 0 < equity < 500 * WAD

    room.start(owner, starter.account)

    assert room.cash(starter.account) == equity // 100 == twin.bounty(equity, PARAMETERS)


def test_start__no_equity__pays_no_bounty_and_is_insolvent_at_once(room: Room) -> None:
    owner, starter = room.long("owner"), trader("starter")
    room.drop_to(owner, "-0.1")

    receipt = room.start(owner, starter.account)

    assert room.cash(starter.account) == 0 == receipt.events("AuctionStarted")[0].bounty
    assert receipt.events("AuctionTurnedInsolvent")[0].account == owner.account
    assert room.view(owner).insolvent


def test_start__bounty_to_nobody_or_to_the_account__stays(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    for nobody in (0, 7, owner.account):
        with room.rolled_back(), money_flows(room, owner=owner.account) as flows:
            room.start(owner, nobody)
        assert set(flows.equity.values()) == {0}


def test_start__twice__reverts(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    room.start(owner)
    with reverts("AlreadyInAuction", account=owner.account):
        room.start(owner)


def test_start__orders_signed_before__are_dead(room: Room) -> None:
    owner = room.long("owner")
    close = room.market.order(owner, "ETH", -1, wad(1500))
    room.drop_to(owner, "0.9")
    room.start(owner)

    buy = room.market.order(room.dealer, "ETH", 1, room.market.mark("ETH"))
    receipt = room.system.exchange.transact("settle", *settlement([buy, close], [Match(0, 1, wad(1))]))

    assert [event.reason for event in receipt.events("OrderSkipped")] == [DeadReason.OTHER_EPOCH]


def test_auction__live__refuses_withdrawals_and_trades_but_not_deposits(room: Room) -> None:
    owner = room.long("owner")
    price = room.drop_to(owner, "0.9")
    room.start(owner)

    with reverts("AccountInLiquidation", account=owner.account):
        room.house.transact("withdraw", owner.account, 0, 1, owner.address, sender=owner.address)
    with reverts("AccountInLiquidation", account=owner.account):
        room.market.trade(room.dealer, owner, "ETH", 1, wad(price))
    before = room.cash(owner.account)
    room.market.fund(owner, USDC=100)
    assert room.cash(owner.account) == before + 100 * WAD


def test_poke__after_a_cure__ends_and_gives_the_account_back(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.95")
    room.start(owner)
    margin = room.margin(owner.account)
    missing = -(-(margin.liquidationEndMargin - margin.equity) // WAD)
    room.market.fund(owner, USDC=missing)

    [event] = room.poke(owner).events("AuctionEnded")

    assert (event.account, event.proceeds) == (owner.account, 0)
    assert event.equity == room.margin(owner.account).equity
    assert not room.auctions.call("isLive", owner.account)
    assert not room.house.call("accountOf", owner.account).inLiquidation
    assert room.view(owner).id == 0


def test_poke__between_maintenance_and_liquidation_end__goes_on(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.95")
    room.start(owner)
    room.drop_to(owner, "1.05")
    assert not room.poke(owner).events("AuctionEnded")
    assert room.auctions.call("isLive", owner.account)


def test_poke__without_auction__reverts(room: Room) -> None:
    owner = room.long("owner")
    with reverts("NoAuction", account=owner.account):
        room.poke(owner)


def test_start__after_an_end__is_a_new_auction(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.95")
    first = room.start(owner).result
    room.drop_to(owner, "1.2")
    room.poke(owner)
    room.drop_to(owner, "0.95")
    assert room.start(owner).result == first + 1


def test_clock__seen_often_enough__runs_at_the_speed_of_depth(room: Room) -> None:
    """I16: half of maintenance margin is four times as fast."""
    owner = room.long("owner")
    room.drop_to(owner, "0.5")
    room.start(owner)
    margin = room.margin(owner.account)
    speed = twin.clock_speed(margin.equity, margin.maintenanceMargin, 16)
    assert speed == pytest.approx(4 * WAD, rel=1e-6)

    room.market.advance(5 * MINUTE)

    view = room.view(owner)
    assert view.elapsed == 300 * speed
    assert view.discount == twin.discount(300 * speed, PARAMETERS)
    assert view.observedAt == room.system.evm.timestamp - 300


def test_clock__over_an_interval__runs_at_the_slower_of_its_ends(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.5")
    room.start(owner)
    room.market.advance(100)
    room.drop_to(owner, "1.05")
    margin = room.margin(owner.account)
    slow = twin.clock_speed(margin.equity, margin.maintenanceMargin, 16)
    assert room.view(owner).elapsed == 100 * slow < 100 * WAD
    room.poke(owner)
    room.market.advance(100)
    room.drop_to(owner, "0.5")
    assert room.view(owner).elapsed == 200 * slow


def test_clock__unseen_for_longer_than_the_window__starts_again(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    auction = room.start(owner).result
    room.market.advance(5 * MINUTE + 1)

    assert room.view(owner).elapsed == 0
    [event] = room.poke(owner).events("AuctionClockRestarted")
    assert event.auctionId == auction
    room.market.advance(5 * MINUTE)
    assert not room.poke(owner).events("AuctionClockRestarted")
    assert room.view(owner).elapsed > 0
