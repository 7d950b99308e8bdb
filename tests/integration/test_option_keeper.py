"""A keeper among accounts with futures and options, on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ballast.chain import contracts
from ballast.chain.connection import Connection
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.deployment.config import read_network
from ballast.keeper.caretaker import Caretaker
from ballast.keeper.decide import Policy
from ballast.keeper.runner import Keeper
from ballast.keeper.scanner import FloatScanner, estimate, read_market
from ballast.risk.expiry import BUCKET, WINDOW
from ballast.risk.scan import ERROR_BOUND, ERROR_FLOOR
from ballast.store import Store
from tests.support.dated import DatedMarket
from tests.support.node import await_mined, node_evm
from tests.support.system import LOCAL, WAD, Market, deploy_on, development_key, trader

HOLDER, WRITER, NAKED = trader("holder"), trader("writer"), trader("naked")


@pytest.fixture
def dated() -> Iterator[DatedMarket]:
    with node_evm() as evm:
        dated = DatedMarket(Market(deploy_on(evm, evm.backend(), read_network(LOCAL))))
        dated.market.fund(HOLDER, USDC=20_000, WETH=10)
        dated.market.fund(WRITER, USDC=100_000)
        dated.market.trade(WRITER, HOLDER, dated.call(2_500), 8)
        dated.market.trade(HOLDER, WRITER, dated.put(2_000), 4)
        dated.market.trade(WRITER, HOLDER, dated.future, "1.5")
        yield dated


@pytest.fixture
def keeper(dated: DatedMarket, tmp_path: Path) -> Keeper:
    system = dated.system
    system.record.write(tmp_path / "deployment.json")
    connection = Connection(system.evm.node.url)
    observer = contracts.System(connection, contracts.Deployment.load(tmp_path / "deployment.json"))
    store = Store(tmp_path / "keeper.sqlite")
    lane = TransactionLane(connection, development_key(9), store, LaneSettings())
    return Keeper(observer, store, FloatScanner(observer), Policy(), lane, upkeep=Caretaker(observer))


def step(keeper: Keeper) -> set[int]:
    """Handles the newest block; who was looked at on chain."""
    seen = keeper.step(keeper.system.connection.head()).accounts
    assert keeper.lane is not None
    await_mined(keeper.system.connection, keeper.store, keeper.lane.address)
    return set(seen)


def test_scanner__accounts_with_options__estimates_what_the_chain_says(dated: DatedMarket, keeper: Keeper) -> None:
    assert step(keeper) == set()
    accounts = [HOLDER.account, WRITER.account]
    views = [keeper.mirror.accounts[account] for account in accounts]
    found = estimate(read_market(keeper.system, keeper.system.connection.head(), views), views)
    margins = [dated.system.clearinghouse.call("marginOf", account) for account in accounts]
    allowed = ERROR_BOUND * found.gross + ERROR_FLOOR
    for estimates, name in (
        (found.equity, "equity"),
        (found.maintenance_margin, "maintenanceMargin"),
        (found.initial_margin, "initialMargin"),
    ):
        assert np.all(np.abs(estimates - [getattr(margin, name) / WAD for margin in margins]) <= allowed), name


def test_scanner__options_sink_an_account__finds_it_alone(dated: DatedMarket, keeper: Keeper) -> None:
    dated.market.fund(NAKED, USDC=8_000)
    dated.market.trade(WRITER, NAKED, dated.call(2_500), 6)
    assert step(keeper) == set()
    for price in range(2_600, 3_201, 100):
        dated.market.set_price("ETH", price)
    margin = dated.system.clearinghouse.call("marginOf", NAKED.account)
    assert margin.equity < margin.maintenanceMargin
    assert step(keeper) == {NAKED.account}


def test_scanner__surface_unreadable__asks_the_chain_of_its_holders(
    dated: DatedMarket, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = keeper.system.read_many

    def without_surfaces(calls, block=None):
        broken = [contracts.ChainError("no answer") if call[0] == "Expiries" else None for call in calls]
        return [fault or answer for fault, answer in zip(broken, read(calls, block), strict=True)]

    monkeypatch.setattr(keeper.system, "read_many", without_surfaces)
    keeper.upkeep = None
    assert step(keeper) == {HOLDER.account, WRITER.account}


def test_keeper__expiry_passes__observed_recorded_and_everybody_settled(dated: DatedMarket, keeper: Keeper) -> None:
    system = dated.system
    for minute in range(30):
        dated.go_to(dated.expiry - WINDOW + minute * BUCKET + 1)
        step(keeper)
    dated.go_to(dated.expiry)
    for _ in range(3):
        step(keeper)
        system.evm.advance(1)
    assert system.expiries.call("settlementPriceOf", dated.underlying, dated.expiry) > 0
    assert [keeper.mirror.accounts[who.account].positions for who in (HOLDER, WRITER)] == [[], []]
    assert system.clearinghouse.call("accountOf", HOLDER.account).positions == []
    kinds = [kind for _, kind, _, outcome, _ in keeper.store.actions(100) if outcome == "mined"]
    assert kinds.count("expiry-observe") == 30
    assert (kinds.count("expiry-finalise"), kinds.count("settle")) == (1, 1)
