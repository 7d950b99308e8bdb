"""What the oracle says of an underlying, for operators."""

from __future__ import annotations

from ballast.deployment.powers_view import moment
from ballast.deployment.units import duration
from scripts.operations.common import Context

STATES = ("Ok", "Wide", "Stale", "Halted")
HALTED = "Halted"


def state_of(context: Context, number: int) -> str:
    hub = context.contract("OracleHub")
    quotes, _ = hub.call("quotesOf", 1 << number)
    return STATES[quotes[0].state]


def served_from(context: Context, number: int) -> int:
    """Unix second from which the fallback source may serve it."""
    hub = context.contract("OracleHub")
    record, limits = hub.call("recordOf", number), hub.call("limitsOf", number)
    return int(record.goodAt + limits.haltAge + limits.fallbackDelay)


def notes_on(context: Context, symbol: str) -> list[str]:
    """State, last good price and what serves."""
    number, hub = context.underlying(symbol), context.contract("OracleHub")
    record = hub.call("recordOf", number)
    age = duration(max(0, context.now() - record.goodAt))
    return [
        f"{symbol} is {state_of(context, number)}; the last good price is {record.index / 10**18:.8g}, {age} old",
        f"sources: {name_of(context, record.first)}, {name_of(context, record.second)}",
        f"the fallback may serve from {moment(served_from(context, number))} on",
    ]


def name_of(context: Context, address: str) -> str:
    if int(address, 16) == 0:
        return "none"
    known = {contract.address: name for name, contract in context.builder.contracts.items()}
    return f"{known.get(address, 'another')} {address}"
