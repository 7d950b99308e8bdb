"""From fitted surfaces to the expiries on a real node: quorum signers propose, agree and submit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from eth_account import Account
from eth_account.signers.local import LocalAccount

from ballast.chain import contracts
from ballast.chain.connection import Connection
from ballast.chain.ids import expiry_key
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.cli.surface import surface as surface_command
from ballast.deployment.config import read_network
from ballast.deployment.listing import ListedExpiry
from ballast.errors import ConfigurationError
from ballast.keeper.publisher import QuorumPublisher
from ballast.keeper.surfaces import FileSurfaces
from ballast.risk.pricing import BILLION, Surface
from ballast.store import Store
from tests.support.node import NodeEvm, node_evm
from tests.support.system import LOCAL, QUORUM_ACCOUNTS, System, deploy_on, development_key

MINUTE = 60
NEAR, FAR, UNLISTED = date(2023, 12, 29), date(2024, 3, 29), date(2024, 6, 28)
SMILE = Surface(5_000_000, 200_000_000, 300_000_000, -200_000_000, 0, 300_000_000)
PASSWORD = "not a secret"


def seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp())


@dataclass
class Scene:
    """A deployment on a node with two expiries of ETH listed, and the folder where its signers meet."""

    system: System
    observer: contracts.System
    folder: Path

    @property
    def expiries(self):
        return self.system.expiries

    @property
    def now(self) -> int:
        return self.system.evm.timestamp

    def stored(self, day: date) -> Surface:
        return Surface.unpack(self.expiries.call("expiryOf", 2, seconds(day)).surface)

    def write(self, name: str, surfaces: Mapping[date, Surface], currency: str = "ETH", age: int = 0) -> Path:
        """A signer's surfaces.json, of quotes so many seconds old."""
        lines = [{"expiry": seconds(day), "word": hex(surface.pack())} for day, surface in surfaces.items()]
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"surfaces": [{"currency": currency, "time": self.now - age, "expiries": lines}]}))
        return path

    def publish(self, signers: list[LocalAccount], *surfaces: Mapping[date, Surface]) -> None:
        """A minute of every signer, each with surfaces of its own."""
        self.system.evm.advance(MINUTE)
        for _ in range(2):
            for signer, own in zip(signers, surfaces, strict=True):
                store = Store(self.folder / f"{signer.address}.sqlite")
                lane = TransactionLane(self.observer.connection, signer, store, LaneSettings())
                head = self.observer.connection.head()
                lane.collect(head)
                views = FileSurfaces(self.write(signer.address, own))
                QuorumPublisher(self.observer, signer, views, self.folder / "reports").publish(lane, head)


@pytest.fixture
def node() -> Iterator[NodeEvm]:
    with node_evm() as evm:
        yield evm


@pytest.fixture
def scene(node: NodeEvm, tmp_path: Path) -> Scene:
    network = read_network(LOCAL)
    listed = {"ETH": tuple(ListedExpiry(date=day, volatility="60%", premium="0.5%") for day in (NEAR, FAR))}
    expiries = network.expiries.model_copy(update={"listed": listed})
    system = deploy_on(node, node.backend(), network.model_copy(update={"expiries": expiries}))
    system.record.write(tmp_path / "deployment.json")
    observer = contracts.System(Connection(node.node.url), contracts.Deployment.load(tmp_path / "deployment.json"))
    return Scene(system, observer, tmp_path)


@pytest.fixture
def signers() -> list[LocalAccount]:
    return [development_key(number) for number in QUORUM_ACCOUNTS]


def scaled(percent: int) -> Surface:
    """The smile with so many percent of its variance."""
    return replace(SMILE, a=SMILE.a * percent // 100, b=SMILE.b * percent // 100)


def test_signers__agree__the_expiries_hold_one_of_theirs_and_trust_it(
    scene: Scene, signers: list[LocalAccount]
) -> None:
    own = [{NEAR: scaled(percent), FAR: scaled(percent)} for percent in (100, 102, 99)]
    scene.publish(signers, *own)
    held = scene.stored(NEAR)
    assert held.published_at == scene.now
    assert replace(held, published_at=0) in [surfaces[NEAR] for surfaces in own]
    assert replace(scene.stored(FAR), published_at=0) == replace(held, published_at=0)
    assert scene.expiries.call("expiryOf", 2, seconds(FAR)).trusted


@pytest.mark.parametrize(("percents", "is_stored"), [((100, 104, 130), True), ((100, 118, 140), False)])
def test_signers__variances_differ__the_threshold_decides(
    scene: Scene, signers: list[LocalAccount], percents: tuple[int, ...], is_stored: bool
) -> None:
    for _ in signers:  # everybody's turn to propose
        scene.publish(signers, *({NEAR: scaled(percent), FAR: scaled(percent)} for percent in percents))
    held = replace(scene.stored(NEAR), published_at=0)
    assert (held in (scaled(100), scaled(104))) is is_stored
    assert (scene.stored(NEAR).published_at > 0) is is_stored


@pytest.mark.parametrize(("thousandths", "is_stored"), [((5, 6, 9), True), ((5, 8, 11), False)])
def test_signers__premiums_differ__the_threshold_decides(
    scene: Scene, signers: list[LocalAccount], thousandths: tuple[int, ...], is_stored: bool
) -> None:
    own = [replace(SMILE, premium=thousandth * BILLION // 1_000) for thousandth in thousandths]
    for _ in signers:
        scene.publish(signers, *({NEAR: surface, FAR: surface} for surface in own))
    assert (scene.stored(NEAR).published_at > 0) is is_stored
    assert (replace(scene.stored(NEAR), published_at=0) in own[:2]) is is_stored


def test_signers__what_is_not_listed__left_out(scene: Scene, signers: list[LocalAccount]) -> None:
    own = {NEAR: SMILE, FAR: SMILE, UNLISTED: SMILE}
    scene.publish(signers, own, own, own)
    assert scene.stored(NEAR).published_at == scene.now
    head = scene.observer.connection.head()
    assert FileSurfaces(scene.write("other", own, currency="DOGE")).read(scene.observer, head)[1] == {}


def test_read__an_expiry_has_passed__left_out(scene: Scene) -> None:
    scene.system.evm.advance(seconds(NEAR) - scene.now)
    views = FileSurfaces(scene.write("surfaces", {NEAR: SMILE, FAR: SMILE}, age=5))
    held_at, values = views.read(scene.observer, scene.observer.connection.head())
    assert (held_at, list(values)) == (scene.now - 5, [expiry_key(2, seconds(FAR))])


def test_read__no_file_yet__holds_nothing(scene: Scene) -> None:
    views = FileSurfaces(scene.folder / "none.json")
    assert views.read(scene.observer, scene.observer.connection.head()) == (0, {})


def test_read__another_file__refused(scene: Scene) -> None:
    file = scene.folder / "prices.json"
    file.write_text('{"2": "1800"}')
    with pytest.raises(ConfigurationError, match="not a file of surfaces"):
        FileSurfaces(file).read(scene.observer, scene.observer.connection.head())


def invoke_publish(scene: Scene, signer: LocalAccount, file: Path) -> Result:
    """`ballast surface publish` by one signer, its key in files."""
    keystore, password = scene.folder / f"{signer.address}.key", scene.folder / "password"
    if not keystore.exists():
        keystore.write_text(json.dumps(Account.encrypt(signer.key, PASSWORD, kdf="pbkdf2", iterations=2)))
        password.write_text(PASSWORD)
        keystore.chmod(0o600)
        password.chmod(0o600)
    arguments = ["publish", str(file), "--reports", str(scene.folder / "reports")]
    arguments += ["--database", str(scene.folder / f"{signer.address}.sqlite")]
    arguments += ["--rpc-url", scene.system.evm.node.url, "--deployment", str(scene.folder / "deployment.json")]
    secrets = {"BALLAST_KEYSTORE": str(keystore), "BALLAST_PASSWORD_FILE": str(password)}
    return CliRunner(mix_stderr=False).invoke(surface_command, arguments, env=secrets)


def test_surface_publish__by_each_signer__stores_the_surfaces(scene: Scene, signers: list[LocalAccount]) -> None:
    scene.system.evm.advance(MINUTE)
    file = scene.write("surfaces", {NEAR: SMILE, FAR: SMILE}, age=20)
    results = [invoke_publish(scene, signer, file) for _ in range(2) for signer in signers]
    assert [result.exit_code for result in results] == [0] * 6
    assert any("publish-surfaces" in result.stdout for result in results)
    assert scene.stored(FAR) == replace(SMILE, published_at=scene.now - 20)


def test_surface_publish__by_a_stranger__exits_3(scene: Scene) -> None:
    file = scene.write("surfaces", {NEAR: SMILE})
    result = invoke_publish(scene, development_key(9), file)
    assert result.exit_code == 3
    assert "is no signer" in " ".join(result.stderr.split())
    assert scene.stored(NEAR).published_at == 0
    assert scene.stored(NEAR).a == 36 * BILLION // 100
