"""Auction parameters: who sets them, how far, and what they do to live auctions."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from ballast.risk.auction import AuctionParameters
from tests.support.evm import reverts
from tests.support.liquidation import MINUTE, PARAMETERS, Room
from tests.support.system import DAY, HOUR, WAD, Market, trader

PERCENT = 10**7

# Field, one below its least, one above its most.
BOUNDS = [
    ("start_discount", None, 10 * PERCENT + 1),
    ("knee_discount", PARAMETERS.start_discount - 1, 50 * PERCENT + 1),
    ("minimum_fraction", PERCENT - 1, 50 * PERCENT + 1),
    ("solvent_again", 10 * PERCENT - 1, 100 * PERCENT + 1),
    ("seconds_to_knee", MINUTE - 1, DAY + 1),
    ("seconds_to_full", 10 * MINUTE - 1, 7 * DAY + 1),
    ("premium_seconds", 10 * MINUTE - 1, DAY + 1),
    ("observation_seconds", MINUTE - 1, HOUR + 1),
    ("fastest_clock", 0, 65),
    ("bounty_rate", None, 5 * PERCENT + 1),
    ("premium_fund_share", None, 25 * PERCENT + 1),
    ("bounty_cap", None, 100 * WAD + 1),
]


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


def set_parameters(room: Room, parameters: AuctionParameters) -> None:
    room.system.act_as("risk", room.auctions, "setParameters", parameters)


def test_latest_parameters__after_deployment__are_the_twin_s_defaults(room: Room) -> None:
    assert tuple(room.auctions.call("latestParameters").parameters) == astuple(PARAMETERS)


def test_set_parameters__by_a_stranger__reverts(room: Room) -> None:
    stranger = trader("stranger").address
    with reverts("AccessManagedUnauthorized", caller=stranger):
        room.auctions.transact("setParameters", PARAMETERS, sender=stranger)


@pytest.mark.parametrize(("field", "low", "high"), BOUNDS)
def test_set_parameters__outside_a_bound__reverts(room: Room, field: str, low: int | None, high: int) -> None:
    """I30."""
    for value in (low, high):
        if value is not None:
            with room.rolled_back(), reverts("ParameterOutOfBounds", value=value):
                set_parameters(room, replace(PARAMETERS, **{field: value}))
    inside = high - 1
    set_parameters(room, replace(PARAMETERS, **{field: inside}))
    assert inside in tuple(room.auctions.call("latestParameters").parameters)


def test_set_parameters__live_auction__keeps_its_own(room: Room) -> None:
    """I31: nothing changes for an auction under way; the next one has the new terms."""
    first, second = room.long("first"), room.long("second")
    steeper = replace(PARAMETERS, start_discount=5 * PERCENT)
    room.drop_to(first, "0.9")
    room.start(first)
    before = room.auctions.call("latestParameters").set
    set_parameters(room, steeper)
    room.market.advance(0)
    assert room.auctions.call("latestParameters").set > before

    room.poke(first)
    room.start(second)

    assert room.view(first).discount == 2 * WAD // 100
    assert room.view(second).discount == 5 * WAD // 100
