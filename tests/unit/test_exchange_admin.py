"""Fees and their bounds, the views, and the two halves that only the clearinghouse may call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ballast.chain.orders import MAX_FEE_RATE, DeadReason, Match, OrderListedTwice, settlement, trade_data
from tests.support.evm import reverts
from tests.support.trading import WAD, Desk, Seat

TRADE = 4


def test_set_fees__within_bounds__sets_both(desk: Desk) -> None:
    desk.system.act_as("risk", desk.exchange, "setFees", 700_000, 50_000)

    [event] = [log.arguments for log in desk.evm.last_logs() if log.name == "FeesSet"]
    assert (event.takerFee, event.makerFee) == (700_000, 50_000)
    assert desk.exchange.call("fees") == (700_000, 50_000)


@pytest.mark.parametrize("rates", [(MAX_FEE_RATE + 1, 0), (0, MAX_FEE_RATE + 1)])
def test_set_fees__above_the_bound__reverts(desk: Desk, rates: tuple[int, int]) -> None:
    with reverts("FeeOutOfBounds", fee=MAX_FEE_RATE + 1, bound=MAX_FEE_RATE):
        desk.system.act_as("risk", desk.exchange, "setFees", *rates)


def test_set_fees__by_a_stranger__reverts(desk: Desk) -> None:
    with reverts("AccessManagedUnauthorized"):
        desk.exchange.transact("setFees", 0, 0, sender=Seat.named("stranger").address)


def test_max_fee__in_code__equals_the_python_constant(desk: Desk) -> None:
    assert desk.exchange.call("MAX_FEE") == MAX_FEE_RATE


def test_hash_order__any_order__equals_python(desk: Desk) -> None:
    trader = Seat.named("trader")
    for order in (
        desk.order(trader, 1, 1_000),
        desk.order(trader, -3, 7, flags=2**256 - 1, group=2**64 - 1, trigger=2**128 - 1, epoch=2**32 - 1),
        replace(desk.order(trader, 0, 0), size=-(2**127), expiry=2**40 - 1, nonce=2**64 - 1, maxFee=2**32 - 1),
    ):
        assert desk.exchange.call("hashOrder", order) == desk.domain.hash(order)


def test_order_status__of_another_order_with_the_nonce__counts_nothing_of_it(desk: Desk) -> None:
    buyer = desk.seat("buyer")
    first = desk.signed(buyer, 2, desk.price)
    desk.cross(first, desk.signed(desk.seat("seller"), -1, desk.price), 1)

    assert desk.status(first.order) == (WAD, DeadReason.NONE)
    assert desk.status(replace(first.order, limit=first.order.limit + 1)) == (0, DeadReason.NONCE_TAKEN)


def test_prepare_and_record__by_a_stranger__revert(desk: Desk) -> None:
    stranger = Seat.named("stranger").address
    with reverts("NotClearinghouse", caller=stranger):
        desk.exchange.transact("prepare", trade_data([], []), sender=stranger)
    with reverts("NotClearinghouse", caller=stranger):
        desk.exchange.transact("record", b"", [], [], sender=stranger)


def trade_act(data: bytes) -> dict[str, object]:
    nobody = "0x" + "00" * 20
    return {
        "kind": TRADE,
        "account": 0,
        "counterpart": 0,
        "receiver": nobody,
        "asset": 0,
        "amount": 0,
        "data": data,
    }


def test_batch__with_a_trade__fills_and_records(desk: Desk) -> None:
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    bid, ask = desk.signed(buyer, 3, desk.price), desk.signed(seller, -2, desk.price)

    receipt = desk.clearinghouse.transact("batch", [trade_act(trade_data([bid, ask], [Match(0, 1, 2 * WAD)]))])

    assert (desk.size_of(buyer), desk.size_of(seller)) == (2 * WAD, -2 * WAD)
    assert desk.status(bid.order) == (2 * WAD, DeadReason.NONE)
    assert desk.status(ask.order) == (2 * WAD, DeadReason.FILLED)
    assert len(receipt.events("OrderFilled")) == 2


def test_batch__with_one_order_in_two_trades__never_fills_beyond_its_size__I22(desk: Desk) -> None:
    buyer, seller = desk.seat("buyer"), desk.seat("seller")
    bid, asks = desk.signed(buyer, 2, desk.price), [desk.signed(seller, -2, desk.price) for _ in range(2)]

    desk.clearinghouse.transact("batch", [trade_act(trade_data([bid, ask], [Match(0, 1, 2 * WAD)])) for ask in asks])

    assert desk.size_of(buyer) == 2 * WAD


def test_settlement__one_nonce_listed_twice__is_refused_before_it_is_sent(desk: Desk) -> None:
    signed = desk.signed(Seat.named("buyer"), 1, 1_000)
    with pytest.raises(OrderListedTwice):
        settlement([signed, signed], [])
