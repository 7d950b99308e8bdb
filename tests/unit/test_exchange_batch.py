"""Settlements inside a batch: prepared, carried through the clearinghouse as words, and recorded like any other."""

from __future__ import annotations

from typing import Any

from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder, trade_data
from ballast.risk.order_rates import fee_up
from tests.support.evm import Receipt, reverts
from tests.support.trading import SYMBOL, WAD, Desk, Seat, skips

TRADE = 4
NOBODY = "0x" + "00" * 20
FOREVER = 2**40 - 1


def trade(orders: list[SignedOrder], matches: list[Match]) -> dict[str, Any]:
    act = {"kind": TRADE, "account": 0, "counterpart": 0, "receiver": NOBODY, "asset": 0, "amount": 0}
    return act | {"data": trade_data(orders, matches)}


def batch(desk: Desk, *acts: dict[str, Any]) -> Receipt:
    return desk.clearinghouse.transact("batch", list(acts))


def test_batch__several_orders_and_instruments__records_each(desk: Desk, buyer: Seat, seller: Seat) -> None:
    bids = [desk.signed(buyer, 3, desk.price), desk.domain.sign(desk.other_order(buyer, "0.2"), buyer.key)]
    asks = [desk.signed(seller, -2, desk.price), desk.domain.sign(desk.other_order(seller, "-0.2"), seller.key)]
    receipt = batch(desk, trade([*bids, *asks], [Match(0, 2, 2 * WAD), Match(1, 3, WAD // 5)]))
    filled = {event.orderHash: event.filled for event in receipt.events("OrderFilled")}
    assert filled == {
        desk.domain.hash(signed.order): size
        for signed, size in zip([*bids, *asks], (2 * WAD, WAD // 5, 2 * WAD, WAD // 5), strict=True)
    }
    assert desk.status(bids[0].order) == (2 * WAD, DeadReason.NONE)


def test_batch__a_fill_that_is_not_applied__is_given_back(desk: Desk, buyer: Seat, seller: Seat) -> None:
    reducing = desk.signed(buyer, 1, desk.price, flags=OrderFlags.REDUCE_ONLY)
    resting = desk.signed(seller, -1, desk.price)
    receipt = batch(desk, trade([reducing, resting], [Match(1, 0, WAD)]))
    assert skips(receipt) == [(reducing.order.nonce, DeadReason.NOTHING_TO_REDUCE)]
    assert desk.status(resting.order) == (0, DeadReason.NONE)


def test_batch__fill_or_kill_filled_in_part__reverts(desk: Desk, buyer: Seat, seller: Seat) -> None:
    """Two share a counterparty: seen only in the record."""
    rival = desk.seat("rival")
    whole = [desk.signed(seat, 3, desk.price, flags=OrderFlags.FILL_OR_KILL) for seat in (buyer, rival)]
    ask = desk.signed(seller, -4, desk.price)
    with reverts("FillOrKillNotWhole"):
        batch(desk, trade([*whole, ask], [Match(0, 2, 3 * WAD), Match(1, 2, 3 * WAD)]))


def test_batch__one_cancels_other__across_its_trades(desk: Desk, buyer: Seat, seller: Seat) -> None:
    first, second = (desk.signed(buyer, 1, desk.price, group=7) for _ in range(2))
    asks = [desk.signed(seller, -1, desk.price) for _ in range(2)]
    receipt = batch(
        desk, *(trade([bid, ask], [Match(0, 1, WAD)]) for bid, ask in zip((first, second), asks, strict=True))
    )
    assert skips(receipt) == [(second.order.nonce, DeadReason.GROUP_TAKEN)]
    assert desk.size_of(buyer) == WAD


def test_batch__a_delegates_order__charges_its_budget(desk: Desk, buyer: Seat, seller: Seat) -> None:
    delegate = Seat.named("delegate")
    desk.exchange.transact("setDelegate", buyer.account, delegate.address, FOREVER, 100 * WAD, sender=buyer.address)
    bid = desk.domain.sign(desk.order(buyer, 1, desk.away(40), signer=delegate.address), delegate.key)
    receipt = batch(desk, trade([bid, desk.signed(seller, -1, desk.away(40))], [Match(0, 1, WAD)]))
    [charged] = receipt.events("DelegateLossCharged")
    [filled] = receipt.events("Filled")
    assert (charged.account, charged.delegate) == (buyer.account, delegate.address)
    assert charged.loss == filled.takerFee + filled.price - desk.mark()


def test_batch__an_armed_order__pays_no_bounty(desk: Desk, buyer: Seat, seller: Seat) -> None:
    opening = desk.stop(buyer, 1, desk.price, desk.price)
    desk.market.advance(12)
    desk.arm(opening)
    desk.market.advance(300)
    receipt = batch(desk, trade([opening, desk.signed(seller, -1, desk.price)], [Match(0, 1, WAD)]))
    price = int(desk.market.prices[SYMBOL] * WAD)
    assert receipt.events("Filled")[0].takerFee == fee_up(WAD, price, desk.exchange.call("fees").taker)
    assert receipt.events("BountyPaid") == []
