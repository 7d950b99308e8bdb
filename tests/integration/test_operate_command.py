"""`./dev operate` as operators run it: statuses, JSON, a wallet's account, and the deployment's record afterwards."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from eth_account import Account

from ballast.chain.artifacts import checkout_root
from ballast.deployment.builder import Builder
from ballast.deployment.config import load_network
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.verification import verify
from tests.integration.test_deploy_on_anvil import PASSPHRASE, ape, finish
from tests.support.node import NodeEvm, node_evm
from tests.support.system import LOCAL, development_key

RISK, GOVERNOR = development_key(2), development_key(1)
FEES = ("apply", "trading fees")


@dataclass
class Desk:
    """A node with the local network, its record, and the file, which may be changed."""

    evm: NodeEvm
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "local.yaml"

    @property
    def record(self) -> Path:
        return self.folder / "deployment.json"

    def change(self, section: str, value: Any) -> None:
        """Replaces a section of the file, or the entries of it that are given."""
        content = yaml.safe_load(self.file.read_text())
        content[section] = content[section] | value if isinstance(value, dict) else value
        self.file.write_text(yaml.safe_dump(content, sort_keys=False))

    def operate(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        operation, *rest = arguments
        paths = ("--config", str(self.file), "--deployment", str(self.record))
        return finish(ape("operate", self.evm.node, operation, *rest, *paths, in_front=True, **variables))

    def told(self, *arguments: str, **variables: str) -> tuple[int, Any]:
        """Status and what it printed as JSON."""
        status, out, err = self.operate(*arguments, "--json", **variables)
        assert "Traceback" not in err, err
        return status, json.loads(out)

    @property
    def block(self) -> int:
        return int(self.evm.node.request("eth_blockNumber"), 16)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with node_evm() as evm:
        desk = Desk(evm, tmp_path_factory.mktemp("desk"))
        content = yaml.safe_load(LOCAL.read_text())
        content["risk_book"] = str((LOCAL.parent / content["risk_book"]).resolve())
        desk.file.write_text(yaml.safe_dump(content, sort_keys=False))
        Builder(*load_network(desk.file), evm.backend()).deploy().write(desk.record)
        yield desk


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    """The same, as it was at first."""
    snapshot, now = deployed.evm.node.request("evm_snapshot"), deployed.evm.timestamp
    file, record = deployed.file.read_text(), deployed.record.read_text()
    yield deployed
    deployed.evm.node.request("evm_revert", snapshot)
    deployed.evm.timestamp = now
    deployed.file.write_text(file)
    deployed.record.write_text(record)


def dearer(desk: Desk) -> None:
    desk.change("fees", {"taker": "0.05%"})


def wallet(folder: Path) -> Mapping[str, str]:
    """Ape's wallet with the risk role's key."""
    (folder / "accounts").mkdir(parents=True)
    keystore = Account.encrypt(RISK.key, PASSPHRASE, kdf="pbkdf2", iterations=2)
    (folder / "accounts" / "risk-key.json").write_text(json.dumps(keystore))
    return {"APE_DATA_FOLDER": str(folder), "APE_ACCOUNTS_risk-key_PASSPHRASE": PASSPHRASE}


def test_operate__dry_run__tells_target_function_arguments_role_and_time_and_sends_nothing(desk: Desk):
    dearer(desk)
    before = desk.block
    status, told = desk.told(*FEES, "--dry-run")
    record = DeploymentRecord.load(desk.record)
    (step,) = told["steps"]
    assert (status, desk.block) == (0, before)
    assert (step["target"], step["function"]) == (record.contracts["Exchange"].address, "Exchange.setFees")
    assert (step["arguments"], step["role"], step["holder"]) == (["500000", "100000"], "risk", RISK.address)
    assert (step["delay"], step["ready_at"], step["state"]) == (21_600, desk.evm.timestamp + 21_600, "announce")
    assert (told["dry_run"], told["done"], told["sent"]) == (True, False, 0)


def test_operate__call_data_of_the_dry_run__is_what_a_multisig_sends(desk: Desk):
    dearer(desk)
    step = desk.told(*FEES, "--dry-run")[1]["steps"][0]
    desk.evm.execute(RISK.address, step["to"], bytes.fromhex(step["data"][2:]))
    desk.evm.advance(step["delay"])
    step = desk.told(*FEES, "--dry-run")[1]["steps"][0]
    assert step["state"] == "execute"
    desk.evm.execute(RISK.address, step["to"], bytes.fromhex(step["data"][2:]))
    assert desk.told(*FEES)[1]["done"]


def test_operate__account_of_a_wallet__announces_waits_does_and_keeps_the_record(desk: Desk, tmp_path: Path):
    dearer(desk)
    variables = wallet(tmp_path / "ape")
    status, told = desk.told(*FEES, "--account", "risk-key", **variables)
    assert (status, told["sent"], told["next_at"]) == (4, 1, desk.evm.timestamp + 21_600)
    status, out, _ = desk.operate(*FEES, "--account", "risk-key", **variables)
    assert status == 4 and "run it again from" in out
    desk.evm.advance(21_600)
    old = DeploymentRecord.load(desk.record)
    status, out, err = desk.operate(*FEES, "--account", "risk-key", **variables)
    assert (status, PASSPHRASE in out + err) == (0, False), err
    record = DeploymentRecord.load(desk.record)
    assert (record.block, record.contracts) == (old.block, old.contracts) and record.configuration != old.configuration
    builder = Builder(*load_network(desk.file), desk.evm.backend(), record=record)
    assert [finding.name for finding in verify(builder, record) if not finding.agrees] == []


def test_operate__account_without_the_role__says_whose_turn_it_is(desk: Desk, tmp_path: Path):
    variables = wallet(tmp_path / "ape")
    desk.change("treasury", RISK.address)
    before = desk.block
    status, told = desk.told("apply", "treasury", "--account", "risk-key", **variables)
    assert (status, desk.block) == (4, before)
    assert told["next"] == f"run it with the account of {GOVERNOR.address}"


def test_operate__refused__status_one_and_a_line_that_says_why(desk: Desk):
    desk.change("fees", {"taker": "1%"})
    before = desk.block
    status, _, err = desk.operate(*FEES)
    assert (status, desk.block) == (1, before)
    assert "trading fees would be refused: FeeOutOfBounds" in err and "Traceback" not in err


@pytest.mark.parametrize("arguments", [("pause",), ("list-expiry", "ETH", "soon"), ("rotate-role", "king")])
def test_operate__wrong_usage__status_two(desk: Desk, arguments: tuple[str, ...]):
    assert desk.operate(*arguments)[0] == 2


def test_operate__every_operation__has_its_file_and_stands_in_the_runbooks():
    folder = checkout_root() / "scripts" / "operations"
    helpers = {"__init__", "common", "oracle"}
    names = {file.stem.replace("_", "-") for file in folder.glob("*.py") if file.stem not in helpers}
    runbooks = (checkout_root() / "docs" / "runbooks" / "README.md").read_text()
    assert len(names) == 14 and all(f"`{name}" in runbooks for name in names)
