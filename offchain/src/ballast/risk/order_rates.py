"""What a fill costs besides its price, to the wei: fees, and the bounty of who executes a triggered order.

The twin of contracts/exchange/Rates.sol. Sizes and prices wad, rates in 1e9 of notional, amounts wad.
"""

from __future__ import annotations

_DIVISOR = 10**27
"""size · price · rate is wad · wad · 1e9."""


def fee_up(size: int, price: int, rate: int) -> int:
    """⌈size · price · rate⌉ of one side of a fill."""
    return -(-size * price * rate // _DIVISOR)


def bounty_rate(most: int, time: int, elapsed: int) -> int:
    """Grows in a line from 0 at arming to `most` after `time` seconds, rounded down."""
    return most if elapsed >= time else most * elapsed // time


def bounty_down(size: int, price: int, rate: int, fee: int, max_fee: int) -> int:
    """⌊size · price · rate⌋, the rate no more than the order's highest fee leaves beside the fee's."""
    return size * price * min(rate, max_fee - fee) // _DIVISOR
