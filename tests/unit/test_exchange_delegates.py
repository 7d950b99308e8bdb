"""Delegates: scope, expiry, revocation, and the daily budget of loss against mark."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.chain.orders import DeadReason, SignedOrder
from tests.support.evm import Receipt, reverts
from tests.support.system import Trader
from tests.support.trading import USDC, WAD, Desk, Seat, skips

DAY = 86_400
FOREVER = 2**40 - 1
BUDGET = 1_000 * WAD


@pytest.fixture
def owner(desk: Desk) -> Seat:
    return desk.seat("owner")


@pytest.fixture
def seller(desk: Desk) -> Seat:
    return desk.seat("seller")


@pytest.fixture
def delegate() -> Seat:
    return Seat.named("delegate")


def appoint(desk: Desk, owner: Seat, delegate: Seat, expiry: int = FOREVER, budget: int = BUDGET) -> Receipt:
    return desk.exchange.transact("setDelegate", owner.account, delegate.address, expiry, budget, sender=owner.address)


def by_delegate(desk: Desk, owner: Seat, delegate: Seat, size: int, price: Decimal) -> SignedOrder:
    return desk.domain.sign(desk.order(owner, size, price, signer=delegate.address), delegate.key)


def loss_today(desk: Desk, owner: Seat, delegate: Seat) -> int:
    return int(desk.exchange.call("delegateOf", owner.account, delegate.address).lossToday)


def test_set_delegate__by_the_owner__appoints(desk: Desk, owner: Seat, delegate: Seat) -> None:
    receipt = appoint(desk, owner, delegate, expiry=2_000_000_000, budget=5)

    [event] = receipt.events("DelegateSet")
    assert (event.account, event.delegate) == (owner.account, delegate.address)
    assert (event.expiry, event.dailyLossBudget) == (2_000_000_000, 5)
    assert desk.exchange.call("isDelegate", owner.account, delegate.address)
    assert desk.exchange.call("delegateOf", owner.account, delegate.address) == (2_000_000_000, 5, 0)


def test_set_delegate__by_a_stranger__reverts(desk: Desk, owner: Seat, delegate: Seat) -> None:
    with reverts("NotAuthorised", account=owner.account, caller=delegate.address):
        desk.exchange.transact("setDelegate", owner.account, delegate.address, FOREVER, 1, sender=delegate.address)


def test_set_delegate__nobody_or_the_owner__reverts(desk: Desk, owner: Seat) -> None:
    for wrong in ("0x" + "00" * 20, owner.address):
        with reverts("InvalidDelegate"):
            desk.exchange.transact("setDelegate", owner.account, wrong, FOREVER, 1, sender=owner.address)


def test_is_delegate__past_its_expiry__is_false(desk: Desk, owner: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate, expiry=desk.evm.timestamp)
    assert desk.exchange.call("isDelegate", owner.account, delegate.address)
    desk.evm.advance(1)
    assert not desk.exchange.call("isDelegate", owner.account, delegate.address)


def test_is_delegate__of_a_sibling_account__is_false(desk: Desk, owner: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    sibling = Seat(owner.key, sub_account=1)
    assert not desk.exchange.call("isDelegate", sibling.account, delegate.address)


def test_settle__an_order_signed_by_a_delegate__fills(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    desk.cross(by_delegate(desk, owner, delegate, 1, desk.price), desk.signed(seller, -1, desk.price))
    assert desk.size_of(owner) == WAD


def test_settle__after_the_delegation_expired__skips(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate, expiry=desk.evm.timestamp + 10)
    signed = by_delegate(desk, owner, delegate, 1, desk.price)
    desk.evm.advance(11)

    receipt = desk.cross(signed, desk.signed(seller, -1, desk.price))

    assert skips(receipt) == [(signed.order.nonce, DeadReason.SIGNER_NOT_AUTHORISED)]


def test_settle__a_delegates_fill_above_mark__charges_loss_and_fee(
    desk: Desk, owner: Seat, seller: Seat, delegate: Seat
) -> None:
    appoint(desk, owner, delegate)
    mark, price = desk.mark(), desk.away(50)
    signed = by_delegate(desk, owner, delegate, 2, price)

    receipt = desk.cross(signed, desk.signed(seller, -2, price))

    expected = 2 * (int(price * WAD) - mark) + receipt.events("Filled")[0].takerFee
    [event] = receipt.events("DelegateLossCharged")
    assert (event.account, event.delegate) == (owner.account, delegate.address)
    assert (event.loss, event.lossToday) == (expected, expected)
    assert loss_today(desk, owner, delegate) == expected


def test_settle__a_delegate_who_sells_below_mark_as_maker__is_charged_too(
    desk: Desk, owner: Seat, seller: Seat, delegate: Seat
) -> None:
    appoint(desk, owner, delegate)
    mark, price = desk.mark(), desk.away(-50)
    resting = by_delegate(desk, owner, delegate, -1, price)

    receipt = desk.cross(desk.signed(seller, 1, desk.price), resting)

    assert loss_today(desk, owner, delegate) == mark - int(price * WAD) + receipt.events("Filled")[0].makerFee


def test_settle__a_delegates_gain__offsets_no_loss(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    dear, cheap = desk.away(50), desk.away(-50)
    desk.cross(by_delegate(desk, owner, delegate, 1, dear), desk.signed(seller, -1, dear))
    before = loss_today(desk, owner, delegate)

    receipt = desk.cross(by_delegate(desk, owner, delegate, 1, cheap), desk.signed(seller, -1, cheap))

    assert loss_today(desk, owner, delegate) == before + receipt.events("Filled")[0].takerFee


def test_settle__an_owners_own_fill__is_not_charged(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    receipt = desk.trade(owner, seller, 1, desk.away(50))
    assert receipt.events("DelegateLossCharged") == []


def test_settle__a_loss_beyond_the_budget__reverts(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    price = desk.away(50)
    with desk.evm.rolled_back():
        desk.cross(by_delegate(desk, owner, delegate, 1, price), desk.signed(seller, -1, price))
        needed = loss_today(desk, owner, delegate)

    appoint(desk, owner, delegate, budget=needed - 1)
    signed = by_delegate(desk, owner, delegate, 1, price)
    with reverts("DelegateBudgetExceeded", account=owner.account, lossToday=needed, budget=needed - 1):
        desk.cross(signed, desk.signed(seller, -1, price))

    appoint(desk, owner, delegate, budget=needed)
    desk.cross(signed, desk.signed(seller, -1, price))
    assert desk.size_of(owner) == WAD


def test_settle__a_new_day__starts_a_new_budget(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    price = desk.away(50)
    desk.cross(by_delegate(desk, owner, delegate, 1, price), desk.signed(seller, -1, price))
    assert loss_today(desk, owner, delegate) > 0

    desk.market.advance(DAY)

    assert loss_today(desk, owner, delegate) == 0


def test_set_delegate__again_on_one_day__keeps_what_was_lost(
    desk: Desk, owner: Seat, seller: Seat, delegate: Seat
) -> None:
    appoint(desk, owner, delegate)
    price = desk.away(50)
    desk.cross(by_delegate(desk, owner, delegate, 1, price), desk.signed(seller, -1, price))
    lost = loss_today(desk, owner, delegate)

    appoint(desk, owner, delegate, expiry=0, budget=0)
    appoint(desk, owner, delegate)

    assert loss_today(desk, owner, delegate) == lost > 0


def test_deposit__by_a_delegate__is_allowed(desk: Desk, owner: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    desk.market.mint(Trader(delegate.key), "USDC", 1)
    before = desk.cash_of(owner)

    desk.clearinghouse.transact("deposit", owner.account, 0, USDC, sender=delegate.address)

    assert desk.cash_of(owner) - before == WAD


def test_renounce_delegation__by_the_delegate__ends_it(desk: Desk, owner: Seat, seller: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    signed = by_delegate(desk, owner, delegate, 1, desk.price)

    receipt = desk.exchange.transact("renounceDelegation", owner.account, sender=delegate.address)

    [event] = receipt.events("DelegateSet")
    assert (event.account, event.delegate, event.expiry) == (owner.account, delegate.address, 0)
    assert not desk.exchange.call("isDelegate", owner.account, delegate.address)
    skipped = skips(desk.cross(signed, desk.signed(seller, -1, desk.price)))
    assert skipped == [(signed.order.nonce, DeadReason.SIGNER_NOT_AUTHORISED)]


def test_renounce_delegation__by_a_stranger__ends_nobody_elses(desk: Desk, owner: Seat, delegate: Seat) -> None:
    appoint(desk, owner, delegate)
    desk.exchange.transact("renounceDelegation", owner.account, sender=Seat.named("stranger").address)
    assert desk.exchange.call("isDelegate", owner.account, delegate.address)


def test_set_delegate__during_an_auction__only_revokes(desk: Desk, delegate: Seat) -> None:
    sinking = desk.sinking_seat("sinking")
    earlier = Seat.named("earlier delegate")
    appoint(desk, sinking, earlier)
    desk.system.auctions.transact("start", sinking.account, 0)

    with reverts("DelegationDuringAuction", account=sinking.account):
        appoint(desk, sinking, delegate)
    appoint(desk, sinking, earlier, expiry=0)

    assert not desk.exchange.call("isDelegate", sinking.account, earlier.address)
