"""A bank run: leaving the vault before a loss lands on those who stay."""

from __future__ import annotations

import pytest

from tests.support.evm import reverts
from tests.support.liquidation import Room
from tests.support.system import WAD, Market, Trader, trader

ALL = 2**256 - 1


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


@pytest.fixture
def saver(room: Room) -> Trader:
    """Holds 100,000 of cash and no position."""
    saver = trader("saver")
    room.market.fund(saver, USDC=100_000)
    return saver


def doomed(room: Room) -> Trader:
    """Long 2,000 ETH over 1,500,000; then the price falls so far that a million and more is missing."""
    owner = room.long("owner", 2_000, cash=2_000_000)
    room.drop_to(owner, "-1")
    room.start(owner)
    return owner


def leave(room: Room, who: Trader, units: int = ALL) -> None:
    room.house.transact("withdraw", who.account, 0, units, who.address, sender=who.address)


def held_back(room: Room, who: Trader) -> int:
    return int(room.auctions.call("holdBackOf", who.account))


def test_bank_run__before_the_loss_lands__leaves_its_part_behind(room: Room, saver: Trader):
    """The first to leave bears what the last one does, to the wei that rounding costs."""
    owner, bidder = doomed(room), room.liquidator(cash=2_000_000)
    shortfall, total = room.auctions.call("openShortfall"), room.house.call("vaultState").totalCash
    least = held_back(room, saver)
    assert least == -(-100_000 * WAD * shortfall // total)
    with reverts("CashHeldBack", account=saver.account, least=least, left=0):
        leave(room, saver)
    leave(room, saver, (100_000 * WAD - least) // 10**12)
    left = room.cash(saver.account)
    room.bid(owner, bidder)
    loss = 100_000 * WAD * shortfall // total
    # What he left is cut as everybody's is; it shows that he left no less than his part of the loss.
    assert left >= loss
    assert room.cash(saver.account) < left
    leave(room, saver)


def test_bank_run__in_many_small_steps__leaves_as_much(room: Room, saver: Trader):
    doomed(room)
    least = held_back(room, saver)
    leave(room, saver, (100_000 * WAD - least) // 10**12)
    assert held_back(room, saver) == least
    with reverts("CashHeldBack", account=saver.account, least=least):
        leave(room, saver, 10**6)


def test_bank_run__by_way_of_a_sibling_account__leaves_as_much(room: Room, saver: Trader):
    doomed(room)
    least, sibling = held_back(room, saver), saver.account + 1
    with reverts("CashHeldBack", account=saver.account, least=least, left=0):
        room.house.transact("move", saver.account, sibling, 0, 100_000 * 10**6, sender=saver.address)


def test_hold_back__fund_holds_what_is_missing__nothing_is_held(room: Room, saver: Trader):
    room.insure(10_000_000)
    doomed(room)
    assert held_back(room, saver) == 0
    leave(room, saver)
    assert room.cash(saver.account) == 0


def test_hold_back__shortfall_resolved__all_can_leave(room: Room, saver: Trader):
    owner = doomed(room)
    leave(room, saver, 10**6)
    room.market.fund(owner, USDC=10_000_000)
    room.poke(owner)
    assert (room.auctions.call("openShortfall"), held_back(room, saver)) == (0, 0)
    leave(room, saver)


def test_hold_back__of_an_earlier_shortfall__is_forgotten(room: Room, saver: Trader):
    owner = doomed(room)
    leave(room, saver, 10**6)
    room.market.fund(owner, USDC=1_500_000)
    room.poke(owner)
    leave(room, saver, 90_000 * 10**6)
    cash = room.cash(saver.account)
    room.drop_to(owner, "-0.2")
    room.start(owner)
    shortfall, total = room.auctions.call("openShortfall"), room.house.call("vaultState").totalCash
    assert held_back(room, saver) == -(-cash * shortfall // total)


def test_hold_back__asked_by_a_stranger__refused(room: Room, saver: Trader):
    with reverts("NotClearinghouse", caller=saver.address):
        room.auctions.transact("requireHoldBack", saver.account, 0, 0, 1, sender=saver.address)
