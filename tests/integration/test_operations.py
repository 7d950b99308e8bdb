"""Every operation of governance on a real node: rehearsed without a trace, announced, waited for, done, and taken up
again wherever it was stopped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from ballast.deployment.config import Network, load_network
from ballast.deployment.listing import ListedExpiry
from ballast.deployment.operation import Phase
from ballast.deployment.roles import RoleId
from scripts.bench.system import four_perps
from scripts.operations import (
    apply,
    list_collateral,
    list_expiry,
    list_underlying,
    pause,
    replace_sources,
    rotate_role,
    rotate_signers,
    run_down,
    serve_from_fallback,
    set_caps,
    set_risk_book,
    unpause,
)
from tests.support.governance import Killed, Office, Plan
from tests.support.node import node_evm
from tests.support.system import DAY, LOCAL, WAD, deploy_on, development_key, publish_by_quorum

ROLES = tuple(role.name.lower() for role in RoleId)
NEWCOMER = development_key(9).address
EXPIRY = datetime(2023, 12, 29)
ENTRY = {
    "date": EXPIRY.date(),
    "volatility": "60%",
    "future": {"size_step": "0.001", "open_interest_cap": "1000"},
    "options": {"size_step": "0.01", "open_interest_cap": "500", "strikes": {"from": 2_000, "to": 4_400, "step": 100}},
}


@pytest.fixture(scope="module")
def built() -> Iterator[Office]:
    network, book = load_network(LOCAL)
    with node_evm() as evm:
        yield Office(evm, deploy_on(evm, evm.backend(), network, book), network, book)


@pytest.fixture
def office(built: Office) -> Iterator[Office]:
    """The same, as it was at first."""
    snapshot, now = built.evm.node.request("evm_snapshot"), built.evm.timestamp
    yield built
    built.evm.node.request("evm_revert", snapshot)
    built.evm.timestamp = now


# The file, changed -------------------------------------------------------------------------------------------------


def with_expiry(network: Network, **changes: Any) -> Network:
    entry = ListedExpiry.model_validate(ENTRY | changes)
    return network.model_copy(update={"expiries": network.expiries.model_copy(update={"listed": {"ETH": (entry,)}})})


def with_other_feed(network: Network) -> Network:
    """ETH's first source is another feed, which opens at a slightly other price."""
    eth = network.underlyings["ETH"]
    chainlink = eth.first.chainlink.model_copy(update={"price": "2510"})
    changed = eth.model_copy(update={"first": eth.first.model_copy(update={"chainlink": chainlink})})
    return network.model_copy(update={"underlyings": network.underlyings | {"ETH": changed}})


def with_holders(network: Network, role: str, *holders: str, **terms: int) -> Network:
    changed = getattr(network.roles, role).model_copy(update={"holders": holders, **terms})
    return network.model_copy(update={"roles": network.roles.model_copy(update={role: changed})})


def with_signers(network: Network) -> Network:
    signers = tuple(sorted((development_key(number).address for number in (5, 6, 9)), key=lambda one: int(one, 16)))
    return network.model_copy(update={"quorum_feed": network.quorum_feed.model_copy(update={"signers": signers})})


def with_fees(network: Network) -> Network:
    return network.model_copy(update={"fees": network.fees.model_copy(update={"taker": 500_000})})


def with_cap(network: Network) -> Network:
    eth = network.underlyings["ETH"]
    assert eth.perp is not None
    changed = eth.model_copy(update={"perp": eth.perp.model_copy(update={"open_interest_cap": 7 * WAD})})
    return network.model_copy(update={"underlyings": network.underlyings | {"ETH": changed}})


# Operations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One operation: how the file and the chain come to need it, and what is so once it is done."""

    plan: Plan
    arguments: tuple[Any, ...]
    prepare: Callable[[Office], Office]
    holds: Callable[[Office], bool]


def listing_usdt(office: Office) -> Office:
    return office.by(four_perps(office.network))


def usdt_listed(office: Office) -> Office:
    ready = listing_usdt(office)
    ready.see_through(list_underlying.plan, "USDT")
    return ready


def dead_oracle(office: Office) -> Office:
    """ETH's feeds have been silent for long, and the signers publish it."""
    limits = office.network.underlyings["ETH"].limits
    office.evm.advance(limits.halt_age + limits.fallback_delay + 60)
    publish_by_quorum(office.system.quorum_feed, {2: 2_400})
    return replace(office, silent=frozenset({"ETH"}))


def paused(office: Office) -> Office:
    assert office.run(pause.plan, ["ETH"], [], ["WETH"], False, "3d").is_done
    return office


def is_listed(office: Office, label: str) -> bool:
    return label in pause.instruments(office.context)


def views(office: Office, symbol: str) -> list[Any]:
    context = office.context
    house = context.contract("Clearinghouse")
    return [house.call("instrumentOf", index) for index in pause.chosen(context, [symbol], [], False).values()]


def caps(office: Office) -> tuple[int, int]:
    limits = office.system.clearinghouse.call("underlyingLimitsOf", 2).limits
    return limits.openInterestCap, limits.openInterestValueCap


def members(office: Office, role: RoleId, *accounts: str) -> list[bool]:
    return [office.system.authority.call("hasRole", int(role), account).isMember for account in accounts]


CASES = {
    "list-underlying": Case(
        list_underlying.plan, ("USDT",), listing_usdt, lambda office: is_listed(office, "PERP:USDT")
    ),
    "list-collateral": Case(
        list_collateral.plan,
        ("USDT",),
        usdt_listed,
        lambda office: (
            office.system.clearinghouse.call("assetCount") == 5
            and office.system.clearinghouse.call("depositCapOf", 4).to == 3_000_000 * 10**6
        ),
    ),
    "list-expiry": Case(
        list_expiry.plan,
        ("ETH", EXPIRY),
        lambda office: office.by(with_expiry(office.network)),
        lambda office: is_listed(office, "PUT:ETH:2023-12-29:4400") and is_listed(office, "FUTURE:ETH:2023-12-29"),
    ),
    "set-risk-book": Case(
        set_risk_book.plan,
        (),
        lambda office: office.by(book=replace(office.book, fixed_charge=30 * 10**9)),
        lambda office: office.system.margin_engine.call("riskBooks").current == office.book.encode(),
    ),
    "pause": Case(
        pause.plan,
        (["ETH"], ["PERP:BTC"], ["WETH"], False, "3d"),
        lambda office: office,
        lambda office: (
            [view.reduceOnly for symbol in ("ETH", "BTC", "LINK") for view in views(office, symbol)]
            == [True, True, False]
            and office.system.clearinghouse.call("depositsPausedUntil", 1) > office.evm.timestamp + 2 * DAY
        ),
    ),
    "unpause": Case(
        unpause.plan,
        (["ETH"], [], ["WETH"], False),
        paused,
        lambda office: (
            not views(office, "ETH")[0].reduceOnly and office.system.clearinghouse.call("depositsPausedUntil", 1) == 0
        ),
    ),
    "serve-from-fallback": Case(
        serve_from_fallback.plan,
        ("ETH",),
        dead_oracle,
        lambda office: office.system.oracle_hub.call("recordOf", 2).first == office.system.quorum_feed.address,
    ),
    "replace-sources": Case(
        replace_sources.plan,
        ("ETH",),
        lambda office: office.by(with_other_feed(office.network)),
        lambda office: (
            office.system.oracle_hub.call("recordOf", 2).first
            == office.context.contract("first source ETH").address
            != office.system.record.contracts["first source ETH"].address
        ),
    ),
    "run-down": Case(
        run_down.plan,
        ("ETH", True),
        lambda office: office,
        lambda office: (
            caps(office) == (0, 0)
            and views(office, "ETH")[0].reduceOnly
            and office.system.clearinghouse.call("depositCapOf", 1).to == 0
        ),
    ),
    "rotate-role": Case(
        rotate_role.plan,
        ("guardian",),
        lambda office: office.by(with_holders(office.network, "guardian", NEWCOMER)),
        lambda office: members(office, RoleId.GUARDIAN, NEWCOMER, office.system.holder("guardian")) == [True, False],
    ),
    "rotate-signers": Case(
        rotate_signers.plan,
        (),
        lambda office: office.by(with_signers(office.network)),
        lambda office: office.system.quorum_feed.call("isSigner", NEWCOMER),
    ),
    "set-caps": Case(
        set_caps.plan,
        ((),),
        lambda office: office.by(with_cap(office.network)),
        lambda office: views(office, "ETH")[0].openInterestCap == 7 * WAD,
    ),
    "apply": Case(
        apply.plan,
        (("trading fees",),),
        lambda office: office.by(with_fees(office.network)),
        lambda office: office.system.exchange.call("fees").taker == 500_000,
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@every_case
def test_operation__dry_run__could_go_through_and_leaves_no_trace(office: Office, case: Case):
    office = case.prepare(office)
    before, state = office.block, office.evm.node.request("eth_getBlockByNumber", "latest", False)["stateRoot"]
    progress = office.rehearse(case.plan, *case.arguments)
    assert not progress.is_done and progress.sent == 0
    assert office.block == before
    assert office.evm.node.request("eth_getBlockByNumber", "latest", False)["stateRoot"] == state
    assert not case.holds(office)


@every_case
def test_operation__run_until_its_delays_are_over__done_and_not_before(office: Office, case: Case):
    office = case.prepare(office)
    first = office.run(case.plan, *case.arguments)
    delayed = [one for one in first.standings if one.phase is Phase.WAIT]
    if delayed:
        assert not case.holds(office)
        assert all(one.ready_at >= office.evm.timestamp + one.delay for one in delayed)
        again = office.run(case.plan, *case.arguments)
        assert again.sent == 0 and again.next_at == first.next_at
        office.wait(first.next_at - 1)
        assert office.run(case.plan, *case.arguments).sent == 0
    assert office.see_through(case.plan, *case.arguments).is_done
    assert case.holds(office)
    assert office.run(case.plan, *case.arguments).sent == 0


@every_case
def test_operation__killed_at_every_transaction__goes_on_and_sends_none_twice(office: Office, case: Case):
    office = case.prepare(office)
    before, snapshot, now = office.acts(), office.evm.node.request("evm_snapshot"), office.evm.timestamp
    office.see_through(case.plan, *case.arguments)
    of_a_whole_run = office.acts() - before
    office.evm.node.request("evm_revert", snapshot)
    office.evm.timestamp = now
    deaths, is_done = 0, False
    while not is_done:
        try:
            progress = office.run_and_die(case.plan, *case.arguments)
        except Killed:
            deaths += 1
        else:
            is_done = progress.is_done
            office.wait(progress.next_at)
    assert case.holds(office)
    assert deaths >= office.acts() - before == of_a_whole_run > 0


@every_case
def test_operation__account_without_the_role__acts_in_nothing_and_says_whose_turn_it_is(office: Office, case: Case):
    office = case.prepare(office)
    before = office.acts()
    progress = office.run(case.plan, *case.arguments, accounts={NEWCOMER})
    acts = [one for one in progress.standings if one.phase in (Phase.CALL, Phase.ANNOUNCE)]
    assert office.acts() == before and not case.holds(office)
    assert acts and all(one.holder in {office.system.holder(role) for role in ROLES} for one in acts)
