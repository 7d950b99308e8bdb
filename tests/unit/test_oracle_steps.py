"""Steps beyond the limit: accepted where two sources agree, or where the level has stood."""

from dataclasses import replace

import pytest

from tests.support.oracle import ETH, LIMITS, OK, STALE, USDC, WAD, WIDE, OracleBench

ETH_USD = 3000 * WAD
CRASHED = 1800 * WAD


@pytest.fixture
def bench() -> OracleBench:
    bench = OracleBench()
    bench.evm.advance(60)
    return bench


@pytest.fixture
def single() -> OracleBench:
    """Underlyings without a second source."""
    bench = OracleBench(with_second=False)
    bench.evm.advance(60)
    return bench


def test_step__within_the_limit__accepted_at_once(single: OracleBench) -> None:
    single.say(single.first[ETH], ETH_USD * 85 // 100)
    quote = single.refresh()
    assert (quote.state, quote.index) == (OK, ETH_USD * 85 // 100)


def test_step__beyond_the_limit_of_a_lone_source__refused_and_announced(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    receipt = single.hub.transact("refresh", 1 << ETH)
    quote, (event,) = receipt.result.quotes[0], receipt.events("LevelPending")
    assert (quote.state, quote.index) == (STALE, ETH_USD)
    assert (event.underlying, event.level, event.lastGood) == (ETH, CRASHED, ETH_USD)
    assert (single.record().pendingLevel, single.record().pendingSince) == (CRASHED, single.now)


def test_step__level_stands_long_enough__accepted_and_clock_dropped(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    single.refresh()
    single.evm.advance(LIMITS.stand_time - 1)
    single.say(single.first[ETH], CRASHED * 102 // 100)
    assert single.refresh().state == STALE
    single.evm.advance(1)
    quote = single.refresh()
    assert (quote.state, quote.index) == (OK, CRASHED * 102 // 100)
    assert single.record().pendingLevel == 0


def test_step__level_never_recorded__does_not_stand(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    assert single.quote().state == STALE
    single.evm.advance(LIMITS.stand_time)
    assert single.quote().state == STALE, "a view starts no clock"


def test_step__level_left_and_found_again__clock_starts_anew(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    single.refresh()
    single.evm.advance(LIMITS.stand_time)
    single.say(single.first[ETH], ETH_USD)
    assert single.refresh().state == OK
    single.evm.advance(1)
    single.say(single.first[ETH], CRASHED)
    assert single.refresh().state == STALE


def test_step__other_level__clock_starts_anew(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    single.refresh()
    single.evm.advance(LIMITS.stand_time)
    single.say(single.first[ETH], 4500 * WAD)
    assert single.refresh().state == STALE
    assert single.record().pendingSince == single.now


def test_step__source_silent_in_between__clock_starts_anew(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    single.refresh()
    single.first[ETH].transact("setBehaviour", 1)
    single.evm.advance(LIMITS.stand_time)
    assert single.refresh().state == STALE
    single.first[ETH].transact("setBehaviour", 0)
    single.say(single.first[ETH], CRASHED)
    assert single.refresh().state == STALE
    assert single.record().pendingSince == single.now


def test_step__both_sources_agree__accepted_at_once(bench: OracleBench) -> None:
    bench.say(bench.first[ETH], CRASHED)
    bench.say(bench.second[ETH], CRASHED * 98 // 100 + WAD)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (OK, CRASHED)


def test_step__second_source_contradicts__second_serves_until_the_level_stands(bench: OracleBench) -> None:
    bench.publish(USDC, WAD)
    bench.say(bench.first[ETH], CRASHED)
    bench.say(bench.second[ETH], ETH_USD - WAD)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (WIDE, ETH_USD - WAD)
    bench.evm.advance(LIMITS.stand_time)
    quote = bench.refresh()
    assert (quote.state, quote.index, quote.second) == (WIDE, CRASHED, ETH_USD - WAD)


def test_step__first_source_dead_and_second_steps__waits_for_the_level_to_stand(bench: OracleBench) -> None:
    bench.first[ETH].transact("setBehaviour", 1)
    bench.say(bench.second[ETH], CRASHED)
    assert (bench.refresh().state, bench.refresh().index) == (STALE, ETH_USD)
    bench.evm.advance(LIMITS.stand_time)
    assert (bench.refresh().state, bench.refresh().index) == (WIDE, CRASHED)


def test_step__further_than_a_lone_source_may_ever_move__waits_for_two_sources(single: OracleBench) -> None:
    single.say(single.first[ETH], ETH_USD * 39 // 100)
    single.refresh()
    single.evm.advance(10 * LIMITS.stand_time)
    assert single.refresh().state == STALE


def test_step__limit_widened__what_was_refused_passes(single: OracleBench) -> None:
    single.say(single.first[ETH], CRASHED)
    assert single.quote().state == STALE
    single.hub.transact("setLimits", ETH, tuple(vars(replace(LIMITS, step_bps=4000)).values()))
    assert (single.quote().state, single.quote().index) == (OK, CRASHED)
