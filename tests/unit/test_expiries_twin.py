"""The expiries and their twin agree to the wei (I16): windows over random observations, checks over random surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballast.risk.expiry import (
    BILLION,
    BUCKET,
    DAY,
    WINDOW,
    Expiries,
    ExpiryLimits,
    SurfaceRefused,
    Window,
)
from ballast.risk.pricing import Surface
from tests.support.evm import Revert
from tests.support.expiries import SETTLED, SMILE, WAITING, ExpiryBench
from tests.support.oracle import WAD

PRICES = st.integers(2700 * WAD, 3300 * WAD)
OBSERVATIONS = st.dictionaries(st.integers(0, 29), st.tuples(st.integers(0, 59), PRICES), min_size=0, max_size=30)
FULL = st.dictionaries(st.integers(0, 29), st.tuples(st.integers(0, 59), PRICES), min_size=20, max_size=30)
LOOKS = st.lists(st.integers(0, WINDOW - 1), max_size=4)
DAYS = (0, 6, 7, 90)
ANYTHING = st.builds(
    Surface,
    premium=st.integers(-30_000_000, 30_000_000),
    a=st.integers(-(2**39), 2**39 - 1),
    b=st.integers(0, 2**40 - 1),
    rho=st.integers(-(2**31), 2**31 - 1),
    m=st.integers(-(2**39), 2**39 - 1),
    s=st.integers(0, 2**40 - 1),
)


@st.composite
def sharp_surfaces(draw: st.DrawFn) -> Surface:
    """Low at the vertex and steep beside it: butterflies, and nearly."""
    b, rho = draw(st.integers(10_000_000, 3 * BILLION)), draw(st.integers(-900_000_000, 900_000_000))
    m, s = draw(st.integers(-600_000_000, 600_000_000)), draw(st.integers(1_000_000, 600_000_000))
    lowest = draw(st.integers(2_400_000, 400_000_000))
    a = lowest - b * s // BILLION * isqrt(BILLION**2 - rho**2) // BILLION
    return Surface(draw(st.integers(-11_000_000, 11_000_000)), a, b, rho, m, s)


SURFACES = st.one_of(sharp_surfaces(), sharp_surfaces(), ANYTHING)
NUDGES = st.builds(
    replace,
    st.just(SMILE),
    premium=st.integers(-4_000_000, 6_000_000),
    a=st.integers(SMILE.a * 4 // 5, SMILE.a * 5 // 4),
    b=st.integers(SMILE.b * 4 // 5, SMILE.b * 5 // 4),
    rho=st.integers(-400_000_000, 0),
    m=st.integers(-20_000_000, 20_000_000),
    s=st.integers(SMILE.s * 4 // 5, SMILE.s * 5 // 4),
)
BATCHES = st.dictionaries(st.sampled_from(DAYS), st.one_of(NUDGES, NUDGES, SURFACES), min_size=1)


@pytest.fixture(scope="module")
def bench() -> ExpiryBench:
    return ExpiryBench()


@settings(max_examples=60)
@given(observations=st.one_of(OBSERVATIONS, FULL), looks=LOOKS)
def test_i16__any_observations__quotes_and_price_equal_the_twins(
    bench: ExpiryBench, observations: Mapping[int, tuple[int, int]], looks: list[int]
) -> None:
    with bench.evm.rolled_back():
        expiry, window = bench.listed(0), Window()
        acts = [(BUCKET * bucket + late, (bucket, price)) for bucket, (late, price) in observations.items()]
        for at, observation in sorted([*acts, *((at, None) for at in looks)], key=lambda act: act[0]):
            if observation is None:
                bench.go_to(expiry - WINDOW + at)
            else:
                bucket, price = observation
                bench.observe(expiry, bucket, usd=price, late=at - BUCKET * bucket)
                window = window.add(bucket, price)
            quote = bench.quote(expiry)
            assert (quote.fixedPart, quote.openShare) == window.parts(WINDOW - at)
        bench.go_to(expiry)
        assert bench.phase(expiry) == (SETTLED if window.price else WAITING)
        assert bench.view(expiry).average == window.carried(30).average
        assert bench.view(expiry).settlementPrice == window.price == bench.quote(expiry).fixedPart


@settings(max_examples=150)
@given(batches=st.lists(st.tuples(st.integers(0, 200), BATCHES), min_size=1, max_size=6))
def test_i16__any_surfaces__accepted_and_refused_as_by_the_twin(
    bench: ExpiryBench, batches: list[tuple[int, dict[int, Surface]]]
) -> None:
    with bench.evm.rolled_back():
        expiries = [bench.list_expiry(days, replace(SMILE, published_at=bench.now)) for days in DAYS]
        initial = replace(SMILE, published_at=bench.now)
        twin = Expiries(ExpiryLimits(), dict.fromkeys(expiries, initial))
        for pause, surfaces in batches:
            bench.evm.advance(pause)
            reports = {expiries[DAYS.index(days)]: surface for days, surface in surfaces.items()}
            assert outcome_on_chain(bench, reports) == outcome_of_twin(twin, reports, bench.now)
        assert {expiry: bench.stored(expiry) for expiry in expiries} == twin.surfaces


def outcome_on_chain(bench: ExpiryBench, reports: Mapping[int, Surface]) -> list[int] | str:
    """Which expiries' surfaces were stored, or the error's name."""
    try:
        return [event.expiry for event in bench.publish(reports).events("SurfaceStored")]
    except Revert as refusal:
        return refusal.name


def outcome_of_twin(twin: Expiries, reports: Mapping[int, Surface], now: int) -> list[int] | str:
    try:
        return twin.submit(reports.items(), now, now)
    except SurfaceRefused as refusal:
        return refusal.rule


@settings(max_examples=200)
@given(surface=SURFACES, tenor=st.one_of(st.integers(1, 3 * DAY), st.integers(1, 364 * DAY)))
def test_i16__any_surface_at_any_tenor__accepted_and_refused_as_by_the_twin(
    bench: ExpiryBench, surface: Surface, tenor: int
) -> None:
    with bench.evm.rolled_back():
        expiry = bench.list_expiry(365)
        bench.go_to(expiry - tenor)
        twin = Expiries(surfaces={expiry: SMILE})
        assert outcome_on_chain(bench, {expiry: surface}) == outcome_of_twin(twin, {expiry: surface}, bench.now)
