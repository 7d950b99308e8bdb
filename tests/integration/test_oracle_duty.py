"""What keepers owe the oracle, on a real node: second sources cached, stable prices kept up, the quorum feed served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from ballast.chain import contracts
from ballast.chain.connection import Connection
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.deployment.config import read_network
from ballast.keeper.caretaker import Caretaker
from ballast.keeper.decide import Policy
from ballast.keeper.publisher import FilePrices, QuorumPublisher
from ballast.keeper.runner import Keeper
from ballast.keeper.scanner import FloatScanner
from ballast.store import Store
from tests.support.node import NodeEvm, node_evm
from tests.support.system import HOUR, LOCAL, QUORUM_ACCOUNTS, Market, deploy_on, development_key, wad

ETH = "ETH"
MINUTE = 60
OK, HALTED = 0, 3


@dataclass
class Scene:
    """A deployment on a node, and the off-chain package's view of it."""

    market: Market
    observer: contracts.System
    folder: Path

    @property
    def hub(self):
        return self.market.system.oracle_hub

    @property
    def eth(self) -> int:
        return self.market.system.record.underlyings[ETH]

    def record(self):
        return self.hub.call("recordOf", self.eth)

    def quote(self):
        return self.hub.call("quotesOf", 1 << self.eth).quotes[0]

    def pass_time(self, seconds: int) -> None:
        self.market.system.evm.advance(seconds)

    def lane(self, key: LocalAccount) -> TransactionLane:
        store = Store(self.folder / f"{key.address}.sqlite")
        return TransactionLane(self.observer.connection, key, store, LaneSettings())

    def sent_by(self, key: LocalAccount) -> int:
        return self.observer.connection.transaction_count(key.address)


@pytest.fixture
def node() -> Iterator[NodeEvm]:
    with node_evm() as evm:
        yield evm


@pytest.fixture
def scene(node: NodeEvm, tmp_path: Path) -> Scene:
    system = deploy_on(node, node.backend(), read_network(LOCAL))
    system.record.write(tmp_path / "deployment.json")
    observer = contracts.System(Connection(node.node.url), contracts.Deployment.load(tmp_path / "deployment.json"))
    return Scene(Market(system), observer, tmp_path)


@pytest.fixture
def operator() -> LocalAccount:
    return development_key(9)


@pytest.fixture
def keeper(scene: Scene, operator: LocalAccount) -> Keeper:
    system, lane = scene.observer, scene.lane(operator)
    store = Store(scene.folder / "keeper.sqlite")
    return Keeper(system, store, FloatScanner(system), Policy(), lane, upkeep=Caretaker(system))


def step(keeper: Keeper) -> None:
    keeper.step(keeper.system.connection.head())


def test_keeper__second_source_reports__caches_it_once(scene: Scene, keeper: Keeper, operator: LocalAccount) -> None:
    scene.pass_time(10 * MINUTE)
    scene.market.report(ETH, "2505", rank=1)
    published = scene.market.system.evm.timestamp
    assert scene.record().secondPrice == wad(2500)

    step(keeper)
    step(keeper)

    record, limits = scene.record(), scene.hub.call("limitsOf", scene.eth)
    assert (record.secondPrice, record.secondExpiresAt) == (wad(2505), published + limits.secondMaxAge)
    assert scene.sent_by(operator) == 1


def test_keeper__nobody_acts__stable_price_follows_all_the_same(
    scene: Scene, keeper: Keeper, operator: LocalAccount
) -> None:
    scene.market.prices[ETH] = Decimal(2750)
    before = scene.record()
    for _ in range(60):
        scene.pass_time(2 * MINUTE)
        scene.market.report(ETH, 2750)
        step(keeper)
    after = scene.record()

    assert (before.index, before.stable) == (wad(2500), wad(2500))
    assert after.index == wad(2750)
    assert wad(2740) < after.stable <= wad(2750)
    spent = scene.sent_by(operator)
    for _ in range(10):
        scene.pass_time(10 * MINUTE)
        step(keeper)
    assert scene.sent_by(operator) - spent <= 10, "refreshed as it lags, not at every block"


def test_keeper__lone_step_of_one_source__starts_its_clock_and_it_is_believed(scene: Scene, keeper: Keeper) -> None:
    scene.pass_time(27 * HOUR)  # the second source has fallen silent for good
    scene.market.report("USDC", 1)
    scene.market.report(ETH, 3500, rank=0)
    assert scene.quote().index == wad(2500)
    for _ in range(5):
        step(keeper)
        scene.pass_time(MINUTE)
    assert scene.quote().index == wad(3500)


@pytest.fixture
def signers(scene: Scene) -> list[LocalAccount]:
    return [development_key(number) for number in QUORUM_ACCOUNTS]


def publish(scene: Scene, signers: list[LocalAccount], *prices: str) -> None:
    """A minute of every signer's keeper, each with its own prices: proposed, signed, submitted."""
    scene.pass_time(MINUTE)
    for _ in range(2):
        for signer, price in zip(signers, prices, strict=True):
            file, lane = scene.folder / f"{signer.address}.json", scene.lane(signer)
            file.write_text(json.dumps({str(scene.eth): price}))
            head = scene.observer.connection.head()
            lane.collect(head)
            QuorumPublisher(scene.observer, signer, FilePrices(file), scene.folder / "reports").publish(lane, head)


def published(scene: Scene):
    return scene.market.system.quorum_feed.call("reportOf", 0, scene.eth)


def test_signers__agree__the_feed_has_their_price(scene: Scene, signers: list[LocalAccount]) -> None:
    publish(scene, signers, "1800", "1801", "1799.5")

    assert published(scene).value in {wad(1800), wad(1801), wad("1799.5")}
    assert published(scene).publishedAt == scene.market.system.evm.timestamp


@pytest.mark.parametrize(("prices", "reached"), [(("1800", "1801", "1700"), True), (("1800", "1750", "1700"), False)])
def test_signers__one_or_all_disagree__the_threshold_decides(
    scene: Scene, signers: list[LocalAccount], prices: tuple[str, ...], reached: bool
) -> None:
    before = published(scene)
    for _ in signers:  # everybody's turn to propose
        publish(scene, signers, *prices)

    assert (published(scene).value in {wad(1800), wad(1801)}) is reached
    assert (published(scene) == before) is not reached


def test_quorum_feed__feeds_silent_for_long__serves_the_hub(scene: Scene, signers: list[LocalAccount]) -> None:
    system = scene.market.system
    scene.pass_time(30 * HOUR)
    scene.market.report("USDC", 1)
    assert scene.quote().state == HALTED
    system.schedule("fallback", scene.hub, "serveFromFallback", scene.eth)
    scene.pass_time(10 * MINUTE)
    publish(scene, signers, "1800", "1801", "1799.5")
    system.execute("fallback", scene.hub, "serveFromFallback", scene.eth)
    assert scene.quote().index == published(scene).value

    publish(scene, signers, "1750", "1750", "1750")
    assert scene.quote().index == wad(1750)
    assert scene.record().first == system.quorum_feed.address
