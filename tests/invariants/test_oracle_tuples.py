"""I20 under random transactions: whatever was reported in between, one transaction knows one tuple an underlying, and
one quote an expiry."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import SignedReport, submit_arguments
from ballast.risk.expiry import BUCKET, WINDOW
from tests.support.dated import steeper
from tests.support.evm import Contract
from tests.support.expiries import SETTLED, SMILE, ExpiryBench
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


# Expiries -----------------------------------------------------------------------------------------------------------


def changes_of_an_expiry(bench: ExpiryBench, random: Random, expiry: int, far: int) -> list[Step]:
    """Some of what may be done to them in this minute: an observation, new surfaces, the settlement price."""
    live = [each for each in (expiry, far) if each > bench.now]
    smile = steeper(SMILE, f"0.{random.randint(0, 2)}")
    reports = [SignedReport.of_surface(expiry_key(ETH, each), smile.pack()) for each in live]
    batch = bench.quorum.batch(*reports)
    submission = bench.expiries, "submit", submit_arguments(batch, bench.quorum.sign(batch))
    due = "observe" if expiry - WINDOW <= bench.now < expiry else "finalise" if bench.phase(expiry) == SETTLED else ""
    likely = [(submission, 0.4), *([((bench.expiries, due, (ETH, expiry)), 0.9)] if due else [])]
    chosen = [step for step, chance in likely if random.random() < chance]
    return random.sample(chosen, len(chosen))


@pytest.mark.parametrize("seed", range(3))
def test_quotes_of_one_transaction__changes_in_between__tell_the_expiries_as_they_were_I20(seed: int) -> None:
    bench, random = ExpiryBench(), Random(seed)
    expiry, far = bench.listed(0), bench.listed(5)
    bench.go_to(expiry - WINDOW - 5 * BUCKET)
    keys, changed, finalised = [expiry_key(ETH, each) for each in (expiry, far)], 0, False
    for _ in range(WINDOW // BUCKET + 10):
        bench.go_to(bench.now + BUCKET)
        changes = [] if finalised else changes_of_an_expiry(bench, random, expiry, far)
        before, asking = bench.expiries.call("quotesOf", keys), (bench.expiries, "quotesOf", (keys,))
        steps = [step for change in changes for step in (*[asking] * random.randint(0, 2), change)] + [asking]
        answers = bench.oracle.in_one_transaction(*steps)
        told = [answer for step, answer in zip(steps, answers, strict=True) if step is asking]
        assert all(answer == before for answer in told), f"I20: {told} after {before}"
        changed += bench.expiries.call("quotesOf", keys) != before
        finalised |= any(name == "finalise" for _, name, _ in changes)
    assert changed > WINDOW // BUCKET // 3
    assert finalised
