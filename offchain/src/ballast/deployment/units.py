"""Numbers of a configuration file, written as people write them and kept as the contracts' integers.

Amounts are decimals (`1500`, `0.001`), rates may carry a percent sign (`0.5%`), times a unit (`90s`, `10m`, `2d`).
Decimals are exact: a value with more digits than its unit can hold is refused, never rounded.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from eth_utils.address import is_address, to_checksum_address
from pydantic import BeforeValidator

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def scaled(value: Any, decimals: int) -> int:
    """`value`, a decimal or a percentage, in units of 10^-decimals.

    Raises:
        ValueError: It is no number, or has more digits than the unit holds.
    """
    if isinstance(value, float):
        raise ValueError(f"write {value!r} as an integer or in quotes: binary fractions are not exact")
    text = str(value).strip().replace("_", "")
    percent = text.endswith("%")
    try:
        exact = Decimal(text.removesuffix("%").strip()).scaleb(decimals - (2 if percent else 0))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"{value!r} has more than {decimals} decimals")
    return int(exact)


def seconds(value: Any) -> int:
    """A time such as `90s`, `10m`, `6h` or `2d` in seconds; a bare integer is seconds.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = str(value).strip()
    if text[:-1].isdigit() and text[-1] in _SECONDS:
        return int(text[:-1]) * _SECONDS[text[-1]]
    raise ValueError(f"{value!r} is not a time such as 90s, 10m, 6h or 2d")


def duration(time: int) -> str:
    """Seconds as `seconds` reads them: in the largest unit that holds them exactly."""
    unit = next(unit for unit, length in reversed(_SECONDS.items()) if time % length == 0)
    return f"{time // _SECONDS[unit]}{unit}" if time else "none"


def _address(value: Any) -> str:
    if isinstance(value, int):
        raise ValueError("put addresses in quotes, YAML reads this one as a number")
    if not isinstance(value, str) or not is_address(value):
        raise ValueError(f"{value!r} is not an address")
    if int(value, 16) == 0:
        raise ValueError("the zero address")
    return str(to_checksum_address(value))


Wad = Annotated[int, BeforeValidator(lambda value: scaled(value, 18))]
"""1e18 is one."""

Billionths = Annotated[int, BeforeValidator(lambda value: scaled(value, 9))]
"""1e9 is one."""

Seconds = Annotated[int, BeforeValidator(seconds)]

Address = Annotated[str, BeforeValidator(_address)]
"""Checksummed, not zero."""

DEPLOYER = "deployer"

Holder = Annotated[str, BeforeValidator(lambda value: value if value == DEPLOYER else _address(value))]
"""An address, or the word `deployer` for whoever deploys: for test networks, where one key may do everything."""
