"""Deploying: one plan known beforehand, taken up again wherever it stopped, never done twice, never guessed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ballast.chain.ids import expiry_key, future_of, option_of
from ballast.chain.quorum import SignedReport
from ballast.deployment.builder import Builder, DeploymentSealed, WrongChain
from ballast.deployment.config import Network, Source, read_network
from ballast.deployment.contract import Reverted
from ballast.deployment.create2 import DETERMINISTIC_DEPLOYER
from ballast.deployment.journal import PlanChanged
from ballast.deployment.listing import ListedExpiry
from ballast.deployment.plan import ABSENT, DeployerMissing, RequirementUnmet, StepWithoutEffect, is_done
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.roles import RoleId
from ballast.risk.pricing import WAD, Surface
from tests.support.backend import EvmBackend
from tests.support.book import plain_book
from tests.support.evm import Evm
from tests.support.system import LOCAL, local_network, publish_by_quorum, submit_reports

EXPIRY = 1_711_699_200
"""2024-03-29 at 08:00 UTC, ahead of the test chain's clock."""
TERMS = {"size_step": "0.001", "open_interest_cap": "1000"}
OPTION_TERMS = {"size_step": "0.01", "open_interest_cap": "500"}


class Killed(BaseException):
    """The process ends here."""


class MortalBackend(EvmBackend):
    """Dies around a transaction: before it is sent, after that, or once it is mined, without a word to anybody."""

    def __init__(self, evm: Evm) -> None:
        super().__init__(evm)
        self.dies = "never"
        self._last = ""

    def submit(self, to: str, data: bytes, sender: str | None = None) -> str:
        if self.dies == "before sending":
            raise Killed
        sent = self._last = super().submit(to, data, sender)
        if self.dies == "after sending":
            raise Killed
        return sent

    def wait(self, transaction: str):
        if self.dies == "before it is seen mined" and transaction == self._last:
            self._last = ""
            raise Killed
        return super().wait(transaction)


def builder_on(backend: EvmBackend, network: Network | None = None) -> Builder:
    return Builder(network or local_network(), plain_book(), backend)


def changed(network: Network, **sections: object) -> Network:
    return network.model_copy(update=sections)


@pytest.fixture
def backend() -> MortalBackend:
    return MortalBackend(Evm())


@pytest.fixture
def transactions_of_a_whole_run() -> int:
    backend = EvmBackend(Evm())
    builder_on(backend).deploy()
    return backend.transactions


def test_deploy__fresh_chain__every_step_is_done(backend):
    builder = builder_on(backend)
    builder.deploy()
    assert [step.name for step in builder.steps if not is_done(step)] == []
    assert builder.is_sealed()


def test_deploy__again__sends_nothing(backend):
    first = builder_on(backend).deploy()
    sent = backend.transactions
    again = builder_on(backend).deploy()
    assert backend.transactions == sent
    assert {name: entry.address for name, entry in again.contracts.items()} == {
        name: entry.address for name, entry in first.contracts.items()
    }


@pytest.mark.parametrize("moment", ["after sending", "before it is seen mined"])
def test_deploy__killed_at_every_transaction__resumes_and_sends_none_twice(
    backend, tmp_path: Path, moment: str, transactions_of_a_whole_run: int
):
    journal = tmp_path / "journal.json"
    backend.dies = moment
    deaths = 0
    while not (builder := builder_on(backend)).is_sealed():
        with pytest.raises(Killed):
            builder.deploy(journal)
        deaths += 1
    assert deaths == backend.transactions == transactions_of_a_whole_run
    backend.dies = "never"
    builder_on(backend).deploy(journal)
    assert backend.transactions == transactions_of_a_whole_run


def test_deploy__killed_before_sending__nothing_is_lost(backend, tmp_path: Path, transactions_of_a_whole_run: int):
    backend.dies = "before sending"
    with pytest.raises(Killed):
        builder_on(backend).deploy(tmp_path / "journal.json")
    backend.dies = "never"
    builder_on(backend).deploy(tmp_path / "journal.json")
    assert backend.transactions == transactions_of_a_whole_run


def test_deploy__journal_of_another_plan__refused(backend, tmp_path: Path):
    backend.dies = "before it is seen mined"
    with pytest.raises(Killed):
        builder_on(backend).deploy(tmp_path / "journal.json")
    network = local_network()
    dearer = changed(network, fees=network.fees.model_copy(update={"taker": 500_000}))
    backend.dies = "never"
    with pytest.raises(PlanChanged):
        builder_on(backend, dearer).deploy(tmp_path / "journal.json")


def test_journal__torn_write__never_seen(backend, tmp_path: Path):
    backend.dies = "before it is seen mined"
    for _ in range(3):
        with pytest.raises(Killed):
            builder_on(backend).deploy(tmp_path / "journal.json")
        assert set(json.loads((tmp_path / "journal.json").read_text())) == {"plan", "steps"}
    assert [file.name for file in tmp_path.iterdir()] == ["journal.json"]


def test_deploy__changed_configuration_after_handing_over__left_to_governance(backend):
    builder_on(backend).deploy()
    sent, network = backend.transactions, local_network()
    dearer = changed(network, fees=network.fees.model_copy(update={"taker": 500_000}))
    with pytest.raises(DeploymentSealed) as refused:
        builder_on(backend, dearer).deploy()
    assert refused.value.differences == ["trading fees"]
    assert backend.transactions == sent


def test_deploy__other_salt__makes_a_second_system(backend):
    first = builder_on(backend).deploy()
    second = builder_on(backend, changed(local_network(), salt="2")).deploy()
    assert {entry.address for entry in first.contracts.values()}.isdisjoint(
        entry.address for entry in second.contracts.values()
    )


def test_deploy__contract_refuses__typed_error_names_the_step(backend):
    network = local_network()
    wild = changed(network, insurance=network.insurance.model_copy(update={"cooldown": 1}))
    with pytest.raises(Reverted) as refused:
        builder_on(backend, wild).deploy()
    assert (refused.value.what, refused.value.error) == ("cooldown of the fund", "ParameterOutOfBounds")


def test_deploy__step_without_effect__stops(backend):
    builder = builder_on(backend)
    place = next(n for n, step in enumerate(builder.steps) if step.name == "trading fees")
    builder.steps[place] = replace(builder.steps[place], expected={"taker": 1, "maker": 1})
    with pytest.raises(StepWithoutEffect):
        builder.deploy()
    assert not builder.is_sealed()


def test_builder__other_chain__refused(backend):
    with pytest.raises(WrongChain):
        builder_on(backend, changed(local_network(), chain_id=8453))


def test_deploy__no_deterministic_deployer__refused_before_anything_is_sent(backend):
    backend.evm.set_code(DETERMINISTIC_DEPLOYER, b"")
    with pytest.raises(DeployerMissing):
        builder_on(backend).deploy()
    assert backend.transactions == 0


def publish_first_price(builder: Builder) -> None:
    feed = builder.backend.evm.contract("QuorumFeed", builder.contracts["QuorumFeed"].address)
    publish_by_quorum(feed, {2: 2_500})


def with_quorum_second(network: Network) -> Network:
    eth = network.underlyings["ETH"].model_copy(update={"second": Source(quorum=True)})
    return changed(network, underlyings=network.underlyings | {"ETH": eth})


def test_deploy__quorum_has_not_published__says_so_and_goes_on_later(backend):
    builder = builder_on(backend, with_quorum_second(local_network()))
    with pytest.raises(RequirementUnmet, match="signers publish ETH"):
        builder.deploy()
    assert not builder.is_sealed()
    publish_first_price(builder)
    builder.deploy()
    assert builder.is_sealed()


def test_deploy__caller_can_meet_a_requirement__goes_straight_on(backend):
    builder = builder_on(backend, with_quorum_second(local_network()))
    builder.deploy(fulfil=lambda step: publish_first_price(builder))
    assert builder.is_sealed()


def test_deploy__wrong_decimals_of_an_existing_token__stops_before_listing(backend):
    token = backend.evm.deploy("MockToken", "WBTC", 18)
    network = local_network()
    wrong = network.collaterals["WBTC"].model_copy(update={"address": token.address})
    builder = builder_on(backend, changed(network, collaterals=network.collaterals | {"WBTC": wrong}))
    with pytest.raises(RequirementUnmet, match="decimals of WBTC: expected 8, found 18"):
        builder.deploy()
    listing = next(step for step in builder.steps if step.name == "list WBTC")
    assert listing.actual() is ABSENT


def pretend_outside_world(evm: Evm, network: Network) -> None:
    """Tokens and feeds at the addresses a live network's configuration names."""
    tokens = {network.settlement_symbol: network.settlement_token, **network.collaterals}
    for symbol, token in tokens.items():
        evm.set_code(token.address, evm.code_at(evm.deploy("MockToken", symbol, token.decimals).address))
    for symbol, underlying in network.underlyings.items():
        feed = underlying.first.chainlink
        model = evm.deploy("MockAggregator", symbol, feed.decimals, 1)
        evm.set_code(feed.address, evm.code_at(model.address))
        evm.contract("MockAggregator", feed.address).transact("report", 10**feed.decimals, evm.timestamp)


def test_deploy__live_network__uses_what_exists_and_leaves_its_deployer_only_delayed_powers():
    network = read_network(LOCAL.with_name("sepolia.yaml"))
    backend = EvmBackend(Evm(chain_id=network.chain_id))
    pretend_outside_world(backend.evm, network)
    builder = builder_on(backend, network)
    record = builder.deploy()
    assert record.tokens["WBTC"] == network.collaterals["WBTC"].address
    assert not any(entry.artifact.startswith("Mock") for entry in record.contracts.values())
    access = builder.contracts["Authority"].call("hasRole", int(RoleId.GOVERNANCE), backend.deployer)
    assert tuple(access) == (True, network.roles.governance.delay)
    with pytest.raises(Reverted) as refused:
        builder.contracts["Exchange"].transact("setFees", 0, 0)
    assert refused.value.error == "AccessManagerNotScheduled"


def with_listed(**parts: Any) -> Network:
    """The local network with one expiry of ETH that is ahead of the test chain's clock."""
    entry = ListedExpiry.model_validate({"date": "2024-03-29", "volatility": "60%", "premium": "1.5%"} | parts)
    network = local_network()
    return changed(network, expiries=network.expiries.model_copy(update={"listed": {"ETH": (entry,)}}))


def test_deploy__listed_expiries__live_and_unpublished(backend):
    network = with_listed()
    builder = builder_on(backend, network)
    builder.deploy()
    contract = builder.contracts["Expiries"]
    assert contract.call("expiriesOf", 2) == [EXPIRY]
    view = contract.call("expiryOf", 2, EXPIRY)
    surface = Surface.unpack(view.surface)
    assert (surface.premium, surface.a, surface.b, surface.published_at) == (15_000_000, 360_000_000, 0, 0)
    assert not view.trusted
    sent = backend.transactions
    builder_on(backend, network).deploy()
    assert backend.transactions == sent


def test_deploy__future_and_strike_grid__every_instrument_listed_on_its_terms(backend):
    strikes = [1_500, {"from": 2_000, "to": 4_400, "step": 100}]
    network = with_listed(future=TERMS, options=OPTION_TERMS | {"strikes": strikes})
    builder = builder_on(backend, network)
    record = builder.deploy()
    house = builder.contracts["Clearinghouse"]
    assert house.call("instrumentCount") == len(record.instruments) == 3 + 1 + 2 * 26
    call = house.call("instrumentOf", record.instruments["CALL:ETH:2024-03-29:4400"])
    assert call.id == option_of(2, EXPIRY, 4_400 * WAD, is_put=False)
    assert (call.sizeStep, call.openInterestCap) == (10**16, 500 * WAD)
    future = house.call("instrumentOf", record.instruments["FUTURE:ETH:2024-03-29"])
    assert (future.id, future.sizeStep, future.openInterestCap) == (future_of(2, EXPIRY), 10**15, 1_000 * WAD)
    calls = [step.name for step in builder.steps if step.name.startswith("list CALL")]
    assert calls == [
        "list CALL:ETH:2024-03-29:1500 to PUT:ETH:2024-03-29:3800",
        "list CALL:ETH:2024-03-29:3900 to PUT:ETH:2024-03-29:4400",
    ]


@pytest.mark.parametrize("moment", ["after sending", "before it is seen mined"])
def test_deploy__killed_at_every_listing__resumes_and_sends_none_twice(backend, tmp_path: Path, moment: str):
    network = with_listed(future=TERMS, options=OPTION_TERMS | {"strikes": {"from": 2_000, "to": 4_400, "step": 100}})
    journal = tmp_path / "journal.json"
    listings = [step for step in builder_on(backend, network).steps if step.name.startswith(("list FUT", "list CALL"))]
    assert len(listings) == 3
    while not (builder := builder_on(backend, network)).is_sealed():
        backend.dies = moment
        with pytest.raises(Killed):
            builder.deploy(journal)
    backend.dies = "never"
    sent = backend.transactions
    builder_on(backend, network).deploy(journal)
    assert backend.transactions == sent
    assert all(is_done(step) for step in listings)


def test_deploy__dry_run_of_listings__says_what_would_be_sent_and_sends_nothing(backend):
    builder = builder_on(backend, with_listed(future=TERMS, options=OPTION_TERMS | {"strikes": [2_000]}))
    shown = {step.name: step.describe() for step in builder.steps if not is_done(step)}
    assert shown["list FUTURE:ETH:2024-03-29"] == f"Clearinghouse.listFuture(2, {EXPIRY}, 15, {1_000 * WAD})"
    assert backend.transactions == 0


def test_deploy__expiry_that_has_passed__refused_at_its_step(backend):
    with pytest.raises(Reverted) as refused:
        builder_on(backend, with_listed(date="2020-03-27")).deploy()
    assert (refused.value.what, refused.value.error) == ("list ETH of 2020-03-27", "ExpiryTooNear")


def test_deploy__first_surface_from_the_quorum__waited_for_before_anything_is_listed_on_it(backend):
    network = with_listed(published=True, future=TERMS)
    builder = builder_on(backend, network)
    with pytest.raises(RequirementUnmet, match="signers publish the surface of ETH of 2024-03-29"):
        builder.deploy()
    listing = next(step for step in builder.steps if step.name == "list FUTURE:ETH:2024-03-29")
    assert listing.actual() is ABSENT
    backend.evm.advance(60)
    surface = SignedReport.of_surface(expiry_key(2, EXPIRY), network.expiries.listed["ETH"][0].surface)
    contracts = {
        name: backend.evm.contract(name, builder.contracts[name].address) for name in ("QuorumFeed", "Expiries")
    }
    submit_reports(contracts["QuorumFeed"], contracts["Expiries"], surface)
    builder_on(backend, network).deploy()
    assert builder.is_sealed() and is_done(listing)


def test_record__written_and_read__same(backend, tmp_path: Path):
    record = builder_on(backend).deploy()
    record.write(tmp_path / "local.json")
    loaded = DeploymentRecord.load(tmp_path / "local.json")
    assert replace(loaded, contracts={}) == replace(record, contracts={})
    assert loaded.contracts["Auctions"].arguments == list(record.contracts["Auctions"].arguments)


def test_record__says_which_code_lies_where(backend):
    record = builder_on(backend).deploy()
    for entry in record.contracts.values():
        assert backend.code_at(entry.address)
        assert entry.transaction is not None
    assert len({entry.address for entry in record.contracts.values()}) == len(record.contracts)
