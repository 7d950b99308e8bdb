"""Attacks on settlement prices and surfaces. Each fails here, and would succeed without the rule it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import SignedReport, submit_arguments
from ballast.risk.expiry import BILLION, BPS, BUCKET, BUCKETS, LEAST_OBSERVED, MOST_CARRIED, WINDOW, ExpiryLimits
from tests.support.evm import reverts
from tests.support.expiries import SMILE, WAITING, ExpiryBench
from tests.support.oracle import ETH, OPENING_USD, WAD

LIMITS = ExpiryLimits()
ETH_USD = OPENING_USD[ETH]
PUSHED_USD = ETH_USD * 114 // 100
"""As far as one report may move the index by itself."""


@pytest.fixture
def bench() -> ExpiryBench:
    return ExpiryBench()


@pytest.fixture
def expiry(bench: ExpiryBench) -> int:
    return bench.listed(0)


def settle(bench: ExpiryBench, expiry: int) -> int:
    bench.go_to(expiry)
    return bench.expiries.transact("finalise", ETH, expiry).result


def test_attack_settlement_push__one_manipulated_minute_moves_a_thirtieth(bench: ExpiryBench, expiry: int) -> None:
    for bucket in range(BUCKETS):
        bench.observe(expiry, bucket, usd=PUSHED_USD if bucket == BUCKETS - 1 else ETH_USD)
    assert settle(bench, expiry) - ETH_USD <= (PUSHED_USD - ETH_USD) // BUCKETS


def test_attack_settlement_push__in_the_last_second__moves_nothing(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry)
    bench.go_to(expiry - 1)
    bench.oracle.publish(ETH, PUSHED_USD)
    with reverts("BucketObserved", bucket=BUCKETS - 1):
        bench.expiries.transact("observe", ETH, expiry)
    assert settle(bench, expiry) == ETH_USD


def test_attack_settlement_push__others_kept_from_observing__carried_no_further_than_three_minutes(
    bench: ExpiryBench, expiry: int
) -> None:
    """A pushed price followed by silence weighs four buckets, never the rest of the window."""
    bench.observe_all(expiry, LEAST_OBSERVED - 1)
    bench.observe(expiry, LEAST_OBSERVED - 1, usd=PUSHED_USD)
    weight, counted = 1 + MOST_CARRIED, LEAST_OBSERVED + MOST_CARRIED
    assert settle(bench, expiry) == ((counted - weight) * ETH_USD + weight * PUSHED_USD) // counted


def test_attack_few_observations__the_attackers_own_do_not_settle(bench: ExpiryBench, expiry: int) -> None:
    """Carried values do not count as observed: every other minute settles nothing."""
    for bucket in range(0, BUCKETS, 2):
        bench.observe(expiry, bucket, usd=PUSHED_USD)
    bench.go_to(expiry)
    with reverts("TooFewObservations", observed=BUCKETS // 2):
        bench.expiries.transact("finalise", ETH, expiry)
    assert bench.phase(expiry) == WAITING


def test_attack_missing_settlement__signers_settle_after_the_delay(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry + LIMITS.fallback_delay)
    assert not bench.quote(expiry).trusted, "nothing won on it can be taken out until then"
    bench.submit(SignedReport.of_settlement(expiry_key(ETH, expiry), ETH_USD))
    assert bench.expiries.call("settlementPriceOf", ETH, expiry) == ETH_USD


def test_attack_signed_settlement__cannot_replace_an_average_nor_leave_the_index(
    bench: ExpiryBench, expiry: int
) -> None:
    key, other = expiry_key(ETH, expiry), bench.listed(1)
    bench.observe_all(expiry)
    bench.go_to(expiry + LIMITS.fallback_delay)
    with reverts("AverageCounts"):
        bench.submit(SignedReport.of_settlement(key, PUSHED_USD))
    bench.go_to(other + LIMITS.fallback_delay)
    with reverts("SettlementPriceOutOfBounds"):
        bench.submit(SignedReport.of_settlement(expiry_key(ETH, other), PUSHED_USD))


def test_attack_cherry_picked_observation__one_choice_a_minute_and_no_way_back(bench: ExpiryBench, expiry: int) -> None:
    bench.observe(expiry, 5)
    bench.go_to(expiry - WINDOW + 5 * BUCKET + 30)
    bench.oracle.publish(ETH, PUSHED_USD)
    with reverts("BucketObserved", bucket=5):
        bench.expiries.transact("observe", ETH, expiry)
    bench.observe(expiry, 8)
    with reverts("BucketObserved", bucket=8):
        bench.expiries.transact("observe", ETH, expiry)
    assert bench.view(expiry).counted == 4, "buckets 6 and 7 are decided: carried over, not to be chosen later"


def test_attack_late_observation__refused(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry, LEAST_OBSERVED - 1)
    bench.go_to(expiry)
    with reverts("OutsideWindow"):
        bench.expiries.transact("observe", ETH, expiry)
    assert bench.phase(expiry) == WAITING


def test_attack_bounty__nobody_is_paid_twice_for_a_minute(bench: ExpiryBench, expiry: int) -> None:
    calls = [(bench.expiries, "observe", (ETH, expiry))] * 2
    bench.go_to(expiry - WINDOW)
    with reverts("BucketObserved", bucket=0):
        bench.oracle.in_one_transaction(*calls)


@pytest.mark.parametrize(
    ("forged", "error"),
    [
        ({"a": 24 * BILLION}, "VarianceTooHigh"),
        ({"a": -SMILE.a}, "VarianceTooLow"),
        ({"a": 2 * SMILE.a}, "VarianceStepTooLarge"),
        ({"b": 20 * SMILE.b}, "VarianceStepTooLarge"),
        ({"premium": 15_000_000}, "PremiumStepTooLarge"),
        ({"s": 1, "b": 30 * SMILE.b}, "MalformedSurface"),
    ],
)
def test_attack_forged_volatility__by_all_signers__stays_within_levels_and_steps(
    bench: ExpiryBench, forged: dict[str, int], error: str
) -> None:
    expiry = bench.listed(7)
    bench.evm.advance(LIMITS.step_interval)
    before = bench.view(expiry).surface
    with reverts(error):
        bench.publish({expiry: replace(SMILE, **forged)})
    assert bench.view(expiry).surface == before


def test_attack_forged_volatility__many_batches_at_once__walk_one_step(bench: ExpiryBench) -> None:
    flat = replace(SMILE, b=0)
    expiry = bench.list_expiry(7, replace(flat, published_at=bench.now))
    bench.evm.advance(LIMITS.step_interval)
    step = BPS + LIMITS.step_variance_bps
    for age in range(LIMITS.step_interval, -1, -1):
        highest = bench.stored(expiry).a * step // BPS
        batch = bench.quorum.batch(SignedReport.of_surface(expiry_key(ETH, expiry), replace(flat, a=highest).pack()))
        batch = replace(batch, published_at=bench.now - age)
        if age == 0:
            bench.expiries.transact("submit", *submit_arguments(batch, bench.quorum.sign(batch)))
        else:
            with reverts("NothingNewer"):
                bench.expiries.transact("submit", *submit_arguments(batch, bench.quorum.sign(batch)))
    assert bench.stored(expiry).a == flat.a * step // BPS


def test_attack_minority_of_signers__forges_no_surface(bench: ExpiryBench) -> None:
    expiry = bench.listed(7)
    bench.evm.advance(LIMITS.step_interval)
    batch = bench.quorum.batch(SignedReport.of_surface(expiry_key(ETH, expiry), SMILE.pack()))
    with reverts("TooFewSignatures", given=2, threshold=3):
        signatures = bench.quorum.sign(batch, bench.quorum.signers[:2])
        bench.expiries.transact("submit", *submit_arguments(batch, signatures))


def test_attack_surface_signed_for_another_expiry__refused(bench: ExpiryBench) -> None:
    one, two = bench.listed(7), bench.listed(8)
    bench.evm.advance(LIMITS.step_interval)
    signed = bench.quorum.batch(SignedReport.of_surface(expiry_key(ETH, one), SMILE.pack()))
    moved = bench.quorum.batch(SignedReport.of_surface(expiry_key(ETH, two), SMILE.pack()))
    with reverts("NotSigner"):
        arguments = submit_arguments(moved, bench.quorum.sign(signed, bench.quorum.signers))
        bench.expiries.transact("submit", *arguments)


def test_attack_rolled_back_surface__refused(bench: ExpiryBench) -> None:
    expiry = bench.listed(7)
    old = bench.quorum.batch(SignedReport.of_surface(expiry_key(ETH, expiry), SMILE.pack()))
    signatures = bench.quorum.sign(old)
    bench.evm.advance(LIMITS.step_interval)
    newer = replace(SMILE, a=SMILE.a * 11 // 10)
    bench.publish({expiry: newer})
    with reverts("NothingNewer", publishedAt=old.published_at):
        bench.expiries.transact("submit", *submit_arguments(old, signatures))
    assert bench.stored(expiry).a == newer.a


@pytest.mark.parametrize(("age", "error"), [(-1, "ReportFromFuture"), (61, "ReportTooOld")])
def test_attack_surface_from_the_future_or_the_past__refused(bench: ExpiryBench, age: int, error: str) -> None:
    expiry = bench.listed(7)
    bench.evm.advance(300)
    with reverts(error):
        bench.publish({expiry: SMILE}, age=age)


def test_attack_calendar_arbitrage__longer_expiry_cheaper__refused(bench: ExpiryBench) -> None:
    near, far = bench.list_expiry(7), bench.list_expiry(8)
    cheaper = replace(SMILE, a=SMILE.a // 2)
    with reverts("CalendarArbitrage", nearKey=expiry_key(ETH, near), farKey=expiry_key(ETH, far)):
        bench.publish({far: cheaper})
    assert bench.stored(far).a == SMILE.a


def test_attack_frozen_surface__supports_no_new_risk(bench: ExpiryBench) -> None:
    expiry = bench.listed(7)
    bench.evm.advance(LIMITS.max_age + 1)
    assert not bench.quote(expiry).trusted
    assert bench.quote(expiry).openShare == WAD
