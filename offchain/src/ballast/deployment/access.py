"""Who can do what, read from the chain alone: every role, its holders, and every function of every contract.

The access manager keeps no lists; its events name every role, holder and function it was ever told of, and what holds
of each is then asked of its state. Which functions are behind it at all is asked of the contracts: each is called by a
stranger, without a transaction, and those behind the access manager refuse him with its error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ballast.chain import codec
from ballast.deployment.backend import CallReverted
from ballast.deployment.builder import Builder
from ballast.deployment.contract import Contract
from ballast.deployment.roles import RESTRICTED, RoleId

STRANGER = "0x000000000000000000000000000000005717A26E"
"""Nobody: no role names him."""
PUBLIC_ROLE = 2**64 - 1
"""Held by everybody."""
AUTHORITY = "Authority"
_ROLE_EVENTS = ("RoleGranted", "RoleAdminChanged", "RoleGuardianChanged", "RoleGrantDelayChanged")


@dataclass(frozen=True)
class Holder:
    """One holder of a role.

    Attributes:
        delay: Seconds between announcing an act and doing it.
        since: Unix second from which he holds it; in the future where a grant delay runs.
        is_member: Whether he holds it now.
        coming_delay: What `delay` will be, and `changes_at` when; equal to it, and 0, where nothing is coming.
        is_contract: Whether he is code, such as a multisig, and no plain key.
    """

    account: str
    delay: int
    since: int
    is_member: bool
    coming_delay: int
    changes_at: int
    is_contract: bool


@dataclass(frozen=True)
class RoleState:
    """One role as it stands.

    Attributes:
        admin: Role that may grant and revoke it.
        guardian: Role that may cancel its announced acts, as its holders may themselves.
        grant_delay: Seconds until a grant takes effect.
    """

    id: int
    admin: int
    guardian: int
    grant_delay: int
    holders: tuple[Holder, ...]

    @property
    def name(self) -> str:
        return role_name(self.id)

    @property
    def members(self) -> dict[str, int]:
        """Delay by account of those who hold it now."""
        return {holder.account: holder.delay for holder in self.holders if holder.is_member}


@dataclass(frozen=True)
class Power:
    """A function that the access manager guards. `is_spent`: it worked once and never will again."""

    target: str
    function: str
    role: int
    is_spent: bool = False


@dataclass(frozen=True)
class Announced:
    """An act that was scheduled and neither done nor cancelled. `ready_at`: Unix seconds; 0 where it has expired."""

    operation: str
    caller: str
    target: str
    call: str
    ready_at: int


@dataclass(frozen=True)
class Access:
    """The whole of it.

    Attributes:
        open: Signatures of functions that no role guards, by contract.
        unguarded: Role by `target selector` of what has been given a role and is not behind the access manager.
        closed: Contracts whose restricted functions nobody can call at present.
        announced: In the order in which they were scheduled first.
    """

    roles: Mapping[int, RoleState]
    powers: tuple[Power, ...]
    open: Mapping[str, tuple[str, ...]]
    unguarded: Mapping[str, int]
    closed: tuple[str, ...]
    announced: tuple[Announced, ...]

    def members(self, role: int) -> Mapping[str, int]:
        """Delay by account; of everybody's role nobody in particular."""
        return self.roles[role].members if role in self.roles else {}


def role_name(role: int) -> str:
    if role == PUBLIC_ROLE:
        return "public"
    return RoleId(role).name.lower() if role in set(RoleId) else f"role {role}"


def read_access(builder: Builder, first_block: int) -> Access:
    """Reads everything; sends nothing.

    Args:
        first_block: No event of the deployment is older.
    """
    reader = _Reader(builder, first_block)
    powers, open_functions = reader.functions()
    return Access(
        roles=reader.roles(),
        powers=tuple(powers),
        open=open_functions,
        unguarded=reader.unguarded_roles(powers),
        closed=tuple(name for name in RESTRICTED if reader.authority.call("isTargetClosed", builder.contracts[name])),
        announced=tuple(reader.announced()),
    )


def read_roles(builder: Builder, first_block: int) -> dict[int, RoleState]:
    """The roles alone."""
    return _Reader(builder, first_block).roles()


def transactions(contract: Contract) -> list[Mapping[str, Any]]:
    """ABI entries of the functions that change state."""
    return [e for e in contract.abi if e["type"] == "function" and e["stateMutability"] not in ("view", "pure")]


class _Reader:
    def __init__(self, builder: Builder, first_block: int) -> None:
        self._builder, self._backend, self._first_block = builder, builder.backend, first_block
        self.authority = builder.contracts[AUTHORITY]
        self._names = {contract.address: name for name, contract in builder.contracts.items()}

    def _events(self, name: str) -> list[codec.Record]:
        logs = self._backend.logs(self.authority.address, self.authority.topic(name), self._first_block)
        return self.authority.events(name, logs)

    # Roles -----------------------------------------------------------------------------------------------------

    def roles(self) -> dict[int, RoleState]:
        granted = self._events("RoleGranted")
        numbers = {event.roleId for name in _ROLE_EVENTS for event in self._events(name)}
        numbers |= {event.roleId for event in self._events("TargetFunctionRoleUpdated")} | {int(one) for one in RoleId}
        numbers.discard(PUBLIC_ROLE)
        accounts = {role: dict.fromkeys(e.account for e in granted if e.roleId == role) for role in sorted(numbers)}
        return {role: self._role(role, who) for role, who in accounts.items()}

    def _role(self, role: int, accounts: Iterable[str]) -> RoleState:
        call = self.authority.call
        holders = tuple(self._holder(role, account) for account in accounts)
        return RoleState(
            role,
            admin=call("getRoleAdmin", role),
            guardian=call("getRoleGuardian", role),
            grant_delay=call("getRoleGrantDelay", role),
            holders=tuple(holder for holder in holders if holder.since),
        )

    def _holder(self, role: int, account: str) -> Holder:
        access = self.authority.call("getAccess", role, account)
        since, current, pending, effect = access
        member = self.authority.call("hasRole", role, account)
        coming = pending if effect else current
        is_contract = bool(self._backend.code_at(account))
        return Holder(account, member.executionDelay, since, member.isMember, coming, effect, is_contract)

    # Functions -------------------------------------------------------------------------------------------------

    def functions(self) -> tuple[list[Power], dict[str, tuple[str, ...]]]:
        powers, unguarded = [], {}
        for name in (*RESTRICTED, AUTHORITY):
            target, found = self._builder.contracts[name], []
            for entry in transactions(target):
                role = self._role_of(target, entry)
                if role is None:
                    found.append(codec.signature_of(entry))
                else:
                    powers.append(Power(name, codec.signature_of(entry), role, self._is_spent(target, entry)))
            unguarded[name] = tuple(sorted(found))
        return powers, unguarded

    def _role_of(self, target: Contract, entry: Mapping[str, Any]) -> int | None:
        """None where a stranger's call is not turned down by the access manager."""
        data = target.encode(codec.signature_of(entry), *(plainest(item) for item in entry["inputs"]))
        try:
            self._backend.call(target.address, data, STRANGER)
        except CallReverted as reverted:
            refusal = target.errors.explain(entry["name"], reverted)
            if refusal.error == "AccessManagedUnauthorized":
                return int(self.authority.call("getTargetFunctionRole", target, codec.selector_of(entry)))
            if refusal.error == "AccessManagerUnauthorizedAccount":
                return int(refusal.arguments.roleId)
        role = self.authority.call("getTargetFunctionRole", target, codec.selector_of(entry))
        return PUBLIC_ROLE if role == PUBLIC_ROLE else None

    @staticmethod
    def _is_spent(target: Contract, entry: Mapping[str, Any]) -> bool:
        """`connect` works once: afterwards what it connected is there."""
        if entry["name"] != "connect":
            return False
        return all(int(target.call(item["name"].rstrip("_")), 16) for item in entry["inputs"])

    def unguarded_roles(self, powers: Iterable[Power]) -> dict[str, int]:
        contracts = self._builder.contracts
        guarded = {(contracts[one.target].address, contracts[one.target].selector(one.function)) for one in powers}
        seen = {(event.target, bytes(event.selector)) for event in self._events("TargetFunctionRoleUpdated")} - guarded
        roles = {pair: self.authority.call("getTargetFunctionRole", *pair) for pair in sorted(seen)}
        return {f"{target} 0x{selector.hex()}": role for (target, selector), role in roles.items() if role}

    # Announced acts --------------------------------------------------------------------------------------------

    def announced(self) -> Iterator[Announced]:
        over = {
            (event.operationId, event.nonce)
            for name in ("OperationExecuted", "OperationCanceled")
            for event in self._events(name)
        }
        newest = {event.operationId: event for event in self._events("OperationScheduled")}
        for operation, event in newest.items():
            if (operation, event.nonce) not in over:
                ready_at = self.authority.call("getSchedule", operation)
                target = self._names.get(event.target, event.target)
                call = self._describe(target, event.data)
                yield Announced("0x" + operation.hex(), event.caller, target, call, ready_at)

    def _describe(self, target: str, data: bytes) -> str:
        contract = self._builder.contracts.get(target)
        for entry in transactions(contract) if contract else ():
            if codec.selector_of(entry) == data[:4]:
                arguments = codec.decode_arguments(entry["inputs"], data[4:])
                return f"{entry['name']}({', '.join(map(str, arguments))})"
        return f"0x{data[:4].hex()}…"


def plainest(item: Mapping[str, Any]) -> Any:
    """The plainest value of an ABI type: nothing, or a stranger."""
    kind = item["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return [plainest(part) for part in item["components"]]
    if kind == "address":
        return STRANGER
    if kind.startswith("bytes"):
        return b"\0" * int(kind[5:] or 0)
    return {"bool": False, "string": ""}.get(kind, 0)
