"""The bounty of a triggered order: from 0 at its arming in a line to its most, to whom the executor names."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from ballast.chain.ids import account_id
from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder, settlement
from ballast.risk.order_rates import bounty_down, bounty_rate, fee_up
from tests.support.clearing import imbalance
from tests.support.evm import Receipt, reverts
from tests.support.trading import SYMBOL, WAD, Desk, Seat, skips

STOP, FLOOR = 2_400, 2_390
FOREVER = 2**40 - 1
NOBODY = 0


@pytest.fixture
def executor() -> Seat:
    """Has nothing in the protocol yet."""
    return Seat.named("executor")


@pytest.fixture
def long(desk: Desk, buyer: Seat, seller: Seat) -> Seat:
    desk.trade(buyer, seller, 2, desk.price)
    return buyer


@pytest.fixture
def armed(desk: Desk, long: Seat) -> SignedOrder:
    """A stop-loss that has just been armed, at 2,400."""
    return arm(desk, desk.stop(long, -2, FLOOR, STOP, flags=OrderFlags.REDUCE_ONLY))


def arm(desk: Desk, signed: SignedOrder) -> SignedOrder:
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP)
    desk.arm(signed)
    return signed


def execute(desk: Desk, orders: list[SignedOrder], matches: list[Match], executor: int) -> Receipt:
    arguments = (*settlement(orders, matches), executor)
    return desk.exchange.transact("execute", *arguments, sender=desk.evm.address_of("matcher"))


def close(desk: Desk, armed: SignedOrder, seller: Seat, executor: int, size: int = 2, price: int = STOP) -> Receipt:
    return execute(desk, [armed, desk.signed(seller, size, price)], [Match(0, 1, size * WAD)], executor)


def expected(desk: Desk, armed: SignedOrder, elapsed: int, size: int = 2 * WAD, price: int = STOP * WAD) -> int:
    taker_fee, _ = desk.exchange.call("fees")
    rate = bounty_rate(*desk.exchange.call("bounty"), elapsed)
    return bounty_down(size, price, rate, taker_fee, armed.order.maxFee)


@pytest.mark.parametrize("elapsed", [0, 1, 7, 150, 299, 300, 3_000])
def test_execute__so_long_after_arming__pays_the_twins_bounty_and_nobody_loses_more(
    desk: Desk, armed: SignedOrder, long: Seat, seller: Seat, executor: Seat, elapsed: int
) -> None:
    desk.evm.advance(elapsed)
    bounty = expected(desk, armed, elapsed)
    assert (bounty == 0) == (elapsed == 0)
    assert bounty <= 2 * STOP * WAD * 5 // 10_000
    fees_before = desk.clearinghouse.call("vaultState").fees

    receipt = close(desk, armed, seller, executor.account)

    taker_rate, maker_rate = desk.exchange.call("fees")
    [filled] = receipt.events("Filled")
    assert filled.takerFee == fee_up(2 * WAD, STOP * WAD, taker_rate) + bounty
    assert filled.makerFee == fee_up(2 * WAD, STOP * WAD, maker_rate)
    paid = [(event.account, event.amount) for event in receipt.events("BountyPaid")]
    assert paid == ([(executor.account, bounty)] if bounty else [])
    assert desk.cash_of(executor) == bounty
    kept = desk.clearinghouse.call("vaultState").fees - fees_before
    assert kept == filled.takerFee + filled.makerFee - bounty
    assert imbalance(desk.system, [long.account, seller.account, executor.account]) == 0, "I3a"


@pytest.mark.parametrize("seed", range(8))
def test_execute__odd_terms__pay_the_twins_bounty_to_the_wei(
    desk: Desk, seller: Seat, executor: Seat, seed: int
) -> None:
    """Rates, times, sizes and prices that leave remainders in every division."""
    random = Random(seed)
    most, time, elapsed = random.randint(1, 2_000_000), random.randint(60, 3_600), random.randint(1, 4_000)
    desk.system.act_as("risk", desk.exchange, "setBounty", most, time)
    size, price = random.randint(1, 3_000) * WAD // 1_000, desk.mark() + random.randint(-(10**18), 10**18)
    max_fee = random.choice([400_000, 400_001, 1_000_003, 5_000_000])
    terms = {"maxFee": max_fee, "expiry": FOREVER}
    opening = desk.stop(desk.seat("odd"), Decimal(size) / WAD, 2_502, desk.price, **terms)
    desk.market.advance(12)
    desk.arm(opening)
    desk.market.advance(elapsed)
    ask = desk.signed(seller, -Decimal(size) / WAD, 0, limit=price)
    execute(desk, [opening, ask], [Match(0, 1, size)], executor.account)
    taker_fee, _ = desk.exchange.call("fees")
    rate = bounty_rate(most, time, desk.evm.timestamp - desk.armed_at(opening))
    assert desk.cash_of(executor) == bounty_down(size, price, rate, taker_fee, max_fee)


def test_execute__the_order_is_a_matchs_maker__pays_it_too(
    desk: Desk, armed: SignedOrder, seller: Seat, executor: Seat
) -> None:
    desk.evm.advance(300)
    orders = [desk.signed(seller, 2, STOP), armed]
    receipt = execute(desk, orders, [Match(0, 1, 2 * WAD)], executor.account)
    _, maker_fee = desk.exchange.call("fees")
    most, _ = desk.exchange.call("bounty")
    price = receipt.events("Filled")[0].price
    assert price == FLOOR * WAD
    assert desk.cash_of(executor) == bounty_down(2 * WAD, price, most, maker_fee, armed.order.maxFee)


def test_execute__several_fills__pays_for_each_that_is_applied(
    desk: Desk, armed: SignedOrder, long: Seat, seller: Seat, executor: Seat
) -> None:
    """Half of the position is gone meanwhile: the second fill would do more than reduce."""
    desk.trade(seller, long, 1, STOP)
    desk.evm.advance(300)
    asks = [desk.signed(seller, 1, STOP) for _ in range(2)]
    receipt = execute(desk, [armed, *asks], [Match(0, 1, WAD), Match(0, 2, WAD)], executor.account)
    assert skips(receipt) == [(armed.order.nonce, DeadReason.NOTHING_TO_REDUCE)]
    assert desk.cash_of(executor) == expected(desk, armed, 300, WAD)


def test_settle__an_armed_order__pays_the_caller(desk: Desk, armed: SignedOrder, seller: Seat) -> None:
    desk.evm.advance(300)
    desk.cross(armed, desk.signed(seller, 2, STOP))
    caller = account_id(desk.evm.address_of("matcher"))
    assert desk.clearinghouse.call("cashOf", caller) == expected(desk, armed, 300)


def test_execute__not_armed_yet__arms_and_fills_in_one_transaction(
    desk: Desk, long: Seat, seller: Seat, executor: Seat
) -> None:
    stop = desk.stop(long, -2, FLOOR, STOP)
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP)
    receipt = close(desk, stop, seller, executor.account)
    assert len(receipt.events("OrderArmed")) == 1
    assert desk.size_of(long) == 0
    assert desk.cash_of(executor) == 0


def test_execute__the_price_is_not_there__skips_the_order_and_settles_the_rest(
    desk: Desk, long: Seat, seller: Seat, executor: Seat
) -> None:
    stop = desk.stop(long, -2, FLOOR, STOP)
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP + 1)
    orders = [stop, *(desk.signed(seller, 2, STOP + 1) for _ in range(2)), desk.signed(desk.seat("other"), -2, STOP)]
    receipt = execute(desk, orders, [Match(0, 1, 2 * WAD), Match(3, 2, 2 * WAD)], executor.account)
    assert skips(receipt) == [(stop.order.nonce, DeadReason.NOT_ARMED)]
    assert desk.size_of(long) == 2 * WAD
    assert desk.size_of(Seat.named("other")) == -2 * WAD


def test_execute__for_nobody__costs_no_bounty(desk: Desk, armed: SignedOrder, seller: Seat) -> None:
    desk.evm.advance(300)
    receipt = close(desk, armed, seller, NOBODY)
    taker_rate, _ = desk.exchange.call("fees")
    assert receipt.events("Filled")[0].takerFee == fee_up(2 * WAD, STOP * WAD, taker_rate)
    assert receipt.events("BountyPaid") == []


def test_execute__the_orders_highest_fee__bounds_fee_and_bounty_together(
    desk: Desk, long: Seat, seller: Seat, executor: Seat
) -> None:
    taker_fee, _ = desk.exchange.call("fees")
    stop = arm(desk, desk.stop(long, -2, FLOOR, STOP, maxFee=taker_fee + 1_000))
    desk.evm.advance(300)
    receipt = close(desk, stop, seller, executor.account)
    assert desk.cash_of(executor) == expected(desk, stop, 300) == bounty_down(2 * WAD, STOP * WAD, 1_000, 0, 1_000)
    assert receipt.events("Filled")[0].takerFee <= fee_up(2 * WAD, STOP * WAD, stop.order.maxFee)


def test_execute__by_a_protocols_contract_as_payee__reverts(desk: Desk, armed: SignedOrder, seller: Seat) -> None:
    desk.evm.advance(300)
    with reverts("InvalidOwner"):
        close(desk, armed, seller, account_id(desk.clearinghouse.address))


def test_execute__a_delegates_order__charges_the_bounty_to_its_budget(
    desk: Desk, long: Seat, seller: Seat, executor: Seat
) -> None:
    delegate = Seat.named("delegate")
    desk.exchange.transact("setDelegate", long.account, delegate.address, FOREVER, 100 * WAD, sender=long.address)
    order = desk.stop(long, -2, FLOOR, STOP, signer=delegate.address).order
    stop = arm(desk, desk.domain.sign(order, delegate.key))
    desk.evm.advance(300)
    receipt = close(desk, stop, seller, executor.account)
    [charged] = receipt.events("DelegateLossCharged")
    assert charged.loss >= receipt.events("Filled")[0].takerFee > desk.cash_of(executor) > 0


def test_pay_bounty__by_a_stranger__reverts(desk: Desk, executor: Seat) -> None:
    with reverts("NotModule"):
        desk.clearinghouse.transact("payBounty", executor.account, 1, sender=executor.address)


def test_set_bounty__within_bounds__sets_both(desk: Desk) -> None:
    desk.system.act_as("risk", desk.exchange, "setBounty", 700_000, 120)
    [event] = [log.arguments for log in desk.evm.last_logs() if log.name == "BountySet"]
    assert (event.most, event.time) == desk.exchange.call("bounty") == (700_000, 120)
    assert desk.exchange.call("fees") != (0, 0)


@pytest.mark.parametrize(("most", "time"), [(2_000_001, 300), (2**32 - 1, 300)])
def test_set_bounty__above_the_bound__reverts(desk: Desk, most: int, time: int) -> None:
    with reverts("BountyOutOfBounds", most=most, bound=desk.exchange.call("MAX_BOUNTY")):
        desk.system.act_as("risk", desk.exchange, "setBounty", most, time)


@pytest.mark.parametrize("time", [0, 59, 3_601])
def test_set_bounty__a_time_out_of_bounds__reverts(desk: Desk, time: int) -> None:
    with reverts("BountyTimeOutOfBounds", time=time, least=60, most=3_600):
        desk.system.act_as("risk", desk.exchange, "setBounty", 0, time)
