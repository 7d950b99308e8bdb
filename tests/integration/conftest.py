"""A real Anvil with the whole system, its users, and the off-chain package beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from eth_account import Account
from eth_account.signers.local import LocalAccount

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.chain.ids import account_id
from ballast.cli.main import main
from scripts.anvil import Anvil, anvil
from scripts.bench.gas import Bench
from scripts.bench.system import ALL, COLLATERAL, GENESIS, SIZES

PASSWORD = "correct horse"
Ballast = Callable[..., Result]


@dataclass
class Stage:
    """A chain with a system on it: a stretched account, its counterparty, and a bidder with capital."""

    node: Anvil
    bench: Bench
    deployment_file: Path
    stretched: LocalAccount
    bidder: LocalAccount

    @property
    def account(self) -> int:
        return account_id(self.stretched.address)

    @property
    def bidder_account(self) -> int:
        return account_id(self.bidder.address)

    def system(self) -> System:
        return System(Connection(self.node.url, attempts=2), Deployment.load(self.deployment_file))

    def crash(self, factor: float = 0.86) -> None:
        """Prices fall in steps that the oracle believes."""
        self.bench.move_time(3_600)
        underlyings = sum(1 << self.bench.record.underlyings[name] for name in ALL)
        for step in (0.95, 0.9, factor):
            self.bench.report(ETH=step, BTC=step, LINK=step)
            self.bench.contracts["OracleHub"].transact("refresh", underlyings)
            self.bench.move_time(12)


@pytest.fixture(scope="session")
def built_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with anvil("--timestamp", str(GENESIS), "--gas-limit", "60000000") as node:
        bench = Bench(node)
        file = tmp_path_factory.mktemp("stage") / "deployment.json"
        bench.record.write(file)
        maker, bidder = bench.user("maker", {"USDC": 5_000_000}), bench.user("bidder", {"USDC": 500_000})
        stretched = bench.user("stretched", {"USDC": 1_000, **COLLATERAL})
        bench.trade(stretched, maker, {symbol: 1.3 * SIZES[symbol] for symbol in ALL})
        yield Stage(node, bench, file, stretched, bidder)


@pytest.fixture
def stage(built_stage: Stage) -> Iterator[Stage]:
    """The stage, as it was built, for each test."""
    snapshot = built_stage.node.request("evm_snapshot")
    nonce = built_stage.bench.nonce
    yield built_stage
    built_stage.node.request("evm_revert", snapshot)
    built_stage.bench.nonce = nonce


# Traders at the command line ----------------------------------------------------------------------------------------


@pytest.fixture
def traders(stage: Stage) -> tuple[LocalAccount, LocalAccount]:
    """A buyer and a seller with funds."""
    return stage.bench.user("order buyer", {"USDC": 50_000}), stage.bench.user("order seller", {"USDC": 50_000})


@pytest.fixture
def reading(stage: Stage) -> Callable[..., tuple[int, str]]:
    """Runs a command that needs no key; returns its exit status and output."""
    environment = {
        "BALLAST_RPC_URL": stage.node.url,
        "BALLAST_DEPLOYMENT": str(stage.deployment_file),
        "COLUMNS": "160",
    }

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, list(arguments), env=environment)
        return result.exit_code, result.output

    return run


@pytest.fixture
def environment(stage: Stage, tmp_path: Path) -> Callable[[LocalAccount], dict[str, str]]:
    """What the commands find in their environment, by whose key they use."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)

    def of(key: LocalAccount) -> dict[str, str]:
        keystore = tmp_path / f"{key.address}.json"
        if not keystore.exists():
            keystore.write_text(json.dumps(Account.encrypt(key.key, PASSWORD, kdf="pbkdf2", iterations=2)))
            keystore.chmod(0o600)
        return {
            "BALLAST_RPC_URL": stage.node.url,
            "BALLAST_DEPLOYMENT": str(stage.deployment_file),
            "BALLAST_KEYSTORE": str(keystore),
            "BALLAST_PASSWORD_FILE": str(password),
        }

    return of


@pytest.fixture
def ballast(environment: Callable[[LocalAccount], dict[str, str]]) -> Ballast:
    """Runs a command with somebody's key."""

    def run(key: LocalAccount, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=environment(key))

    return run


@pytest.fixture
def signed(ballast: Ballast, tmp_path: Path) -> Callable[..., Path]:
    """Signs an order into a file."""

    def sign(key: LocalAccount, *arguments: str) -> Path:
        result = ballast(key, "order", "sign", *arguments)
        assert result.exit_code == 0, result.output
        document = json.loads(result.output)
        first = document[0] if isinstance(document, list) else document
        file = tmp_path / f"{first['hash']}.order"
        file.write_text(result.output)
        return file

    return sign
