"""Instruments as people write them: `PERP:ETH`, `FUTURE:ETH:2026-12-25`, `CALL:ETH:2026-12-25:3000`, `PUT:…`.

Every expiry is at 08:00 UTC, so that its date names it. Strikes are in the value unit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation

from ballast.chain.ids import KIND_FUTURE, KIND_OPTION, KIND_PERP, future_of, kind_of, option_of, perp_of
from ballast.risk.dated import is_put, strike_of
from ballast.risk.expiry import TIME_OF_DAY

WAD = 10**18
PERP, FUTURE, CALL, PUT = "PERP", "FUTURE", "CALL", "PUT"
EXAMPLES = "PERP:ETH, FUTURE:ETH:2026-12-25 or CALL:ETH:2026-12-25:3000"
_PARTS = {PERP: 2, FUTURE: 3, CALL: 4, PUT: 4}


def underlying_of(instrument: int) -> int:
    return instrument >> 240 & 0xFF


def expiry_of(instrument: int) -> int:
    """Unix seconds; 0 for a perpetual."""
    return instrument >> 200 & (1 << 40) - 1


def label_of(instrument: int, name: Callable[[int], str]) -> str:
    """How people write it.

    Args:
        name: The symbol of an underlying's id.
    """
    kind, symbol = kind_of(instrument), name(underlying_of(instrument))
    if kind == KIND_PERP:
        return f"{PERP}:{symbol}"
    date = datetime.fromtimestamp(expiry_of(instrument), UTC).date().isoformat()
    if kind == KIND_FUTURE:
        return f"{FUTURE}:{symbol}:{date}"
    if kind != KIND_OPTION:
        return f"?:{symbol}"
    strike = f"{(Decimal(strike_of(instrument)) / WAD).normalize():f}"
    return f"{PUT if is_put(instrument) else CALL}:{symbol}:{date}:{strike}"


def parse_instrument(text: str, number: Callable[[str], int]) -> int:
    """The id of an instrument as people write it.

    Args:
        number: The id of an underlying's symbol.

    Raises:
        ValueError: It is none; the message says what one looks like.
    """
    kind, *rest = text.split(":")
    if len(rest) + 1 != _PARTS.get(kind, 0):
        raise ValueError(f"{text!r} is no instrument: write {EXAMPLES}")
    underlying = number(rest[0])
    if kind == PERP:
        return perp_of(underlying)
    expiry = _expiry(rest[1])
    if kind == FUTURE:
        return future_of(underlying, expiry)
    try:
        strike = int(Decimal(rest[2]) * WAD)
    except InvalidOperation:
        raise ValueError(f"{rest[2]!r} in {text!r} is no strike") from None
    return option_of(underlying, expiry, strike, is_put=kind == PUT)


def _expiry(date: str) -> int:
    try:
        day = datetime.combine(datetime.strptime(date, "%Y-%m-%d").date(), time(tzinfo=UTC))
    except ValueError:
        raise ValueError(f"{date!r} is no date: write it as 2026-12-25") from None
    return int(day.timestamp()) + TIME_OF_DAY
