"""The matcher's book: price-time priority, conservation, no crossed book, no self trade."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.matcher.book import Crossing, Entry, Leaves, OrderBook, SelfTrade

POLICIES = list(SelfTrade)
entries = st.builds(
    Entry,
    key=st.just(""),
    sequence=st.just(0),
    owner=st.integers(1, 3),
    buys=st.booleans(),
    limit=st.integers(95, 105),
    open=st.integers(1, 20),
    post_only=st.booleans(),
    fill_or_kill=st.booleans(),
)


def numbered(arrivals: list[Entry]) -> list[Entry]:
    return [replace(one, key=str(number), sequence=number) for number, one in enumerate(arrivals, 1)]


def entry(key: str, sequence: int, size: int, limit: int, owner: int = 0, **others: object) -> Entry:
    return Entry(key, sequence, owner or sequence, size > 0, limit, abs(size), **others)  # type: ignore[arg-type]


@given(arrivals=st.lists(entries, max_size=40), policy=st.sampled_from(POLICIES))
def test_place__any_arrivals__conserve_size_cross_nothing_and_meet_no_owner_twice(
    arrivals: list[Entry], policy: SelfTrade
) -> None:
    book, known, traded = OrderBook(policy), {}, {}
    for one in numbered(arrivals):
        known[one.key], size = replace(one), one.open
        placement = book.place(one)
        for crossing in placement.crossings:
            taker, maker = known[crossing.taker], known[crossing.maker]
            assert taker.sequence > maker.sequence
            assert taker.owner != maker.owner
            assert not taker.post_only
            assert crossing.price == maker.limit
            assert crossing.price <= taker.limit if taker.buys else crossing.price >= taker.limit
            for key in (crossing.taker, crossing.maker):
                traded[key] = traded.get(key, 0) + crossing.size
        if one.fill_or_kill:
            assert placement.filled in (0, size)
            assert one.key not in book
        gone = {key for key, _ in placement.removed}
        assert all(key not in book for key in gone)
        bid, ask = book.best(True), book.best(False)
        assert bid is None or ask is None or bid < ask
    for key, one in known.items():
        assert traded.get(key, 0) + book.open_of(key) <= one.open
        if key in book:
            assert traded.get(key, 0) + book.open_of(key) == one.open


@given(arrivals=st.lists(entries, max_size=40))
def test_place__any_arrivals__fill_the_best_price_first_and_the_first_that_came(arrivals: list[Entry]) -> None:
    book = OrderBook(SelfTrade.OLDEST)
    for one in numbered(arrivals):
        waiting = [replace(other) for other in book.resting(not one.buys) if other.owner != one.owner]
        placement = book.place(one)
        sign = 1 if one.buys else -1
        expected = sorted(waiting, key=lambda other: (sign * other.limit, other.sequence))
        filled = [crossing.maker for crossing in placement.crossings]
        assert filled == [other.key for other in expected[: len(filled)]]
        for crossing, other in list(zip(placement.crossings, expected, strict=False))[:-1]:
            assert crossing.size == other.open, "the next was met before this one was filled"


@given(arrivals=st.lists(entries, max_size=30), policy=st.sampled_from(POLICIES))
def test_preview__any_entry__is_what_place_does_and_changes_nothing(arrivals: list[Entry], policy: SelfTrade) -> None:
    book = OrderBook(policy)
    for one in numbered(arrivals):
        before = [book.levels(True), book.levels(False)]
        foreseen = book.preview(one)
        assert [book.levels(True), book.levels(False)] == before
        assert book.place(one) == foreseen


def naive(arrivals: list[Entry]) -> list[Crossing]:
    """The same matching written down as plainly as can be: one list, sorted anew for each arrival."""
    resting: list[Entry] = []
    made = []
    for one in arrivals:
        sign = 1 if one.buys else -1
        others = sorted((o for o in resting if o.buys != one.buys), key=lambda o: (sign * o.limit, o.sequence))
        for other in others:
            if one.open == 0 or sign * other.limit > sign * one.limit:
                break
            size = min(one.open, other.open)
            made.append(Crossing(one.key, other.key, size, other.limit))
            one.open -= size
            other.open -= size
        resting = [o for o in [*resting, one] if o.open]
    return made


@given(arrivals=st.lists(entries, max_size=60))
def test_place__plain_orders__as_the_naive_matcher(arrivals: list[Entry]) -> None:
    plain = [replace(one, post_only=False, fill_or_kill=False, owner=one.sequence) for one in numbered(arrivals)]
    book = OrderBook()
    made = [crossing for one in plain for crossing in book.place(replace(one)).crossings]
    assert made == naive([replace(one) for one in plain])


def test_place__post_only_that_would_take__leaves_and_touches_nothing() -> None:
    book = OrderBook()
    book.place(entry("ask", 1, -5, 100))
    placement = book.place(entry("bid", 2, 5, 100, post_only=True))
    assert (placement.crossings, placement.leaves) == ((), Leaves.POST_ONLY)
    assert book.levels(False) == [(100, 5)]
    assert book.levels(True) == []


def test_place__fill_or_kill_with_too_little_on_the_other_side__leaves_and_touches_nothing() -> None:
    book = OrderBook()
    book.place(entry("ask", 1, -5, 100))
    assert book.place(entry("bid", 2, 6, 100, fill_or_kill=True)).leaves is Leaves.UNFILLABLE
    assert book.levels(False) == [(100, 5)]


@pytest.mark.parametrize(
    ("policy", "left", "crossed"),
    [(SelfTrade.NEWEST, ["own"], []), (SelfTrade.OLDEST, ["new"], ["other"]), (SelfTrade.BOTH, [], [])],
)
def test_place__meets_an_order_of_its_owner__policy_says_who_goes(
    policy: SelfTrade, left: list[str], crossed: list[str]
) -> None:
    book = OrderBook(policy)
    book.place(entry("own", 1, -5, 100, owner=9))
    book.place(entry("other", 2, -5, 101))
    placement = book.place(entry("new", 3, 8, 101, owner=9))
    assert [crossing.maker for crossing in placement.crossings] == crossed
    assert [key for key in ("own", "new") if key in book] == left


def test_place__older_order_comes_back__is_the_maker_at_its_own_limit() -> None:
    book = OrderBook()
    book.place(entry("later bid", 7, 5, 103))
    placement = book.place(entry("earlier ask", 3, -5, 100))
    assert placement.crossings == (Crossing("later bid", "earlier ask", 5, 100),)


def test_place__older_order_comes_back_and_meets_a_later_post_only__the_later_goes() -> None:
    book = OrderBook()
    book.place(entry("later bid", 7, 5, 103, post_only=True))
    placement = book.place(entry("earlier ask", 3, -5, 100))
    assert placement.removed == (("later bid", Leaves.POST_ONLY),)
    assert book.levels(False) == [(100, 5)]


def test_place__older_order_comes_back__stands_before_those_that_came_later() -> None:
    book = OrderBook()
    for key, sequence in (("third", 3), ("fifth", 5), ("fourth", 4)):
        book.place(entry(key, sequence, 5, 100))
    assert [one.key for one in book.resting(True)] == ["third", "fourth", "fifth"]


def test_place__two_resting_orders_of_one_group__only_the_first_is_met() -> None:
    book = OrderBook()
    book.place(entry("one", 1, -5, 100, group="g"))
    book.place(entry("other", 2, -5, 101, group="g"))
    placement = book.place(entry("bid", 3, 10, 101))
    assert [crossing.maker for crossing in placement.crossings] == ["one"]


def test_remove__one_of_several_at_a_price__leaves_the_others_size() -> None:
    book = OrderBook()
    for sequence in (1, 2, 3):
        book.place(entry(str(sequence), sequence, 5, 100))
    book.remove("2")
    assert book.levels(True) == [(100, 10)]
    assert [one.key for one in book.resting(True)] == ["1", "3"]
    assert book.remove("2") is None


def test_levels__depth__cuts_after_the_best() -> None:
    book = OrderBook()
    for sequence, limit in enumerate((99, 98, 97, 99), 1):
        book.place(entry(str(sequence), sequence, 5, limit))
    assert book.levels(True, 2) == [(99, 10), (98, 5)]
    assert book.total_at(True, 99) == 10
