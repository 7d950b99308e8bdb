"""Hands a role to the holders that the file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ballast.deployment.access import read_roles
from ballast.deployment.operation import Operation
from ballast.deployment.plan import Requirement, Setting, Step
from ballast.deployment.roles import RoleId
from scripts.operations.common import Context, operation


def plan(context: Context, role: str) -> Operation:
    """Grant ROLE to the holders that the file names, with its delay, then revoke it from everybody else.

    Nobody is revoked before the new holders can act. A shorter delay takes effect after as much time as it saves.
    """
    number = RoleId[role.upper()]
    terms = context.network.roles.of(number)
    present = read_roles(context.builder, context.record.block)[int(number)]
    leaving = [holder.account for holder in present.holders if holder.account not in terms.holders]
    steps: list[Step] = [grant(context, number, holder, terms.delay) for holder in terms.holders]
    if leaving:
        steps.append(arrived(context, number, terms.holders))
    steps += [revoke(context, number, holder) for holder in last_the_governor(leaving, present.members)]
    return Operation(f"rotate {role}", steps)


def last_the_governor(leaving: list[str], members: Mapping[str, int]) -> list[str]:
    """The first holder acts for governance, and so revokes himself last."""
    acting = next(iter(members), "")
    return sorted(leaving, key=lambda account: account == acting)


def grant(context: Context, role: RoleId, holder: str, delay: int) -> Step:
    authority = context.contract("Authority")
    return Setting(
        f"grant {role.name.lower()} to {holder}",
        authority,
        "grantRole",
        (int(role), holder, delay),
        lambda: granted(context, role, holder),
        {"granted": True, "delay": delay},
    )


def granted(context: Context, role: RoleId, holder: str) -> dict[str, Any]:
    """What is decided, if not in force yet."""
    since, current, pending, effect = context.contract("Authority").call("getAccess", int(role), holder)
    return {"granted": since > 0, "delay": pending if effect else current}


def arrived(context: Context, role: RoleId, holders: tuple[str, ...]) -> Step:
    authority = context.contract("Authority")
    return Requirement(
        f"new holders of {role.name.lower()} in office",
        authority,
        True,
        lambda: all(authority.call("hasRole", int(role), holder).isMember for holder in holders),
        f"the grant of {role.name.lower()} takes effect after its grant delay",
        may_follow=True,
    )


def revoke(context: Context, role: RoleId, holder: str) -> Step:
    return Setting(
        f"revoke {role.name.lower()} from {holder}",
        context.contract("Authority"),
        "revokeRole",
        (int(role), holder),
        lambda: granted(context, role, holder)["granted"],
        False,
    )


ROLE = click.argument("role", type=click.Choice([role.name.lower() for role in RoleId]))
command = operation("rotate-role", plan, ROLE)
