"""Attacks on signatures, nonces and delegates. Each would succeed without the rule it names."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ballast.chain import codec
from ballast.chain.ids import account_id, perp_of
from ballast.chain.orders import DeadReason, Match, OrderDomain, OrderFlags, SignedOrder, settlement
from tests.support.evm import Contract, reverts
from tests.support.trading import USDC, WAD, Desk, Seat, skips

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CONTRACT_SIGNATURE_GAS = 300_000
FOREVER = 2**40 - 1
REFUSING, REVERTING, BURNING_GAS, RETURNING_MEGABYTES, ANSWERING_ONE_BYTE = range(1, 6)


@pytest.fixture
def victim(desk: Desk) -> Seat:
    return desk.seat("victim")


@pytest.fixture
def attacker(desk: Desk) -> Seat:
    return desk.seat("attacker")


def wallet_of(desk: Desk, seat: Seat, funds: int = 0) -> Contract:
    """A contract that signs with the seat's key, and its funded account."""
    wallet = desk.evm.deploy("MockWallet", seat.address)
    if funds:
        token, house = desk.system.tokens["USDC"], desk.clearinghouse
        token.transact("mint", wallet.address, funds * USDC)
        for contract, function, arguments in (
            (token, "approve", (house.address, funds * USDC)),
            (house, "deposit", (account_id(wallet.address), 0, funds * USDC)),
        ):
            wallet.transact("execute", contract.address, codec.encode_call(contract.abi, function, arguments))
    return wallet


def by_wallet(desk: Desk, wallet: Contract, seat: Seat, size: int) -> SignedOrder:
    account = account_id(wallet.address)
    return desk.domain.sign(desk.order(seat, size, desk.price, account=account, signer=wallet.address), seat.key)


def test_signature_for_another_chain__is_refused(desk: Desk, victim: Seat, attacker: Seat) -> None:
    elsewhere = OrderDomain(desk.evm.chain_id + 1, desk.exchange.address)
    replayed = elsewhere.sign(desk.order(victim, 1, desk.price), victim.key)
    with reverts("InvalidSignature", account=victim.account):
        desk.cross(replayed, desk.signed(attacker, -1, desk.price))


def test_signature_for_another_contract__is_refused(desk: Desk, victim: Seat, attacker: Seat) -> None:
    elsewhere = OrderDomain(desk.evm.chain_id, desk.clearinghouse.address)
    replayed = elsewhere.sign(desk.order(victim, 1, desk.price), victim.key)
    with reverts("InvalidSignature", account=victim.account):
        desk.cross(replayed, desk.signed(attacker, -1, desk.price))


CHANGES: list[dict[str, Any]] = [
    {"instrument": perp_of(3)},
    {"size": 2 * WAD},
    {"limit": 1},
    {"flags": int(OrderFlags.REDUCE_ONLY)},
    {"expiry": FOREVER},
    {"nonce": 999_999},
    {"maxFee": 2**32 - 1},
]


@pytest.mark.parametrize("change", CHANGES, ids=[next(iter(change)) for change in CHANGES])
def test_signed_order_with_a_term_changed__is_refused(
    desk: Desk, victim: Seat, attacker: Seat, change: dict[str, Any]
) -> None:
    forged = replace(desk.signed(victim, 1, desk.price), order=replace(desk.order(victim, 1, desk.price), **change))
    selling = desk.signed(attacker, -1, 0, limit=0, instrument=forged.order.instrument)
    with reverts("InvalidSignature", account=victim.account):
        desk.cross(forged, selling, 1)


def test_signature_for_a_sibling_account__is_refused(desk: Desk, victim: Seat, attacker: Seat) -> None:
    sibling = desk.fund(Seat(victim.key, sub_account=1), 100_000)
    signed = desk.signed(victim, 1, desk.price)
    moved = replace(signed, order=replace(signed.order, account=sibling.account))
    with reverts("InvalidSignature", account=sibling.account):
        desk.cross(moved, desk.signed(attacker, -1, desk.price))


def test_malleable_twin_of_a_signature__is_refused(desk: Desk, victim: Seat, attacker: Seat) -> None:
    signed = desk.signed(victim, 1, desk.price)
    r, s, v = signed.signature[:32], int.from_bytes(signed.signature[32:64], "big"), signed.signature[64]
    twin = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])  # 27 becomes 28 and the other way round
    with reverts("InvalidSignature", account=victim.account):
        desk.cross(replace(signed, signature=twin), desk.signed(attacker, -1, desk.price))


@pytest.mark.parametrize(("filled", "reason"), [(1, DeadReason.NONCE_TAKEN), (2, DeadReason.FILLED)])
def test_second_order_on_a_used_nonce__never_fills__I22(
    desk: Desk, victim: Seat, attacker: Seat, filled: int, reason: DeadReason
) -> None:
    first = desk.signed(victim, 2, desk.price)
    second = desk.domain.sign(replace(first.order, size=5 * WAD), victim.key)
    desk.cross(first, desk.signed(attacker, -filled, desk.price), filled)

    receipt = desk.cross(second, desk.signed(attacker, -5, desk.price))

    assert skips(receipt) == [(first.order.nonce, reason)]
    assert desk.size_of(victim) == filled * WAD


def test_order_replayed_over_settlements__never_fills_beyond_its_size__I22(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    signed = desk.signed(victim, 2, desk.price)
    for _ in range(4):
        desk.cross(signed, desk.signed(attacker, "-1.5", desk.price), Decimal("1.5"))
    assert desk.size_of(victim) == 2 * WAD


def test_order_replayed_within_a_settlement__never_fills_beyond_its_size__I22(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    signed = desk.signed(victim, 2, desk.price)
    asks = [desk.signed(attacker, -2, desk.price) for _ in range(3)]
    desk.settle([signed, *asks], [Match(0, index, 2 * WAD) for index in (1, 2, 3)])
    assert desk.size_of(victim) == 2 * WAD


def test_identical_orders_in_one_settlement__are_refused__I22(desk: Desk, victim: Seat, attacker: Seat) -> None:
    signed, ask = desk.signed(victim, 2, desk.price), desk.signed(attacker, -4, desk.price)
    orders, _ = settlement([signed, ask], [])
    twice = sorted([*orders, signed], key=lambda entry: entry.order.account)
    seller = twice.index(ask)
    buyers = [index for index in range(3) if index != seller]
    with reverts("OrdersNotAscending"):
        desk.exchange.transact("settle", twice, [Match(index, seller, 2 * WAD) for index in buyers])


def test_expired_order__is_skipped(desk: Desk, victim: Seat, attacker: Seat) -> None:
    signed = desk.signed(victim, 1, desk.price, expiry=desk.evm.timestamp)
    desk.market.advance(1)
    receipt = desk.cross(signed, desk.signed(attacker, -1, desk.price))
    assert skips(receipt) == [(signed.order.nonce, DeadReason.EXPIRED)]
    assert desk.size_of(victim) == 0


def test_order_signed_for_a_coming_epoch__does_not_outlive_the_cancel_of_all(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    ahead = desk.signed(victim, 1, desk.price, epoch=1)
    assert skips(desk.cross(ahead, desk.signed(attacker, -1, desk.price))) == [
        (ahead.order.nonce, DeadReason.OTHER_EPOCH)
    ]


def test_wallet_that_signs__trades_by_its_own_answer(desk: Desk, victim: Seat, attacker: Seat) -> None:
    wallet = wallet_of(desk, victim, funds=100_000)
    desk.cross(by_wallet(desk, wallet, victim, 1), desk.signed(attacker, -1, desk.price))
    assert desk.size_of_account(account_id(wallet.address)) == WAD


def test_wallet_that_refuses__trades_nothing_of_its_own__I23(desk: Desk, victim: Seat, attacker: Seat) -> None:
    """An answer is not a yes: a wallet with money says no, and anybody could otherwise trade for it."""
    wallet = wallet_of(desk, victim, funds=100_000)
    wallet.transact("setMood", REFUSING)
    forged = by_wallet(desk, wallet, attacker, 1)
    receipt = desk.cross(forged, desk.signed(attacker, -1, desk.price))
    assert skips(receipt) == [(forged.order.nonce, DeadReason.SIGNATURE_REFUSED)]
    assert desk.size_of_account(account_id(wallet.address)) == 0


@pytest.mark.parametrize("mood", [REFUSING, REVERTING, BURNING_GAS, ANSWERING_ONE_BYTE])
def test_wallet_bomb__skips_its_own_order_alone(desk: Desk, victim: Seat, attacker: Seat, mood: int) -> None:
    wallet = wallet_of(desk, attacker)
    wallet.transact("setMood", mood)
    bomb = by_wallet(desk, wallet, attacker, 1)
    bid, ask = desk.signed(victim, 1, desk.price), desk.signed(desk.seat("seller"), -2, desk.price)

    receipt = desk.settle([bomb, bid, ask], [Match(0, 2, WAD), Match(1, 2, WAD)])

    assert skips(receipt) == [(bomb.order.nonce, DeadReason.SIGNATURE_REFUSED)]
    assert desk.size_of(victim) == WAD


@pytest.mark.parametrize("mood", [BURNING_GAS, RETURNING_MEGABYTES])
def test_wallet_bomb__costs_the_caller_a_bounded_amount(desk: Desk, attacker: Seat, mood: int) -> None:
    wallet = wallet_of(desk, attacker, funds=100_000)
    seller = desk.seat("seller")
    spent = []
    for present in (0, mood):
        wallet.transact("setMood", present)
        with desk.evm.rolled_back():
            receipt = desk.cross(by_wallet(desk, wallet, attacker, 1), desk.signed(seller, -1, desk.price))
            spent.append(receipt.gas_used)
    assert spent[1] - spent[0] < CONTRACT_SIGNATURE_GAS + 5_000


def test_owner_with_code__still_signs_with_his_key(desk: Desk, victim: Seat, attacker: Seat) -> None:
    """As after EIP-7702: the account's code refuses everything, the key still counts."""
    refusing = wallet_of(desk, attacker)
    desk.evm.set_code(victim.address, desk.evm.code_at(refusing.address))

    desk.cross(desk.signed(victim, 1, desk.price), desk.signed(attacker, -1, desk.price))

    assert desk.size_of(victim) == WAD


def appointed(desk: Desk, victim: Seat, budget: int = 100 * WAD) -> Seat:
    delegate = Seat.named("delegate")
    desk.exchange.transact("setDelegate", victim.account, delegate.address, FOREVER, budget, sender=victim.address)
    return delegate


def delegated(desk: Desk, victim: Seat, delegate: Seat, size: int, price: Decimal) -> SignedOrder:
    return desk.domain.sign(desk.order(victim, size, price, signer=delegate.address), delegate.key)


def test_delegate_widening_itself__is_refused__I23(desk: Desk, victim: Seat) -> None:
    delegate = appointed(desk, victim)
    for who in (delegate.address, Seat.named("accomplice").address):
        with reverts("NotAuthorised", account=victim.account, caller=delegate.address):
            desk.exchange.transact("setDelegate", victim.account, who, FOREVER, 2**96 - 1, sender=delegate.address)


def test_delegate_taking_value_out__is_refused__I23(desk: Desk, victim: Seat) -> None:
    delegate, sibling = appointed(desk, victim), Seat(victim.key, sub_account=1)
    with reverts("NotAuthorised", account=victim.account, caller=delegate.address):
        desk.clearinghouse.transact("withdraw", victim.account, 0, 1, delegate.address, sender=delegate.address)
    with reverts("NotAuthorised", account=victim.account, caller=delegate.address):
        desk.clearinghouse.transact("move", victim.account, sibling.account, 0, 1, sender=delegate.address)


def test_delegate_cancelling_every_nonce__takes_the_account_no_order_for_good__I23(desk: Desk, buyer: Seat) -> None:
    """Positions leave an account by its orders alone: with no nonce left, only liquidation would close them."""
    delegate, maker = Seat.named("delegate"), desk.seat("maker")
    desk.trade(buyer, maker, 1, desk.price)
    arguments = (buyer.account, delegate.address, 2**40 - 1, 0)
    desk.exchange.transact("setDelegate", *arguments, sender=buyer.address)
    desk.exchange.transact("cancelBelow", buyer.account, 2**64 - 1, sender=delegate.address)
    doomed = desk.signed(buyer, -1, desk.price)
    assert desk.status(doomed.order)[1] == DeadReason.CANCELLED

    desk.exchange.transact("renounceDelegation", buyer.account, sender=delegate.address)
    desk.exchange.transact("advanceEpoch", buyer.account, sender=buyer.address)

    assert desk.status(doomed.order)[1] == DeadReason.OTHER_EPOCH
    desk.cross(desk.signed(buyer, -1, desk.price, epoch=1), desk.signed(maker, 1, desk.price))
    assert desk.size_of(buyer) == 0


def test_delegates_order_filled_after_the_revocation__is_skipped(desk: Desk, victim: Seat, attacker: Seat) -> None:
    delegate = appointed(desk, victim)
    signed = delegated(desk, victim, delegate, 1, desk.price)
    desk.exchange.transact("setDelegate", victim.account, delegate.address, 0, 0, sender=victim.address)

    receipt = desk.cross(signed, desk.signed(attacker, -1, desk.price))

    assert skips(receipt) == [(signed.order.nonce, DeadReason.SIGNER_NOT_AUTHORISED)]
    assert desk.size_of(victim) == 0


def test_delegate_bleeding_the_account_by_round_trips__is_stopped_at_its_budget__I23(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    budget = 60 * WAD
    delegate = appointed(desk, victim, budget)
    equity_before = desk.margin_of(victim).equity
    dear, cheap = desk.away(40), desk.away(-40)

    with reverts("DelegateBudgetExceeded", account=victim.account, delegate=delegate.address):
        for _ in range(20):
            orders = [delegated(desk, victim, delegate, 1, dear), delegated(desk, victim, delegate, -1, cheap)]
            orders += [desk.signed(attacker, -1, dear), desk.signed(attacker, 1, cheap)]
            desk.settle(orders, [Match(0, 2, WAD), Match(1, 3, WAD)])

    assert equity_before - desk.margin_of(victim).equity <= budget


def test_delegate_of_one_account_signing_for_its_sibling__is_skipped(desk: Desk, victim: Seat, attacker: Seat) -> None:
    sibling = desk.fund(Seat(victim.key, sub_account=1), 100_000)
    delegate = appointed(desk, victim)
    signed = delegated(desk, sibling, delegate, 1, desk.price)

    receipt = desk.cross(signed, desk.signed(attacker, -1, desk.price))

    assert skips(receipt) == [(signed.order.nonce, DeadReason.SIGNER_NOT_AUTHORISED)]


def push_mark(desk: Desk, buyer: Seat, seller: Seat, side: int) -> None:
    """Two wash trades at an edge of the band, and the time until the basis has followed."""
    for one, other in ((buyer, seller), (seller, buyer)):
        desk.trade_exactly(one, other, WAD, desk.edge(side))
        desk.market.advance(600)


def test_delegate_bleeding_the_account_through_a_pushed_mark__is_stopped_at_its_budget__I23(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    """Wash trades push mark up before the delegate buys and down before it sells: no fill loses against mark."""
    budget, accomplice = 60 * WAD, desk.seat("accomplice")
    delegate = appointed(desk, victim, budget)
    equity_before = desk.margin_of(victim).equity
    funding_before = desk.terms().cumulativeFunding

    with reverts("DelegateBudgetExceeded", account=victim.account, delegate=delegate.address):
        for _ in range(6):
            for side in (1, -1):
                push_mark(desk, attacker, accomplice, side)
                order = delegated(desk, victim, delegate, side, desk.price)
                desk.cross(order, desk.signed(attacker, -side, desk.price))

    lost = equity_before - desk.margin_of(victim).equity
    assert desk.size_of(victim) == 0
    assert lost <= budget + abs(desk.terms().cumulativeFunding - funding_before)
