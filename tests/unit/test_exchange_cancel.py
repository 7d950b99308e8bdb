"""Cancelling one order, a range of nonces, and everything signed so far."""

from __future__ import annotations

import pytest

from ballast.chain.orders import DeadReason
from tests.support.evm import reverts
from tests.support.trading import WAD, Desk, Seat

FOREVER = 2**40 - 1


@pytest.fixture
def owner(desk: Desk) -> Seat:
    return desk.seat("owner")


@pytest.fixture
def delegate(desk: Desk, owner: Seat) -> Seat:
    delegate = Seat.named("delegate")
    desk.exchange.transact("setDelegate", owner.account, delegate.address, FOREVER, 0, sender=owner.address)
    return delegate


def test_cancel__by_the_owner__kills_that_order_alone(desk: Desk, owner: Seat) -> None:
    doomed, spared = desk.order(owner, 1, desk.price), desk.order(owner, 1, desk.price)

    receipt = desk.exchange.transact("cancel", owner.account, doomed.nonce, sender=owner.address)

    [event] = receipt.events("OrderCancelled")
    assert (event.account, event.nonce) == (owner.account, doomed.nonce)
    assert desk.status(doomed)[1] == DeadReason.CANCELLED
    assert desk.status(spared)[1] == DeadReason.NONE


def test_cancel__a_partly_filled_order__keeps_what_was_filled(desk: Desk, owner: Seat) -> None:
    signed = desk.signed(owner, 3, desk.price)
    desk.cross(signed, desk.signed(desk.seat("seller"), -1, desk.price), 1)

    desk.exchange.transact("cancel", owner.account, signed.order.nonce, sender=owner.address)

    assert desk.status(signed.order) == (WAD, DeadReason.CANCELLED)


def test_cancel__before_any_fill__then_stays_unfillable(desk: Desk, owner: Seat) -> None:
    signed = desk.signed(owner, 1, desk.price)
    desk.exchange.transact("cancel", owner.account, signed.order.nonce, sender=owner.address)
    desk.cross(signed, desk.signed(desk.seat("seller"), -1, desk.price))
    assert desk.size_of(owner) == 0


def test_cancel_below__by_the_owner__kills_lower_nonces_alone(desk: Desk, owner: Seat) -> None:
    orders = [desk.order(owner, 1, desk.price, nonce=nonce) for nonce in (9, 10, 11)]

    receipt = desk.exchange.transact("cancelBelow", owner.account, 10, sender=owner.address)

    [event] = receipt.events("NoncesCancelledBelow")
    assert (event.account, event.minNonce) == (owner.account, 10)
    assert desk.exchange.call("minNonceOf", owner.account) == 10
    assert [desk.status(order)[1] for order in orders] == [DeadReason.CANCELLED, DeadReason.NONE, DeadReason.NONE]


@pytest.mark.parametrize("requested", [0, 9, 10])
def test_cancel_below__not_above_the_present__reverts(desk: Desk, owner: Seat, requested: int) -> None:
    desk.exchange.transact("cancelBelow", owner.account, 10, sender=owner.address)
    with reverts("MinNonceNotIncreased", account=owner.account, current=10, requested=requested):
        desk.exchange.transact("cancelBelow", owner.account, requested, sender=owner.address)


def test_advance_epoch__by_the_owner__kills_all_signed_so_far(desk: Desk, owner: Seat) -> None:
    old = desk.order(owner, 1, desk.price)

    receipt = desk.exchange.transact("advanceEpoch", owner.account, sender=owner.address)

    [event] = receipt.events("EpochAdvanced")
    assert (event.account, event.epoch) == (owner.account, 1)
    assert desk.exchange.call("epochOf", owner.account) == 1
    assert desk.status(old)[1] == DeadReason.OTHER_EPOCH
    assert desk.status(desk.order(owner, 1, desk.price, epoch=1))[1] == DeadReason.NONE


def test_advance_epoch__by_the_auctions__kills_all_at_the_start_of_a_liquidation(desk: Desk, owner: Seat) -> None:
    sinking = desk.sinking_seat("sinking")
    order = desk.order(sinking, -1, desk.price)

    desk.system.auctions.transact("start", sinking.account, owner.account)

    assert desk.exchange.call("epochOf", sinking.account) == 1
    assert desk.status(order)[1] == DeadReason.OTHER_EPOCH


CANCELS = [("cancel", (7,)), ("cancelBelow", (7,)), ("advanceEpoch", ())]


@pytest.mark.parametrize(("function", "arguments"), CANCELS, ids=[name for name, _ in CANCELS])
def test_cancels__by_a_delegate__are_allowed(
    desk: Desk, owner: Seat, delegate: Seat, function: str, arguments: tuple[int, ...]
) -> None:
    order = desk.order(owner, 1, desk.price, nonce=7 if function == "cancel" else 6)
    desk.exchange.transact(function, owner.account, *arguments, sender=delegate.address)
    assert desk.status(order)[1] in (DeadReason.CANCELLED, DeadReason.OTHER_EPOCH)


@pytest.mark.parametrize(("function", "arguments"), CANCELS, ids=[name for name, _ in CANCELS])
def test_cancels__by_anyone_else__revert(desk: Desk, owner: Seat, function: str, arguments: tuple[int, ...]) -> None:
    stranger = Seat.named("stranger").address
    with reverts("NotAuthorised", account=owner.account, caller=stranger):
        desk.exchange.transact(function, owner.account, *arguments, sender=stranger)


def test_cancels__of_one_account__leave_the_owners_others_alone(desk: Desk, owner: Seat) -> None:
    sibling = Seat(owner.key, sub_account=1)
    order = desk.order(sibling, 1, desk.price, nonce=1)
    for function, arguments in (("cancel", (1,)), ("cancelBelow", (5,)), ("advanceEpoch", ())):
        desk.exchange.transact(function, owner.account, *arguments, sender=owner.address)
    assert desk.status(order)[1] == DeadReason.NONE
