"""The command line on a real node: `ape run deploy` and `ape run verify`, killed, resumed and lied to."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from ballast.chain.contracts import Deployment
from ballast.deployment import Builder, DeploymentRecord, load_network
from ballast.deployment.create2 import DETERMINISTIC_DEPLOYER, DETERMINISTIC_DEPLOYER_CODE
from ballast.deployment.finding import Finding
from ballast.deployment.roles import RoleId
from ballast.deployment.rpc import KeySigner, RpcBackend
from ballast.deployment.verification import verify
from ballast.errors import ChainUnreachable
from scripts.anvil import Anvil, anvil
from tests.support.evm import ROOT
from tests.support.system import LOCAL, development_key

PASSPHRASE = "correct horse battery staple"
STEPS_BEFORE_THE_KILL = 20


@pytest.fixture
def node() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.fixture(scope="module")
def deployed_node() -> Iterator[tuple[Anvil, DeploymentRecord]]:
    """A node with the system deployed by a key of this process."""
    with anvil() as running:
        network, book = load_network(LOCAL)
        backend = RpcBackend.connect(running.url, signer=KeySigner(development_key(0)))
        yield running, Builder(network, book, backend).deploy()


@pytest.fixture
def deployment(deployed_node: tuple[Anvil, DeploymentRecord]) -> Iterator[tuple[Anvil, DeploymentRecord]]:
    """The same, as it was at first."""
    running, record = deployed_node
    snapshot = running.request("evm_snapshot")
    yield running, record
    running.request("evm_revert", snapshot)


def ape(script: str, node: Anvil, *options: str, in_front: bool = False, **variables: str) -> subprocess.Popen[str]:
    """A script under ape, with nobody at the keyboard. `in_front`: its options come before the network's."""
    network = ("--network", f"ethereum:local:{node.url}")
    command = ["ape", "run", script, *(options + network if in_front else network + options)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, text=True, env=os.environ | variables, **pipes)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def wallet(folder: Path, alias: str) -> dict[str, str]:
    """An ape wallet with one encrypted key, as `ape accounts import` leaves it; the variables that lead to it."""
    (folder / "accounts").mkdir(parents=True)
    keystore = Account.encrypt(development_key(8).key, PASSPHRASE, kdf="pbkdf2", iterations=2)
    (folder / "accounts" / f"{alias}.json").write_text(json.dumps(keystore))
    return {"APE_DATA_FOLDER": str(folder)}


def differences(node: Anvil, record: DeploymentRecord) -> dict[str, Finding]:
    return {finding.name: finding for finding in verify(builder_of(node, record), record) if not finding.agrees}


def act_behind_the_back(
    node: Anvil, record: DeploymentRecord, role: str, target: str, function: str, *arguments: Any
) -> None:
    """An act of a role that the configuration does not know of, after its delay."""
    builder = builder_of(node, record)
    authority, contract = builder.contracts["Authority"], builder.contracts[target]
    holder, delay = getattr(builder.network.roles, role).holders[0], getattr(builder.network.roles, role).delay
    data = contract.encode(function, *arguments)
    authority.transact("schedule", contract, data, 0, sender=holder)
    node.request("evm_increaseTime", delay)
    node.request("evm_mine")
    authority.transact("execute", contract, data, sender=holder)


def builder_of(node: Anvil, record: DeploymentRecord) -> Builder:
    network, book = load_network(LOCAL)
    return Builder(network, book, RpcBackend.connect(node.url, deployer=record.deployer), record=record)


def journal_steps(journal: Path) -> int:
    return len(json.loads(journal.read_text())["steps"]) if journal.exists() else 0


def test_ape_deploy__dry_run__shows_the_plan_and_sends_nothing(node: Anvil, tmp_path: Path):
    out = tmp_path / "local.json"
    status, shown, err = finish(ape("deploy", node, "--dry-run", "--out", str(out)))
    assert status == 0, err
    assert "Clearinghouse.connect(Exchange, Auctions, InsuranceFund)" in shown
    assert "nothing was sent" in shown
    assert node.request("eth_blockNumber") == "0x0"
    assert list(tmp_path.iterdir()) == []


def test_ape_deploy__killed_half_way__resumes_and_verify_finds_only_what_was_tampered_with(node: Anvil, tmp_path: Path):
    out, journal = tmp_path / "local.json", tmp_path / "local.journal.json"
    variables = wallet(tmp_path / "ape", "operator") | {"APE_ACCOUNTS_operator_PASSPHRASE": PASSPHRASE}
    process = ape("deploy", node, "--account", "operator", "--out", str(out), **variables)
    while journal_steps(journal) < STEPS_BEFORE_THE_KILL and process.poll() is None:
        process.stdout.readline()  # type: ignore[union-attr]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists() and journal_steps(journal) >= STEPS_BEFORE_THE_KILL
    before = int(node.request("eth_blockNumber"), 16)
    status, shown, err = finish(ape("deploy", node, "--account", "operator", "--out", str(out), **variables))
    assert status == 0, err
    assert PASSPHRASE not in shown + err
    assert DeploymentRecord.load(out).deployer == development_key(8).address
    assert shown.count("done ") >= before
    assert not journal.exists()
    assert Deployment.load(out).assets == {0: "USDC", 1: "WETH", 2: "WBTC", 3: "LINK"}
    act_behind_the_back(node, DeploymentRecord.load(out), "risk", "Exchange", "setFees", 0, 0)
    status, shown, err = finish(ape("verify", node, "--deployment", str(out), "--json"))
    assert status == 1, err
    assert [finding["name"] for finding in json.loads(shown) if not finding["agrees"]] == ["trading fees"]


def test_ape_deploy__locked_key_and_nobody_to_ask__says_which_variable_is_missing(node: Anvil, tmp_path: Path):
    variables = wallet(tmp_path / "ape", "operator")
    status, _, err = finish(ape("deploy", node, "--account", "operator", **variables))
    assert status == 1
    assert "APE_ACCOUNTS_operator_PASSPHRASE" in err and "Traceback" not in err


def test_anvil__deterministic_deployer__is_the_one_the_builder_counts_on(deployment):
    node, _ = deployment
    assert (
        bytes.fromhex(node.request("eth_getCode", DETERMINISTIC_DEPLOYER, "latest")[2:]) == DETERMINISTIC_DEPLOYER_CODE
    )


def test_rpc_backend__node_does_not_answer__error_without_the_url():
    with pytest.raises(ChainUnreachable) as refused:
        RpcBackend.connect("http://127.0.0.1:1/v2/secret-key")
    assert "secret-key" not in str(refused.value) and refused.value.__cause__ is None


def test_verify__as_deployed__agrees_in_everything(deployment):
    assert differences(*deployment) == {}


def test_verify__role_granted_behind_its_back__found(deployment):
    node, record = deployment
    intruder = development_key(9).address
    act_behind_the_back(node, record, "governance", "Authority", "grantRole", int(RoleId.GUARDIAN), intruder, 0)
    found = differences(node, record)
    assert set(found) == {"holders of guardian"}
    assert intruder in found["holders of guardian"].actual


def test_verify__function_handed_to_another_role__found(deployment):
    node, record = deployment
    hub = builder_of(node, record).contracts["OracleHub"]
    arguments = (hub, [hub.selector("setSources")], int(RoleId.GUARDIAN))
    act_behind_the_back(node, record, "governance", "Authority", "setTargetFunctionRole", *arguments)
    assert set(differences(node, record)) == {"roles of the functions of OracleHub"}


def test_verify__engine_replaced__found(deployment):
    node, record = deployment
    other = builder_of(node, record).contracts["OracleHub"]
    act_behind_the_back(node, record, "governance", "Clearinghouse", "setMarginEngine", other)
    assert set(differences(node, record)) == {"marginEngine of Clearinghouse"}


def test_verify__oracles_of_the_expiries_replaced__found(deployment):
    node, record = deployment
    hub, other = (builder_of(node, record).contracts[name] for name in ("OracleHub", "MarginEngine"))
    act_behind_the_back(node, record, "governance", "Expiries", "setOracles", hub, other)
    assert set(differences(node, record)) == {"quorumFeed of Expiries"}


def test_verify__other_code_at_an_address__found(deployment):
    node, record = deployment
    node.request("anvil_setCode", record.contracts["Lens"].address, "0x00")
    assert set(differences(node, record)) == {"code of Lens"}


def test_verify__record_of_another_address__found(deployment):
    node, record = deployment
    lens = record.contracts["Lens"]
    moved: dict[str, Any] = dict(record.contracts) | {"Lens": record.contracts["Exchange"]}
    forged = DeploymentRecord(**{**vars(record), "contracts": moved})
    found = differences(node, forged)
    assert found["address of Lens"].expected == lens.address
