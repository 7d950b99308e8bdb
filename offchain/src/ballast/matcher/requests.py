"""Requests for quotes: which of those who answered is best. No I/O and no clock.

A request names legs; each quote is one maker's orders against all of them. The taker trades whole with one quote, each
leg at that quote's limit, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ballast.matcher.records import OrderRecord, OrderState, RequestRecord

# Of a request, and a package of orders that answers it: a settlement of both fits into one transaction.
MOST_LEGS = 8


def may_be_answered(request: RequestRecord, orders: Mapping[str, OrderRecord], time: int) -> bool:
    """Whether a quote that comes at a time (wall clock, ms) is taken."""
    is_over = any(orders[key].state is OrderState.DEAD for key in request.taker)
    return request.closed_at is None and time < request.until and not is_over


def cost_of(request: RequestRecord, quote: Sequence[OrderRecord]) -> int:
    """What the taker pays for all legs, before fees; below 0 he gets it. wad · wad, not rounded."""
    return sum(size * maker.order.limit for (_, size), maker in zip(request.legs, quote, strict=True))


def best_quote(request: RequestRecord, orders: Mapping[str, OrderRecord]) -> list[OrderRecord] | None:
    """The quote that costs the taker least, of equals the first that came; None where none can be taken.

    A quote can be taken while all of it is alive and untouched, each leg is within the taker's limit, and its owner is
    not the taker's.
    """
    takers = [orders[key] for key in request.taker]
    quotes = [[orders[key] for key in quote] for quote in request.quotes]
    takeable = [one for one in quotes if _is_whole(takers) and _is_whole(one) and _meet(takers, one)]
    # Of equals, `min` returns the first.
    return min(takeable, key=lambda quote: cost_of(request, quote), default=None)


def _is_whole(package: Sequence[OrderRecord]) -> bool:
    return all(one.state is OrderState.LIVE and one.open == one.size for one in package)


def _meet(takers: Sequence[OrderRecord], makers: Sequence[OrderRecord]) -> bool:
    return all(
        taker.owner != maker.owner and (taker.order.limit - maker.order.limit) * (1 if taker.buys else -1) >= 0
        for taker, maker in zip(takers, makers, strict=True)
    )
