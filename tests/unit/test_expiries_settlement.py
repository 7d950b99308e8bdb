"""`Expiries`: the averaging window, its observations, and how the settlement price becomes final."""

from dataclasses import replace
from typing import Any

import pytest

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import SignedReport, submit_arguments
from ballast.risk.expiry import BUCKET, BUCKETS, LEAST_OBSERVED, WINDOW, ExpiryLimits
from tests.support.evm import Contract, reverts
from tests.support.expiries import AVERAGING, LIVE, SETTLED, SMILE, WAITING, ExpiryBench, as_struct
from tests.support.oracle import BTC, ETH, OPENING_USD, WAD
from tests.support.oracle import LIMITS as HUB_LIMITS

LIMITS = ExpiryLimits()
ETH_USD = OPENING_USD[ETH]
BOUNTY = 2_000_000


@pytest.fixture
def bench() -> ExpiryBench:
    return ExpiryBench()


@pytest.fixture
def expiry(bench: ExpiryBench) -> int:
    return bench.listed(0)


def key(expiry: int) -> int:
    return expiry_key(ETH, expiry)


def test_observe__first_bucket__announced_and_shown(bench: ExpiryBench, expiry: int) -> None:
    (event,) = bench.observe(expiry, 0, usd=3100 * WAD, late=7).events("Observed")
    assert (event.underlying, event.expiry, event.bucket, event.price) == (ETH, expiry, 0, 3100 * WAD)
    assert (event.observer, event.bounty) == (bench.observer, 0)
    view = bench.view(expiry)
    assert (view.phase, view.observed, view.counted, view.average) == (AVERAGING, 1, 1, 3100 * WAD)


def test_observe__before_and_after_the_window__reverts(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry - WINDOW - 1)
    assert bench.phase(expiry) == LIVE
    with reverts("OutsideWindow", key=key(expiry), opensAt=expiry - WINDOW, closesAt=expiry):
        bench.expiries.transact("observe", ETH, expiry)
    bench.observe(expiry, 29, late=59)
    bench.go_to(expiry)
    with reverts("OutsideWindow"):
        bench.expiries.transact("observe", ETH, expiry)


def test_observe__bucket_observed__reverts(bench: ExpiryBench, expiry: int) -> None:
    bench.observe(expiry, 4)
    for late in (0, 59):
        with reverts("BucketObserved", key=key(expiry), bucket=4):
            bench.observe(expiry, 4, usd=3001 * WAD, late=late)
    bench.observe(expiry, 5)


def test_observe__expiry_not_listed__reverts(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry - WINDOW)
    for underlying, when in ((BTC, expiry), (ETH, 0), (ETH, expiry + 1)):
        with reverts("ExpiryNotListed"):
            bench.expiries.transact("observe", underlying, when)


def test_observe__index_stale__reverts(bench: ExpiryBench) -> None:
    expiry = bench.listed(1)
    bench.go_to(expiry - WINDOW - HUB_LIMITS.max_age - 1)
    bench.oracle.refresh()
    bench.evm.advance(HUB_LIMITS.max_age + 1)
    with reverts("PriceNotUsable", underlying=ETH, state=2):
        bench.expiries.transact("observe", ETH, expiry)


def test_observe__index_wide__counts(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry - WINDOW)
    bench.oracle.say(bench.oracle.second[ETH], ETH_USD * 103 // 100)
    bench.oracle.hub.transact("poke", ETH)
    bench.expiries.transact("observe", ETH, expiry)
    assert bench.view(expiry).observed == 1


def test_observe__bounty_funded__paid_once_a_bucket_until_it_is_gone(bench: ExpiryBench, expiry: int) -> None:
    bench.expiries.transact("setLimits", as_struct(replace(LIMITS, bounty=BOUNTY)))
    bench.token.transact("mint", bench.expiries.address, 2 * BOUNTY + 1)
    paid = [bench.observe(expiry, bucket).events("Observed")[0].bounty for bucket in range(3)]
    assert paid == [BOUNTY, BOUNTY, 0]
    assert bench.token.call("balanceOf", bench.observer) == 2 * BOUNTY
    assert bench.token.call("balanceOf", bench.expiries.address) == 1


def test_observe__token_refuses_the_bounty__counts_without(bench: ExpiryBench) -> None:
    bench.token = bench.evm.deploy("FreezingToken")
    hub, feed = bench.oracle.hub.address, bench.quorum.feed.address
    authority = bench.oracle.authority.address
    bench.expiries = bench.evm.deploy("Expiries", authority, hub, feed, bench.token.address)
    bench.expiries.transact("setLimits", as_struct(replace(LIMITS, bounty=BOUNTY)))
    bench.token.transact("mint", bench.expiries.address, BOUNTY)
    bench.token.transact("setFrozen", bench.expiries.address, True)
    expiry = bench.listed(0)
    (event,) = bench.observe(expiry, 0).events("Observed")
    assert event.bounty == 0 and bench.view(expiry).observed == 1


def test_due_bucket__through_the_window__the_present_one_until_observed(bench: ExpiryBench, expiry: int) -> None:
    def due() -> tuple[bool, int]:
        return tuple(bench.expiries.call("dueBucket", ETH, expiry))

    assert due() == (False, 0)
    bench.go_to(expiry - WINDOW)
    assert due() == (True, 0)
    bench.observe(expiry, 0)
    assert due() == (False, 0)
    bench.go_to(expiry - 1)
    assert due() == (True, BUCKETS - 1)
    bench.go_to(expiry)
    assert due() == (False, 0)


def test_quotes_of__within_the_window__known_part_open_share_and_tenor(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry - WINDOW)
    quote = bench.quote(expiry)
    assert (quote.fixedPart, quote.openShare, quote.tenor) == (0, WAD, WINDOW // 3)
    for bucket in range(15):
        bench.observe(expiry, bucket, usd=(3000 + bucket) * WAD)
    bench.go_to(expiry - WINDOW // 2 + 30)
    bench.observe(expiry, 15, usd=3015 * WAD, late=30)
    quote, average = bench.quote(expiry), sum(3000 + bucket for bucket in range(16)) * WAD // 16
    elapsed, rest = 930, 870
    assert (quote.fixedPart, quote.openShare) == (elapsed * average // WINDOW, rest * WAD // WINDOW)
    assert quote.tenor == rest // 3


def test_quotes_of__minutes_missing__weigh_nothing(bench: ExpiryBench, expiry: int) -> None:
    bench.observe(expiry, 0)
    bench.go_to(expiry - WINDOW + 10 * BUCKET)
    quote, known, rest = bench.quote(expiry), 4 * BUCKET, 20 * BUCKET
    assert quote.fixedPart == ETH_USD * known // (known + rest), "one bucket and three carried over"
    assert quote.openShare == WAD * rest // (known + rest)


def test_quotes_of__too_few_buckets_left__nothing_is_known(bench: ExpiryBench, expiry: int) -> None:
    bench.observe(expiry, 0)
    bench.go_to(expiry - WINDOW + 12 * BUCKET - 1)
    assert bench.quote(expiry).fixedPart > 0
    bench.go_to(expiry - WINDOW + 12 * BUCKET)
    assert (bench.quote(expiry).fixedPart, bench.quote(expiry).openShare) == (0, WAD)


@pytest.mark.parametrize(("first", "is_reachable"), [(10, True), (11, False)])
def test_quotes_of__observed_from_the_eleventh_minute_on__known_only_if_twenty_can_be(
    bench: ExpiryBench, expiry: int, first: int, is_reachable: bool
) -> None:
    bench.observe(expiry, first)
    assert (bench.quote(expiry).fixedPart > 0) is is_reachable


def test_quotes_of__observed_to_the_end__settled_without_finalise(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry)
    bench.go_to(expiry - 1)
    before = bench.quote(expiry)
    assert before.fixedPart == ETH_USD * (WINDOW - 1) // WINDOW and before.openShare == WAD // WINDOW
    bench.go_to(expiry)
    quote = bench.quote(expiry)
    assert (quote.fixedPart, quote.openShare, quote.tenor, quote.surface) == (ETH_USD, 0, 0, 0)
    assert quote.trusted and bench.phase(expiry) == SETTLED
    assert bench.expiries.call("settlementPriceOf", ETH, expiry) == ETH_USD


def test_quotes_of__expired_with_too_few__waits_untrusted_at_the_index(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry, LEAST_OBSERVED - 1)
    bench.go_to(expiry)
    quote = bench.quote(expiry)
    assert (quote.fixedPart, quote.openShare, quote.tenor, quote.surface) == (0, WAD, 0, 0)
    assert not quote.trusted and not bench.view(expiry).trusted
    assert bench.phase(expiry) == WAITING and bench.expiries.call("settlementPriceOf", ETH, expiry) == 0


def test_finalise__all_observed__average_recorded_for_good(bench: ExpiryBench, expiry: int) -> None:
    for bucket in range(BUCKETS):
        bench.observe(expiry, bucket, usd=(3000 + bucket) * WAD)
    bench.go_to(expiry + 1)
    price = sum(3000 + bucket for bucket in range(BUCKETS)) * WAD // BUCKETS
    receipt = bench.expiries.transact("finalise", ETH, expiry, sender=bench.observer)
    (event,) = receipt.events("Settled")
    assert receipt.result == price
    assert (event.price, event.observed, event.bySigners) == (price, BUCKETS, False)
    view = bench.view(expiry)
    assert (view.phase, view.settlementPrice, view.average) == (SETTLED, price, price)
    with reverts("AlreadySettled", key=key(expiry), price=price):
        bench.expiries.transact("finalise", ETH, expiry)
    bench.go_to(expiry + 365 * 86_400)
    assert bench.quote(expiry).fixedPart == price
    assert bench.expiries.call("settlementPriceOf", ETH, expiry) == price


def test_finalise__twenty_observed__last_value_carried_over_three_minutes(bench: ExpiryBench, expiry: int) -> None:
    for bucket in range(3, 3 + LEAST_OBSERVED):
        bench.observe(expiry, bucket, usd=(3100 if bucket == 22 else 3000) * WAD)
    bench.go_to(expiry)
    price = bench.expiries.transact("finalise", ETH, expiry).result
    assert price == (19 * 3000 + 4 * 3100) * WAD // 23, "seven missing at the end count three times, those before never"


def test_finalise__before_expiry_or_observed_too_little__reverts(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry, LEAST_OBSERVED - 1)
    with reverts("NotExpired", key=key(expiry)):
        bench.expiries.transact("finalise", ETH, expiry)
    bench.go_to(expiry)
    with reverts("TooFewObservations", key=key(expiry), observed=19, least=20):
        bench.expiries.transact("finalise", ETH, expiry)
    with reverts("ExpiryNotListed"):
        bench.expiries.transact("finalise", BTC, expiry)


def test_submit__settlement_price__after_the_delay_where_observations_do_not_suffice(
    bench: ExpiryBench, expiry: int
) -> None:
    report = SignedReport.of_settlement(key(expiry), 3050 * WAD)
    bench.observe_all(expiry, LEAST_OBSERVED - 1)
    bench.go_to(expiry + LIMITS.fallback_delay - 1)
    with reverts("FallbackNotDue", key=key(expiry), dueAt=expiry + LIMITS.fallback_delay):
        bench.submit(report)
    bench.go_to(expiry + LIMITS.fallback_delay)
    (event,) = bench.submit(report).events("Settled")
    assert (event.price, event.observed, event.bySigners) == (3050 * WAD, 19, True)
    assert bench.phase(expiry) == SETTLED and bench.quote(expiry).fixedPart == 3050 * WAD
    assert bench.expiries.call("expiriesOf", ETH) == []
    with reverts("NothingNewer"):
        bench.submit(SignedReport.of_settlement(key(expiry), 3049 * WAD))
    with reverts("AlreadySettled", price=3050 * WAD):
        bench.expiries.transact("finalise", ETH, expiry)


def test_submit__settled_before_and_a_newer_surface__stores_the_surface(bench: ExpiryBench, expiry: int) -> None:
    other, report = bench.listed(1), SignedReport.of_settlement(key(expiry), ETH_USD)
    bench.go_to(expiry + LIMITS.fallback_delay)
    bench.submit(report)
    bench.evm.advance(BUCKET)
    bench.submit(SignedReport.of_surface(key(other), SMILE.pack()), report)
    assert bench.stored(other).published_at == bench.now


def test_submit__settlement_price_of_an_observed_expiry__reverts(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry)
    bench.go_to(expiry + LIMITS.fallback_delay)
    with reverts("AverageCounts", key=key(expiry), average=ETH_USD):
        bench.submit(SignedReport.of_settlement(key(expiry), ETH_USD))


def test_submit__settlement_price_of_nothing_listed__reverts(bench: ExpiryBench, expiry: int) -> None:
    with reverts("ExpiryNotListed", key=expiry_key(BTC, expiry)):
        bench.submit(SignedReport.of_settlement(expiry_key(BTC, expiry), ETH_USD))


@pytest.mark.parametrize("price", [0, ETH_USD * 11 // 10 + 1, ETH_USD * 9 // 10 - 1])
def test_submit__settlement_price_far_from_the_index__reverts(bench: ExpiryBench, expiry: int, price: int) -> None:
    bench.go_to(expiry + LIMITS.fallback_delay)
    with reverts("SettlementPriceOutOfBounds", price=price, index=ETH_USD, mostBps=LIMITS.settlement_bps):
        bench.submit(SignedReport.of_settlement(key(expiry), price))
    bench.submit(SignedReport.of_settlement(key(expiry), ETH_USD * 11 // 10))


def test_i20__changes_within_a_transaction__count_in_the_next(bench: ExpiryBench, expiry: int) -> None:
    bench.observe_all(expiry, BUCKETS - 1)
    bench.go_to(expiry - BUCKET // 2)
    before = bench.quote(expiry)
    surface = SignedReport.of_surface(key(expiry), replace(SMILE, a=SMILE.a + 1).pack())
    observe = (bench.expiries, "observe", (ETH, expiry))
    *_, quotes = bench.oracle.in_one_transaction(submission(bench, surface), observe, asking(bench, expiry))
    assert quotes[0] == before
    after = bench.quote(expiry)
    assert after.surface != before.surface and after.fixedPart != before.fixedPart


def test_i20__settled_within_a_transaction__waiting_until_the_next(bench: ExpiryBench, expiry: int) -> None:
    bench.go_to(expiry + LIMITS.fallback_delay)
    before = bench.quote(expiry)
    price = SignedReport.of_settlement(key(expiry), ETH_USD)
    *_, quotes = bench.oracle.in_one_transaction(submission(bench, price), asking(bench, expiry))
    assert quotes[0] == before and not before.trusted
    assert bench.quote(expiry).fixedPart == ETH_USD


def submission(bench: ExpiryBench, report: SignedReport) -> tuple[Contract, str, tuple[Any, ...]]:
    batch = bench.quorum.batch(report)
    return bench.expiries, "submit", submit_arguments(batch, bench.quorum.sign(batch))


def asking(bench: ExpiryBench, expiry: int) -> tuple[Contract, str, tuple[Any, ...]]:
    return bench.expiries, "quotesOf", ([key(expiry)],)
