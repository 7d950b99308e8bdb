"""The matcher's engine: what is matched, sent, settled, put back; groups; replay."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ballast.chain.orders import OrderFlags
from ballast.matcher.engine import EXPIRED, FILLED, GROUP_TAKEN
from ballast.matcher.records import (
    Clock,
    Command,
    Conclude,
    Cut,
    Drop,
    Filled,
    FillState,
    Killed,
    OrderRecord,
    OrderState,
    Rewind,
    Withdraw,
)
from ballast.matcher.state import FORGET_AFTER, NO_RECEIPT, next_receipt
from tests.support.matching import BTC, ETH, Floor, accept_of, order_of, replayed, snapshot

MAKER, TAKER, THIRD = 1, 2, 3


@pytest.fixture
def floor() -> Floor:
    return Floor()


def matched(floor: Floor, size: int = 5) -> tuple[OrderRecord, OrderRecord]:
    """A maker of 10 and a taker that meet."""
    maker, taker = floor.enter(MAKER, -10, 100), floor.enter(TAKER, size, 101)
    return maker, taker


def cut(floor: Floor) -> int:
    floor.give(Cut(tuple(fill.id for fill in floor.engine.crossed())))
    return floor.engine.under_way()[-1].id


def mine(floor: Floor, batch: int, block: int = 7, *records: OrderRecord) -> None:
    """The chain fills these orders of a batch as expected; the rest of it is skipped."""
    for record in records:
        total = record.filled + floor.engine.batches[batch].left[record.hash]
        floor.give(Filled(record.hash, total, block, batch))
    floor.give(Conclude(batch, block, "0xaa"))


def bids(floor: Floor, instrument: int = ETH) -> list[tuple[int, int]]:
    return floor.engine.book(instrument).levels(True)


def asks(floor: Floor, instrument: int = ETH) -> list[tuple[int, int]]:
    return floor.engine.book(instrument).levels(False)


def test_accept__crosses__fills_at_the_makers_limit_and_waits(floor: Floor) -> None:
    maker, taker = matched(floor)
    assert floor.fills() == [(taker.hash, maker.hash, 5, 100)]
    assert (maker.pending, maker.open, taker.pending, taker.open) == (5, 5, 5, 0)
    assert asks(floor) == [(100, 5)]


def test_accept__changes__name_levels_orders_and_fills(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100)
    changes = floor.give(accept_of(order_of(TAKER, 4, 101, 99), 99))
    assert changes.levels == {(ETH, False, 100): 6, (ETH, True, 101): 0}
    assert set(changes.orders) == {maker.hash, f"0x{99:064x}"}
    assert changes.fills == [1]


def test_accept__receipts__chain_every_order_to_those_before(floor: Floor) -> None:
    first, second = floor.enter(MAKER, -10, 100), floor.enter(TAKER, 1, 50)
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.receipt == next_receipt(NO_RECEIPT, first.hash, 1, first.time)
    assert second.receipt == next_receipt(first.receipt, second.hash, 2, second.time)


def test_conclude__all_filled__is_settled_and_leaves(floor: Floor) -> None:
    maker, taker = matched(floor)
    mine(floor, cut(floor), 7, maker, taker)
    assert (taker.state, taker.reason, taker.filled) == (OrderState.DEAD, FILLED, 5)
    assert (maker.state, maker.filled, maker.pending, maker.open) == (OrderState.LIVE, 5, 0, 5)
    fill = floor.engine.fills[1]
    assert (fill.state, fill.settled, fill.transaction) == (FillState.SETTLED, 5, "0xaa")


def test_conclude__failed__both_go_back_and_meet_again_with_the_same_roles(floor: Floor) -> None:
    maker, taker = matched(floor)
    mine(floor, cut(floor))
    assert floor.engine.fills[1].state is FillState.DROPPED
    assert floor.fills() == [(taker.hash, maker.hash, 5, 100)]


def test_conclude__maker_was_skipped__taker_goes_back_to_its_place(floor: Floor) -> None:
    maker, taker = matched(floor)
    later = floor.enter(THIRD, 5, 101)
    batch = cut(floor)
    floor.give(Killed(maker.hash, "cancelled", 7))
    mine(floor, batch)
    assert [one.key for one in floor.engine.book(ETH).resting(True)] == [taker.hash, later.hash]


def test_withdraw__partly_matched__only_what_is_open_goes(floor: Floor) -> None:
    maker, _ = matched(floor)
    floor.give(Withdraw(maker.hash))
    assert asks(floor) == []
    assert maker.pending == 5
    assert len(floor.fills()) == 1


def test_drop__offender__its_counterparty_goes_back_and_meets_the_next(floor: Floor) -> None:
    maker, taker = matched(floor)
    next_maker = floor.enter(THIRD, -5, 101)
    floor.give(Drop(maker.hash, "margin"))
    assert floor.fills() == [(next_maker.hash, taker.hash, 5, 101)]
    assert (maker.state, maker.reason, maker.pending) == (OrderState.DEAD, "margin", 0)


def test_drop__one_maker_of_a_fill_or_kill__all_of_it_is_undone(floor: Floor) -> None:
    makers = [floor.enter(who, -5, 100) for who in (MAKER, THIRD)]
    taker = floor.enter(TAKER, 10, 100, flags=OrderFlags.FILL_OR_KILL)
    assert len({fill.unit for fill in floor.engine.crossed()}) == 1
    floor.give(Drop(makers[0].hash, "margin"))
    assert taker.state is OrderState.DEAD
    assert floor.fills() == []
    assert asks(floor) == [(100, 5)]


def test_clock__expired__leaves_with_what_is_matched_and_not_sent(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100, expiry=50)
    taker = floor.enter(TAKER, 5, 101)
    assert not floor.engine.is_due(50)
    assert floor.engine.is_due(51)
    floor.give(Clock(51))
    assert (maker.state, maker.reason) == (OrderState.DEAD, EXPIRED)
    assert bids(floor) == [(101, taker.open)] == [(101, 5)]


def test_clock__a_day_after_expiry__is_forgotten(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100, expiry=50)
    floor.give(Clock(51))
    assert floor.engine.find(maker.order.account, maker.order.nonce) is maker
    floor.give(Clock(50 + FORGET_AFTER + 1))
    assert floor.engine.orders == {}
    assert floor.engine.orders_of(maker.order.account) == []


def test_filled__by_somebody_elses_settlement__book_shrinks_and_unsent_matches_are_undone(floor: Floor) -> None:
    maker, taker = matched(floor)
    floor.give(Filled(maker.hash, 8, 7, None))
    assert (maker.filled, maker.pending, maker.open) == (8, 2, 0)
    assert bids(floor) == [(101, 3)]
    floor.give(Filled(maker.hash, 10, 8, None))
    assert floor.fills() == []
    assert bids(floor) == [(101, taker.size)]


def test_filled__told_twice__counts_once(floor: Floor) -> None:
    maker, _ = matched(floor)
    batch = cut(floor)
    for _ in range(2):
        floor.give(Filled(maker.hash, 5, 7, batch))
    assert (maker.filled, maker.pending) == (5, 0)


def test_group__one_is_matched__the_others_wait_and_come_back_when_nothing_came_of_it(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100)
    other = floor.enter(TAKER, 3, 90, group=4)
    winner = floor.enter(TAKER, 3, 100, group=4)
    assert winner.pending == 3
    assert other.state is OrderState.HELD
    assert bids(floor) == []
    floor.give(Drop(maker.hash, "margin"))
    assert other.state is OrderState.LIVE
    assert bids(floor) == [(100, 3), (90, 3)]


def test_group__one_is_filled__the_others_are_dead_over_instruments(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100)
    other = floor.enter(TAKER, 3, 90, group=4, instrument=BTC)
    winner = floor.enter(TAKER, 3, 100, group=4)
    mine(floor, cut(floor), 7, maker, winner)
    assert (other.state, other.reason) == (OrderState.DEAD, GROUP_TAKEN)
    assert bids(floor, BTC) == []


def test_rewind__a_settled_batch__waits_for_its_transaction_and_settles_again(floor: Floor) -> None:
    maker, taker = matched(floor)
    batch = cut(floor)
    mine(floor, batch, 7, maker, taker)
    floor.give(Rewind(6))
    assert (taker.state, taker.filled, taker.pending) == (OrderState.LIVE, 0, 5)
    assert floor.engine.batches[batch].reopened
    mine(floor, batch, 8, maker, taker)
    assert (taker.state, taker.filled, maker.filled, maker.pending) == (OrderState.DEAD, 5, 5, 0)


def test_rewind__transaction_is_lost__orders_go_back(floor: Floor) -> None:
    maker, taker = matched(floor)
    batch = cut(floor)
    mine(floor, batch, 7, maker, taker)
    floor.give(Rewind(6))
    floor.give(Conclude(batch, 12, ""))
    assert floor.fills() == [(taker.hash, maker.hash, 5, 100)]


def test_rewind__a_cancel_on_chain__lives_again_a_withdrawal_does_not(floor: Floor) -> None:
    cancelled, withdrawn = floor.enter(MAKER, -10, 100), floor.enter(THIRD, -10, 100)
    floor.give(Killed(cancelled.hash, "cancelled", 7))
    floor.give(Withdraw(withdrawn.hash))
    floor.give(Rewind(6))
    assert asks(floor) == [(100, 10)]
    assert withdrawn.state is OrderState.DEAD


@pytest.mark.parametrize(
    ("arrival", "code"),
    [
        (order_of(TAKER, 5, 100, 9, flags=OrderFlags.POST_ONLY), "post-only"),
        (order_of(TAKER, 11, 100, 9, flags=OrderFlags.FILL_OR_KILL), "unfillable"),
        (order_of(MAKER, 5, 100, 9), "self-trade"),
        (order_of(MAKER, 5, 90, 1), "nonce-in-use"),
        (order_of(TAKER, 5, 100, 9), None),
        (order_of(TAKER, 5, 100, 9, flags=OrderFlags.FILL_OR_KILL), None),
    ],
)
def test_refusal__against_an_ask_of_10__says_why(floor: Floor, arrival: object, code: str | None) -> None:
    floor.enter(MAKER, -10, 100)
    assert floor.engine.refusal("0xff", arrival) == code  # type: ignore[arg-type]


def test_refusal__known_hash_and_taken_group__are_named(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100)
    winner = floor.enter(TAKER, 3, 100, group=4)
    assert floor.engine.refusal(maker.hash, maker.order) == "already-known"
    floor.give(Withdraw(maker.hash))
    assert floor.engine.refusal(maker.hash, maker.order) == "already-known"
    mine(floor, cut(floor), 7, maker, winner)
    assert floor.engine.refusal("0xff", order_of(TAKER, 3, 100, 9, group=4)) == "group-taken"


def test_refusal__nonce_of_a_withdrawn_order__may_be_used_anew(floor: Floor) -> None:
    maker = floor.enter(MAKER, -10, 100)
    floor.give(Withdraw(maker.hash))
    assert floor.engine.refusal("0xff", order_of(MAKER, -9, 100, maker.order.nonce)) is None


def test_refusal__nonce_of_a_withdrawn_order_that_is_matched__is_in_use(floor: Floor) -> None:
    """One settlement cannot list a nonce twice."""
    maker, _ = matched(floor)
    floor.give(Withdraw(maker.hash))
    assert floor.engine.refusal("0xff", order_of(MAKER, -9, 100, maker.order.nonce)) == "nonce-in-use"


def test_self_trade__two_accounts_of_an_owner__do_not_meet(floor: Floor) -> None:
    floor.enter(MAKER, -10, 100)
    order = replace(order_of(MAKER, 5, 100, 50), account=(MAKER << 96) + 1)
    floor.give(accept_of(order, 50))
    newest = floor.engine.orders[f"0x{50:064x}"]
    assert (newest.state, newest.reason, floor.fills()) == (OrderState.DEAD, "self-trade", [])


@pytest.mark.parametrize(
    "command",
    [
        Withdraw("0xff"),
        Drop("0xff", "margin"),
        Killed("0xff", "cancelled", 7),
        Filled("0xff", 5, 7),
        Cut((99,)),
        Conclude(99, 7, ""),
        Rewind(0),
        Clock(0),
    ],
)
def test_apply__names_what_is_not_there__changes_nothing_that_is(floor: Floor, command: Command) -> None:
    matched(floor)
    shown = snapshot(replayed(floor.commands))
    floor.give(command)
    assert {**snapshot(floor.engine), "batches": {}} == shown


def test_cut__twice__sends_a_fill_once(floor: Floor) -> None:
    matched(floor)
    cut(floor)
    floor.give(Cut((1,)))
    assert [batch.fills for batch in floor.engine.under_way()] == [(1,), ()]


def test_replay__through_json__ends_in_the_same_state(floor: Floor) -> None:
    maker, taker = matched(floor)
    mine(floor, cut(floor), 7, maker, taker)
    floor.give(Rewind(6))
    again = [Command.of(json.loads(json.dumps(one.as_dict()))) for one in floor.commands]
    assert again == floor.commands
    assert snapshot(replayed(again)) == snapshot(floor.engine)
