"""Auctions while an underlying's oracle is halted: its best case counts for the owner, everything else goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.evm import reverts
from tests.support.liquidation import Room, money_flows
from tests.support.system import HOUR, WAD, Market, Trader, trader

HALTED = 3
LEG_DUST = 10**5


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


def halt_ether(room: Room) -> None:
    """Every feed but those of ETH goes on reporting."""
    price = room.market.prices.pop("ETH")
    for _ in range(30):
        room.market.advance(HOUR)
    room.market.prices["ETH"] = price
    [quote], _ = room.system.oracle_hub.call("quotesOf", 1 << 2)
    assert quote.state == HALTED and Decimal(quote.index) / WAD == price


def mixed(room: Room, ether: str, bitcoin: str = "0.6") -> Trader:
    owner = trader("mixed")
    room.market.fund(owner, USDC=12_000)
    room.market.trade(owner, room.dealer, "BTC", bitcoin)
    room.market.trade(owner, room.dealer, "ETH", ether)
    return owner


def test_start__loss_that_a_halted_underlying_could_make_good__reverts(room: Room) -> None:
    """I8: below maintenance margin at the last good price, above it at the best node."""
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    halt_ether(room)
    margin = room.margin(owner.account)
    assert margin.equity < margin.maintenanceMargin <= margin.equity + margin.haltBonus
    with reverts("NotLiquidatable", account=owner.account):
        room.start(owner)


def test_start__loss_beyond_what_it_could_make_good__opens(room: Room) -> None:
    """The attack of holding a little of a dead feed's underlying as a shield."""
    owner = mixed(room, ether="0.001")
    halt_ether(room)
    room.market.set_price("BTC", 28_000)
    margin = room.margin(owner.account)
    assert 0 < margin.haltBonus < WAD
    assert room.start(owner).events("AuctionStarted")


def test_poke__live_auction_whose_halted_leg_could_cure_it__ends(room: Room) -> None:
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    room.start(owner)
    halt_ether(room)
    assert room.view(owner).maxFraction == 0
    assert room.poke(owner).events("AuctionEnded")


def test_bid__slice_with_a_halted_leg__carries_it_at_the_last_good_price(room: Room) -> None:
    """I3a, I10; and no more is sold than the best case needs."""
    owner, bidder = mixed(room, ether="0.5"), room.liquidator()
    halt_ether(room)
    room.market.set_price("BTC", 27_000)
    room.start(owner)
    sale, margin = room.sale(owner), room.margin(owner.account)
    assert sale.target == margin.liquidationEndMargin - margin.haltBonus

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, WAD).result

    sizes = [position.size for position in room.house.call("accountOf", bidder.account).positions]
    assert sorted(sizes) == sorted(size * done.fraction // WAD for size in (6 * WAD // 10, WAD // 2))
    assert abs(flows.equity["bidder"] - sale.for_sale * done.fraction // WAD // 50) <= LEG_DUST
    assert abs(flows.created) <= 1
    after = room.margin(owner.account)
    assert 0 <= after.equity + after.haltBonus - after.liquidationEndMargin <= LEG_DUST
