"""`Exchange.settle`: verification, crossing, fees, and what reverts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder
from tests.support.evm import reverts
from tests.support.trading import BILLION, WAD, Desk, Seat, skips


def fee_up(size: int, price: int, rate: int) -> int:
    return -(-size * price * rate // (WAD * BILLION))


def test_settle__two_signed_orders__fills_at_the_makers_limit(desk: Desk, buyer: Seat, seller: Seat) -> None:
    taker, maker = desk.signed(buyer, 3, desk.away(100)), desk.signed(seller, -2, desk.price)

    receipt = desk.cross(taker, maker, 2)

    assert (desk.size_of(buyer), desk.size_of(seller)) == (2 * WAD, -2 * WAD)
    [filled] = receipt.events("Filled")
    assert (filled.taker, filled.maker, filled.price) == (buyer.account, seller.account, desk.mark())
    marks = {event.nonce: (event.account, event.orderHash, event.filled) for event in receipt.events("OrderFilled")}
    assert marks == {
        signed.order.nonce: (signed.order.account, desk.domain.hash(signed.order), 2 * WAD) for signed in (taker, maker)
    }


def test_settle__a_selling_taker__fills_at_the_makers_limit(desk: Desk, buyer: Seat, seller: Seat) -> None:
    receipt = desk.cross(desk.signed(seller, -1, desk.price), desk.signed(buyer, 1, desk.away(100)))

    assert receipt.events("Filled")[0].price == desk.edge()
    assert (desk.size_of(buyer), desk.size_of(seller)) == (WAD, -WAD)


def test_settle__any_fill__charges_each_side_its_fee_rounded_up(desk: Desk, buyer: Seat, seller: Seat) -> None:
    taker_rate, maker_rate = desk.exchange.call("fees")
    assert taker_rate != maker_rate
    price = desk.mark() + 7

    receipt = desk.cross(desk.signed(buyer, 1, 0, limit=price), desk.signed(seller, -1, 0, limit=price))

    [filled] = receipt.events("Filled")
    assert filled.takerFee == fee_up(WAD, price, taker_rate)
    assert filled.makerFee == fee_up(WAD, price, maker_rate)


def test_settle__anyone_calls__needs_no_role(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.trade(buyer, seller, 1, desk.price)  # sent by a matcher who owns nothing
    assert desk.size_of(buyer) == WAD


def test_settle__a_match_larger_than_an_order__fills_what_is_left(desk: Desk, buyer: Seat, seller: Seat) -> None:
    taker, maker = desk.signed(buyer, 5, desk.price), desk.signed(seller, -2, desk.price)

    desk.cross(taker, maker, 4)

    assert desk.size_of(buyer) == 2 * WAD
    assert desk.status(taker.order) == (2 * WAD, DeadReason.NONE)
    assert desk.status(maker.order) == (2 * WAD, DeadReason.FILLED)


def test_settle__one_order_in_many_matches__shares_its_size_among_them(desk: Desk, buyer: Seat, seller: Seat) -> None:
    other = desk.seat("other seller")
    taker = desk.signed(buyer, 3, desk.price)
    makers = [desk.signed(seller, -2, desk.price), desk.signed(other, -2, desk.price)]

    receipt = desk.settle([taker, *makers], [Match(0, 1, 2 * WAD), Match(0, 2, 2 * WAD), Match(0, 2, WAD)])

    assert [desk.size_of(trader) for trader in (buyer, seller, other)] == [3 * WAD, -2 * WAD, -WAD]
    assert skips(receipt) == [(taker.order.nonce, DeadReason.FILLED)]
    assert [event.filled for event in receipt.events("OrderFilled") if event.nonce == taker.order.nonce] == [3 * WAD]


def test_settle__several_settlements__counts_the_fills_together(desk: Desk, buyer: Seat, seller: Seat) -> None:
    taker = desk.signed(buyer, 3, desk.price)
    for _ in range(2):
        desk.cross(taker, desk.signed(seller, -2, desk.price), 2)

    assert desk.size_of(buyer) == 3 * WAD
    assert desk.status(taker.order) == (3 * WAD, DeadReason.FILLED)


def test_settle__orders_of_one_account__are_checked_together(desk: Desk, buyer: Seat, seller: Seat) -> None:
    other = desk.seat("other seller")
    bids = [desk.signed(buyer, 1, desk.price), desk.signed(buyer, 1, desk.price)]
    asks = [desk.signed(seller, -1, desk.price), desk.signed(other, -1, desk.price)]

    desk.settle([*bids, *asks], [Match(0, 2, WAD), Match(1, 3, WAD)])

    assert desk.size_of(buyer) == 2 * WAD


def test_settle__a_reduce_only_order__reduces(desk: Desk, buyer: Seat, seller: Seat) -> None:
    desk.trade(buyer, seller, 3, desk.price)
    closing = desk.signed(buyer, -2, desk.price, flags=OrderFlags.REDUCE_ONLY)

    desk.cross(closing, desk.signed(seller, 2, desk.price))

    assert desk.size_of(buyer) == WAD


def test_settle__any_account_short_of_margin__reverts_the_batch(desk: Desk, buyer: Seat, seller: Seat) -> None:
    pauper = desk.seat("pauper", funds=1)
    orders = [desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price)]
    orders += [desk.signed(pauper, 5, desk.price), desk.signed(seller, -5, desk.price)]

    with reverts("InitialMarginShortfall", account=pauper.account):
        desk.settle(orders, [Match(0, 1, WAD), Match(2, 3, 5 * WAD)])

    assert desk.size_of(buyer) == 0


def pairs_cost(desk: Desk, seats: list[Seat], pairs: int, nonce: int) -> int:
    """Gas of one settlement in which no two orders share an account; every account's nonce is the same."""
    sides = [1 - 2 * (place % 2) for place in range(2 * pairs)]
    orders = [desk.signed(seat, side, desk.price, nonce=nonce) for seat, side in zip(seats, sides, strict=False)]
    matches = [Match(place, place + 1, WAD) for place in range(0, 2 * pairs, 2)]
    return desk.settle(orders, matches).gas_used


def test_settle__ten_times_the_pairs__costs_ten_times(desk: Desk) -> None:
    """Linear in accounts, within a tenth: memory's own price and the search for an account already opened."""
    seats = [desk.seat(f"trader {number}") for number in range(80)]
    pairs_cost(desk, seats, 40, nonce=1)  # every account holds a position and has used a nonce before what is measured

    few, many = pairs_cost(desk, seats, 4, nonce=2), pairs_cost(desk, seats, 40, nonce=3)

    assert many * 10 <= few * 10 * 11


def test_settle__orders_not_ascending__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    orders = sorted(
        [desk.signed(buyer, 1, desk.price), desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price)],
        key=lambda signed: (signed.order.account, signed.order.nonce),
    )
    for wrong in (orders[::-1], [orders[1], orders[0], orders[2]], [orders[0], orders[2], orders[1]]):
        with reverts("OrdersNotAscending"):
            desk.exchange.transact("settle", wrong, [])


def test_settle__a_malformed_match__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    bid, ask = desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price)
    orders = sorted([bid, ask], key=lambda signed: signed.order.account)
    for taker, maker, size in ((2, 0, WAD), (0, 2, WAD), (0, 1, 0)):
        with reverts("InvalidMatch", matchIndex=0):
            desk.exchange.transact("settle", orders, [Match(taker, maker, size)])


def test_settle__one_account_on_both_sides__reverts(desk: Desk, buyer: Seat) -> None:
    with reverts("SelfTrade", account=buyer.account):
        desk.trade(buyer, buyer, 1, desk.price)


def test_settle__different_instruments__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    with reverts("InstrumentMismatch"):
        desk.cross(
            desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, desk.price, instrument=desk.other_instrument)
        )


def test_settle__both_buy_or_both_sell__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    for size in (1, -1):
        with reverts("SameSide"):
            desk.cross(desk.signed(buyer, size, desk.price), desk.signed(seller, size, desk.price))


def test_settle__limits_do_not_cross__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    bid, ask = desk.signed(buyer, 1, desk.price), desk.signed(seller, -1, 0, limit=desk.mark() + 1)
    for taker, maker in ((bid, ask), (ask, bid)):
        with reverts("OrdersDoNotCross"):
            desk.cross(taker, maker)


@pytest.mark.parametrize("side", ["taker", "maker"])
def test_settle__a_fee_above_the_orders_maximum__reverts(desk: Desk, buyer: Seat, seller: Seat, side: str) -> None:
    rate = getattr(desk.exchange.call("fees"), side)
    bounds = {"taker": 5_000_000, "maker": 5_000_000} | {side: rate - 1}
    taker = desk.signed(buyer, 1, desk.price, maxFee=bounds["taker"])
    maker = desk.signed(seller, -1, desk.price, maxFee=bounds["maker"])

    with reverts("FeeAboveMaximum", fee=rate, maxFee=rate - 1):
        desk.cross(taker, maker)


@pytest.mark.parametrize("flags", [1 << 7, 1 << 56, 1 << 255])
def test_settle__flags_of_later_versions__reverts(desk: Desk, buyer: Seat, seller: Seat, flags: int) -> None:
    with reverts("FlagsNotSupported", flags=flags):
        desk.cross(desk.signed(buyer, 1, desk.price, flags=flags), desk.signed(seller, -1, desk.price))


def test_settle__a_wrong_signature__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    good = desk.signed(buyer, 1, desk.price)
    forged = desk.domain.sign(good.order, seller.key)
    for wrong in (forged, replace(good, signature=b""), replace(good, signature=good.signature[:64])):
        with reverts("InvalidSignature", account=buyer.account, nonce=good.order.nonce):
            desk.cross(wrong, desk.signed(seller, -1, desk.price))


def test_settle__nobody_as_owner_and_signer__reverts(desk: Desk, seller: Seat) -> None:
    order = replace(desk.order(seller, 1, desk.price), account=5, signer="0x" + "00" * 20)
    with reverts("InvalidSignature", account=5):
        desk.cross(SignedOrder(order, bytes(65)), desk.signed(seller, -1, desk.price))


def test_settle__an_unknown_instrument__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    unknown = 1 << 240
    with reverts("UnknownInstrument"):
        desk.cross(
            desk.signed(buyer, 1, desk.price, instrument=unknown),
            desk.signed(seller, -1, desk.price, instrument=unknown),
        )
