"""What the insurance fund pays at once, as `InsuranceFund` on chain, to the wei. Amounts are wad of the value unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BILLION = 10**9
PERIOD = 3_600
"""Seconds over which what was paid is forgotten."""


@dataclass(frozen=True)
class Outflow:
    """What was paid lately: in all, or for one underlying.

    Attributes:
        fraction: The limit, as a part of what the fund would hold had it paid nothing lately; 1e9 is one.
        paid: As of ``at``, Unix seconds.
    """

    fraction: int
    paid: int = 0
    at: int = 0

    def paid_lately(self, now: int) -> int:
        """What still counts, rounded up."""
        return -(-self.paid * (PERIOD - min(now - self.at, PERIOD)) // PERIOD)

    def left(self, base: int, now: int) -> int:
        """What may be paid now of ``base``, which is what the fund would hold had it paid nothing lately."""
        return max(0, base * self.fraction // BILLION - self.paid_lately(now))

    def after(self, paid: int, now: int) -> Outflow:
        """The same once ``paid`` more was paid."""
        return Outflow(self.fraction, self.paid_lately(now) + paid, now)


def cover_parts(amount: int, contributions: Sequence[int], left: Sequence[int], left_for_none: int) -> list[int]:
    """What the fund pays of ``amount``, by underlying, as `InsuranceFund.coverOf`.

    Args:
        amount: Not above what the fund may pay in all.
        contributions: Of each underlying to the maintenance margin of the account that lacks the amount, signed.
        left: What the limit of each leaves.
        left_for_none: What the limit of debts that follow no underlying leaves: of an account without a positive
            contribution.

    Returns:
        One an underlying, each rounded down, in proportion to what is left of amount and weight; one alone without a
        positive contribution.
    """
    weight = sum(max(0, one) for one in contributions)
    if weight == 0:
        return [min(amount, left_for_none)]
    parts = []
    for contribution, most in zip(contributions, left, strict=True):
        share = max(0, contribution)
        part = amount * share // weight if share else 0
        amount, weight = amount - part, weight - share
        parts.append(min(part, most))
    return parts
