"""Setters of the oracle hub: roles, bounds (I30), getters, source changes and the fallback."""

from dataclasses import asdict, replace

import pytest

from tests.support.evm import Contract, reverts
from tests.support.oracle import (
    BTC,
    ETH,
    HALTED,
    HOUR,
    LIMITS,
    OK,
    OPENING_USD,
    USDC,
    WAD,
    WIDE,
    ZERO_ADDRESS,
    OracleBench,
    as_struct,
)

NEW = 7
ETH_USD = OPENING_USD[ETH]


@pytest.fixture
def bench() -> OracleBench:
    return OracleBench()


def a_source(bench: OracleBench, usd: int) -> Contract:
    source = bench.evm.deploy("UnrulySource")
    bench.say(source, usd)
    return source


@pytest.mark.parametrize(
    ("setter", "arguments"),
    [
        ("setLimits", (ETH, as_struct(LIMITS))),
        ("setSources", (ETH, ZERO_ADDRESS, ZERO_ADDRESS)),
        ("setSettlementMemory", (30,)),
        ("setFallbackSource", (ZERO_ADDRESS,)),
        ("serveFromFallback", (ETH,)),
    ],
)
def test_setter__stranger__reverts(bench: OracleBench, setter: str, arguments: tuple[object, ...]) -> None:
    stranger = bench.evm.address_of("stranger")
    with reverts("AccessManagedUnauthorized", caller=stranger):
        bench.hub.transact(setter, *arguments, sender=stranger)


@pytest.mark.parametrize(
    ("limit", "solidity_name", "least", "most"),
    [
        ("max_age", "maxAge", 10, 172_800),
        ("second_max_age", "secondMaxAge", 10, 172_800),
        ("halt_age", "haltAge", LIMITS.max_age, 604_800),
        ("fallback_delay", "fallbackDelay", 600, 86_400),
        ("step_bps", "stepBps", 50, 5_000),
        ("agreement_bps", "agreementBps", 10, 500),
        ("stand_time", "standTime", 60, 3_600),
        ("stand_bps", "standBps", LIMITS.step_bps, 9_000),
        ("wide_bps", "wideBps", 10, 2_000),
        ("confidence_bps", "confidenceBps", 10, 2_000),
        ("stable_delay", "stableDelay", 300, 86_400),
        ("stable_rate_bps", "stableRateBps", 100, 20_000),
    ],
)
def test_set_limits__outside_the_bounds__reverts(
    bench: OracleBench, limit: str, solidity_name: str, least: int, most: int
) -> None:
    roomy = replace(LIMITS, halt_age=604_800, stand_bps=9_000) if limit in ("max_age", "step_bps") else LIMITS
    name = solidity_name.encode().ljust(32, b"\0")
    for value in (least - 1, most + 1):
        with reverts("LimitOutOfBounds", limit=name, value=value, least=least, most=most):
            bench.hub.transact("setLimits", ETH, as_struct(replace(roomy, **{limit: value})))
    for value in (least, most):
        bench.hub.transact("setLimits", ETH, as_struct(replace(roomy, **{limit: value})))
        assert getattr(bench.hub.call("limitsOf", ETH), solidity_name) == value


def test_set_limits__within_the_bounds__read_back_and_announced(bench: OracleBench) -> None:
    changed = replace(LIMITS, second_max_age=1000, wide_bps=300, confidence_bps=50, stable_rate_bps=500)
    (event,) = bench.hub.transact("setLimits", ETH, as_struct(changed)).events("LimitsSet")
    assert tuple(bench.hub.call("limitsOf", ETH)) == as_struct(changed) == tuple(event.limits)


def test_set_limits__second_age_changed__cached_price_expires_by_the_new_one(bench: OracleBench) -> None:
    cached_at = bench.record().secondExpiresAt - LIMITS.second_max_age
    bench.hub.transact("setLimits", ETH, as_struct(replace(LIMITS, second_max_age=100)))
    assert bench.record().secondExpiresAt == cached_at + 100


def test_set_sources__new_underlying__lists_it_at_the_first_price(bench: OracleBench) -> None:
    first, second = a_source(bench, 15 * WAD), a_source(bench, 15 * WAD)
    bench.hub.transact("setLimits", NEW, as_struct(LIMITS))
    receipt = bench.hub.transact("setSources", NEW, first.address, second.address)
    (event,) = receipt.events("SourcesSet")
    assert (event.underlying, event.first, event.second, event.index) == (NEW, first.address, second.address, 15 * WAD)
    assert bench.hub.call("listedUnderlyings") == 1 << USDC | 1 << ETH | 1 << BTC | 1 << NEW
    quote = bench.quote(NEW)
    assert (quote.state, quote.index, quote.stable) == (OK, 15 * WAD, 15 * WAD)


def test_set_sources__change__wide_for_an_hour_with_the_stable_price_kept(bench: OracleBench) -> None:
    first = a_source(bench, 3050 * WAD)
    bench.hub.transact("setSources", ETH, first.address, bench.second[ETH].address)
    quote = bench.refresh()
    assert (quote.state, quote.index, quote.stable) == (WIDE, 3050 * WAD, ETH_USD)
    bench.evm.advance(HOUR - 1)
    assert bench.quote().state == WIDE
    bench.evm.advance(1)
    assert bench.quote().state == OK


def test_set_sources__step_refused_before__its_clock_is_dropped(bench: OracleBench) -> None:
    bench.evm.advance(1)
    bench.say(bench.first[ETH], 9000 * WAD)
    bench.refresh()
    assert bench.record().pendingLevel == 9000 * WAD
    bench.hub.transact("setSources", ETH, a_source(bench, ETH_USD).address, ZERO_ADDRESS)
    assert bench.record().pendingLevel == 0
    assert (bench.record().second, bench.record().secondExpiresAt) == (ZERO_ADDRESS, 0)


def test_set_sources__without_limits_or_settlement_token__reverts(bench: OracleBench) -> None:
    with reverts("LimitsNotSet", underlying=NEW):
        bench.hub.transact("setSources", NEW, bench.first[ETH].address, ZERO_ADDRESS)
    hub = bench.evm.deploy("OracleHub", bench.authority.address, ZERO_ADDRESS, 0)
    hub.transact("setLimits", ETH, as_struct(LIMITS))
    with reverts("SettlementTokenNotConfigured"):
        hub.transact("setSources", ETH, bench.first[ETH].address, ZERO_ADDRESS)
    with reverts("UnderlyingNotConfigured", underlying=USDC):
        hub.transact("refresh", 0)


def test_set_sources__source_without_a_fresh_report__reverts(bench: OracleBench) -> None:
    silent, good = bench.evm.deploy("UnrulySource"), a_source(bench, ETH_USD)
    for first, second in ((silent, good), (good, silent)):
        with reverts("SourceNotUsable", underlying=ETH, source=silent.address):
            bench.hub.transact("setSources", ETH, first.address, second.address)
    nobody = bench.evm.address_of("nobody")
    with reverts("SourceNotUsable", underlying=ETH, source=nobody):
        bench.hub.transact("setSources", ETH, nobody, ZERO_ADDRESS)


def test_set_sources__sources_disagree__reverts(bench: OracleBench) -> None:
    first, second = a_source(bench, 3100 * WAD), a_source(bench, ETH_USD)
    with reverts("SourcesDisagree", underlying=ETH, first=3100 * WAD, second=ETH_USD):
        bench.hub.transact("setSources", ETH, first.address, second.address)


def test_set_sources__lone_source_far_from_the_last_good_price__reverts(bench: OracleBench) -> None:
    far = ETH_USD * 39 // 100
    with reverts("SourceTooFar", underlying=ETH, index=far, lastGood=ETH_USD):
        bench.hub.transact("setSources", ETH, a_source(bench, far).address, ZERO_ADDRESS)
    bench.hub.transact("setSources", ETH, a_source(bench, ETH_USD * 40 // 100).address, ZERO_ADDRESS)
    assert bench.quote().index == ETH_USD * 40 // 100


def test_set_sources__two_far_sources_that_agree__accepted(bench: OracleBench) -> None:
    first, second = a_source(bench, ETH_USD // 5), a_source(bench, ETH_USD // 5)
    bench.hub.transact("setSources", ETH, first.address, second.address)
    assert bench.quote().index == ETH_USD // 5


def test_serve_from_fallback__halted_long_enough__fallback_alone_serves(bench: OracleBench) -> None:
    fallback = a_source(bench, ETH_USD)
    (event,) = bench.hub.transact("setFallbackSource", fallback.address).events("FallbackSourceSet")
    assert event.source == bench.hub.call("fallbackSource") == fallback.address
    served_from = bench.now + LIMITS.halt_age + LIMITS.fallback_delay
    bench.evm.advance(LIMITS.halt_age + LIMITS.fallback_delay)
    bench.publish(USDC, WAD)
    bench.say(fallback, 900 * WAD)
    with reverts("NotHaltedLongEnough", underlying=ETH, servedFrom=served_from):
        bench.hub.transact("serveFromFallback", ETH)
    bench.evm.advance(1)
    assert bench.quote().state == HALTED
    bench.hub.transact("serveFromFallback", ETH)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (WIDE, 900 * WAD), "no step limit: two delays have passed"
    assert (bench.record().first, bench.record().second) == (fallback.address, ZERO_ADDRESS)


def test_serve_from_fallback__none_set_or_unknown_underlying__reverts(bench: OracleBench) -> None:
    with reverts("NoFallbackSource"):
        bench.hub.transact("serveFromFallback", ETH)
    bench.hub.transact("setFallbackSource", bench.first[ETH].address)
    with reverts("UnderlyingNotConfigured", underlying=NEW):
        bench.hub.transact("serveFromFallback", NEW)


def test_set_settlement_memory__within_bounds__read_back_and_announced(bench: OracleBench) -> None:
    assert bench.hub.call("settlementMemory") == 60
    with reverts("LimitOutOfBounds", value=301, least=0, most=300):
        bench.hub.transact("setSettlementMemory", 301)
    (event,) = bench.hub.transact("setSettlementMemory", 300).events("SettlementMemorySet")
    assert event.memoryTime == bench.hub.call("settlementMemory") == 300


@pytest.mark.parametrize("setter", ["setSources", "setLimits"])
def test_setters__settlement_token_changed__its_remembered_price_is_dropped(bench: OracleBench, setter: str) -> None:
    bench.refresh()
    bench.evm.advance(1)
    bench.publish(USDC, WAD * 98 // 100)
    assert bench.hub.call("quotesOf", 0).settlementTokenUsd == WAD
    sources = (bench.first[USDC].address, bench.second[USDC].address)
    bench.hub.transact(setter, USDC, *(sources if setter == "setSources" else (as_struct(LIMITS),)))
    assert bench.hub.call("quotesOf", 0).settlementTokenUsd == WAD * 98 // 100


def test_construct__grace_out_of_bounds__reverts(bench: OracleBench) -> None:
    with reverts("LimitOutOfBounds", value=86_401):
        bench.evm.deploy("OracleHub", bench.authority.address, ZERO_ADDRESS, 86_401)


def test_getters__constructor_arguments__read_back() -> None:
    bench = OracleBench(sequencer_grace=HOUR)
    assert bench.hub.call("sequencerFeed") == bench.sequencer.address
    assert bench.hub.call("sequencerGrace") == HOUR
    assert asdict(LIMITS) == dict(zip(asdict(LIMITS), bench.hub.call("limitsOf", ETH), strict=True))
