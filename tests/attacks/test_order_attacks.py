"""Attacks on triggered orders and on legs. Each would succeed without the rule it names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.chain.ids import account_id
from ballast.chain.orders import DeadReason, Match, SignedOrder, settlement
from ballast.risk.order_rates import fee_up
from tests.support.evm import Receipt, reverts
from tests.support.trading import SYMBOL, WAD, Desk, Seat, skips

STOP, FLOOR = 2_400, 2_390
GROUP = 7
NOBODY = 0
TENTH = Decimal("0.1")


@pytest.fixture
def victim(desk: Desk, seller: Seat) -> Seat:
    """Long two, with a stop-loss in somebody's hands."""
    victim = desk.seat("victim")
    desk.trade(victim, seller, 2, desk.price)
    desk.market.advance(60)
    return victim


@pytest.fixture
def attacker(desk: Desk) -> Seat:
    return desk.seat("attacker")


def stop_of(desk: Desk, victim: Seat, **changes: bool) -> SignedOrder:
    return desk.stop(victim, -2, FLOOR, STOP, **changes)


# Trigger cherry-picking --------------------------------------------------------------------------------------------


def test_trigger__a_low_report_from_before_the_order__arms_nothing(desk: Desk, victim: Seat) -> None:
    """Held back until the order is signed, then delivered: newer than the hub's last, older than the order."""
    held_back = desk.evm.timestamp
    desk.evm.advance(12)
    stop = stop_of(desk, victim)
    for feed in desk.system.feeds[SYMBOL]:
        feed.transact("report", STOP * 10 ** feed.call("decimals"), held_back)
    with reverts("ReportTooOld", publishedAt=held_back):
        desk.arm(stop)


def test_trigger__mark_pushed_in_the_same_block__arms_nothing(desk: Desk, victim: Seat, attacker: Seat) -> None:
    stop = desk.stop(victim, -2, FLOOR, desk.price - 1, on_mark=True)
    desk.market.advance(12)
    desk.trade_exactly(attacker, desk.seat("accomplice"), 5 * WAD, desk.edge(-1))
    with reverts("TriggerNotReached", price=int(desk.market.prices[SYMBOL] * WAD)):
        desk.arm(stop)


def test_trigger__a_spike_that_is_over__fills_at_no_worse_than_the_limit(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    stop = stop_of(desk, victim)
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP)
    desk.arm(stop)
    with reverts("OrdersDoNotCross"):
        desk.cross(stop, desk.signed(attacker, 2, FLOOR - 1))
    desk.market.set_price(SYMBOL, 2_500)
    with reverts("OutsidePriceBand"):
        desk.cross(stop, desk.signed(attacker, 2, FLOOR))
    assert desk.size_of(victim) == 2 * WAD


def test_trigger__forged_or_loosened__arms_nothing(desk: Desk, victim: Seat, attacker: Seat) -> None:
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, 2_450)
    looser = desk.domain.sign(desk.stop(victim, -2, FLOOR, 2_450, since=1).order, attacker.key)
    with reverts("InvalidSignature", account=victim.account):
        desk.arm(looser)


def test_trigger__armed_again_and_again__keeps_its_first_stamp(desk: Desk, victim: Seat) -> None:
    stop = stop_of(desk, victim)
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP)
    desk.arm(stop)
    armed_at = desk.armed_at(stop)
    for _ in range(3):
        desk.evm.advance(12)
        with reverts("AlreadyArmed", at=armed_at):
            desk.arm(stop)
    assert desk.armed_at(stop) == armed_at


# Bounties ----------------------------------------------------------------------------------------------------------


def armed_stop(desk: Desk, victim: Seat) -> SignedOrder:
    stop = stop_of(desk, victim)
    desk.evm.advance(12)
    desk.market.set_price(SYMBOL, STOP)
    desk.arm(stop)
    desk.evm.advance(300)
    return stop


def execute(desk: Desk, stop: SignedOrder, bid: SignedOrder, executor: int) -> Receipt:
    orders, matches = settlement([stop, bid], [Match(0, 1, 2 * WAD)])
    return desk.exchange.transact("execute", orders, matches, executor)


def test_bounty__the_owner_executes_his_own__pays_himself_nothing(desk: Desk, victim: Seat, attacker: Seat) -> None:
    """It would raise the tolerance of the rule that risk only falls."""
    stop = armed_stop(desk, victim)
    receipt = execute(desk, stop, desk.signed(attacker, 2, STOP), victim.account)
    [filled] = receipt.events("Filled")
    assert filled.takerFee == fee_up(2 * WAD, STOP * WAD, desk.exchange.call("fees").taker)
    assert receipt.events("BountyPaid") == []


def test_bounty__farmed_by_wash_trades_of_triggered_orders__costs_the_fees(
    desk: Desk, victim: Seat, attacker: Seat
) -> None:
    """All three accounts are one person's: what one gains another loses, and the fees are gone."""
    accounts = [victim.account, attacker.account, account_id(attacker.address, 9)]
    stop = armed_stop(desk, victim)
    before = sum(desk.clearinghouse.call("marginOf", account).equity for account in accounts)
    execute(desk, stop, desk.signed(attacker, 2, STOP), accounts[2])
    after = sum(desk.clearinghouse.call("marginOf", account).equity for account in accounts)
    assert desk.clearinghouse.call("cashOf", accounts[2]) > 0
    rates = desk.exchange.call("fees")
    assert before - after >= sum(fee_up(2 * WAD, STOP * WAD, rate) for rate in rates)


def test_bounty__bled_from_an_account_short_of_margin__must_leave_it_better_off(desk: Desk, attacker: Seat) -> None:
    """Between maintenance and initial margin a fill must not lower equity less requirement, the bounty included.

    Closing at mark frees more than fee and bounty take; a fill that opens cannot be paid for."""
    poor, maker = desk.seat("poor", funds=2_000), desk.seat("maker")
    desk.trade(poor, maker, 2, desk.price)
    stop = armed_stop(desk, poor)
    found = desk.margin_of(poor)
    assert found.maintenanceMargin < found.equity < found.initialMargin
    opening = desk.stop(poor, 2, STOP + 1, STOP)
    desk.market.advance(12)
    desk.arm(opening)
    desk.market.advance(300)
    with reverts("RiskNotReduced", account=poor.account):
        execute(desk, opening, desk.signed(maker, -2, STOP), attacker.account)
    execute(desk, stop, desk.signed(maker, 2, STOP), attacker.account)
    left = desk.margin_of(poor)
    assert left.equity - left.maintenanceMargin > found.equity - found.maintenanceMargin
    assert desk.cash_of(attacker) > 100_000 * WAD


def test_bounty__that_pushes_an_account_below_its_margin__reverts_the_fill(desk: Desk, attacker: Seat) -> None:
    """There is enough for the fee, and not for the bounty beside it."""
    poor, maker = desk.seat("poor", funds=1_898), desk.seat("maker")
    opening = desk.stop(poor, 2, desk.price, desk.price)
    desk.market.advance(12)
    desk.arm(opening)
    desk.market.advance(300)
    ask = desk.signed(maker, -2, desk.price)
    with reverts("InitialMarginShortfall", account=poor.account):
        execute(desk, opening, ask, attacker.account)
    execute(desk, opening, ask, NOBODY)
    assert desk.size_of(poor) == 2 * WAD


# Legs --------------------------------------------------------------------------------------------------------------


def package(desk: Desk, seat: Seat, group: int = GROUP) -> list[SignedOrder]:
    return desk.legs(seat, group, desk.order(seat, 1, desk.price), desk.other_order(seat, -TENTH))


def answers(desk: Desk, seat: Seat) -> list[SignedOrder]:
    other = desk.other_order(seat, TENTH)
    return [desk.signed(seat, -1, desk.price), desk.domain.sign(other, seat.key)]


MATCHES = [Match(0, 2, WAD), Match(1, 3, WAD // 10)]


def held(desk: Desk, seat: Seat) -> int:
    return len(desk.clearinghouse.call("accountOf", seat.account).positions)


def reasons(desk: Desk, orders: list[SignedOrder], matches: list[Match]) -> set[DeadReason]:
    return {DeadReason(reason) for _, reason in skips(desk.settle(orders, matches))}


def test_legs__the_good_one_picked__is_skipped(desk: Desk, buyer: Seat, attacker: Seat) -> None:
    legs, others = package(desk, buyer), answers(desk, attacker)
    assert reasons(desk, [legs[0], others[0]], [Match(0, 1, WAD)]) == {DeadReason.LEGS_NOT_WHOLE}
    assert reasons(desk, [*legs, others[0]], [Match(0, 2, WAD)]) == {DeadReason.LEGS_NOT_WHOLE}
    assert held(desk, buyer) == 0


def test_legs__one_killed_by_its_counterparty__takes_the_others_with_it(
    desk: Desk, buyer: Seat, attacker: Seat
) -> None:
    legs, others = package(desk, buyer), answers(desk, attacker)
    desk.exchange.transact("cancel", attacker.account, others[1].order.nonce, sender=attacker.address)
    assert reasons(desk, [*legs, *others], MATCHES) == {DeadReason.LEGS_NOT_WHOLE}
    assert held(desk, buyer) == 0


def test_legs__of_two_packages_mixed__are_skipped(desk: Desk, buyer: Seat, attacker: Seat) -> None:
    one, two = package(desk, buyer), package(desk, buyer, GROUP + 1)
    assert reasons(desk, [one[0], two[1], *answers(desk, attacker)], MATCHES) == {DeadReason.LEGS_NOT_WHOLE}
    assert held(desk, buyer) == 0


def test_legs__a_leg_beside_those_filled_in_another_settlement__is_skipped(
    desk: Desk, buyer: Seat, attacker: Seat
) -> None:
    filled, later = package(desk, buyer), package(desk, buyer)
    desk.settle([*filled, *answers(desk, attacker)], MATCHES)
    before = desk.size_of(buyer)
    assert reasons(desk, [later[0], filled[1], *answers(desk, attacker)], MATCHES) == {
        DeadReason.GROUP_TAKEN,
        DeadReason.FILLED,
    }
    assert desk.size_of(buyer) == before


def test_legs__replayed__never_fill_again(desk: Desk, buyer: Seat, attacker: Seat) -> None:
    legs = package(desk, buyer)
    for _ in range(3):
        desk.settle([*legs, *answers(desk, attacker)], MATCHES)
    assert desk.size_of(buyer) == WAD
