"""Stop-loss and take-profit: an order with a trigger is dead until `arm` has shown that a price reached it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ballast.chain.orders import DeadReason, Order, OrderFlags, SignedOrder, triggered
from tests.support.dated import DatedMarket
from tests.support.evm import reverts
from tests.support.system import DAY
from tests.support.trading import SYMBOL, WAD, Desk, Seat, skips

STALE, HALTED = 2, 3
STOP, TARGET = 2_400, 2_600  # below and above the index of 2,500


@pytest.fixture
def long(desk: Desk, buyer: Seat, seller: Seat) -> Seat:
    """Somebody with a position to protect."""
    desk.trade(buyer, seller, 2, desk.price)
    return buyer


def stop_loss(desk: Desk, seat: Seat) -> SignedOrder:
    return desk.stop(seat, -2, STOP - 50, STOP, flags=OrderFlags.REDUCE_ONLY, expiry=desk.evm.timestamp + 30 * DAY)


def reach(desk: Desk, price: Decimal | int) -> None:
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, price)


# Arming ------------------------------------------------------------------------------------------------------------


def test_arm__at_the_trigger__stamps_the_order_and_lets_it_fill(desk: Desk, long: Seat, seller: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)

    receipt = desk.arm(stop)

    [event] = receipt.events("OrderArmed")
    order_hash = desk.domain.hash(stop.order)
    told = (event.account, event.nonce, event.orderHash, event.price)
    assert told == (long.account, stop.order.nonce, order_hash, STOP * WAD)
    assert desk.armed_at(stop) == desk.evm.timestamp
    desk.cross(stop, desk.signed(seller, 2, desk.price))
    assert desk.size_of(long) == 0


@pytest.mark.parametrize(("above", "trigger", "short_of_it"), [(False, STOP, STOP + 1), (True, TARGET, TARGET - 1)])
def test_arm__before_the_trigger__reverts(desk: Desk, long: Seat, above: bool, trigger: int, short_of_it: int) -> None:
    order = desk.stop(long, -2, 2_000, trigger, above=above)
    reach(desk, short_of_it)
    with reverts("TriggerNotReached", price=short_of_it * WAD, trigger=trigger * WAD):
        desk.arm(order)
    reach(desk, trigger)
    desk.arm(order)
    assert desk.armed_at(order) == desk.evm.timestamp


def test_arm__the_price_has_come_back__stays_armed(desk: Desk, long: Seat, seller: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    desk.arm(stop)
    reach(desk, 2_500)
    desk.cross(stop, desk.signed(seller, 2, desk.price))
    assert desk.size_of(long) == 0


def test_settle__not_armed__is_skipped_though_the_price_is_there(desk: Desk, long: Seat, seller: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    assert desk.status(stop.order) == (0, DeadReason.NOT_ARMED)
    receipt = desk.cross(stop, desk.signed(seller, 2, desk.price))
    assert skips(receipt) == [(stop.order.nonce, DeadReason.NOT_ARMED)]
    assert desk.size_of(long) == 2 * WAD


def test_arm__again__reverts_and_keeps_the_first_stamp(desk: Desk, long: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    desk.arm(stop)
    first = desk.armed_at(stop)
    reach(desk, STOP - 1)
    with reverts("AlreadyArmed", account=long.account, nonce=stop.order.nonce, at=first):
        desk.arm(stop)
    assert desk.armed_at(stop) == first


def test_arm__another_order_under_the_nonce__is_not_armed_with_it(desk: Desk, long: Seat) -> None:
    stop = stop_loss(desk, long)
    deeper = desk.domain.sign(replace(stop.order, trigger=STOP * WAD // 2), long.key)
    reach(desk, STOP)
    desk.arm(stop)
    assert desk.status(deeper.order) == (0, DeadReason.NOT_ARMED)


def test_arm__a_plain_order__reverts(desk: Desk, long: Seat) -> None:
    plain = desk.signed(long, -2, desk.price)
    with reverts("NoTrigger", account=long.account, nonce=plain.order.nonce):
        desk.arm(plain)


def test_arm__a_wrong_signature__reverts(desk: Desk, long: Seat, seller: Seat) -> None:
    forged = desk.domain.sign(stop_loss(desk, long).order, seller.key)
    reach(desk, STOP)
    with reverts("InvalidSignature", account=long.account):
        desk.arm(forged)


def test_arm__a_dead_order__reverts_with_the_reason(desk: Desk, long: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    desk.exchange.transact("cancel", long.account, stop.order.nonce, sender=long.address)
    with reverts("OrderDead", account=long.account, nonce=stop.order.nonce, reason=DeadReason.CANCELLED):
        desk.arm(stop)


def test_cancel__an_armed_order__is_dead(desk: Desk, long: Seat, seller: Seat) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    desk.arm(stop)
    desk.exchange.transact("cancel", long.account, stop.order.nonce, sender=long.address)
    receipt = desk.cross(stop, desk.signed(seller, 2, desk.price))
    assert skips(receipt) == [(stop.order.nonce, DeadReason.CANCELLED)]


def test_group__stop_and_target__the_first_filled_kills_the_other(desk: Desk, long: Seat, seller: Seat) -> None:
    stop, target = (
        desk.stop(long, -2, 2_000, trigger, above=above, group=7) for trigger, above in ((STOP, False), (TARGET, True))
    )
    reach(desk, TARGET)
    desk.arm(target)
    desk.cross(target, desk.signed(seller, 2, desk.price))
    reach(desk, STOP)
    with reverts("OrderDead", reason=DeadReason.GROUP_TAKEN):
        desk.arm(stop)


# What the price must be --------------------------------------------------------------------------------------------


def test_arm__a_report_not_newer_than_the_order__reverts(desk: Desk, long: Seat) -> None:
    reach(desk, STOP)
    published = desk.evm.timestamp
    stop = desk.stop(long, -2, 2_000, STOP, since=published)
    desk.evm.advance(12)
    with reverts("ReportTooOld", publishedAt=published, since=published):
        desk.arm(stop)
    reach(desk, STOP)
    desk.arm(stop)
    assert desk.armed_at(stop) == desk.evm.timestamp


def test_arm__the_second_source_serves__its_report_counts(desk: Desk, long: Seat) -> None:
    """The first source is silent; what it said last was before the order."""
    desk.evm.advance(desk.system.network.underlyings[SYMBOL].limits.max_age + 1)
    stop = stop_loss(desk, long)
    desk.evm.advance(12)
    desk.market.set_price("USDC", 1)
    desk.market.report(SYMBOL, STOP, rank=1)
    desk.arm(stop)
    assert desk.armed_at(stop) == desk.evm.timestamp


def test_arm__the_second_source_served_once__says_nothing_of_the_firsts_report(desk: Desk, long: Seat) -> None:
    """The second source's newer report became the price, then the first came back with one from before the order."""
    limits = desk.system.network.underlyings[SYMBOL].limits
    desk.evm.advance(limits.max_age + 1)
    desk.market.set_price("USDC", 1)
    held_back = desk.evm.timestamp
    desk.evm.advance(12)
    stop = stop_loss(desk, long)
    desk.evm.advance(12)
    desk.market.report(SYMBOL, STOP + 5, rank=1)
    desk.system.oracle_hub.transact("refresh", 1 << desk.system.record.underlyings[SYMBOL])
    first = desk.system.feeds[SYMBOL][0]
    first.transact("report", STOP * 10 ** first.call("decimals"), held_back)
    with reverts("ReportTooOld", publishedAt=held_back, since=stop.order.flags >> 16):
        desk.arm(stop)


@pytest.mark.parametrize(("age", "state"), [("max_age", STALE), ("halt_age", HALTED)])
def test_arm__stale_or_halted__reverts(desk: Desk, long: Seat, age: str, state: int) -> None:
    stop = stop_loss(desk, long)
    reach(desk, STOP)
    desk.evm.advance(getattr(desk.system.network.underlyings[SYMBOL].limits, age) + 1)
    desk.market.set_price("USDC", 1)
    with reverts("PriceNotUsable", underlying=desk.system.record.underlyings[SYMBOL], state=state):
        desk.arm(stop)


def test_arm__on_mark__looks_at_the_mark_not_the_index(desk: Desk, long: Seat, seller: Seat) -> None:
    desk.market.advance(12)
    edge = desk.edge(-1)
    stop = desk.stop(long, -1, 2_000, Decimal(edge) / WAD + 15, on_mark=True)
    desk.trade_exactly(long, seller, WAD, edge)
    desk.market.advance(6)
    with reverts("TriggerNotReached", price=desk.mark()):
        desk.arm(stop)
    desk.market.advance(desk.limits.basis_window)
    assert desk.mark() < stop.order.trigger < desk.market.prices[SYMBOL] * WAD
    assert desk.arm(stop).events("OrderArmed")[0].price == desk.mark()
    index_stop = desk.stop(long, -1, 2_000, Decimal(stop.order.trigger) / WAD)
    desk.market.advance(12)
    with reverts("TriggerNotReached", price=desk.market.prices[SYMBOL] * WAD):
        desk.arm(index_stop)


@pytest.fixture
def option(desk: Desk) -> DatedMarket:
    return DatedMarket(desk.market)


def option_stop(desk: Desk, option: DatedMarket, seat: Seat) -> SignedOrder:
    """Sells a call once its mark is at half of what it is now or less, or at twice it."""
    instrument = desk.clearinghouse.call("instrumentOf", option.call(2_500)).id
    order = desk.order(seat, -1, 1, instrument=instrument, expiry=desk.evm.timestamp + 86_400)
    mark = option.mark(option.call(2_500))
    return desk.domain.sign(triggered(order, mark // 2, above=False, since=desk.evm.timestamp, on_mark=True), seat.key)


def test_arm__on_an_options_mark__follows_its_surface(desk: Desk, option: DatedMarket, buyer: Seat) -> None:
    stop = option_stop(desk, option, buyer)
    option.advance(60)
    with reverts("TriggerNotReached", price=option.mark(option.call(2_500))):
        desk.arm(stop)
    option.market.set_price(SYMBOL, 2_200)
    option.advance(60)
    assert desk.arm(stop).events("OrderArmed")[0].price == option.mark(option.call(2_500))


def test_arm__on_an_options_mark__needs_a_surface_newer_than_the_order(
    desk: Desk, option: DatedMarket, buyer: Seat
) -> None:
    published = desk.evm.timestamp
    stop = option_stop(desk, option, buyer)
    desk.market.advance(60)
    desk.market.set_price(SYMBOL, 2_200)
    with reverts("ReportTooOld", publishedAt=published):
        desk.arm(stop)


def test_arm__on_an_options_mark__needs_a_fresh_surface(desk: Desk, option: DatedMarket, buyer: Seat) -> None:
    stop = option_stop(desk, option, buyer)
    desk.market.advance(desk.system.network.expiries.limits.max_age + 1)
    with reverts("SurfaceNotUsable", key=option.key):
        desk.arm(stop)


# Terms -------------------------------------------------------------------------------------------------------------

SINCE = 1 << 16


@pytest.mark.parametrize(
    ("flags", "trigger"),
    [
        (SINCE | OrderFlags.TRIGGER_ABOVE, 0),
        (SINCE | OrderFlags.TRIGGER_ABOVE | OrderFlags.TRIGGER_BELOW, WAD),
        (SINCE, WAD),
        (SINCE, 0),
        (SINCE | OrderFlags.TRIGGER_ON_MARK, WAD),
        (OrderFlags.TRIGGER_ON_MARK, 0),
        (OrderFlags.TRIGGER_BELOW, WAD),
        (0, WAD),
    ],
)
def test_settle__a_trigger_that_makes_no_sense__reverts(
    desk: Desk, buyer: Seat, seller: Seat, flags: int, trigger: int
) -> None:
    senseless = desk.signed(buyer, 1, desk.price, flags=int(flags), trigger=trigger)
    with reverts("InvalidTrigger", flags=flags, trigger=trigger):
        desk.cross(senseless, desk.signed(seller, -1, desk.price))
    with reverts("InvalidTrigger", flags=flags, trigger=trigger):
        desk.arm(senseless)


def test_triggered__in_python__sets_what_the_contract_reads(desk: Desk, buyer: Seat) -> None:
    order = desk.order(buyer, 1, 2_500, flags=OrderFlags.REDUCE_ONLY)
    stop = triggered(order, STOP * WAD, above=True, since=7, on_mark=True)
    expected = 7 << 16 | OrderFlags.REDUCE_ONLY | OrderFlags.TRIGGER_ABOVE | OrderFlags.TRIGGER_ON_MARK
    assert stop == Order(**(vars(order) | {"flags": int(expected), "trigger": STOP * WAD}))
