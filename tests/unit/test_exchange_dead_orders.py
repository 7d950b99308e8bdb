"""A dead order's match is skipped with an event; everything else in the settlement goes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ballast.chain.ids import account_id
from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder
from tests.support.trading import WAD, Desk, Seat, skips


def expired(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.signed(trader, 1, desk.price, expiry=desk.evm.timestamp - 1)


def cancelled(desk: Desk, trader: Seat) -> SignedOrder:
    signed = desk.signed(trader, 1, desk.price)
    desk.exchange.transact("cancel", trader.account, signed.order.nonce, sender=trader.address)
    return signed


def cancelled_below(desk: Desk, trader: Seat) -> SignedOrder:
    signed = desk.signed(trader, 1, desk.price)
    desk.exchange.transact("cancelBelow", trader.account, signed.order.nonce + 1, sender=trader.address)
    return signed


def of_a_passed_epoch(desk: Desk, trader: Seat) -> SignedOrder:
    signed = desk.signed(trader, 1, desk.price)
    desk.exchange.transact("advanceEpoch", trader.account, sender=trader.address)
    return signed


def of_a_coming_epoch(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.signed(trader, 1, desk.price, epoch=1)


def with_a_taken_nonce(desk: Desk, trader: Seat) -> SignedOrder:
    first = desk.signed(trader, 2, desk.price)
    desk.cross(first, desk.signed(desk.seat("early seller"), -1, desk.price), 1)
    return desk.domain.sign(replace(first.order, size=3 * WAD), trader.key)


def filled(desk: Desk, trader: Seat) -> SignedOrder:
    signed = desk.signed(trader, 1, desk.price)
    desk.cross(signed, desk.signed(desk.seat("early seller"), -1, desk.price))
    return signed


def by_a_stranger(desk: Desk, trader: Seat) -> SignedOrder:
    stranger = Seat.named("stranger")
    return desk.domain.sign(desk.order(trader, 1, desk.price, signer=stranger.address), stranger.key)


def refused_by_the_wallet(desk: Desk, trader: Seat) -> SignedOrder:
    wallet = desk.evm.deploy("MockWallet", trader.address)
    order = desk.order(trader, 1, desk.price, account=account_id(wallet.address), signer=wallet.address)
    signed = desk.domain.sign(order, trader.key)
    wallet.transact("setMood", 1)
    return signed


def of_a_silent_owner(desk: Desk, trader: Seat) -> SignedOrder:
    signed = desk.signed(trader, 1, desk.price)
    desk.exchange.transact("keepAlive", trader.account, desk.evm.timestamp + 9, sender=trader.address)
    desk.evm.advance(10)
    return signed


def of_a_group_that_was_filled(desk: Desk, trader: Seat) -> SignedOrder:
    first, second = (desk.signed(trader, 2, desk.price, group=7) for _ in range(2))
    desk.cross(first, desk.signed(desk.seat("early seller"), -1, desk.price), 1)
    return second


def too_large_to_fill_whole(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.signed(trader, 2, desk.price, flags=OrderFlags.FILL_OR_KILL)


def not_armed(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.stop(trader, 1, desk.price, desk.price + 100)


def leg_without_its_sibling(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.legs(trader, 7, *(desk.order(trader, 1, desk.price) for _ in range(2)))[0]


def with_nothing_to_reduce(desk: Desk, trader: Seat) -> SignedOrder:
    return desk.signed(trader, 1, desk.price, flags=OrderFlags.REDUCE_ONLY)


DEAD: list[tuple[Callable[[Desk, Seat], SignedOrder], DeadReason]] = [
    (expired, DeadReason.EXPIRED),
    (cancelled, DeadReason.CANCELLED),
    (cancelled_below, DeadReason.CANCELLED),
    (of_a_passed_epoch, DeadReason.OTHER_EPOCH),
    (of_a_coming_epoch, DeadReason.OTHER_EPOCH),
    (with_a_taken_nonce, DeadReason.NONCE_TAKEN),
    (filled, DeadReason.FILLED),
    (by_a_stranger, DeadReason.SIGNER_NOT_AUTHORISED),
    (refused_by_the_wallet, DeadReason.SIGNATURE_REFUSED),
    (of_a_silent_owner, DeadReason.OWNER_SILENT),
    (of_a_group_that_was_filled, DeadReason.GROUP_TAKEN),
    (too_large_to_fill_whole, DeadReason.CANNOT_FILL_WHOLE),
    (with_nothing_to_reduce, DeadReason.NOTHING_TO_REDUCE),
    (not_armed, DeadReason.NOT_ARMED),
    (leg_without_its_sibling, DeadReason.LEGS_NOT_WHOLE),
]
SEEN_IN_SETTLEMENT = (
    DeadReason.SIGNATURE_REFUSED,
    DeadReason.NOTHING_TO_REDUCE,
    DeadReason.CANNOT_FILL_WHOLE,
    DeadReason.LEGS_NOT_WHOLE,
)
SEEN_BY_STATUS = [case for case in DEAD if case[1] not in SEEN_IN_SETTLEMENT]


@pytest.mark.parametrize("position", ["taker", "maker"])
@pytest.mark.parametrize(("make", "reason"), DEAD, ids=[make.__name__ for make, _ in DEAD])
def test_settle__a_dead_order__skips_its_match_and_settles_the_rest(
    desk: Desk, make: Callable[[Desk, Seat], SignedOrder], reason: DeadReason, position: str
) -> None:
    dead = make(desk, desk.seat("unlucky"))
    before = desk.size_of(Seat.named("unlucky"))
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    living = [desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price)]
    against = desk.signed(seller, -1, desk.price)
    doomed = Match(0, 3, WAD) if position == "taker" else Match(3, 0, WAD)

    receipt = desk.settle([dead, *living, against], [doomed, Match(1, 2, WAD)])

    assert skips(receipt) == [(dead.order.nonce, reason)]
    assert receipt.events("OrderSkipped")[0].orderHash == desk.domain.hash(dead.order)
    assert desk.size_of(Seat.named("unlucky")) == before
    assert (desk.size_of(buyer), desk.size_of(seller)) == (WAD, -WAD)
    assert desk.status(against.order) == (0, DeadReason.NONE)


@pytest.mark.parametrize(("make", "reason"), SEEN_BY_STATUS, ids=[make.__name__ for make, _ in SEEN_BY_STATUS])
def test_order_status__a_dead_order__names_the_reason(
    desk: Desk, make: Callable[[Desk, Seat], SignedOrder], reason: DeadReason
) -> None:
    assert desk.status(make(desk, desk.seat("unlucky")).order)[1] == reason


def test_settle__a_dead_order__does_not_touch_its_account(desk: Desk) -> None:
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    dead = expired(desk, desk.seat("unlucky"))

    receipt = desk.settle(
        [dead, desk.signed(seller, -1, desk.price), desk.signed(buyer, 1, desk.price)],
        [Match(0, 1, WAD), Match(2, 1, WAD)],
    )

    touched = {event.account for event in receipt.events("OrderFilled")}
    assert touched == {buyer.account, seller.account}


def test_settle__only_dead_orders__changes_nothing(desk: Desk) -> None:
    dead = expired(desk, desk.seat("unlucky"))
    receipt = desk.cross(dead, desk.signed(desk.seat("seller"), -1, desk.price))
    assert [log.name for log in receipt.logs] == ["OrderSkipped"]


def test_settle__an_order_at_its_last_second__fills(desk: Desk) -> None:
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    desk.cross(desk.signed(buyer, 1, desk.price, expiry=desk.evm.timestamp), desk.signed(seller, -1, desk.price))
    assert desk.size_of(buyer) == WAD


def test_settle__a_reduce_only_fill_skipped__leaves_both_orders_their_size(desk: Desk) -> None:
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    reducing = desk.signed(buyer, 1, desk.price, flags=OrderFlags.REDUCE_ONLY)
    resting = desk.signed(seller, -1, desk.price)

    receipt = desk.cross(resting, reducing)

    assert skips(receipt) == [(reducing.order.nonce, DeadReason.NOTHING_TO_REDUCE)]
    assert [desk.status(signed.order) for signed in (reducing, resting)] == [(0, DeadReason.NONE)] * 2
    desk.cross(desk.signed(buyer, 1, desk.price), resting)
    assert desk.size_of(buyer) == WAD
