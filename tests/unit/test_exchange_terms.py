"""What an order may ask for: to be the maker, to be filled whole, to cancel others, to die with its owner's silence."""

from __future__ import annotations

import pytest

from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder
from tests.support.evm import reverts
from tests.support.trading import WAD, Desk, Seat, skips

GROUP = 7


# Post-only ---------------------------------------------------------------------------------------------------------


def test_post_only__as_maker__fills(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.cross(desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price, flags=OrderFlags.POST_ONLY))
    assert desk.size_of(buyer) == WAD


def test_post_only__as_taker__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    taker = desk.signed(buyer, 1, desk.price, flags=OrderFlags.POST_ONLY)
    with reverts("PostOnlyTakes"):
        desk.cross(taker, desk.signed(seller, -1, desk.price))


# Fill-or-kill ------------------------------------------------------------------------------------------------------


def whole(desk: Desk, seat: Seat, size: int) -> SignedOrder:
    return desk.signed(seat, size, desk.price, flags=OrderFlags.FILL_OR_KILL)


def test_fill_or_kill__several_matches_make_it_whole__fills(desk: Desk, buyer: Seat, seller: Seat) -> None:
    orders = [whole(desk, buyer, 3), desk.signed(seller, -1, desk.price), desk.signed(seller, -2, desk.price)]
    desk.settle(orders, [Match(0, 1, WAD), Match(2, 0, 2 * WAD)])
    assert desk.size_of(buyer) == 3 * WAD


def test_fill_or_kill__a_counterparty_has_died__all_of_it_is_skipped(desk: Desk, buyer: Seat, seller: Seat) -> None:
    dead = desk.signed(seller, -2, desk.price, expiry=desk.evm.timestamp - 1)
    order = whole(desk, buyer, 3)
    orders = [order, desk.signed(seller, -1, desk.price), dead]
    receipt = desk.settle(orders, [Match(0, 1, WAD), Match(0, 2, 2 * WAD)])
    assert skips(receipt) == [(order.order.nonce, DeadReason.CANNOT_FILL_WHOLE)] * 2
    assert desk.size_of(seller) == 0
    assert desk.status(order.order) == (0, DeadReason.NONE)


def test_fill_or_kill__two_share_a_counterparty__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    orders = [whole(desk, buyer, 3), whole(desk, desk.seat("rival"), 3), desk.signed(seller, -4, desk.price)]
    with reverts("FillOrKillNotWhole"):
        desk.settle(orders, [Match(0, 2, 3 * WAD), Match(1, 2, 3 * WAD)])


def test_fill_or_kill__part_of_it_would_not_reduce__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    reducing = desk.signed(seller, -1, desk.price, flags=OrderFlags.REDUCE_ONLY)
    orders = [whole(desk, buyer, 3), desk.signed(desk.seat("another"), -2, desk.price), reducing]
    with reverts("FillOrKillNotWhole"):
        desk.settle(orders, [Match(0, 1, 2 * WAD), Match(0, 2, WAD)])


# One cancels other -------------------------------------------------------------------------------------------------


def grouped(desk: Desk, seat: Seat, size: int, group: int = GROUP) -> SignedOrder:
    return desk.signed(seat, size, desk.price, group=group)


def test_group__the_first_filled__lives_on_and_kills_the_others(desk: Desk, buyer: Seat, seller: Seat) -> None:
    first, second = grouped(desk, buyer, 2), grouped(desk, buyer, 2)
    desk.cross(first, desk.signed(seller, -1, desk.price), 1)
    assert desk.exchange.call("groupWinner", buyer.account, GROUP) == desk.domain.hash(first.order)[:16]
    desk.cross(first, desk.signed(seller, -1, desk.price), 1)
    receipt = desk.cross(second, desk.signed(seller, -1, desk.price), 1)
    assert skips(receipt) == [(second.order.nonce, DeadReason.GROUP_TAKEN)]
    assert desk.size_of(buyer) == 2 * WAD


def test_group__both_in_one_settlement__only_the_first_match_fills(desk: Desk, buyer: Seat, seller: Seat) -> None:
    first, second = grouped(desk, buyer, 1), grouped(desk, buyer, 1)
    receipt = desk.settle([first, second, desk.signed(seller, -2, desk.price)], [Match(1, 2, WAD), Match(0, 2, WAD)])
    assert skips(receipt) == [(first.order.nonce, DeadReason.GROUP_TAKEN)]
    assert desk.size_of(buyer) == WAD


def test_group__of_another_account_or_number__lives(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.cross(grouped(desk, buyer, 1), grouped(desk, seller, -1))
    desk.cross(grouped(desk, buyer, 1, GROUP + 1), grouped(desk, seller, -1, GROUP + 2))
    assert desk.size_of(buyer) == 2 * WAD


def test_group__an_order_is_cancelled__the_others_live(desk: Desk, buyer: Seat, seller: Seat) -> None:
    first, second = grouped(desk, buyer, 1), grouped(desk, buyer, 1)
    desk.exchange.transact("cancel", buyer.account, first.order.nonce, sender=buyer.address)
    desk.cross(second, desk.signed(seller, -1, desk.price))
    assert desk.size_of(buyer) == WAD


# Dead-man switch ---------------------------------------------------------------------------------------------------


def keep_alive(desk: Desk, seat: Seat, seconds: int, sender: Seat | None = None) -> None:
    until = desk.evm.timestamp + seconds if seconds else 0
    desk.exchange.transact("keepAlive", seat.account, until, sender=(sender or seat).address)


def test_keep_alive__at_its_last_second__orders_fill(desk: Desk, buyer: Seat, seller: Seat) -> None:
    order = desk.signed(buyer, 1, desk.price)
    keep_alive(desk, buyer, 60)
    desk.evm.advance(60)
    desk.cross(order, desk.signed(seller, -1, desk.price))
    assert desk.size_of(buyer) == WAD


def test_keep_alive__called_in_time__orders_live_on(desk: Desk, buyer: Seat) -> None:
    order = desk.signed(buyer, 1, desk.price)
    keep_alive(desk, buyer, 60)
    desk.evm.advance(60)
    keep_alive(desk, buyer, 60)
    desk.evm.advance(60)
    assert desk.status(order.order) == (0, DeadReason.NONE)
    assert desk.exchange.call("aliveUntil", buyer.account) == desk.evm.timestamp


@pytest.mark.parametrize("seconds", [0, 60])
def test_keep_alive__after_it_has_fired__orders_signed_before_stay_dead(desk: Desk, buyer: Seat, seconds: int) -> None:
    order = desk.signed(buyer, 1, desk.price)
    keep_alive(desk, buyer, 60)
    desk.evm.advance(61)
    keep_alive(desk, buyer, seconds)
    assert desk.status(order.order) == (0, DeadReason.OTHER_EPOCH)
    assert desk.status(desk.order(buyer, 1, desk.price, epoch=1)) == (0, DeadReason.NONE)


def test_keep_alive__switched_off__never_fires(desk: Desk, buyer: Seat) -> None:
    keep_alive(desk, buyer, 60)
    keep_alive(desk, buyer, 0)
    desk.evm.advance(1_000)
    assert desk.status(desk.order(buyer, 1, desk.price)) == (0, DeadReason.NONE)


def test_keep_alive__by_a_stranger__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    with reverts("NotAuthorised"):
        keep_alive(desk, buyer, 60, seller)
