"""Replaces the scenario book."""

from __future__ import annotations

from ballast.deployment.operation import Operation
from ballast.risk.book import Book
from scripts.operations.common import Context, operation

BLEND = "24h"


def plan(context: Context) -> Operation:
    """Set the risk book that the file names, in place of the one in force; margins blend over to it in a day."""
    return Operation("set risk book", context.steps(["risk book"]), notes=differences(context))


def differences(context: Context) -> list[str]:
    """What changes, in the book's own words."""
    in_force = Book.decode(bytes(context.contract("MarginEngine").call("riskBooks").current))
    coming = Book.decode(context.builder.book.encode())
    notes = [
        f"{name.replace('_', ' ')}: {getattr(in_force, name)} → {getattr(coming, name)}"
        for name in ("tail_rows", "initial_factor", "liquidation_end_factor", "settlement_token_floor", "fixed_charge")
        if getattr(in_force, name) != getattr(coming, name)
    ]
    sizes = (("historical rows", "historical"), ("stress rows", "stress"), ("underlyings", "underlyings"))
    for label, name in (*sizes, ("assets", "assets")):
        before, after = len(getattr(in_force, name)), len(getattr(coming, name))
        notes.append(f"{label}: {before} → {after}")
    return notes if in_force != coming else ["the book in force is the file's"]


command = operation("set-risk-book", plan)
