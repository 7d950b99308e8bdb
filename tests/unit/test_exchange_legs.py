"""Several legs, all or none: orders of one account that share a group are filled whole in one settlement, or not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder
from tests.support.evm import reverts
from tests.support.trading import WAD, Desk, Seat, skips

GROUP = 7
TENTH = Decimal("0.1")
BOTH = [Match(0, 2, 2 * WAD), Match(1, 3, WAD // 10)]
"""Legs 0 and 1 against orders 2 and 3."""


def package(desk: Desk, seat: Seat, side: int = 1, group: int = GROUP) -> list[SignedOrder]:
    """Two ETH one way, a tenth of a BTC the other."""
    return desk.legs(seat, group, desk.order(seat, 2 * side, desk.price), desk.other_order(seat, TENTH * -side))


def offer(desk: Desk, seat: Seat, size: Decimal = TENTH, **changes: Any) -> SignedOrder:
    """The other instrument's side of the package, not a leg itself."""
    return desk.domain.sign(desk.other_order(seat, size, **changes), seat.key)


def quotes(desk: Desk, seat: Seat) -> list[SignedOrder]:
    """A maker's two orders that suffice for the package."""
    return [desk.signed(seat, -2, desk.price), offer(desk, seat)]


def sizes(desk: Desk, seat: Seat) -> set[int]:
    return {position.size for position in desk.clearinghouse.call("accountOf", seat.account).positions}


def test_legs__all_filled__in_one_settlement(desk: Desk, buyer: Seat, seller: Seat) -> None:
    legs = package(desk, buyer)
    desk.settle([*legs, *quotes(desk, seller)], BOTH)
    assert sizes(desk, buyer) == {2 * WAD, -WAD // 10}
    assert [desk.status(leg.order)[1] for leg in legs] == [DeadReason.FILLED] * 2


def test_legs__of_both_sides__a_quote_for_a_package(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.settle([*package(desk, buyer), *package(desk, seller, side=-1)], BOTH)
    assert sizes(desk, buyer) == {2 * WAD, -WAD // 10}
    assert sizes(desk, seller) == {-2 * WAD, WAD // 10}


def test_legs__several_makers_for_one_leg__fill_it_whole(desk: Desk, buyer: Seat, seller: Seat) -> None:
    halves = [desk.signed(desk.seat(role), -1, desk.price) for role in ("one", "two")]
    orders = [*package(desk, buyer), quotes(desk, seller)[1], *halves]
    desk.settle(orders, [Match(1, 2, WAD), Match(0, 3, WAD), Match(0, 4, WAD)])
    assert sizes(desk, buyer) == {2 * WAD, -WAD // 10}


def assert_nothing_filled(desk: Desk, *seats: Seat) -> None:
    assert [sizes(desk, seat) for seat in seats] == [set()] * len(seats)


def test_legs__one_counterparty_has_died__none_is_filled(desk: Desk, buyer: Seat, seller: Seat) -> None:
    legs, others = package(desk, buyer), quotes(desk, seller)
    desk.exchange.transact("cancel", seller.account, others[1].order.nonce, sender=seller.address)
    receipt = desk.settle([*legs, *others], BOTH)
    assert skips(receipt) == [(leg.order.nonce, DeadReason.LEGS_NOT_WHOLE) for leg in legs]
    assert_nothing_filled(desk, buyer, seller)


def test_legs__one_of_the_makers_legs_has_died__both_packages_are_skipped(
    desk: Desk, buyer: Seat, seller: Seat
) -> None:
    legs, others = package(desk, buyer), package(desk, seller, side=-1)
    desk.exchange.transact("cancel", seller.account, others[1].order.nonce, sender=seller.address)
    receipt = desk.settle([*legs, *others], BOTH)
    assert [reason for _, reason in skips(receipt)] == [DeadReason.LEGS_NOT_WHOLE] * 2
    assert_nothing_filled(desk, buyer, seller)


def test_legs__a_death_that_kills_through_a_chain__is_followed_to_its_end(
    desk: Desk, buyer: Seat, seller: Seat
) -> None:
    """The seller's other leg has lost its counterparty; so his first is dead, and with it the buyer's fill-or-kill."""
    whole = desk.signed(buyer, 2, desk.price, flags=OrderFlags.FILL_OR_KILL)
    expired = offer(desk, desk.seat("third"), -TENTH, expiry=desk.evm.timestamp - 1)
    orders = [whole, *package(desk, seller, side=-1), expired]
    receipt = desk.settle(orders, [Match(0, 1, 2 * WAD), Match(2, 3, WAD // 10)])
    assert {reason for _, reason in skips(receipt)} == {DeadReason.CANNOT_FILL_WHOLE, DeadReason.LEGS_NOT_WHOLE}
    assert_nothing_filled(desk, buyer, seller)


def test_legs__a_match_too_small__none_is_filled(desk: Desk, buyer: Seat, seller: Seat) -> None:
    orders = [*package(desk, buyer), *quotes(desk, seller)]
    receipt = desk.settle(orders, [Match(0, 2, WAD), BOTH[1]])
    assert [reason for _, reason in skips(receipt)] == [DeadReason.LEGS_NOT_WHOLE] * 2
    assert_nothing_filled(desk, buyer, seller)


def test_legs__one_would_not_reduce__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    """Seen only as fills are applied."""
    legs = package(desk, buyer)
    reducing = desk.signed(seller, -2, desk.price, flags=OrderFlags.REDUCE_ONLY)
    with reverts("LegsFilledInPart", account=buyer.account, group=GROUP, nonce=legs[0].order.nonce):
        desk.settle([*legs, reducing, quotes(desk, seller)[1]], BOTH)


def test_legs__two_packages_share_a_counterparty__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    rival = desk.seat("rival")
    orders = [*package(desk, buyer), *quotes(desk, seller), *package(desk, rival)]
    matches = [Match(0, 2, 2 * WAD), Match(1, 6, WAD // 10), Match(4, 2, 2 * WAD), Match(5, 6, WAD // 10)]
    with reverts("LegsFilledInPart", account=rival.account):
        desk.settle([*orders, offer(desk, seller, 2 * TENTH)], matches)


def test_legs__one_cancels_other_in_the_same_group__spoils_them(desk: Desk, buyer: Seat, seller: Seat) -> None:
    lone = desk.signed(buyer, 1, desk.price, group=GROUP)
    receipt = desk.settle([*package(desk, buyer), *quotes(desk, seller), lone], BOTH)
    assert [reason for _, reason in skips(receipt)] == [DeadReason.LEGS_NOT_WHOLE] * 2
    assert_nothing_filled(desk, buyer, seller)


def test_legs__filled__take_their_group(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.settle([*package(desk, buyer), *quotes(desk, seller)], BOTH)
    receipt = desk.settle([*package(desk, buyer), *quotes(desk, seller)], BOTH)
    assert [reason for _, reason in skips(receipt)] == [DeadReason.GROUP_TAKEN] * 2


def test_legs__margin_of_the_whole__is_checked_once(desk: Desk, seller: Seat) -> None:
    """Its first leg alone would need more than there is; long one underlying and short the other needs less."""
    poor = desk.seat("poor", funds=1_600)
    legs = desk.legs(poor, GROUP, desk.order(poor, 2, desk.price), desk.other_order(poor, -TENTH))
    with desk.evm.rolled_back(), reverts("InitialMarginShortfall", account=poor.account):
        desk.trade(poor, desk.seat("another"), 2, desk.price)
    desk.settle([*legs, *quotes(desk, seller)], BOTH)
    assert sizes(desk, poor) == {2 * WAD, -WAD // 10}


LEG, TWO = int(OrderFlags.MULTI_LEG), 2 << 8


@pytest.mark.parametrize(
    ("flags", "group"), [(LEG, GROUP), (LEG | 1 << 8, GROUP), (LEG | TWO, 0), (TWO, GROUP), (TWO, 0)]
)
def test_settle__legs_that_make_no_sense__reverts(
    desk: Desk, buyer: Seat, seller: Seat, flags: int, group: int
) -> None:
    senseless = desk.signed(buyer, 1, desk.price, flags=flags, group=group)
    with reverts("InvalidLegs", flags=flags, group=group):
        desk.cross(senseless, desk.signed(seller, -1, desk.price))
