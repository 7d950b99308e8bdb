"""`Expiries`: listing, limits and the oracles behind them."""

from dataclasses import replace

import pytest

from ballast.chain.ids import expiry_key
from ballast.risk.expiry import DAY, ExpiryLimits
from tests.support.evm import reverts
from tests.support.expiries import LIVE, NONE, SMILE, ExpiryBench, as_struct
from tests.support.oracle import BTC, ETH, USDC, WAD

HOUR = 3600
LIMITS = ExpiryLimits()
MOST_BOUNTY = 10_000_000


@pytest.fixture
def bench() -> ExpiryBench:
    return ExpiryBench()


def test_list_expiry__surface_of_now__live_and_trusted(bench: ExpiryBench) -> None:
    expiry, surface = bench.day(7), replace(SMILE, published_at=bench.now)
    receipt = bench.expiries.transact("listExpiry", ETH, expiry, surface.pack())
    (event,) = receipt.events("ExpiryListed")
    assert (event.underlying, event.expiry, event.surface) == (ETH, expiry, surface.pack())
    assert bench.phase(expiry) == LIVE and bench.view(expiry).trusted
    assert bench.expiries.call("expiriesOf", ETH) == [expiry]
    quote = bench.quote(expiry)
    assert (quote.underlying, quote.expiry, quote.trusted, quote.surface) == (ETH, expiry, True, surface.pack())
    assert (quote.openShare, quote.tenor, quote.fixedPart) == (WAD, expiry - bench.now, 0)


def test_list_expiry__surface_without_a_time__not_trusted_until_the_signers_publish(bench: ExpiryBench) -> None:
    expiry = bench.list_expiry(7)
    assert not bench.quote(expiry).trusted
    bench.publish({expiry: replace(SMILE, a=2 * SMILE.a)})
    assert bench.quote(expiry).trusted and bench.stored(expiry).a == 2 * SMILE.a


def test_list_expiry__off_eight_oclock__reverts(bench: ExpiryBench) -> None:
    for wrong in (bench.day(1) + 1, bench.day(1) - HOUR):
        with reverts("ExpiryOffGrid", expiry=wrong):
            bench.expiries.transact("listExpiry", ETH, wrong, SMILE.pack())


def test_list_expiry__less_than_an_hour_or_more_than_three_years_ahead__reverts(bench: ExpiryBench) -> None:
    bench.go_to(bench.day(0) - HOUR + 1)
    near = bench.day(-1)
    with reverts("ExpiryTooNear", expiry=near, earliest=near + 1):
        bench.expiries.transact("listExpiry", ETH, near, SMILE.pack())
    with reverts("ExpiryTooFar", latest=bench.now + 3 * 365 * DAY):
        bench.list_expiry(3 * 365 - 1)
    bench.list_expiry(3 * 365 - 2)


def test_list_expiry__listed_before__reverts_even_once_settled(bench: ExpiryBench) -> None:
    expiry = bench.listed(0)
    with reverts("ExpiryListedBefore", key=expiry_key(ETH, expiry)):
        bench.list_expiry(0)
    bench.observe_all(expiry)
    bench.go_to(expiry)
    bench.expiries.transact("finalise", ETH, expiry)
    assert bench.expiries.call("expiriesOf", ETH) == []
    with reverts("ExpiryTooNear"):
        bench.expiries.transact("listExpiry", ETH, expiry, SMILE.pack())


def test_list_expiry__sixteen_listed__reverts_until_one_is_finalised(bench: ExpiryBench) -> None:
    order = [5, 0, 15, 9, 1, 14, 2, 13, 3, 12, 4, 11, 6, 10, 7, 8]
    listed = [bench.list_expiry(days) for days in order]
    assert bench.expiries.call("expiriesOf", ETH) == sorted(listed)
    with reverts("TooManyExpiries", underlying=ETH, most=16):
        bench.list_expiry(16)
    bench.list_expiry(16, underlying=BTC)
    nearest = min(listed)
    bench.observe_all(nearest)
    bench.go_to(nearest)
    bench.expiries.transact("finalise", ETH, nearest)
    last = bench.list_expiry(20)
    assert bench.expiries.call("expiriesOf", ETH) == [*sorted(listed)[1:], last]


def test_list_expiry__underlying_without_a_price__reverts(bench: ExpiryBench) -> None:
    with reverts("UnderlyingNotConfigured", underlying=9):
        bench.list_expiry(underlying=9)
    with reverts("SettlementTokenImplied"):
        bench.list_expiry(underlying=USDC)


def test_list_expiry__surface_from_the_future__reverts(bench: ExpiryBench) -> None:
    with reverts("SurfaceFromFuture", publishedAt=bench.now + 1, timestamp=bench.now):
        bench.list_expiry(7, replace(SMILE, published_at=bench.now + 1))


def test_list_expiry__surface_beyond_the_limits__reverts(bench: ExpiryBench) -> None:
    with reverts("VarianceTooLow"):
        bench.list_expiry(7, replace(SMILE, a=-SMILE.a))
    near = bench.list_expiry(7)
    with reverts("CalendarArbitrage", nearKey=expiry_key(ETH, near), farKey=expiry_key(ETH, bench.day(8))):
        bench.list_expiry(8, replace(SMILE, a=SMILE.a // 2))
    with reverts("CalendarArbitrage", nearKey=expiry_key(ETH, bench.day(6)), farKey=expiry_key(ETH, near)):
        bench.list_expiry(6, replace(SMILE, a=2 * SMILE.a))


def test_views__never_listed__say_so(bench: ExpiryBench) -> None:
    expiry = bench.day(1)
    assert bench.phase(expiry) == NONE
    for function in ("expiryOf", "settlementPriceOf"):
        with reverts("ExpiryNotListed", key=expiry_key(ETH, expiry)):
            bench.expiries.call(function, ETH, expiry)
    assert tuple(bench.expiries.call("dueBucket", ETH, expiry)) == (False, 0)
    for when in (expiry, 0):
        with reverts("ExpiryNotListed", key=expiry_key(ETH, when)):
            bench.quote(when)


def test_quotes_of__keys_not_ascending__reverts(bench: ExpiryBench) -> None:
    one, two = (expiry_key(ETH, bench.listed(days)) for days in (1, 2))
    assert [quote.expiry for quote in bench.expiries.call("quotesOf", [one, two])] == [bench.day(1), bench.day(2)]
    assert bench.expiries.call("quotesOf", []) == []
    for wrong in ([two, one], [one, one]):
        with reverts("KeysNotAscending", previous=wrong[0], next=wrong[1]):
            bench.expiries.call("quotesOf", wrong)


def test_set_limits__within_the_bounds__stored_and_announced(bench: ExpiryBench) -> None:
    assert tuple(bench.expiries.call("limits")) == as_struct(LIMITS)
    changed = replace(LIMITS, max_age=60, bounty=MOST_BOUNTY)
    (event,) = bench.expiries.transact("setLimits", as_struct(changed)).events("ExpiryLimitsSet")
    assert tuple(event.limits) == as_struct(changed) == tuple(bench.expiries.call("limits"))


@pytest.mark.parametrize(
    ("limit", "least", "most"),
    [
        ("max_age", 60, DAY),
        ("fallback_delay", 600, DAY),
        ("step_interval", 10, HOUR),
        ("step_variance_bps", 100, 10_000),
        ("step_premium_bps", 1, 500),
        ("premium_bps", 1, 1000),
        ("premium_rate_bps", 0, 20_000),
        ("least_volatility_bps", 500, 10_000),
        ("most_volatility_bps", 10_001, 50_000),
        ("settlement_bps", 50, 5000),
        ("bounty", 0, MOST_BOUNTY),
    ],
)
def test_i30__limit_beyond_its_bounds__reverts(bench: ExpiryBench, limit: str, least: int, most: int) -> None:
    for value in (least, most):
        bench.expiries.transact("setLimits", as_struct(replace(LIMITS, **{limit: value})))
    for value in {max(least - 1, 0), most + 1} - {least}:
        with reverts("LimitOutOfBounds", value=value, least=least, most=most):
            bench.expiries.transact("setLimits", as_struct(replace(LIMITS, **{limit: value})))


def test_set_oracles__others__serve_from_now_on(bench: ExpiryBench) -> None:
    other = ExpiryBench()
    hub, feed = other.oracle.hub.address, other.quorum.feed.address
    (event,) = bench.expiries.transact("setOracles", hub, feed).events("OraclesSet")
    assert (event.hub, event.quorumFeed) == (hub, feed)
    assert (bench.expiries.call("oracleHub"), bench.expiries.call("quorumFeed")) == (hub, feed)
    assert bench.expiries.call("settlementToken") == bench.token.address


def test_setters__stranger__revert(bench: ExpiryBench) -> None:
    stranger = bench.evm.address_of("stranger")
    calls = {
        "listExpiry": (ETH, bench.day(1), SMILE.pack()),
        "setLimits": (as_struct(LIMITS),),
        "setOracles": (stranger, stranger),
    }
    for function, arguments in calls.items():
        with reverts("AccessManagedUnauthorized", caller=stranger):
            bench.expiries.transact(function, *arguments, sender=stranger)
