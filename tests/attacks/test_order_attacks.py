"""Attacks on triggered orders and on legs. Each would succeed without the rule it names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.chain.orders import DeadReason, Match, SignedOrder
from tests.support.evm import reverts
from tests.support.trading import SYMBOL, WAD, Desk, Seat, skips

STOP, FLOOR = 2_400, 2_390
GROUP = 7
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
