"""What the chain says of who can do what, held against the reviewed tables and a network's file."""

from __future__ import annotations

from collections.abc import Iterator

from ballast.deployment.access import AUTHORITY, PUBLIC_ROLE, Access, RoleState, role_name
from ballast.deployment.config import Network
from ballast.deployment.finding import Finding
from ballast.deployment.roles import OPEN, OPEN_AT_AUTHORITY, RESTRICTED, RoleId

SET_AUTHORITY = "setAuthority"
"""Behind the access manager everywhere: governance, by way of `updateAuthority`."""


def of_access(network: Network, access: Access) -> Iterator[Finding]:
    """Everything that is as reviewed, and everything that is not, each with its name."""
    yield from _of_functions(access)
    for role in RoleId:
        yield from _of_role(network, access.roles[int(role)])
    strays = {role: state.members for role, state in access.roles.items() if role not in set(RoleId)}
    yield Finding("holders of other roles", {}, {role: who for role, who in strays.items() if who})
    if not network.governance_by_key:
        keys = tuple(one.account for one in access.roles[0].holders if one.is_member and not one.is_contract)
        yield Finding("plain keys that govern", (), keys)


def _of_functions(access: Access) -> Iterator[Finding]:
    """No function has another role than the reviewed table gives it, listed there or not, and none is open unknown."""
    for name in (*RESTRICTED, AUTHORITY):
        roles = {power.function: power.role for power in access.powers if power.target == name}
        expected = {function: _reviewed(name, function) for function in roles}
        yield Finding(f"roles of the functions of {name}", expected, roles)
        reviewed = set(OPEN_AT_AUTHORITY if name == AUTHORITY else OPEN[name]) - {SET_AUTHORITY}
        found = {function.split("(")[0] for function in access.open[name]}
        yield Finding(f"open functions of {name}", tuple(sorted(reviewed)), tuple(sorted(found)))
    yield Finding("closed contracts", (), access.closed)
    yield Finding("roles of functions that are behind none", {}, dict(access.unguarded))
    everybodys = tuple(f"{one.target}.{one.function}" for one in access.powers if one.role == PUBLIC_ROLE)
    yield Finding("functions handed to everybody", (), everybodys)
    held = {role for role, state in access.roles.items() if state.members} | {PUBLIC_ROLE}
    orphans = tuple(f"{one.target}.{one.function}" for one in access.powers if one.role not in held)
    yield Finding("functions that nobody can call", (), orphans)


def _reviewed(target: str, function: str) -> int | None:
    """The role of the reviewed table; None where a function was taken to be open."""
    name = function.split("(")[0]
    if name == SET_AUTHORITY:
        return int(RoleId.GOVERNANCE)
    if target == AUTHORITY:
        return None if name in OPEN_AT_AUTHORITY else int(RoleId.GOVERNANCE)
    role = RESTRICTED[target].get(name)
    return None if role is None else int(role)


def _of_role(network: Network, state: RoleState) -> Iterator[Finding]:
    """Its holders are those of the file, each with its delay, nobody joins or changes soon; governance rules it."""
    terms, name = network.roles.of(RoleId(state.id)), state.name
    yield Finding(f"holders of {name}", dict.fromkeys(terms.holders, terms.delay), state.members)
    if terms.delay:
        instant = tuple(account for account, delay in state.members.items() if delay == 0)
        yield Finding(f"holders of {name} without delay", (), instant)
    coming = {holder.account: holder.since for holder in state.holders if not holder.is_member}
    yield Finding(f"holders of {name} to come", {}, coming)
    changing = {one.account: one.coming_delay for one in state.holders if one.coming_delay != one.delay}
    yield Finding(f"delays of {name} to come", {}, changing)
    ruled = {"admin": "governance", "guardian": "governance", "grant delay": 0}
    found = {
        "admin": role_name(state.admin),
        "guardian": role_name(state.guardian),
        "grant delay": state.grant_delay,
    }
    yield Finding(f"rule over {name}", ruled, found)
