"""Verification reads every instrument back from a real node, whoever listed it, and every expiry."""

from collections.abc import Iterator
from typing import Any

import pytest

from ballast.deployment.builder import Builder
from ballast.deployment.config import Network, read_network
from ballast.deployment.finding import Finding
from ballast.deployment.listing import ListedExpiry
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.verification import verify
from ballast.risk.pricing import WAD
from tests.support.book import plain_book
from tests.support.node import NodeEvm, node_evm
from tests.support.system import LOCAL

FUTURE, PUT = "FUTURE:ETH:2024-03-29", "PUT:ETH:2024-03-29:2000"
ENTRY = {
    "date": "2024-03-29",
    "volatility": "60%",
    "future": {"size_step": "0.001", "open_interest_cap": "1000"},
    "options": {"size_step": "0.01", "open_interest_cap": "500", "strikes": [2_000, 3_000]},
}


def with_listed(**changes: Any) -> Network:
    """The local network with ETH's expiry, changed or without some of its parts."""
    network, entry = read_network(LOCAL), ListedExpiry.model_validate(ENTRY | changes)
    return network.model_copy(update={"expiries": network.expiries.model_copy(update={"listed": {"ETH": (entry,)}})})


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[NodeEvm, DeploymentRecord]]:
    with node_evm() as evm:
        yield evm, Builder(with_listed(), plain_book(), evm.backend()).deploy()


@pytest.fixture
def chain(deployed: tuple[NodeEvm, DeploymentRecord]) -> Iterator[tuple[NodeEvm, DeploymentRecord]]:
    """The same, as it was at first."""
    evm, record = deployed
    snapshot, now = evm.node.request("evm_snapshot"), evm.timestamp
    yield evm, record
    evm.node.request("evm_revert", snapshot)
    evm.timestamp = now


def differences(evm: NodeEvm, record: DeploymentRecord, network: Network) -> dict[str, Finding]:
    builder = Builder(network, plain_book(), evm.backend(), record=record)
    return {finding.name: finding for finding in verify(builder, record) if not finding.agrees}


def test_verify__futures_and_options_as_listed__agree(chain):
    assert differences(*chain, with_listed()) == {}


def test_verify__instruments_that_the_file_does_not_know__each_found(chain):
    found = differences(*chain, with_listed(options=None))
    options = [f"{kind}:ETH:2024-03-29:{strike}" for strike in (2_000, 3_000) for kind in ("CALL", "PUT")]
    assert found.keys() == {"configuration", "number of instruments", *(f"instrument {label}" for label in options)}
    assert found[f"instrument {PUT}"].expected is None
    assert found[f"instrument {PUT}"].actual == {
        "kind": "PUT",
        "underlying": "ETH",
        "expiry": "2024-03-29",
        "strike": "2000",
        "size step": 10**16,
        "open-interest cap": 500 * WAD,
        "reduce-only": False,
    }


def test_verify__expiry_that_the_file_does_not_know__found(chain):
    found = differences(*chain, read_network(LOCAL))
    assert found["other expiries of ETH"].actual == ("2024-03-29",)


def test_verify__strike_that_was_never_listed__found(chain):
    strikes = {"size_step": "0.01", "open_interest_cap": "500", "strikes": [2_000, 3_000, 4_000]}
    found = differences(*chain, with_listed(options=strikes))
    assert found["instrument CALL:ETH:2024-03-29:4000"].actual is None


def test_verify__other_step_in_the_file__found(chain):
    found = differences(*chain, with_listed(future={"size_step": "0.1", "open_interest_cap": "1000"}))
    assert found[f"instrument {FUTURE}"].actual["size step"] == 10**15


def test_verify__instrument_the_guardian_stopped_and_cap_that_was_moved__found(chain):
    evm, record = chain
    builder = Builder(with_listed(), plain_book(), evm.backend(), record=record)
    house, authority, roles = builder.contracts["Clearinghouse"], builder.contracts["Authority"], builder.network.roles
    until = evm.timestamp + 2 * roles.risk.delay
    house.transact("setReduceOnly", record.instruments[FUTURE], until, sender=roles.guardian.holders[0])
    data = house.encode("setOpenInterestCap", record.instruments[PUT], WAD)
    authority.transact("schedule", house, data, 0, sender=roles.risk.holders[0])
    evm.advance(roles.risk.delay)
    authority.transact("execute", house, data, sender=roles.risk.holders[0])
    found = differences(evm, record, with_listed())
    assert found[f"instrument {FUTURE}"].actual["reduce-only"] is True
    assert found[f"instrument {PUT}"].actual["open-interest cap"] == WAD
    assert found.keys() == {
        f"instrument {FUTURE}",
        f"instrument {PUT}",
        "list CALL:ETH:2024-03-29:2000 to PUT:ETH:2024-03-29:3000",
    }
