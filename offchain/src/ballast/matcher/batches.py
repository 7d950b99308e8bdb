"""Which fills go into a transaction, and which order is to blame where one would fail: the chain is a function here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ballast.chain.orders import Order, OrderFlags
from ballast.matcher.records import FillRecord

# Fills that are settled together or not at all.
Unit = tuple[FillRecord, ...]


@dataclass(frozen=True)
class Fault:
    """Why a simulated settlement reverts: a typed error and its values, or what the node said and none."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    is_typed: bool = True

    def __str__(self) -> str:
        listed = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.name}({listed})" if listed else self.name


@dataclass
class Sorted:
    """Units that settle together; those that fail even alone, each with why; those to try again later."""

    settling: list[Unit] = field(default_factory=list)
    failing: list[tuple[Unit, Fault]] = field(default_factory=list)
    later: list[Unit] = field(default_factory=list)


Simulate = Callable[[Sequence[FillRecord]], Fault | None]


def units_of(fills: Iterable[FillRecord]) -> list[Unit]:
    """Fills by what is settled together, oldest first."""
    found: dict[int, list[FillRecord]] = {}
    for fill in fills:
        found.setdefault(fill.unit, []).append(fill)
    return [tuple(unit) for unit in found.values()]


def first_units(units: Iterable[Unit], most: int) -> list[Unit]:
    """The oldest, up to `most` fills, and one at least."""
    chosen: list[Unit] = []
    count = 0
    for unit in units:
        if chosen and count + len(unit) > most:
            break
        chosen.append(unit)
        count += len(unit)
    return chosen


def sort_out(units: Sequence[Unit], simulate: Simulate) -> Sorted:
    """Halves what fails until each offender stands alone; about log₂ simulations an offender.

    A unit that fails with the others and not alone, such as the second of two that an account can only afford one of,
    or the one that makes a transaction too large, waits until the others are settled.
    """
    found = Sorted()
    _sort(list(units), simulate, found)
    return found


def _sort(units: list[Unit], simulate: Simulate, found: Sorted) -> None:
    if not units:
        return
    fault = simulate([fill for unit in [*found.settling, *units] for fill in unit])
    if fault is None:
        found.settling += units
    elif len(units) > 1:
        middle = len(units) // 2
        _sort(units[:middle], simulate, found)
        _sort(units[middle:], simulate, found)
    else:
        alone = simulate(units[0]) if found.settling else fault
        if alone is None:
            found.later += units
        else:
            found.failing.append((units[0], alone))


# Nobody's fault, and over at some time: the fills wait.
PASSING = {"OracleNotUsable", "Locked"}
# The price of a fill is the maker's.
_MAKERS = {"OutsidePriceBand"}
# Interest would grow beyond what is allowed: whoever came later does without.
_TAKERS = {"OpenInterestCapExceeded", "UnderlyingOpenInterestCapExceeded"}


def blame(unit: Unit, fault: Fault, orders: Mapping[str, Order]) -> set[str] | None:
    """Hashes of the orders that have to go for the rest of a unit to settle; None where it has to wait.

    Args:
        orders: By hash.
    """
    if not fault.is_typed or fault.name in PASSING:
        return None
    keys = list(dict.fromkeys(key for fill in unit for key in (fill.taker, fill.maker)))
    if "account" in fault.values:
        named = {key for key in keys if orders[key].account == fault.values["account"]}
        exact = {key for key in named if orders[key].nonce == fault.values.get("nonce")}
        if named:
            return exact or named
    if fault.name in _MAKERS:
        return {fill.maker for fill in unit if fill.price == fault.values.get("price", fill.price)}
    if fault.name == "ReduceOnlyInstrument":
        opening = {key for key in keys if not orders[key].flags & OrderFlags.REDUCE_ONLY}
        return opening or set(keys)
    if fault.name in _TAKERS:
        return {fill.taker for fill in unit}
    # Nobody can tell: were one side spared, it could turn away all who meet it.
    return set(keys)
