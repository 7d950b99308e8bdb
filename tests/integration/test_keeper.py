"""A keeper on a real chain: from breach to bid, over restarts, outages and faults."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.errors import ChainError, ChainUnreachable
from ballast.keeper.decide import Policy
from ballast.keeper.margin_calls import MarginCallWatch
from ballast.keeper.metrics import Metrics
from ballast.keeper.runner import Keeper
from ballast.keeper.scanner import FloatScanner
from ballast.store import Store
from tests.support.node import await_mined


@pytest.fixture
def database(tmp_path):
    return tmp_path / "keeper.sqlite"


def keeper_on(stage, database, watch_only=False, **policy):
    system, store = stage.system(), Store(database)
    assert store.bind(system.deployment.chain_id, system.address("Clearinghouse"))
    lane = None if watch_only else TransactionLane(system.connection, stage.bidder, store, LaneSettings())
    rules = Policy(bidder=stage.bidder_account, least_profit=0, hedge_cost=0, **policy)
    return Keeper(system, store, FloatScanner(system), rules, lane, metrics=Metrics())


def step(keeper):
    """One step, and what it sent is mined."""
    snapshot = keeper.step(keeper.system.connection.head())
    await_mined(keeper.system.connection, keeper.store, keeper.lane.address if keeper.lane else "")
    return snapshot


def auction_of(stage):
    return stage.bench.contracts["Auctions"].call("auctionOf", stage.account)


def positions_of(stage, account):
    return stage.bench.contracts["Clearinghouse"].call("accountOf", account).positions


def test_step__everybody_healthy__does_nothing(stage, database):
    keeper = keeper_on(stage, database)
    snapshot = step(keeper)

    assert keeper.store.pending_transactions(stage.bidder.address) == []
    assert stage.account in keeper.mirror.accounts
    assert not snapshot.unknown


def test_steps__account_breaches__auction_starts_and_a_bid_takes_it(stage, database):
    keeper = keeper_on(stage, database)
    step(keeper)
    stage.crash()
    assert step(keeper).accounts[stage.account].liquidatable
    assert auction_of(stage).id != 0, "the start is mined with Anvil's next block"

    before = len(positions_of(stage, stage.bidder_account))
    stage.bench.move_time(600)
    stage.bench.report(ETH=0.86, BTC=0.86, LINK=0.86)
    step(keeper)
    assert before == 0
    assert len(positions_of(stage, stage.bidder_account)) == 4
    kinds = {(kind, outcome) for _, kind, _, outcome, _ in step(keeper) and keeper.store.actions()}
    assert {("start", "mined"), ("bid", "mined")} <= kinds


def test_steps__account_alerted_for__warned_of_its_margin_call_with_a_cure_and_of_its_end(stage, database):
    keeper = keeper_on(stage, database, watch_only=True)
    keeper = replace(keeper, watch=MarginCallWatch(keeper.system, frozenset({stage.account}), keeper.metrics))
    assert margin_calls_of_steps(keeper) == []

    stage.crash(0.9)
    (warning,) = margin_calls_of_steps(keeper, steps=2)
    assert (warning["event"], warning["account"]) == ("margin call", hex(stage.account))
    assert "PERP" in warning["cure"] or "deposit" in warning["cure"]
    missing = float(warning["missing"].replace(",", ""))
    gauge = keeper.metrics.registry.get_sample_value("ballast_keeper_margin_missing", {"account": hex(stage.account)})
    assert gauge == pytest.approx(missing, abs=0.01)

    stage.bench.deposit(stage.stretched, "USDC", missing + 1)
    assert [one["event"] for one in margin_calls_of_steps(keeper)] == ["margin call over"]


def margin_calls_of_steps(keeper, steps=1):
    with capture_logs() as logs:
        for _ in range(steps):
            step(keeper)
    return [line for line in logs if line["event"].startswith("margin call")]


def test_restart__between_start_and_bid__goes_on_where_it_was(stage, database):
    first = keeper_on(stage, database)
    stage.crash()
    step(first)
    first.store.close()

    second = keeper_on(stage, database)
    stage.bench.move_time(600)
    stage.bench.report(ETH=0.86, BTC=0.86, LINK=0.86)
    step(second)
    assert len(positions_of(stage, stage.bidder_account)) == 4


def test_step__node_does_not_answer__raises_and_repeats_the_block(stage, database, monkeypatch):
    keeper = keeper_on(stage, database)
    step(keeper)
    stage.crash()
    head, before, handled = keeper.system.connection.head(), keeper.store.head(), keeper.store.handled()

    def refuse(*_):
        raise ChainUnreachable("the node does not answer")

    with monkeypatch.context() as outage, pytest.raises(ChainUnreachable):
        outage.setattr(keeper.system.connection, "ask", refuse)
        keeper.step(head)
    assert (keeper.store.head(), keeper.store.handled()) == (before, handled)
    assert keeper.step(head).accounts[stage.account].liquidatable
    assert keeper.store.handled() == head.number


def test_step__upkeep_fails_after_the_rest__the_block_is_not_handled(stage, database):
    keeper = keeper_on(stage, database)
    step(keeper)
    handled = keeper.store.handled()

    class Failing:
        def work(self, lane, block, now, accounts):
            raise ChainUnreachable("the node does not answer")

    keeper.upkeep = Failing()
    stage.node.request("evm_mine")
    with pytest.raises(ChainUnreachable):
        step(keeper)
    assert keeper.store.handled() == handled
    keeper.upkeep = None
    step(keeper)
    assert keeper.store.handled() == keeper.system.connection.head().number


def test_step__account_cannot_be_read__is_unknown_not_healthy(stage, database, monkeypatch):
    keeper = keeper_on(stage, database)
    step(keeper)
    read = keeper.system.read_many

    def failing(calls, block=None):
        answers = read(calls, block)
        broken = {number for number, call in enumerate(calls) if call[:2] == ("Lens", "healthOf")}
        return [ChainError("out of gas") if number in broken else answer for number, answer in enumerate(answers)]

    stage.crash()
    monkeypatch.setattr(keeper.system, "read_many", failing)
    snapshot = step(keeper)
    assert stage.account in snapshot.unknown
    assert stage.account not in snapshot.accounts
    assert keeper.metrics is not None
    assert keeper.metrics.unknown._value.get() >= 1


def test_step__watch_only__sees_and_sends_nothing(stage, database):
    keeper = keeper_on(stage, database, watch_only=True)
    stage.crash()
    snapshot = step(keeper)

    assert [intent.account for intent in keeper.plan(snapshot)] == [stage.account]
    assert auction_of(stage).id == 0


def test_step__another_keeper_was_first__refused_without_cost_and_decided_anew(stage, database):
    keeper = keeper_on(stage, database)
    stage.crash()
    seen = keeper.system.connection.head()
    stage.bench.contracts["Auctions"].transact("start", stage.account, 0, sender=stage.stretched.address)
    keeper.step(seen)
    assert keeper.store.actions()[0][1:4:2] == ("start", "refused")
    assert keeper.store.pending_transactions(stage.bidder.address) == []

    step(keeper)
    stage.bench.move_time(12)
    assert len(positions_of(stage, stage.bidder_account)) == 4


def test_scanner__finds_whom_the_chain_calls_liquidatable(stage, database):
    keeper = keeper_on(stage, database, watch_only=True)
    stage.crash()
    snapshot = step(keeper)
    margin = stage.bench.contracts["Clearinghouse"].call("marginOf", stage.account)

    assert snapshot.accounts[stage.account].maintenance == margin.maintenanceMargin
    assert snapshot.accounts[stage.account].equity == margin.equity
