"""Who can do what, from chain state alone: everything that is not as reviewed is named, whoever brought it about."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ballast.deployment.access import PUBLIC_ROLE, Access, read_access
from ballast.deployment.builder import Builder
from ballast.deployment.config import read_network
from ballast.deployment.finding import Finding
from ballast.deployment.powers import of_access
from ballast.deployment.powers_view import announced_rows, function_rows, holder_rows, open_rows
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.roles import OPEN, RESTRICTED, RoleId
from ballast.errors import ChainUnreachable
from tests.support.book import plain_book
from tests.support.evm import ROOT
from tests.support.node import NodeEvm, node_evm
from tests.support.system import LOCAL, development_key
from tools.export_powers import TARGET, page

INTRUDER = development_key(9).address
ANYTHING = b"\x12\x34\x56\x78"
DAY = 86_400


@dataclass
class Chain:
    """A deployed system on a node of its own."""

    evm: NodeEvm
    record: DeploymentRecord
    builder: Builder

    def read(self) -> Access:
        return read_access(self.builder, self.record.block)

    def differences(self, **changes: Any) -> dict[str, Finding]:
        network = self.builder.network.model_copy(update=changes)
        return {finding.name: finding for finding in of_access(network, self.read()) if not finding.agrees}

    def announce(self, function: str, *arguments: Any, target: str = "Authority") -> bytes:
        contract = self.builder.contracts[target]
        data = contract.encode(function, *arguments)
        self.builder.contracts["Authority"].transact("schedule", contract, data, 0, sender=self.governor)
        return data

    def governance_does(self, function: str, *arguments: Any) -> None:
        """An act of governance on the access manager, after its delay."""
        data = self.announce(function, *arguments)
        self.evm.advance(self.builder.network.roles.governance.delay)
        authority = self.builder.contracts["Authority"]
        authority.transact("execute", authority, data, sender=self.governor)

    @property
    def governor(self) -> str:
        return self.builder.network.roles.governance.holders[0]

    def selector(self, contract: str, function: str) -> bytes:
        return self.builder.contracts[contract].selector(function)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Chain]:
    with node_evm() as evm:
        builder = Builder(read_network(LOCAL), plain_book(), evm.backend())
        yield Chain(evm, builder.deploy(), builder)


@pytest.fixture
def chain(deployed: Chain) -> Iterator[Chain]:
    """The same, as it was at first."""
    snapshot, now = deployed.evm.node.request("evm_snapshot"), deployed.evm.timestamp
    yield deployed
    deployed.evm.node.request("evm_revert", snapshot)
    deployed.evm.timestamp = now


def test_powers__as_deployed__every_function_is_in_the_table_with_its_role_and_holders(chain: Chain):
    assert chain.differences() == {}
    access = chain.read()
    rows = {(contract, function): (role, delay, who) for contract, function, role, delay, who in function_rows(access)}
    roles = chain.builder.network.roles
    for contract, table in RESTRICTED.items():
        for function, role in table.items():
            if function == "connect":
                assert rows[contract, function] == ("governance", "", "nobody: done once, for good")
            else:
                assert rows[contract, function][::2] == (role.name.lower(), ", ".join(roles.of(role).holders))
    assert rows["Exchange", "setFees"][1] == "6h" and rows["Clearinghouse", "setReduceOnly"][1] == "none"
    assert rows["Authority", "grantRole"] == ("governance", "2d", chain.governor)
    unguarded = {(contract, function) for contract, function, _ in open_rows(access)}
    assert unguarded >= {(contract, f) for contract, table in OPEN.items() for f in table if f != "setAuthority"}
    assert unguarded.isdisjoint(rows)


def test_powers__role_granted_beside_the_file__named(chain: Chain):
    chain.governance_does("grantRole", int(RoleId.GUARDIAN), INTRUDER, 0)
    found = chain.differences()
    assert found.keys() == {"holders of guardian"}
    assert INTRUDER in found["holders of guardian"].actual


def test_powers__governance_without_delay__named(chain: Chain):
    chain.governance_does("grantRole", int(RoleId.GOVERNANCE), INTRUDER, 0)
    found = chain.differences()
    assert found.keys() == {"holders of governance", "holders of governance without delay"}
    assert found["holders of governance without delay"].actual == (INTRUDER,)


def test_powers__plain_key_governs__named_unless_the_file_allows_it(chain: Chain):
    assert chain.differences(governance_by_key=False)["plain keys that govern"].actual == (chain.governor,)
    chain.evm.node.request("anvil_setCode", chain.governor, "0x00")
    assert chain.differences(governance_by_key=False) == {}


def test_powers__function_handed_to_everybody__named(chain: Chain):
    house = chain.builder.contracts["Clearinghouse"]
    chain.governance_does(
        "setTargetFunctionRole", house, [chain.selector("Clearinghouse", "setDepositCap")], PUBLIC_ROLE
    )
    found = chain.differences()
    assert found["functions handed to everybody"].actual == ("Clearinghouse.setDepositCap(uint8,uint96,uint32)",)
    rows = [row for row in function_rows(chain.read()) if row[1] == "setDepositCap"]
    assert rows == [("Clearinghouse", "setDepositCap", "public", "none", "everybody")]


def test_powers__function_without_a_role__named(chain: Chain):
    exchange = chain.builder.contracts["Exchange"]
    chain.governance_does("setTargetFunctionRole", exchange, [chain.selector("Exchange", "setFees")], 0)
    found = chain.differences()
    assert found.keys() == {"roles of the functions of Exchange"}
    assert found["roles of the functions of Exchange"].actual["setFees(uint32,uint32)"] == RoleId.GOVERNANCE


def test_powers__function_of_a_role_that_nobody_holds__named(chain: Chain):
    exchange = chain.builder.contracts["Exchange"]
    chain.governance_does("setTargetFunctionRole", exchange, [chain.selector("Exchange", "setFees")], 9)
    found = chain.differences()
    assert found["functions that nobody can call"].actual == ("Exchange.setFees(uint32,uint32)",)


def test_powers__setter_that_lets_strangers_in__named(chain: Chain):
    chain.evm.node.request("anvil_setCode", chain.builder.contracts["QuorumFeed"].address, "0x00")
    found = chain.differences()["open functions of QuorumFeed"]
    assert set(found.actual) - set(found.expected) == {"setSigners", "setMaxAge", "setAuthority"}
    assert ("QuorumFeed", "setSigners", "NOT REVIEWED") in open_rows(chain.read())


def test_powers__function_that_no_contract_has__named(chain: Chain):
    chain.governance_does("setTargetFunctionRole", INTRUDER, [ANYTHING], int(RoleId.RISK))
    found = chain.differences()
    assert found.keys() == {"roles of functions that are behind none"}
    assert found["roles of functions that are behind none"].actual == {f"{INTRUDER} 0x12345678": int(RoleId.RISK)}


def test_powers__contract_closed__named(chain: Chain):
    chain.governance_does("setTargetClosed", chain.builder.contracts["Auctions"], True)
    assert chain.differences()["closed contracts"].actual == ("Auctions",)


@pytest.mark.parametrize(
    ("function", "setting", "actual"),
    [
        ("setRoleAdmin", int(RoleId.GUARDIAN), {"admin": "guardian"}),
        ("setRoleGuardian", int(RoleId.MULTIPLIER), {"guardian": "multiplier"}),
    ],
)
def test_powers__role_ruled_by_another__named(chain: Chain, function: str, setting: int, actual: dict[str, str]):
    chain.governance_does(function, int(RoleId.RISK), setting)
    found = chain.differences()
    assert found.keys() == {"rule over risk"}
    assert found["rule over risk"].actual == found["rule over risk"].expected | actual


def test_powers__holder_whose_grant_has_yet_to_take_effect__named(chain: Chain):
    chain.governance_does("setGrantDelay", int(RoleId.RISK), 10 * DAY)
    chain.evm.advance(5 * DAY)
    chain.governance_does("grantRole", int(RoleId.RISK), INTRUDER, 0)
    found = chain.differences()
    assert found.keys() == {"holders of risk to come", "rule over risk"}
    assert found["holders of risk to come"].actual == {INTRUDER: chain.evm.timestamp + 10 * DAY}


def test_powers__delay_that_is_about_to_shorten__named(chain: Chain):
    holder = chain.builder.network.roles.risk.holders[0]
    chain.governance_does("grantRole", int(RoleId.RISK), holder, 60)
    found = chain.differences()
    assert found.keys() == {"delays of risk to come"}
    assert found["delays of risk to come"].actual == {holder: 60}
    delays = {row[1]: row[3] for row in holder_rows(chain.read()) if row[0] == "risk"}
    assert delays[holder].startswith("6h, 1m from 2023-")


def test_powers__announced_act__shown_decoded_until_it_is_done(chain: Chain):
    data = chain.announce("setMaxAge", 600, target="QuorumFeed")
    (row,) = announced_rows(chain.read())
    assert row[2:] == (chain.governor, "QuorumFeed.setMaxAge(600)")
    chain.evm.advance(2 * DAY)
    authority, feed = chain.builder.contracts["Authority"], chain.builder.contracts["QuorumFeed"]
    authority.transact("execute", feed, data, sender=chain.governor)
    assert chain.read().announced == ()


def test_powers__announced_act_that_was_never_done__shown_as_expired(chain: Chain):
    chain.announce("setMaxAge", 600, target="QuorumFeed")
    chain.evm.advance(10 * DAY)
    assert [row[1] for row in announced_rows(chain.read())] == ["expired"]


def test_powers__node_that_fails__is_no_open_function(chain: Chain, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_: Any) -> bytes:
        raise ChainUnreachable("the node does not answer")

    monkeypatch.setattr(chain.builder.backend, "call", unreachable)
    with pytest.raises(ChainUnreachable):
        chain.read()


def test_verify_command__powers_in_json__every_table_and_what_differs(chain: Chain, tmp_path: Path):
    chain.record.write(tmp_path / "local.json")
    chain.governance_does("grantRole", int(RoleId.MULTIPLIER), INTRUDER, 0)
    command = ["ape", "run", "verify", "--network", f"ethereum:local:{chain.evm.node.url}", "--powers", "--json"]
    command += ["--deployment", str(tmp_path / "local.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1, done.stderr
    shown = json.loads(done.stdout)
    assert [one["name"] for one in shown["findings"] if not one["agrees"]] == ["holders of multiplier"]
    multiplier = next(role for role in shown["powers"]["roles"] if role["name"] == "multiplier")
    assert INTRUDER in [holder["account"] for holder in multiplier["holders"]]
    setter = next(one for one in shown["powers"]["functions"] if one["function"].startswith("setShockMultiplier"))
    assert setter["holders"][INTRUDER] == 0


def test_documentation__of_who_can_do_what__is_what_a_chain_says():
    assert TARGET.read_text() == page(), "run `./dev run python -m tools.export_powers`"
