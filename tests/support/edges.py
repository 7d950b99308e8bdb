"""Where what is granted ends: by admission, and by the chain itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ballast.chain.contracts import System
from ballast.chain.orders import Match, SignedOrder, settle_calldata
from ballast.errors import RequestRefused


def is_settled_by_the_chain(system: System, takers: Sequence[SignedOrder], makers: Sequence[SignedOrder]) -> bool:
    """Whether each of the takers would be filled whole by the maker of its place."""
    matches = [Match(place, len(takers) + place, abs(taker.order.size)) for place, taker in enumerate(takers)]
    data = "0x" + settle_calldata([*takers, *makers], matches).hex()
    try:
        system.connection.request("eth_call", {"to": system.address("Exchange"), "data": data}, "latest")
    except RequestRefused:
        return False
    return True


def largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number for which it holds; it holds for 1 and not for `most`."""
    least = 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if holds(middle) else (least, middle)
    return least
