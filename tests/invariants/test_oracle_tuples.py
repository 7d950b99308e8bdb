"""I20 under random transactions: whatever was reported in between, one transaction knows one tuple an underlying."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.evm import Contract
from tests.support.oracle import BTC, ETH, OPENING_USD, OracleBench

TRANSACTIONS = 150
PARTS = 10**4
Step = tuple[Contract, str, tuple[Any, ...]]


def random_step(bench: OracleBench, random: Random) -> Step:
    """A read that fixes, a view, a report of either source, or a poke."""
    asked = random.choice([1 << ETH, 1 << BTC, 1 << ETH | 1 << BTC])
    told = random.choice(list(OPENING_USD))
    usd = OPENING_USD[told] * random.randint(9_000, 11_000) // PARTS
    source = random.choice([bench.first, bench.second])[told]
    return random.choice(
        [
            (bench.hub, "refresh", (asked,)),
            (bench.hub, "quotesOf", (asked,)),
            (source, "report", (usd, 0, bench.now)),
            (bench.hub, "poke", (told,)),
        ]
    )


def assert_one_tuple(steps: list[Step], answers: list[Any]) -> int:
    """Returns how many answers repeated a tuple that was fixed before."""
    fixed: dict[int, Any] = {}
    repeated = 0
    for (_, function, _), answer in zip(steps, answers, strict=True):
        for quote in answer.quotes if function in ("refresh", "quotesOf") else ():
            if quote.underlying in fixed:
                told = (quote, answer.settlementTokenUsd)
                assert told == fixed[quote.underlying], f"I20: {told} after {fixed[quote.underlying]}"
                repeated += 1
            elif function == "refresh":
                fixed[quote.underlying] = (quote, answer.settlementTokenUsd)
    return repeated


@pytest.mark.parametrize("seed", range(3))
def test_reads_of_one_transaction__reports_in_between__tell_one_tuple_I20(seed: int) -> None:
    bench, random = OracleBench(), Random(seed)
    repeated, moved = 0, set()
    for _ in range(TRANSACTIONS):
        bench.evm.advance(random.choice([1, 12, 60, 600]))
        steps = [random_step(bench, random) for _ in range(random.randint(2, 12))]
        repeated += assert_one_tuple(steps, bench.in_one_transaction(*steps))
        moved.add(bench.quote().index)
    assert repeated > TRANSACTIONS
    assert len(moved) > TRANSACTIONS // 4, "prices moved from one transaction to the next"
