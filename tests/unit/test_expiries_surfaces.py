"""`Expiries.submit` of surfaces: signed, newer, within levels and steps, free of static arbitrage."""

from dataclasses import replace

import pytest

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import ReportKind, SignedReport
from ballast.risk.expiry import BILLION, BPS, DAY, ExpiryLimits, grid
from ballast.risk.pricing import Surface
from tests.support.evm import reverts
from tests.support.expiries import SMILE, ExpiryBench, as_struct
from tests.support.oracle import ETH, WAD

LIMITS = ExpiryLimits()
MINUTE = 60
# From Gatheral and Jacquier (2014), example 3.1 (Axel Vogt): one year's raw SVI with a butterfly; total variance is
# positive everywhere and the wings are flat enough.
VOGT = Surface(0, -41_000_000, 133_100_000, 306_000_000, 358_600_000, 415_300_000)


@pytest.fixture
def bench() -> ExpiryBench:
    return ExpiryBench()


def test_submit__newer_surface__stored_and_announced_with_its_time(bench: ExpiryBench) -> None:
    expiry = bench.listed()
    bench.evm.advance(MINUTE)
    higher = replace(SMILE, premium=2_000_000, a=SMILE.a * 11 // 10)
    (event,) = bench.publish({expiry: higher}, age=5).events("SurfaceStored")
    stored = replace(higher, published_at=bench.now - 5)
    assert (event.underlying, event.expiry, event.surface) == (ETH, expiry, stored.pack())
    assert bench.stored(expiry) == stored
    assert bench.quote(expiry).surface == stored.pack()


def test_submit__surface_older_than_it_may_be__quote_not_trusted(bench: ExpiryBench) -> None:
    expiry = bench.listed()
    bench.evm.advance(LIMITS.max_age)
    assert bench.quote(expiry).trusted and bench.view(expiry).trusted
    bench.evm.advance(1)
    assert not bench.quote(expiry).trusted and not bench.view(expiry).trusted


def test_submit__not_one_interval_newer__does_not_count(bench: ExpiryBench) -> None:
    expiry = bench.listed()
    bench.evm.advance(LIMITS.step_interval)
    with reverts("NothingNewer", publishedAt=bench.now - 1):
        bench.publish({expiry: SMILE}, age=1)
    bench.publish({expiry: SMILE})
    with reverts("NothingNewer"):
        bench.publish({expiry: SMILE})


def test_submit__one_of_two_not_newer__stores_the_other(bench: ExpiryBench) -> None:
    one, two = bench.listed(1), bench.list_expiry(2)
    events = bench.publish({one: replace(SMILE, a=SMILE.a // 2), two: SMILE}).events("SurfaceStored")
    assert [event.expiry for event in events] == [two]
    assert bench.stored(one).a == SMILE.a


def test_submit__one_expiry_passed__stores_the_other(bench: ExpiryBench) -> None:
    one, two = bench.listed(0), bench.listed(1)
    bench.go_to(one)
    assert [event.expiry for event in bench.publish({one: SMILE, two: SMILE}).events("SurfaceStored")] == [two]
    bench.evm.advance(MINUTE)
    with reverts("NothingNewer"):
        bench.publish({one: SMILE})


def test_submit__expiry_not_listed__reverts(bench: ExpiryBench) -> None:
    with reverts("ExpiryNotListed", key=expiry_key(ETH, bench.day(3))):
        bench.publish({bench.day(3): SMILE})
    with reverts("ExpiryNotListed", key=2**200):
        bench.submit(SignedReport.of_surface(2**200, SMILE.pack()))


@pytest.mark.parametrize("kind", [ReportKind.PRICE, ReportKind.PERP_MARK])
def test_submit__kind_that_is_not_about_expiries__reverts(bench: ExpiryBench, kind: ReportKind) -> None:
    with reverts("ReportKindNotSupported", kind=kind):
        bench.submit(SignedReport(ETH, WAD, kind=kind))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"rho": BILLION}, "MalformedSurface"),
        ({"rho": -BILLION}, "MalformedSurface"),
        ({"s": 99_999}, "MalformedSurface"),
        ({"a": -291_500_000}, "VarianceTooLow"),
        ({"a": 25 * BILLION}, "VarianceTooHigh"),
        ({"premium": 25_000_000}, "PremiumOutOfBounds"),
        ({"premium": -25_000_000}, "PremiumOutOfBounds"),
        ({"b": 100 * BILLION}, "WingTooSteep"),
    ],
)
def test_submit__level_out_of_bounds__reverts(bench: ExpiryBench, wrong: dict[str, int], error: str) -> None:
    expiry = bench.list_expiry(7)
    with reverts(error):
        bench.publish({expiry: replace(SMILE, **wrong)})


@pytest.mark.parametrize("side", [-1, 1])
def test_submit__too_high_far_out__checked_to_twenty_times_the_forward_at_most(bench: ExpiryBench, side: int) -> None:
    expiry = bench.list_expiry(364)
    rising = replace(SMILE, a=23_400_000_000, rho=side * 900_000_000, m=0)
    with reverts("VarianceTooHigh", key=expiry_key(ETH, expiry), k=side * 3 * WAD):
        bench.publish({expiry: rising})


def test_submit__time_in_the_word__reverts(bench: ExpiryBench) -> None:
    key = expiry_key(ETH, bench.list_expiry(7))
    word = replace(SMILE, published_at=bench.now).pack()
    with reverts("MalformedSurface", key=key, value=word):
        bench.submit(SignedReport(key, word, kind=ReportKind.SURFACE))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"least_volatility_bps": 6000}, "VarianceTooLow"),
        ({"most_volatility_bps": 10_001}, "VarianceTooHigh"),
        ({"premium_bps": 1, "premium_rate_bps": 0}, "PremiumOutOfBounds"),
    ],
)
def test_submit__limits_set_closer__hold_the_next_surface(
    bench: ExpiryBench, change: dict[str, int], error: str
) -> None:
    surface = replace(SMILE, a=BILLION) if error == "VarianceTooHigh" else SMILE
    expiry = bench.list_expiry(7, surface)
    bench.expiries.transact("setLimits", as_struct(replace(LIMITS, **change)))
    with reverts(error):
        bench.publish({expiry: surface})


@pytest.mark.parametrize("steps", [1, 3])
def test_submit__step_of_the_variance__as_many_as_intervals_passed(bench: ExpiryBench, steps: int) -> None:
    flat = replace(SMILE, b=0)
    expiry = bench.list_expiry(7, replace(flat, published_at=bench.now))
    bench.evm.advance(steps * LIMITS.step_interval)
    most = flat.a * (BPS + steps * LIMITS.step_variance_bps) // BPS
    with reverts("VarianceStepTooLarge", key=expiry_key(ETH, expiry), to=(most + 1) * BILLION):
        bench.publish({expiry: replace(flat, a=most + 1)})
    least = -(-flat.a * BPS // (BPS + steps * LIMITS.step_variance_bps))
    with reverts("VarianceStepTooLarge", to=(least - 1) * BILLION):
        bench.publish({expiry: replace(flat, a=least - 1)})
    bench.publish({expiry: replace(flat, a=most)})


def test_submit__step_in_a_wing_alone__reverts(bench: ExpiryBench) -> None:
    expiry = bench.listed(90)
    bench.evm.advance(LIMITS.step_interval)
    steeper = replace(SMILE, b=2 * SMILE.b, a=SMILE.a - SMILE.b * SMILE.s // BILLION)
    points = grid(steeper, expiry - bench.now)
    with reverts("VarianceStepTooLarge", k=points[0]):
        bench.publish({expiry: steeper})


def test_submit__step_of_the_premium__as_many_as_intervals_passed(bench: ExpiryBench) -> None:
    expiry = bench.listed()
    step = LIMITS.step_premium_bps * 100_000
    bench.evm.advance(LIMITS.step_interval)
    for premium in (SMILE.premium + step + 1, SMILE.premium - step - 1):
        with reverts("PremiumStepTooLarge", to=premium, most=step):
            bench.publish({expiry: replace(SMILE, premium=premium)})
    bench.publish({expiry: replace(SMILE, premium=SMILE.premium - step)})


def test_submit__butterfly_of_the_literature__reverts(bench: ExpiryBench) -> None:
    expiry = bench.list_expiry(364)
    with reverts("ButterflyArbitrage", key=expiry_key(ETH, expiry)):
        bench.publish({expiry: VOGT})
    bench.publish({expiry: replace(VOGT, a=VOGT.a + 20_000_000)})


def test_submit__several_expiries_move_beyond_their_old_neighbours__together_they_may(bench: ExpiryBench) -> None:
    one, two, three = (bench.listed(days) for days in (10, 11, 12))
    bench.evm.advance(10 * LIMITS.step_interval)
    doubled = replace(SMILE, a=2 * SMILE.a)
    with reverts("CalendarArbitrage", nearKey=expiry_key(ETH, two), farKey=expiry_key(ETH, three)):
        bench.publish({two: doubled})
    bench.publish({one: doubled, two: doubled, three: doubled})
    bench.evm.advance(10 * LIMITS.step_interval)
    with reverts("CalendarArbitrage", nearKey=expiry_key(ETH, one), farKey=expiry_key(ETH, two)):
        bench.publish({two: SMILE})
    assert bench.stored(two).a == doubled.a, "all or nothing"


def test_submit__neighbour_between_two_that_move__holds_them_both(bench: ExpiryBench) -> None:
    one, two, three = (bench.listed(days) for days in (10, 11, 12))
    bench.evm.advance(10 * LIMITS.step_interval)
    for change in (SMILE.a * 2, SMILE.a // 2):
        moved = replace(SMILE, a=change)
        pair = (one, two) if change > SMILE.a else (two, three)
        near, far = (expiry_key(ETH, expiry) for expiry in pair)
        with reverts("CalendarArbitrage", nearKey=near, farKey=far):
            bench.publish({one: moved, three: moved})
        with reverts("CalendarArbitrage", nearKey=near, farKey=far):
            bench.publish({three: moved, one: moved})


def test_submit__nearer_wing_steeper_beyond_every_point__reverts(bench: ExpiryBench) -> None:
    near = bench.list_expiry(10, replace(SMILE, b=0))
    far = bench.list_expiry(20, replace(SMILE, a=5 * SMILE.a, b=SMILE.b // 3))
    with reverts("CalendarArbitrage", farKey=expiry_key(ETH, far), k=-(2**255)):
        bench.publish({near: replace(SMILE, rho=-400_000_000)})
    with reverts("CalendarArbitrage", farKey=expiry_key(ETH, far), k=2**255 - 1):
        bench.publish({near: replace(SMILE, rho=400_000_000)})


def test_submit__neighbour_expired__holds_nothing(bench: ExpiryBench) -> None:
    expired = bench.list_expiry(0)
    next_day = bench.list_expiry(1)
    bench.go_to(expired + 1)
    lower = replace(SMILE, a=SMILE.a // 2)
    bench.publish({next_day: lower})
    assert bench.stored(next_day).a == lower.a


def test_submit__last_second_before_expiry__stored(bench: ExpiryBench) -> None:
    expiry = bench.listed(0)
    bench.go_to(expiry - 1)
    bench.publish({expiry: SMILE})
    quote = bench.quote(expiry)
    assert quote.trusted and quote.tenor == 0


def test_submit__three_years__stored(bench: ExpiryBench) -> None:
    expiry = bench.list_expiry(3 * 365 - 2)
    bench.publish({expiry: replace(SMILE, premium=BILLION)})
    assert bench.stored(expiry).premium == BILLION
    assert bench.quote(expiry).tenor > 3 * 365 * DAY - 3 * DAY
