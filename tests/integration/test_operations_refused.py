"""What operations refuse before anything is sent, what they take back, and who is left when roles change hands."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from click import UsageError

from ballast.chain.instruments import parse_instrument
from ballast.deployment.access import read_access
from ballast.deployment.config import Network
from ballast.deployment.operation import (
    Governor,
    OperationRefused,
    OtherDeployment,
    Phase,
    TransactionsUnderWay,
)
from ballast.deployment.plan import RequirementUnmet
from ballast.deployment.roles import RoleId
from ballast.errors import ChainError, ConfigurationError
from scripts.bench.system import four_perps
from scripts.operations import (
    apply,
    cancel,
    list_collateral,
    list_expiry,
    pause,
    replace_sources,
    rotate_role,
    run_down,
    serve_from_fallback,
    set_risk_book,
    unpause,
)
from tests.integration.test_operations import (
    EXPIRY,
    NEWCOMER,
    built,
    dead_oracle,
    office,
    with_expiry,
    with_fees,
    with_holders,
    with_other_feed,
)
from tests.support.governance import Office
from tests.support.system import DAY, HOUR, Market, trader

__all__ = ["built", "office"]
BUYER, SELLER = trader("buyer"), trader("seller")


@pytest.fixture
def untouched(office: Office) -> Iterator[Office]:
    """An office in which nothing may be sent."""
    block = office.block
    yield office
    assert office.block == block


# Bounds in code ----------------------------------------------------------------------------------------------------


def test_apply__value_beyond_its_bound__refused_with_the_contract_s_error(untouched: Office):
    network = untouched.network
    dear = network.model_copy(update={"fees": network.fees.model_copy(update={"taker": 6_000_000})})
    with pytest.raises(OperationRefused, match="trading fees would be refused: FeeOutOfBounds"):
        untouched.by(dear).run(apply.plan, ("trading fees",))


def test_pause__for_longer_than_a_week__refused(untouched: Office):
    with pytest.raises(OperationRefused, match="PERP:ETH reduce-only would be refused: ParameterOutOfBounds"):
        untouched.run(pause.plan, ["ETH"], [], [], False, "8d")


def test_set_risk_book__one_that_drops_an_asset__refused(untouched: Office):
    smaller = replace(untouched.book, assets=untouched.book.assets[:-1])
    with pytest.raises(OperationRefused, match="risk book would be refused: InvalidRiskBook"):
        untouched.by(book=smaller).run(set_risk_book.plan)


def test_set_risk_book__while_one_blends_in__refused(office: Office):
    office.by(book=replace(office.book, fixed_charge=30 * 10**9)).see_through(set_risk_book.plan)
    with pytest.raises(OperationRefused, match="BlendInProgress"):
        office.by(book=replace(office.book, fixed_charge=40 * 10**9)).run(set_risk_book.plan)


def test_list_expiry__delays_that_end_too_late__refused(untouched: Office):
    soon = datetime(2023, 11, 17)
    network = with_expiry(untouched.network, date=soon.date())
    with pytest.raises(OperationRefused, match="s too late for it; take a later date"):
        untouched.by(network).rehearse(list_expiry.plan, "ETH", soon)


def test_list_expiry__smile_that_the_chain_refuses__refused(untouched: Office):
    network = with_expiry(untouched.network, volatility="700%")
    with pytest.raises(OperationRefused, match="list ETH of 2023-12-29 would be refused: VarianceTooHigh"):
        untouched.by(network).rehearse(list_expiry.plan, "ETH", EXPIRY)


def test_list_expiry__date_the_file_does_not_have__says_which_it_has(untouched: Office):
    with pytest.raises(ConfigurationError, match="no expiry of ETH on 2023-12-30, but 2023-12-29"):
        untouched.by(with_expiry(untouched.network)).rehearse(list_expiry.plan, "ETH", datetime(2023, 12, 30))


def test_list_collateral__before_its_underlying__says_what_comes_first(untouched: Office):
    with pytest.raises(RequirementUnmet, match=r"`./dev operate list-underlying USDT` first"):
        untouched.by(four_perps(untouched.network)).rehearse(list_collateral.plan, "USDT")


def test_list_collateral__number_that_another_would_get__refused(untouched: Office):
    network = four_perps(untouched.network)
    swapped = {"ODD": network.collaterals["USDT"], "USDT": network.collaterals["USDT"]}
    changed = network.model_copy(update={"collaterals": dict(untouched.network.collaterals) | swapped})
    with pytest.raises(OperationRefused, match="USDT is asset 5 in the file, the chain's next is 4"):
        untouched.by(changed).rehearse(list_collateral.plan, "USDT")


def test_replace_sources__that_disagree__refused(office: Office):
    apart = with_other_feed(office.network)
    eth = apart.underlyings["ETH"]
    chainlink = eth.first.chainlink.model_copy(update={"price": "2900"})
    wild = eth.model_copy(update={"first": eth.first.model_copy(update={"chainlink": chainlink})})
    with pytest.raises(OperationRefused, match="price sources of ETH would be refused: SourcesDisagree"):
        office.by(apart.model_copy(update={"underlyings": apart.underlyings | {"ETH": wild}})).run(
            replace_sources.plan, "ETH"
        )


def test_serve_from_fallback__oracle_that_lives__refused(untouched: Office):
    with pytest.raises(RequirementUnmet, match="only what is halted is served from the fallback"):
        untouched.run(serve_from_fallback.plan, "ETH")


def test_serve_from_fallback__signers_are_silent__says_who_has_to_publish(office: Office):
    limits = office.network.underlyings["ETH"].limits
    office.evm.advance(limits.halt_age + limits.fallback_delay + 60)
    with pytest.raises(RequirementUnmet, match="have 2 signers publish ETH"):
        office.run(serve_from_fallback.plan, "ETH")


def test_serve_from_fallback__not_halted_long_enough__refused(office: Office):
    limits = office.network.underlyings["ETH"].limits
    dead = dead_oracle(replace(office))
    shorter = limits.model_copy(update={"fallback_delay": DAY})
    network = office.network
    eth = network.underlyings["ETH"].model_copy(update={"limits": shorter})
    patient = dead.by(network.model_copy(update={"underlyings": network.underlyings | {"ETH": eth}}))
    patient.see_through(apply.plan, ("oracle limits of ETH",))
    with pytest.raises(OperationRefused, match="NotHaltedLongEnough"):
        patient.run(serve_from_fallback.plan, "ETH")


def test_pause__nothing_named__wrong_usage(untouched: Office):
    with pytest.raises(UsageError, match="say what"):
        untouched.run(pause.plan, [], [], [], False, "1d")


def test_unpause__label_that_is_not_listed__says_what_is(untouched: Office):
    with pytest.raises(
        ConfigurationError, match="no instrument PERP:DOGE is listed, but PERP:BTC, PERP:ETH, PERP:LINK"
    ):
        untouched.run(unpause.plan, [], ["PERP:DOGE"], [], False)


# Who acts ----------------------------------------------------------------------------------------------------------


def test_governor__other_contracts_than_those_that_stand__refused(untouched: Office):
    context = untouched.context
    addresses = {name: entry.address for name, entry in context.record.contracts.items()}
    with pytest.raises(OtherDeployment, match=r"Exchange.*check out the commit"):
        Governor(context.builder, addresses | {"Exchange": NEWCOMER}, context.record.block)


def test_operation__role_that_nobody_holds__says_that_it_must_be_granted(office: Office):
    role, holder = int(RoleId.RISK), office.system.holder("risk")
    office.system.authority.transact("renounceRole", role, holder, sender=holder)
    with pytest.raises(OperationRefused, match="nobody holds the role risk; governance must grant it first"):
        office.by(with_fees(office.network)).run(apply.plan, ("trading fees",))


def test_operation__closed_contract__refused_before_it_is_announced(office: Office):
    close(office, "Exchange")
    with pytest.raises(OperationRefused, match="the access manager lets nobody call Exchange"):
        office.by(with_fees(office.network)).run(apply.plan, ("trading fees",))


def close(office: Office, name: str) -> None:
    target, governor = office.system.contract(name), office.system.holder("governance")
    authority = office.system.authority
    data = office.context.contract("Authority").encode("setTargetClosed", target.address, True)
    authority.transact("schedule", authority.address, data, 0, sender=governor)
    office.evm.advance(office.network.roles.governance.delay)
    authority.transact("execute", authority.address, data, sender=governor)


def test_operation__transactions_of_an_earlier_run_still_under_way__waits_for_them(office: Office):
    ready = office.by(with_fees(office.network))
    office.evm.node.request("evm_setAutomine", False)
    holder = office.system.holder("risk")
    transaction = {"from": holder, "to": holder, "gas": hex(21_000), "gasPrice": hex(0)}
    office.evm.node.request("eth_sendTransaction", transaction)
    with pytest.raises(TransactionsUnderWay, match=holder):
        ready.run(apply.plan, ("trading fees",))
    office.evm.node.request("evm_mine")
    office.evm.node.request("evm_setAutomine", True)
    assert ready.run(apply.plan, ("trading fees",)).sent == 1


def test_operation__node_that_cannot_simulate__sends_nothing(untouched: Office, monkeypatch: pytest.MonkeyPatch):
    from web3 import HTTPProvider

    ask = HTTPProvider.make_request

    def without_simulation(self: Any, method: Any, parameters: Any) -> Any:
        if method == "eth_simulateV1":
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
        return ask(self, method, parameters)

    monkeypatch.setattr(HTTPProvider, "make_request", without_simulation)
    with pytest.raises(ChainError, match="the node cannot simulate: Method not found"):
        untouched.by(with_fees(untouched.network)).run(apply.plan, ("trading fees",))


# Announced acts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["risk", "governance"])
def test_cancel__announced_act__gone_and_announced_afresh_by_the_next_run(office: Office, role: str):
    ready = office.by(with_fees(office.network))
    ready.run(apply.plan, ("trading fees",))
    (announced,) = read_access(ready.context.builder, office.system.record.block).announced
    assert ready.run(cancel.plan, announced.operation, accounts={office.system.holder(role)}).is_done
    assert read_access(ready.context.builder, office.system.record.block).announced == ()
    office.wait(announced.ready_at)
    progress = ready.run(apply.plan, ("trading fees",))
    assert [one.phase for one in progress.standings] == [Phase.WAIT]


def test_cancel__act_that_was_never_announced__refused(untouched: Office):
    with pytest.raises(ConfigurationError, match="no act 0x00 was ever announced"):
        untouched.run(cancel.plan, "0x00")


def test_operation__announced_and_left_to_expire__announced_afresh(office: Office):
    ready = office.by(with_fees(office.network))
    ready.run(apply.plan, ("trading fees",))
    office.wait(office.evm.timestamp + 8 * DAY)
    progress = ready.run(apply.plan, ("trading fees",))
    assert [one.phase for one in progress.standings] == [Phase.WAIT]
    assert ready.see_through(apply.plan, ("trading fees",)).is_done


# Roles -------------------------------------------------------------------------------------------------------------


def test_rotate_role__governance_to_another__the_old_holder_goes_last(office: Office):
    old = office.system.holder("governance")
    office.by(with_holders(office.network, "governance", NEWCOMER)).see_through(rotate_role.plan, "governance")
    members = read_access(office.context.builder, office.system.record.block).members(int(RoleId.GOVERNANCE))
    assert members == {NEWCOMER: office.network.roles.governance.delay} and old not in members


def test_rotate_role__new_holder_comes_after_a_grant_delay__nobody_is_revoked_before(office: Office):
    authority, governor = office.system.authority, office.system.holder("governance")
    office.system.act_as("governance", authority, "setGrantDelay", int(RoleId.GUARDIAN), DAY)
    office.wait(office.evm.timestamp + 5 * DAY)
    ready, old = office.by(with_holders(office.network, "guardian", NEWCOMER)), office.system.holder("guardian")
    progress = ready.run(rotate_role.plan, "guardian")
    office.wait(progress.next_at)
    progress = ready.run(rotate_role.plan, "guardian")
    assert [one.phase for one in progress.standings] == [Phase.DONE, Phase.NEED, Phase.EXECUTE]
    assert authority.call("hasRole", int(RoleId.GUARDIAN), old).isMember
    office.wait(office.evm.timestamp + DAY)
    assert ready.run(rotate_role.plan, "guardian").is_done
    assert not authority.call("hasRole", int(RoleId.GUARDIAN), old).isMember
    assert governor == office.system.holder("governance")


def test_rotate_role__shorter_delay__decided_and_in_force_later(office: Office):
    holder = office.system.holder("risk")
    ready = office.by(with_holders(office.network, "risk", holder, delay=HOUR))
    assert ready.see_through(rotate_role.plan, "risk").is_done
    call = office.system.authority.call
    assert call("hasRole", int(RoleId.RISK), holder).executionDelay == office.network.roles.risk.delay
    office.evm.advance(5 * HOUR)
    assert call("hasRole", int(RoleId.RISK), holder).executionDelay == HOUR


# Running down ------------------------------------------------------------------------------------------------------


def listed(network: Network) -> Network:
    return with_expiry(network, options=None)


def test_run_down__positions_that_are_open__said_with_what_becomes_of_them(office: Office):
    ready, market = office.by(listed(office.network)), Market(office.system)
    ready.see_through(list_expiry.plan, "ETH", EXPIRY)
    market.fund(BUYER, USDC=50_000)
    market.fund(SELLER, USDC=50_000)
    market.trade(BUYER, SELLER, "ETH", "1.5")
    context = ready.context
    planned = run_down.plan(context, "ETH", False)
    assert planned.notes == ["left: PERP:ETH, 1.5 open, a perpetual, which ends only as its holders close it"]
    ready.see_through(run_down.plan, "ETH", False)
    future = parse_instrument("FUTURE:ETH:2023-12-29", {"ETH": 2}.__getitem__)
    index = office.system.clearinghouse.call("instrumentIndexOf", future)
    assert office.system.clearinghouse.call("instrumentOf", index).reduceOnly
    market.trade(SELLER, BUYER, "ETH", "1.5")
    assert run_down.plan(context, "ETH", False).notes == ["nothing is left open in ETH"]


def test_run_down__half_a_week_later__renews_the_guardian_s_part_alone(office: Office):
    office.see_through(run_down.plan, "ETH", False)
    office.wait(office.evm.timestamp + 4 * DAY)
    progress = office.run(run_down.plan, "ETH", False)
    assert progress.is_done and progress.sent == 1
    assert pause.reduce_only_until(office.context, 2) >= office.evm.timestamp + 6 * DAY
