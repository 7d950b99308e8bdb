"""A keeper with a folder of orders, on a real node: it arms a stop-loss, waits for its bounty, and fills it."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from ballast.chain.ids import account_id
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.chain.order_desk import OrderDesk
from ballast.keeper.decide import Policy
from ballast.keeper.runner import Duties, Keeper
from ballast.keeper.scanner import FloatScanner
from ballast.keeper.triggers import TriggerDuty, TriggerPolicy
from ballast.reconcile import reconcile
from ballast.store import Store
from tests.integration.conftest import Ballast, Stage

WAD = 10**18
COSTS = TriggerPolicy(arm_cost=WAD // 10, execute_cost=WAD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def operator(stage: Stage) -> LocalAccount:
    return stage.bench.user("trigger keeper", {})


@pytest.fixture
def keeper(stage: Stage, operator: LocalAccount, folder: Path) -> Keeper:
    system = stage.system()
    store = Store(":memory:")
    lane = TransactionLane(system.connection, operator, store, LaneSettings())
    duty = TriggerDuty(system, folder, account_id(operator.address), COSTS)
    return Keeper(system, store, FloatScanner(system), Policy(), lane, upkeep=Duties([duty]))


def step(stage: Stage, keeper: Keeper, seconds: int, factor: float) -> None:
    stage.bench.move_time(seconds)
    stage.bench.report(ETH=factor)
    keeper.step(keeper.system.connection.head())
    # A node answers before it has mined what it was sent.
    stage.node.request("evm_mine")


def test_keeper__a_stop_loss_in_its_folder__armed_and_filled_for_the_bounty(
    stage: Stage, traders: tuple[LocalAccount, LocalAccount], keeper: Keeper, operator: LocalAccount, folder: Path
) -> None:
    owner, maker = traders
    stage.bench.trade(owner, maker, {"ETH": 2.0})
    desk = OrderDesk(keeper.system, owner)
    stop = desk.sign("PERP:ETH", "-2", "2400", reduce_only=True, trigger_below="2450", lifetime=86_400)
    desk.save(stop, folder / "stop.json")
    bid = OrderDesk(keeper.system, maker).sign("PERP:ETH", "+2", "2450", lifetime=86_400)
    desk.save(bid, folder / "bid.json")
    (folder / "notes.json").write_text("{}")
    armed_at, cash = [], []

    for seconds, factor in ((12, 0.99), (12, 0.98), (60, 0.98), (60, 0.98), (120, 0.98), (12, 0.98)):
        step(stage, keeper, seconds, factor)
        armed_at.append(keeper.system.read("Exchange", "armedAt", desk.domain.hash(stop.order)))
        cash.append(keeper.system.read("Clearinghouse", "cashOf", account_id(operator.address)))

    assert armed_at[0] == 0
    assert len({*armed_at[1:]}) == 1
    assert armed_at[1] > 0
    assert cash[1] == 0, "the bounty did not cover the cost yet"
    assert COSTS.execute_cost <= cash[-1] <= 2 * 2_450 * WAD * 5 // 10_000
    assert keeper.system.read("Exchange", "orderStatus", stop.order).filled == 2 * WAD
    assert reconcile(keeper.system, keeper.system.connection.head()).failures == []


def test_command__keeper_run_once_with_a_folder__arms_what_is_there(
    stage: Stage,
    traders: tuple[LocalAccount, LocalAccount],
    ballast: Ballast,
    operator: LocalAccount,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stage.bench.trade(*traders, {"ETH": 2.0})
    desk = OrderDesk(stage.system(), traders[0])
    stop = desk.sign("PERP:ETH", "-2", "2400", reduce_only=True, trigger_below="2450", lifetime=86_400)
    desk.save(stop, folder / "stop.json")
    stage.bench.move_time(60)
    stage.bench.report(ETH=0.98)
    database = tmp_path_factory.mktemp("keeper") / "keeper.sqlite"
    options = ("--triggers", str(folder), "--database", str(database), "--once", "--no-upkeep")
    result = ballast(operator, "keeper", "run", *options)
    assert result.exit_code == 0, result.output
    stage.node.request("evm_mine")
    assert stage.system().read("Exchange", "armedAt", desk.domain.hash(stop.order)) > 0
