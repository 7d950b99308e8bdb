"""Who may call what: every state-changing function of every contract has been looked at, and stays as it was reviewed.

I24: the guardian only lowers risk. I30: bounds and delays hold. I32: no admin path moves a user's funds.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from ballast.chain.codec import find
from ballast.deployment.roles import OPEN, RESTRICTED, RoleId
from tests.support.evm import Contract, Revert, reverts
from tests.support.system import System, trader

STRANGER = trader("stranger").address

SETTERS = [(contract, function) for contract, table in RESTRICTED.items() for function in table]
OTHERS = [(contract, function) for contract, table in OPEN.items() for function in table]


def state_changing(contract: Contract) -> set[str]:
    functions = (entry for entry in contract.abi if entry["type"] == "function")
    return {entry["name"] for entry in functions if entry["stateMutability"] not in ("view", "pure")}


def empty(item: Mapping[str, Any]) -> Any:
    """The plainest value of an ABI type."""
    kind = item["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return [empty(part) for part in item["components"]]
    if kind == "address":
        return STRANGER
    if kind.startswith("bytes"):
        return b"\0" * int(kind[5:] or 0)
    return {"bool": False, "string": ""}.get(kind, 0)


def try_call(contract: Contract, function: str, sender: str) -> Revert | None:
    """How the plainest call of a function ends."""
    arguments = [empty(item) for item in find(contract.abi, "function", function)["inputs"]]
    try:
        contract.transact(function, *arguments, sender=sender)
    except Revert as refusal:
        return refusal
    return None


def delayed(role: RoleId, system: System) -> bool:
    return system.network.roles.of(role).delay > 0


def test_i32__every_state_changing_function__is_in_a_reviewed_table(system: System):
    for name, open_functions in OPEN.items():
        reviewed = set(open_functions) | set(RESTRICTED.get(name, {}))
        assert state_changing(system.contract(name)) == reviewed, f"I32: {name} has functions nobody reviewed"
    assert set(RESTRICTED) == set(OPEN)


@pytest.mark.parametrize("name", ["Lens", "MarginExplainer", "first source ETH"])
def test_i32__contract_that_only_answers__has_no_function_that_changes_state(system: System, name: str):
    assert state_changing(system.contract(name)) == set()


@pytest.mark.parametrize(("contract", "function"), SETTERS)
def test_i32__setter__by_anyone_without_its_role__refused(system: System, contract: str, function: str):
    role = RESTRICTED[contract][function]
    others = [system.network.roles.of(other).holders[0] for other in RoleId if other is not role]
    holders = set(system.network.roles.of(role).holders)
    for sender in {STRANGER, system.evm.deployer, *others} - holders:
        refusal = try_call(system.contract(contract), function, sender)
        assert refusal is not None and refusal.name == "AccessManagedUnauthorized", f"I32: {sender} called {function}"


@pytest.mark.parametrize(("contract", "function"), OTHERS)
def test_i32__function_without_role__is_not_behind_the_access_manager(system: System, contract: str, function: str):
    refusal = try_call(system.contract(contract), function, STRANGER)
    behind_manager = refusal is not None and refusal.name == "AccessManagedUnauthorized"
    assert behind_manager is (function == "setAuthority")


@pytest.mark.parametrize("contract", sorted(RESTRICTED))
def test_i32__role_in_the_access_manager__is_that_of_the_table(system: System, contract: str):
    target, authority = system.builder.contracts[contract], system.authority
    for function in state_changing(system.contract(contract)):
        role = authority.call("getTargetFunctionRole", target.address, target.selector(function))
        assert role == RESTRICTED[contract].get(function, RoleId.GOVERNANCE), f"I32: {contract}.{function}"


@pytest.mark.parametrize(("contract", "function"), SETTERS)
def test_i30__instant_parameter_change__refused(system: System, contract: str, function: str):
    role = RESTRICTED[contract][function]
    refusal = try_call(system.contract(contract), function, system.network.roles.of(role).holders[0])
    if delayed(role, system):
        assert refusal is not None and refusal.name == "AccessManagerNotScheduled"
    else:
        assert refusal is None or not refusal.name.startswith("AccessManage")


def test_i30__scheduled_change__only_after_its_delay(system: System):
    risk, exchange = system.holder("risk"), system.exchange
    data = system.builder.contracts["Exchange"].encode("setFees", 300_000, 0)
    system.authority.transact("schedule", exchange.address, data, 0, sender=risk)
    system.evm.advance(system.network.roles.risk.delay - 1)
    with reverts("AccessManagerNotReady"):
        system.authority.transact("execute", exchange.address, data, sender=risk)
    system.evm.advance(1)
    system.authority.transact("execute", exchange.address, data, sender=risk)
    assert tuple(exchange.call("fees")) == (300_000, 0)


def test_i30__shortening_a_delay__takes_as_long_as_it_saves(system: System):
    holder, delay = system.holder("risk"), system.network.roles.risk.delay
    system.act_as("governance", system.authority, "grantRole", int(RoleId.RISK), holder, 0)
    assert system.authority.call("hasRole", int(RoleId.RISK), holder).executionDelay == delay
    refusal = try_call(system.exchange, "setFees", holder)
    assert refusal is not None and refusal.name == "AccessManagerNotScheduled"
    system.evm.advance(delay)
    assert system.authority.call("hasRole", int(RoleId.RISK), holder).executionDelay == 0


def test_i30__governance_over_the_access_manager__waits_too(system: System):
    with reverts("AccessManagerNotScheduled"):
        system.authority.transact("grantRole", int(RoleId.RISK), STRANGER, 0, sender=system.holder("governance"))
    with reverts("AccessManagerUnauthorizedAccount"):
        system.authority.transact("grantRole", int(RoleId.RISK), STRANGER, 0, sender=system.evm.deployer)


@pytest.mark.parametrize("name", ["Clearinghouse", "ClearinghouseAdmin"])
def test_uninitialised_contract__initialise_after_creation__refused(system: System, name: str):
    contract = system.contract(name)
    with reverts("AlreadyInitialised"):
        contract.transact("initialise", STRANGER, STRANGER, STRANGER, STRANGER, sender=STRANGER)


@pytest.mark.parametrize("function", sorted(RESTRICTED["Clearinghouse"]))
def test_uninitialised_contract__shell_of_the_setters__obeys_nobody(system: System, function: str):
    shell = system.contract("ClearinghouseAdmin")
    for sender in (STRANGER, system.holder("governance"), system.evm.deployer):
        refusal = try_call(shell, function, sender)
        assert refusal is not None and refusal.name == "AccessManagedUnauthorized"


@pytest.mark.parametrize("name", ["Clearinghouse", "InsuranceFund"])
def test_connect__a_second_time__refused_even_to_governance(system: System, name: str):
    contract = system.contract(name)
    arguments = [STRANGER] * len(find(contract.abi, "function", "connect")["inputs"])
    with reverts("AlreadyConnected"):
        system.act_as("governance", contract, "connect", *arguments)
