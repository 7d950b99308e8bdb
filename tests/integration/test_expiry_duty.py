"""What keepers owe an expiry, on a real node: its minutes observed, its price recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ballast.chain import contracts
from ballast.chain.connection import Connection
from ballast.chain.ids import expiry_key
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.deployment.config import read_network
from ballast.keeper.caretaker import Caretaker
from ballast.risk.expiry import BUCKET, DAY, TIME_OF_DAY, WINDOW
from ballast.store import Store
from tests.support.expiries import SETTLED, SMILE
from tests.support.node import await_mined, node_evm
from tests.support.system import LOCAL, Market, deploy_on, development_key, wad

MISSED = {3, 11, 12}
BOUNTY = 500_000


@pytest.fixture
def market() -> Iterator[Market]:
    with node_evm() as evm:
        yield Market(deploy_on(evm, evm.backend(), read_network(LOCAL)))


def test_keeper__window_of_an_expiry__observed_by_the_minute_and_recorded_after(market: Market, tmp_path: Path) -> None:
    system, eth = market.system, market.system.record.underlyings["ETH"]
    expiry = (system.evm.timestamp // DAY + 5) * DAY + TIME_OF_DAY
    market.act_as("governance", system.expiries, "listExpiry", eth, expiry, SMILE.pack())
    system.tokens["USDC"].transact("mint", system.expiries.address, 30 * BOUNTY)
    system.record.write(tmp_path / "deployment.json")
    connection = Connection(system.evm.node.url)
    observer = contracts.System(connection, contracts.Deployment.load(tmp_path / "deployment.json"))
    operator = development_key(9)
    store = Store(tmp_path / "keeper.sqlite")
    lane = TransactionLane(connection, operator, store, LaneSettings())
    caretaker = Caretaker(observer)

    def work() -> None:
        lane.collect(connection.head())
        caretaker.work(lane, connection.head(), system.evm.timestamp, {})
        await_mined(connection, store, operator.address)

    assert caretaker.expiry_views([eth], expiry - WINDOW - 1, connection.head()) == []
    for minute in range(30):
        if minute in MISSED:
            continue
        market.advance(expiry - WINDOW + minute * BUCKET + 1 - system.evm.timestamp)
        work()
        work()
    market.advance(expiry - system.evm.timestamp)
    view = system.expiries.call("expiryOf", eth, expiry)
    assert (view.observed, view.counted) == (30 - len(MISSED), 30)
    assert system.tokens["USDC"].call("balanceOf", operator.address) == (30 - len(MISSED)) * BOUNTY
    assert [view.key for view in caretaker.expiry_views([eth], expiry, connection.head())] == [expiry_key(eth, expiry)]
    work()
    market.advance(BUCKET)
    assert system.expiries.call("expiriesOf", eth) == []
    assert system.expiries.call("phaseOf", eth, expiry) == SETTLED
    assert system.expiries.call("settlementPriceOf", eth, expiry) == wad(2500)
