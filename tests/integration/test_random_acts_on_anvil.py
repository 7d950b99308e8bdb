"""Hundreds of random acts of everybody on a real node: every invariant after each, in the end all explained."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from eth_abi import encode
from eth_utils import keccak

from ballast.chain import contracts
from ballast.chain.connection import Connection
from ballast.deployment.config import read_network
from ballast.reconcile import Reconciliation, reconcile
from tests.invariants import checks
from tests.invariants.protocol import Protocol
from tests.support.node import NodeEvm, node_evm
from tests.support.system import LOCAL, Market, deploy_on

ACTS = 650
SEED = 6


@pytest.fixture
def node() -> Iterator[NodeEvm]:
    with node_evm() as evm:
        yield evm


@pytest.fixture
def run(node: NodeEvm) -> Protocol:
    system = deploy_on(node, node.backend(), read_network(LOCAL))
    return Protocol(system, Market(system), Random(SEED))


@pytest.fixture
def observer(run: Protocol, node: NodeEvm, tmp_path) -> contracts.System:
    """The off-chain package's view of the same deployment."""
    file = tmp_path / "deployment.json"
    run.system.record.write(file)
    return contracts.System(Connection(node.node.url), contracts.Deployment.load(file))


def act_and_check(run: Protocol, times: int) -> None:
    before = run.picture()
    for _ in range(times):
        act = run.act()
        after = run.picture()
        checks.check_all(act, before, after)
        before = after


def failures(reconciliation: Reconciliation) -> list[tuple[str, str, int]]:
    return [(check.invariant, check.subject, check.difference) for check in reconciliation.failures]


def test_random_acts__on_a_node__every_invariant_holds_and_books_reconcile(
    run: Protocol, observer: contracts.System
) -> None:
    act_and_check(run, ACTS)

    assert run.done.total() >= 300
    assert min(run.done[name] for name in ("trade", "withdraw", "start", "bid", "distribute")) > 0
    outcome = reconcile(observer)
    assert failures(outcome) == []
    assert outcome.accounts >= len(run.accounts) - 1
    assert {check.invariant for check in outcome.checks} == {"storage", "I1", "I2", "I3", "I4"}


def test_reconcile__a_wei_changed_behind_the_books__names_it(
    run: Protocol, observer: contracts.System, node: NodeEvm
) -> None:
    act_and_check(run, 20)
    account, house = run.room.dealer.account, run.system.clearinghouse.address
    slot = "0x" + keccak(encode(["uint256", "uint256"], [account, 0])).hex()
    index_and_cash = int(node.node.request("eth_getStorageAt", house, slot, "latest"), 16)
    node.node.request("anvil_setStorageAt", house, slot, f"0x{index_and_cash + 1:064x}")
    node.node.request("evm_mine")

    assert ("storage", f"cash of {account:#x}", -1) in failures(reconcile(observer))
