"""Any sequence of orders, withdrawals, settlements, failures and re-organisations: what must hold after each step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ballast.chain.orders import OrderFlags
from ballast.matcher.book import SelfTrade
from ballast.matcher.records import (
    Clock,
    Close,
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
    Take,
    Withdraw,
)
from ballast.matcher.snapshots import dump
from tests.support.matching import BTC, ETH, Floor, check_books, reloaded, replayed, snapshot

FLAGS = [OrderFlags.NONE, OrderFlags.NONE, OrderFlags.POST_ONLY, OrderFlags.FILL_OR_KILL]


@dataclass
class ChainModel:
    """What a chain would say: totals by order, and the steps that led there, so that a fork undoes them."""

    height: int = 10
    totals: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[int, str, int]] = field(default_factory=list)

    def fill(self, key: str, size: int) -> int:
        self.totals[key] = self.totals.get(key, 0) + size
        self.steps.append((self.height, key, size))
        return self.totals[key]

    def fork(self, block: int) -> None:
        for _, key, size in (step for step in self.steps if step[0] > block):
            self.totals[key] -= size
        self.steps = [step for step in self.steps if step[0] <= block]
        self.height = block + 1


class MatcherMachine(RuleBasedStateMachine):
    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.chain = ChainModel()
        self.clock = 0

    @initialize(policy=st.sampled_from(list(SelfTrade)))
    def open_floor(self, policy: SelfTrade) -> None:
        self.policy, self.floor = policy, Floor(policy)

    @rule(
        target=orders,
        who=st.integers(1, 4),
        size=st.integers(-12, 12).filter(bool),
        limit=st.integers(97, 103),
        flags=st.sampled_from(FLAGS),
        group=st.sampled_from([0, 0, 1]),
        instrument=st.sampled_from([ETH, ETH, BTC]),
        lifetime=st.integers(1, 60),
    )
    def enter(self, who: int, size: int, limit: int, lifetime: int, **others: int) -> OrderRecord:
        return self.floor.enter(who, size, limit, expiry=self.clock + lifetime, **others)

    @rule(who=st.integers(0, 4), size=st.integers(-4, 4).filter(bool), lifetime=st.integers(1, 60))
    def ask(self, who: int, size: int, lifetime: int) -> None:
        expiry = self.clock + lifetime
        self.floor.ask((ETH, size, 100), (BTC, -size, 100), who=who, until=100, expiry=expiry)

    @rule(
        who=st.integers(1, 4),
        size=st.integers(-4, 4).filter(bool),
        quotes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=4),
        lifetime=st.integers(1, 60),
        is_signed=st.booleans(),
    )
    def ask_and_match(
        self, who: int, size: int, quotes: list[tuple[int, int, int]], lifetime: int, is_signed: bool
    ) -> None:
        """A request from its opening to its end, with quotes of which most are within the taker's limits."""
        side = 1 if size > 0 else -1
        legs = (ETH, size, 100), (BTC, -size, 100)
        expiry = self.clock + lifetime
        request = self.floor.ask(*legs, who=who if is_signed else 0, until=100, expiry=expiry)
        for maker, first, second in quotes:
            limits = 100 - side * first, 100 + side * second
            self.floor.quote(request, maker, *limits, expiry=self.clock + 30)
        taken = Take(request.id, self.floor.legs(who, *legs, expiry=expiry), 60)
        self.floor.give(Close(request.id, 100) if is_signed else taken)

    @rule(data=st.data(), who=st.integers(1, 4), limits=st.tuples(*[st.integers(98, 102)] * 2))
    def quote(self, data: st.DataObject, who: int, limits: tuple[int, int]) -> None:
        if self.floor.engine.requests:
            request = data.draw(st.sampled_from(list(self.floor.engine.requests.values())))
            self.floor.quote(request, who, *limits, expiry=self.clock + 30)

    @rule(data=st.data(), who=st.integers(1, 4))
    def take_or_close(self, data: st.DataObject, who: int) -> None:
        for request in self.floor.engine.open_requests()[:1]:
            signed = self.floor.legs(who, *((instrument, size, 100) for instrument, size in request.legs))
            is_taken = not request.taker and data.draw(st.booleans())
            self.floor.give(Take(request.id, signed, 60) if is_taken else Close(request.id, 100))

    @rule(data=st.data(), how=st.sampled_from(["withdraw", "drop", "cancel"]))
    def end_a_leg(self, data: st.DataObject, how: str) -> None:
        legs = [one.hash for one in self.floor.engine.orders.values() if one.request]
        if legs:
            key = data.draw(st.sampled_from(legs))
            self.chain.height += 1
            killed = Killed(key, "cancelled", self.chain.height)
            self.floor.give({"withdraw": Withdraw(key), "drop": Drop(key, "margin"), "cancel": killed}[how])

    @rule(record=orders)
    def withdraw(self, record: OrderRecord) -> None:
        self.floor.give(Withdraw(record.hash))

    @rule(record=orders)
    def drop(self, record: OrderRecord) -> None:
        self.floor.give(Drop(record.hash, "margin"))

    @rule(record=orders)
    def cancel_on_chain(self, record: OrderRecord) -> None:
        self.chain.height += 1
        self.floor.give(Killed(record.hash, "cancelled", self.chain.height))

    @rule(record=orders, size=st.integers(1, 12))
    def fill_elsewhere(self, record: OrderRecord, size: int) -> None:
        rest = record.size - self.chain.totals.get(record.hash, 0)
        if rest:
            self.chain.height += 1
            total = self.chain.fill(record.hash, min(size, rest))
            self.floor.give(Filled(record.hash, total, self.chain.height))

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.clock += seconds
        self.floor.give(Clock(self.clock))

    @rule(most=st.integers(1, 4))
    def send(self, most: int) -> None:
        units = list(dict.fromkeys(fill.unit for fill in self.floor.engine.crossed()))[:most]
        fills = tuple(fill.id for fill in self.floor.engine.crossed() if fill.unit in units)
        if fills:
            self.floor.give(Cut(fills))

    @rule(skipped=st.sets(st.integers(0, 3)), succeeds=st.booleans())
    def mine(self, skipped: set[int], succeeds: bool) -> None:
        """The oldest batch: fills that still fit are booked, some are skipped, or the transaction fails."""
        for batch in self.floor.engine.under_way()[:1]:
            self.chain.height += 1
            filled: dict[str, int] = {}
            fills = [self.floor.engine.fills[number] for number in batch.fills]
            places = {unit: place for place, unit in enumerate(dict.fromkeys(fill.unit for fill in fills))}
            for fill in fills:
                size = self._fits(fill.taker, fill.maker, fill.size)
                if succeeds and places[fill.unit] not in skipped and size:
                    for key in (fill.taker, fill.maker):
                        filled[key] = self.chain.fill(key, size)
            for key, total in filled.items():
                self.floor.give(Filled(key, total, self.chain.height, batch.id))
            self.floor.give(Conclude(batch.id, self.chain.height, "0xaa"))

    def _fits(self, taker: str, maker: str, size: int) -> int:
        engine = self.floor.engine
        rests = [engine.orders[key].size - self.chain.totals.get(key, 0) for key in (taker, maker)]
        return min(size, *rests)

    @rule()
    def compact(self) -> None:
        """From here on it is an engine that was read from a snapshot; the replay at the end knows of none."""
        self.floor.engine = reloaded(self.floor.engine, self.policy)

    @rule(depth=st.integers(1, 6))
    def fork(self, depth: int) -> None:
        block = max(0, self.chain.height - depth)
        self.chain.fork(block)
        self.floor.give(Rewind(block))

    @invariant()
    def books_are_whole(self) -> None:
        check_books(self.floor.engine)

    @invariant()
    def totals_are_the_chains(self) -> None:
        for record in self.floor.engine.orders.values():
            assert record.filled == self.chain.totals.get(record.hash, 0)

    @invariant()
    def no_order_is_lost(self) -> None:
        """Whatever no rule, owner or block ended is in the book, waits for its group, or is about to be settled."""
        for record in self.floor.engine.orders.values():
            assert (record.state is OrderState.DEAD) == bool(record.reason)
            if record.state is OrderState.LIVE and not record.request:
                assert record.filled + record.pending + record.open >= record.size
                assert record.pending or record.open
            if record.state is OrderState.HELD:
                members = [one for one in self.floor.engine.orders.values() if one.group == record.group]
                assert any(one.pending for one in members if one is not record)

    @invariant()
    def no_owner_trades_with_himself(self) -> None:
        orders = self.floor.engine.orders
        for fill in self.floor.engine.fills.values():
            if fill.state in (FillState.CROSSED, FillState.SENT):
                assert orders[fill.taker].owner != orders[fill.maker].owner

    @invariant()
    def at_most_one_of_a_group_is_matched(self) -> None:
        matched = [one.group for one in self.floor.engine.orders.values() if one.group and one.pending]
        assert len(matched) == len(set(matched))

    @invariant()
    def legs_are_matched_whole_with_one_quote(self) -> None:
        engine = self.floor.engine
        for request in engine.requests.values():
            for package in (request.taker, *request.quotes):
                legs = [engine.orders[key] for key in package]
                assert len({bool(one.pending) for one in legs}) <= 1
                assert len({one.state for one in legs}) <= 1
                assert all(one.pending in (0, one.size) for one in legs)
            matched = [quote for quote in request.quotes if engine.orders[quote[0]].pending]
            assert len(matched) <= 1
            if matched:
                assert all(engine.orders[key].pending for key in request.taker)

    @invariant()
    def requests_that_are_over_hold_nothing(self) -> None:
        engine = self.floor.engine
        for request in engine.requests.values():
            takers = [engine.orders[key] for key in request.taker]
            if request.closed_at is None or any(one.pending for one in takers):
                continue
            assert all(one.state is OrderState.DEAD for one in takers), "it waits for nothing"
            assert all(engine.orders[key].state is OrderState.DEAD for one in request.quotes for key in one)

    def teardown(self) -> None:
        if hasattr(self, "floor"):
            written = [json.dumps(one.as_dict()) for one in self.floor.commands]
            again = replayed([Command.of(json.loads(one)) for one in written], self.policy)
            assert snapshot(again) == snapshot(self.floor.engine)
            assert dump(again) == dump(self.floor.engine)


class TestSequences(MatcherMachine.TestCase):
    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.nightly
class TestLongSequences(MatcherMachine.TestCase):
    settings = settings(max_examples=1_000, stateful_step_count=60, deadline=None)
