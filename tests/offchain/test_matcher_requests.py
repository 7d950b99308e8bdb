"""Requests for quotes in the engine: the best quote, whole or not at all, and the next best where it falls away."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ballast.matcher.engine import EXPIRED, FILLED, NO_QUOTE, REQUEST_OVER, WITHDRAWN
from ballast.matcher.records import (
    Clock,
    Close,
    Conclude,
    Cut,
    Drop,
    Filled,
    Killed,
    OrderRecord,
    OrderState,
    RequestRecord,
    Rewind,
    Take,
    Withdraw,
)
from ballast.matcher.state import FORGET_AFTER, next_receipt
from tests.support.matching import BTC, ETH, Floor, check_books, order_of, replayed, snapshot

TAKER, MAKER, OTHER, THIRD = 1, 2, 3, 4
# The taker buys 5 at most at 100 and sells 2 at least at 200: he pays 500 - 400 = 100 at most.
LEGS = ((ETH, 5, 100), (BTC, -2, 200))


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.fixture
def request_(floor: Floor) -> RequestRecord:
    return floor.ask(*LEGS, who=TAKER)


def keys(package: Sequence[OrderRecord]) -> list[str]:
    return [one.hash for one in package]


def makers(floor: Floor) -> list[str]:
    """Whose orders the taker is matched with, by leg."""
    check_books(floor.engine)
    return [fill.maker for fill in floor.engine.crossed()]


def takers(floor: Floor, request: RequestRecord) -> list[OrderRecord]:
    return [floor.engine.orders[key] for key in request.taker]


def reasons(package: Sequence[OrderRecord]) -> set[str]:
    return {one.reason for one in package}


def settle(floor: Floor, block: int = 7) -> None:
    """The chain fills all that waits."""
    fills = floor.engine.crossed()
    floor.give(Cut(tuple(fill.id for fill in fills)))
    batch = floor.engine.under_way()[-1].id
    for fill in fills:
        for key in (fill.taker, fill.maker):
            floor.give(Filled(key, floor.engine.orders[key].size, block, batch))
    floor.give(Conclude(batch, block, "0xaa"))
    check_books(floor.engine)


def test_close__several_quotes__the_one_that_costs_the_taker_least_is_matched_at_its_limits(
    floor: Floor, request_: RequestRecord
) -> None:
    floor.quote(request_, MAKER, 98, 201)
    cheapest = floor.quote(request_, OTHER, 99, 205)
    floor.quote(request_, THIRD, 97, 200)
    assert makers(floor) == []
    floor.give(Close(1, 100))
    expected = zip(request_.taker, keys(cheapest), (5, 2), (99, 205), strict=True)
    assert floor.fills() == list(expected)
    assert len({fill.unit for fill in floor.engine.crossed()}) == 1, "they settle together"


def test_close__two_cost_the_same__the_first_that_came_is_matched(floor: Floor, request_: RequestRecord) -> None:
    first = floor.quote(request_, OTHER, 98, 200)
    floor.quote(request_, MAKER, 100, 205)
    floor.give(Close(1, 100))
    assert makers(floor) == keys(first)


@pytest.mark.parametrize("limits", [(101, 300), (1, 199)])
def test_close__a_leg_beyond_the_takers_limit__is_not_matched_however_cheap_the_whole(
    floor: Floor, request_: RequestRecord, limits: tuple[int, int]
) -> None:
    quote = floor.quote(request_, MAKER, *limits)
    floor.give(Close(1, 100))
    assert makers(floor) == []
    assert reasons(takers(floor, request_)) == {NO_QUOTE}
    assert reasons(quote) == {REQUEST_OVER}


def test_close__the_takers_own_quote__is_never_matched(floor: Floor, request_: RequestRecord) -> None:
    floor.quote(request_, TAKER, 90, 210)
    other = floor.quote(request_, MAKER, 100, 200)
    floor.give(Close(1, 100))
    assert makers(floor) == keys(other)


def test_close__before_its_time__does_nothing(floor: Floor, request_: RequestRecord) -> None:
    floor.quote(request_, MAKER, 99, 201)
    floor.give(Close(1, 99))
    assert (request_.closed_at, makers(floor)) == (None, [])


def test_answer__at_its_deadline_or_after_it_closed__is_not_taken_and_has_no_number(
    floor: Floor, request_: RequestRecord
) -> None:
    assert floor.quote(request_, MAKER, 99, 201, time=100) == []
    floor.give(Close(1, 100))
    assert floor.quote(request_, MAKER, 99, 201, time=50) == []
    assert floor.engine.sequence == 2, "the taker's legs alone"


def test_answer__every_leg__has_a_receipt_that_follows_the_one_before(floor: Floor, request_: RequestRecord) -> None:
    before = takers(floor, request_)[-1].receipt
    for number, leg in enumerate(floor.quote(request_, MAKER, 99, 201), 3):
        before = next_receipt(before, leg.hash, number, leg.time)
        assert (leg.sequence, leg.receipt) == (number, before)


def test_answer__legs__are_in_no_book_and_change_no_level(floor: Floor, request_: RequestRecord) -> None:
    resting = floor.enter(THIRD, -5, 90)
    floor.quote(request_, MAKER, 99, 201)
    floor.give(Close(1, 100))
    assert floor.engine.book(ETH).levels(False) == [(90, 5)]
    assert resting.pending == 0, "a request meets quotes alone"
    assert makers(floor) != []


def test_take__the_taker_signs_after_he_saw_quotes__the_best_is_matched_at_once(floor: Floor) -> None:
    request = floor.ask(*LEGS)
    floor.quote(request, MAKER, 98, 201)
    best = floor.quote(request, OTHER, 98, 204)
    floor.give(Take(request.id, floor.legs(TAKER, (ETH, 5, 98), (BTC, -2, 204)), 60))
    assert makers(floor) == keys(best)
    assert floor.quote(request, THIRD, 90, 210, time=61) == []


def test_take__of_a_signed_request__changes_nothing(floor: Floor, request_: RequestRecord) -> None:
    before = snapshot(replayed(floor.commands))
    floor.give(Take(request_.id, floor.legs(OTHER, *LEGS), 60))
    assert snapshot(floor.engine) == before


def test_close__nobody_took__quotes_end(floor: Floor) -> None:
    request = floor.ask(*LEGS)
    quote = floor.quote(request, MAKER, 98, 201)
    floor.give(Close(request.id, 100))
    assert reasons(quote) == {REQUEST_OVER}


def test_drop__offender_among_the_makers__the_next_best_is_matched(floor: Floor, request_: RequestRecord) -> None:
    second = floor.quote(request_, MAKER, 99, 201)
    best = floor.quote(request_, OTHER, 98, 201)
    floor.give(Close(1, 100))
    assert makers(floor) == keys(best)
    floor.give(Drop(best[1].hash, "margin"))
    assert makers(floor) == keys(second)
    assert reasons(best) == {"margin"}, "of legs, one is all"
    floor.give(Drop(second[0].hash, "margin"))
    assert reasons(takers(floor, request_)) == {NO_QUOTE}


def test_drop__offending_taker__ends_the_request(floor: Floor, request_: RequestRecord) -> None:
    quote = floor.quote(request_, MAKER, 99, 201)
    floor.give(Close(1, 100))
    floor.give(Drop(request_.taker[0], "margin"))
    assert makers(floor) == []
    assert (reasons(takers(floor, request_)), reasons(quote)) == ({"margin"}, {REQUEST_OVER})


def test_settled__all_legs_filled__the_other_quotes_end(floor: Floor, request_: RequestRecord) -> None:
    lost = floor.quote(request_, MAKER, 99, 201)
    won = floor.quote(request_, OTHER, 98, 201)
    floor.give(Close(1, 100))
    assert reasons(lost) == {""}, "it stands by until the best has settled"
    settle(floor)
    assert reasons([*won, *takers(floor, request_)]) == {FILLED}
    assert reasons(lost) == {REQUEST_OVER}


def test_batch__fails__the_same_quote_is_matched_again(floor: Floor, request_: RequestRecord) -> None:
    quote = floor.quote(request_, MAKER, 99, 201)
    floor.give(Close(1, 100))
    floor.give(Cut(tuple(fill.id for fill in floor.engine.crossed())))
    assert makers(floor) == []
    floor.give(Conclude(1, 7, ""))
    assert makers(floor) == keys(quote)


def test_batch__its_maker_cancelled_on_chain__the_next_best_is_matched(floor: Floor, request_: RequestRecord) -> None:
    second = floor.quote(request_, MAKER, 99, 201)
    best = floor.quote(request_, OTHER, 98, 201)
    floor.give(Close(1, 100))
    floor.give(Cut(tuple(fill.id for fill in floor.engine.crossed())))
    floor.give(Killed(best[0].hash, "cancelled", 7))
    floor.give(Conclude(1, 7, ""))
    assert makers(floor) == keys(second)
    assert reasons(best) == {"cancelled"}


def test_fork__undoes_the_settlement__the_quotes_stand_again_and_the_best_is_matched_once_more(
    floor: Floor, request_: RequestRecord
) -> None:
    lost = floor.quote(request_, MAKER, 99, 201)
    won = floor.quote(request_, OTHER, 98, 201)
    floor.give(Close(1, 100))
    settle(floor, block=7)
    floor.give(Rewind(6))
    assert {one.state for one in (*won, *lost, *takers(floor, request_))} == {OrderState.LIVE}
    assert makers(floor) == [], "its transaction may be mined again"
    floor.give(Conclude(1, 9, ""))
    assert makers(floor) == keys(won)


def test_withdraw__one_leg__takes_its_quote_back_and_no_other(floor: Floor, request_: RequestRecord) -> None:
    best = floor.quote(request_, MAKER, 98, 201)
    other = floor.quote(request_, OTHER, 99, 201)
    floor.give(Withdraw(best[1].hash))
    assert reasons(best) == {WITHDRAWN}
    floor.give(Close(1, 100))
    assert makers(floor) == keys(other)


def test_withdraw__by_the_taker__ends_the_request_at_once(floor: Floor, request_: RequestRecord) -> None:
    quote = floor.quote(request_, MAKER, 98, 201)
    floor.give(Withdraw(request_.taker[1]))
    assert reasons(quote) == {REQUEST_OVER}
    assert floor.quote(request_, OTHER, 98, 201) == []


def test_clock__a_leg_expires__its_package_goes(floor: Floor, request_: RequestRecord) -> None:
    quote = floor.quote(request_, MAKER, 98, 201, expiry=40)
    floor.give(Close(1, 100))
    floor.give(Clock(41))
    assert makers(floor) == []
    assert reasons(quote) == {EXPIRED}


def test_filled__by_somebody_elses_settlement__the_match_is_undone_and_the_quotes_end(
    floor: Floor, request_: RequestRecord
) -> None:
    quote = floor.quote(request_, MAKER, 98, 201)
    floor.give(Close(1, 100))
    for key in request_.taker:
        floor.give(Filled(key, floor.engine.orders[key].size, 7, None))
    assert makers(floor) == []
    assert reasons(takers(floor, request_)) == {FILLED}
    assert reasons(quote) == {REQUEST_OVER}


def test_clock__a_day_after__all_of_a_request_is_forgotten(floor: Floor) -> None:
    request = floor.ask(*LEGS, who=TAKER, expiry=50)
    floor.quote(request, MAKER, 98, 201, expiry=60)
    floor.give(Clock(60 + FORGET_AFTER))
    assert len(floor.engine.orders) == 2, "the quote is remembered for a day of its own"
    floor.give(Clock(61 + FORGET_AFTER))
    assert (floor.engine.orders, floor.engine.requests) == ({}, {})


@pytest.mark.parametrize(("nonces", "group", "code"), [((7, 7), 9, "nonce-in-use"), ((1, 8), 9, "nonce-in-use")])
def test_refusal_of_legs__nonces_used_twice__is_told(
    floor: Floor, nonces: tuple[int, int], group: int, code: str
) -> None:
    floor.enter(MAKER, 5, 100)
    orders = {f"0xf{place}": order_of(MAKER, 1, 100, nonce, group=group) for place, nonce in enumerate(nonces)}
    assert floor.engine.refusal_of_legs(orders) == code


def test_refusal_of_legs__a_group_of_other_live_orders__is_told(floor: Floor) -> None:
    resting = floor.enter(MAKER, 5, 100, group=9)
    orders = {f"0xf{nonce}": order_of(MAKER, 1, 100, nonce, group=9) for nonce in (7, 8)}
    assert floor.engine.refusal_of_legs(orders) == "group-taken"
    floor.give(Withdraw(resting.hash))
    assert floor.engine.refusal_of_legs(orders) is None
    assert floor.engine.refusal_of_legs({resting.hash: resting.order, **orders}) == "already-known"


def test_replay__a_request_through_all_its_life__leads_to_the_same(floor: Floor, request_: RequestRecord) -> None:
    floor.quote(request_, MAKER, 99, 201)
    best = floor.quote(request_, OTHER, 98, 201)
    floor.give(Close(1, 100))
    floor.give(Drop(best[0].hash, "margin"))
    settle(floor)
    floor.give(Rewind(6))
    assert snapshot(replayed(floor.commands)) == snapshot(floor.engine)
