"""Who can do what, as tables: for eyes, for programs, and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ballast.deployment.access import AUTHORITY, PUBLIC_ROLE, Access, Holder, Power, RoleState, role_name
from ballast.deployment.powers import SET_AUTHORITY
from ballast.deployment.roles import OPEN, OPEN_AT_AUTHORITY, RoleId
from ballast.deployment.units import duration

HOLDERS = ("role", "holder", "is", "delay", "grant delay", "admin", "can cancel")
FUNCTIONS = ("contract", "function", "role", "delay", "holders")
UNGUARDED = ("contract", "function", "who may call it, by the contract's own code")
ANNOUNCED = ("id", "from", "by", "call")
EVERYBODY = "everybody"
Row = tuple[str, ...]


def holder_rows(access: Access) -> list[Row]:
    """A row a holder; a role without any has one, too."""
    return [row for state in access.roles.values() for row in _rows_of(state)]


def _rows_of(state: RoleState) -> Iterator[Row]:
    rule = (duration(state.grant_delay), role_name(state.admin), role_name(state.guardian))
    if not state.holders:
        yield (state.name, "nobody", "", "", *rule)
    for holder in state.holders:
        kind = "contract" if holder.is_contract else "key"
        yield (state.name, holder.account, kind, _delay_of(holder), *rule)


def _delay_of(holder: Holder) -> str:
    delay = duration(holder.delay)
    if not holder.is_member:
        delay += f", from {moment(holder.since)}"
    if holder.coming_delay != holder.delay:
        delay += f", {duration(holder.coming_delay)} from {moment(holder.changes_at)}"
    return delay


def function_rows(access: Access) -> list[Row]:
    """A row a restricted function: of each contract in the table's order, by role and name."""
    return [
        (power.target, name_of(power), role_name(power.role), *_reach(access, power))
        for power in sorted(access.powers, key=lambda power: (_place(access, power.target), power.role))
    ]


def name_of(power: Power) -> str:
    name = power.function.split("(")[0]
    return f"{name} (by updateAuthority)" if name == SET_AUTHORITY else name


def _place(access: Access, target: str) -> int:
    return list(access.open).index(target)


def _reach(access: Access, power: Power) -> tuple[str, str]:
    """The shortest delay and the holders, or that it is over."""
    if power.is_spent:
        return "", "nobody: done once, for good"
    if power.role == PUBLIC_ROLE:
        return duration(0), EVERYBODY
    members = access.members(power.role)
    if not members:
        return "", "nobody"
    return duration(min(members.values())), ", ".join(members)


def open_rows(access: Access) -> list[Row]:
    """A row a function that no role reaches, with whom the contract itself lets in."""
    rows: list[Row] = []
    for target, functions in access.open.items():
        reviewed: Mapping[str, str] = OPEN_AT_AUTHORITY if target == AUTHORITY else OPEN[target]
        rows += [(target, name, reviewed.get(name, "NOT REVIEWED")) for name in map(_bare, functions)]
    return rows


def announced_rows(access: Access) -> list[Row]:
    """A row an act that is under way."""
    return [
        (one.operation, moment(one.ready_at) if one.ready_at else "expired", one.caller, f"{one.target}.{one.call}")
        for one in access.announced
    ]


def _bare(function: str) -> str:
    return function.split("(")[0]


def moment(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_json(access: Access) -> dict[str, Any]:
    """The whole of it, plainly."""
    return {
        "roles": [_role_json(state) for state in access.roles.values()],
        "functions": [_power_json(access, power) for power in access.powers],
        "open": [dict(zip(("contract", "function", "callers"), row, strict=True)) for row in open_rows(access)],
        "unguarded": dict(access.unguarded),
        "closed": list(access.closed),
        "announced": [vars(one) for one in access.announced],
    }


def _role_json(state: RoleState) -> dict[str, Any]:
    rule = {"admin": role_name(state.admin), "guardian": role_name(state.guardian), "grant_delay": state.grant_delay}
    return {"id": state.id, "name": state.name, **rule, "holders": [vars(holder) for holder in state.holders]}


def _power_json(access: Access, power: Power) -> dict[str, Any]:
    holders = {} if power.is_spent else dict(access.members(power.role))
    return {
        "contract": power.target,
        "function": power.function,
        "role": role_name(power.role),
        "spent": power.is_spent,
        "holders": holders,
    }


def markdown(access: Access) -> str:
    """The documentation's page: as above, with roles in place of holders."""
    delays = {role_name(int(role)): _shortest(access, role) for role in RoleId}
    functions = [
        (target, f"`{name}`", role, "over" if who.startswith("nobody") else delays[role])
        for target, name, role, _, who in function_rows(access)
    ]
    unguarded = [(target, f"`{name}`", who) for target, name, who in open_rows(access)]
    return "\n\n".join(
        [
            _TITLE,
            "## What a role can call",
            _table(("contract", "function", "role", "delay"), functions),
            "## What no role can call",
            _NO_ROLE,
            _table(("contract", "function", "who can"), unguarded),
        ]
    )


def _shortest(access: Access, role: RoleId) -> str:
    return duration(min(access.members(int(role)).values()))


def _table(header: Sequence[str], rows: Sequence[Row]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_TITLE = """# Who can do what

Written by `./dev run python -m tools.export_powers` from a deployed chain, with the delays of
`config/networks/local.yaml`. The same of any deployment, with its holders: `./dev verify --powers`
([deployment](deployment.md#what-verify-compares)). What a role may set is bounded in code; what the guardian does ends
by itself."""
_NO_ROLE = """The access manager has no part in these: whoever governs, they obey whom the last column names. None of
the functions above moves what users own ([invariants](invariants.md), I32)."""
