"""Attacks on prices. Each fails here, and would succeed without the rule it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ballast.chain import codec
from tests.support.evm import Contract, Revert, reverts
from tests.support.oracle import (
    BTC,
    ETH,
    HALTED,
    HOUR,
    LIMITS,
    OK,
    OPENING_USD,
    STALE,
    USDC,
    WAD,
    WIDE,
    ZERO_ADDRESS,
    OracleBench,
    as_struct,
)

ETH_USD = OPENING_USD[ETH]
REVERT, BURN_GAS, RETURN_BOMB, REVERT_BOMB, RETURN_NOTHING = range(1, 6)


@pytest.fixture
def bench() -> OracleBench:
    bench = OracleBench()
    bench.evm.advance(60)
    return bench


def chainlink_bench(feed_name: str = "UnrulyAggregator", *arguments: int) -> tuple[OracleBench, Contract]:
    """ETH on a lone Chainlink feed of 8 decimals, at 3000."""
    bench = OracleBench()
    feed = bench.evm.deploy(feed_name, *(arguments or (8,)))
    feed.transact("report", 3000 * 10**8, bench.now)
    source = bench.evm.deploy("ChainlinkSource", feed.address, ETH)
    bench.hub.transact("setSources", ETH, source.address, ZERO_ADDRESS)
    bench.evm.advance(HOUR)
    bench.publish(USDC, WAD)
    feed.transact("report", 3000 * 10**8, bench.now)
    assert bench.refresh().state == OK
    return bench, feed


def encoded(target: Contract, function: str, *arguments: object) -> bytes:
    return codec.encode_call(target.abi, function, arguments)


# Spot push ---------------------------------------------------------------------------------------------------------


def test_attack_spot_push__pushed_and_used_in_one_block__stable_price_stays(bench: OracleBench) -> None:
    before = bench.refresh().stable
    bench.evm.advance(60)
    bench.publish(ETH, ETH_USD * 114 // 100)
    pushed = bench.refresh()
    assert pushed.index == ETH_USD * 114 // 100
    assert bench.refresh().stable == pushed.stable == before, "what is borrowed out is counted at the stable price"


def test_attack_spot_push__held_for_ten_minutes__stable_price_gains_no_more_than_its_rate(bench: OracleBench) -> None:
    def push() -> None:
        bench.publish(ETH, bench.quote().index * 114 // 100)
        bench.refresh()

    bench.hold(seconds=600, step=12, each=push)
    gained = bench.quote().stable - ETH_USD
    rate_for_ten_minutes = ETH_USD * LIMITS.stable_rate_bps // 10_000 // 6
    assert 0 < gained <= rate_for_ten_minutes * 102 // 100, "refreshing often compounds, by less than 2 %"


def test_attack_push_of_the_settlement_feed__index_moves_no_further_than_its_clamp(bench: OracleBench) -> None:
    loose = as_struct(replace(LIMITS, step_bps=5000))
    for underlying in (USDC, ETH):
        bench.hub.transact("setLimits", underlying, loose)
    bench.publish(USDC, WAD // 2)
    assert bench.refresh().index == ETH_USD * 10 // 9


# Stale, frozen or floored feeds ------------------------------------------------------------------------------------


def test_attack_stale_feed__price_older_than_allowed__refused() -> None:
    bench, feed = chainlink_bench()
    feed.transact("report", 2900 * 10**8, bench.now)
    bench.evm.advance(LIMITS.max_age + 1)
    bench.publish(USDC, WAD)
    assert (bench.quote().state, bench.quote().index) == (STALE, ETH_USD)


def test_attack_frozen_feed__repeats_itself_while_the_market_falls__wide_once_anyone_pokes(bench: OracleBench) -> None:
    bench.say(bench.second[ETH], 2700 * WAD)
    bench.hub.transact("poke", ETH, sender=bench.evm.address_of("anyone"))
    bench.say(bench.first[ETH], ETH_USD)
    quote = bench.quote()
    assert (quote.state, quote.index, quote.second) == (WIDE, ETH_USD, 2700 * WAD)


def test_attack_floored_feed__answer_at_its_least__refused() -> None:
    bench, feed = chainlink_bench("BoundedAggregator", 8, 2800 * 10**8, 10**14)
    feed.transact("report", 2800 * 10**8, bench.now)
    assert (bench.quote().state, bench.quote().index) == (STALE, ETH_USD)


# Times -------------------------------------------------------------------------------------------------------------


def test_attack_future_dated_report__refused(bench: OracleBench) -> None:
    bench.say(bench.first[ETH], 3100 * WAD, age=-1)
    bench.say(bench.second[ETH], 3100 * WAD, age=-1)
    assert bench.quote().index == ETH_USD
    with reverts("SourceNotUsable"):
        bench.hub.transact("poke", ETH)


def test_attack_rolled_back_report__refused(bench: OracleBench) -> None:
    bench.say(bench.first[ETH], 3100 * WAD)
    bench.say(bench.second[ETH], 3100 * WAD)
    assert bench.refresh().index == 3100 * WAD
    bench.say(bench.first[ETH], ETH_USD, age=1)
    bench.say(bench.second[ETH], ETH_USD, age=1)
    quote = bench.quote()
    assert (quote.state, quote.index) == (WIDE, 3100 * WAD), "the second source's price of before serves"
    with reverts("SourceNotUsable"):
        bench.hub.transact("poke", ETH)


# Values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [0, -3000 * 10**8])
def test_attack_zero_or_negative__refused(answer: int) -> None:
    bench, feed = chainlink_bench()
    feed.transact("report", answer, bench.now)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (STALE, ETH_USD), "I21"


def test_attack_zero_price__of_any_source__refused(bench: OracleBench) -> None:
    bench.publish(ETH, 0)
    assert bench.quote().index == ETH_USD, "I21"


@pytest.mark.parametrize("usd", [2**96, 2**255, 2**256 - 1])
@pytest.mark.parametrize("usdc_usd", [WAD, WAD * 97 // 100])
def test_attack_price_beyond_storage__refused_not_cut(bench: OracleBench, usd: int, usdc_usd: int) -> None:
    bench.publish(USDC, usdc_usd)
    bench.publish(ETH, usd)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (WIDE, ETH_USD * WAD // usdc_usd), "I21: the second's cached price serves"


def test_attack_index_beyond_storage__refused_not_cut(bench: OracleBench) -> None:
    bench.publish(USDC, WAD * 97 // 100)
    bench.publish(ETH, 2**96 - 1)
    assert (bench.refresh().state, bench.refresh().index) == (STALE, ETH_USD), "I21"


@pytest.mark.parametrize("with_second", [True, False])
def test_attack_jump_by_a_thousand__of_one_source__never_accepted(with_second: bool) -> None:
    bench = OracleBench(with_second=with_second)

    def jump() -> None:
        bench.publish(USDC, WAD)
        bench.say(bench.first[ETH], 1000 * ETH_USD)
        bench.say(bench.second[ETH], ETH_USD)
        assert bench.refresh().index == ETH_USD

    bench.hold(seconds=HOUR, step=60, each=jump)
    assert bench.quote().state == (WIDE if with_second else STALE)


@pytest.mark.parametrize("with_second", [True, False])
def test_attack_honest_crash__forty_per_cent_in_one_report__accepted_within_minutes(with_second: bool) -> None:
    bench = OracleBench(with_second=with_second)
    bench.evm.advance(60)
    bench.publish(ETH, ETH_USD * 60 // 100)
    bench.refresh()
    waits = 0 if with_second else LIMITS.stand_time
    bench.evm.advance(waits)
    quote = bench.quote()
    assert (quote.state, quote.index) == (OK, ETH_USD * 60 // 100)


def test_attack_wrong_decimals__at_connection__refused(bench: OracleBench) -> None:
    misread = bench.evm.deploy("UnrulySource")
    bench.say(misread, ETH_USD // 10**10)
    with reverts("SourcesDisagree", underlying=ETH):
        bench.hub.transact("setSources", ETH, misread.address, bench.second[ETH].address)
    with reverts("SourceTooFar", underlying=ETH):
        bench.hub.transact("setSources", ETH, misread.address, ZERO_ADDRESS)


def test_attack_wrong_decimals__feed_changes_its_scale__refused_for_good() -> None:
    bench, feed = chainlink_bench()

    def rescaled() -> None:
        bench.publish(USDC, WAD)
        feed.transact("report", 3000 * 10**18, bench.now)
        assert bench.refresh().index == ETH_USD

    bench.hold(seconds=900, step=60, each=rescaled)


def test_attack_wide_confidence__price_is_wide(bench: OracleBench) -> None:
    limit = ETH_USD * LIMITS.confidence_bps // 10_000
    bench.say(bench.first[ETH], ETH_USD, confidence=limit)
    assert bench.quote().state == OK
    bench.say(bench.first[ETH], ETH_USD, confidence=limit + 1)
    assert bench.quote().state == WIDE


# Gas and data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [REVERT, BURN_GAS, RETURN_BOMB, REVERT_BOMB, RETURN_NOTHING])
def test_attack_hostile_source__others_keep_their_prices_and_a_bounded_cost(bench: OracleBench, behaviour: int) -> None:
    for source in (bench.first[ETH], bench.second[ETH]):
        source.transact("setBehaviour", behaviour)
    bench.evm.advance(LIMITS.second_max_age)
    bench.publish(USDC, WAD)
    bench.publish(BTC, 61_000 * WAD)
    receipt = bench.hub.transact("refresh", 1 << ETH | 1 << BTC)
    ether, bitcoin = receipt.result.quotes
    assert (ether.state, ether.index) == (STALE, ETH_USD)
    assert (bitcoin.state, bitcoin.index) == (OK, 61_000 * WAD)
    assert receipt.gas_used < 500_000, "no source costs more than its cap"


def test_attack_address_without_code__refused_as_a_source(bench: OracleBench) -> None:
    nobody = bench.evm.address_of("nobody")
    with reverts("SourceNotUsable", underlying=ETH, source=nobody):
        bench.hub.transact("setSources", ETH, nobody, ZERO_ADDRESS)


@pytest.mark.parametrize("behaviour", [RETURN_BOMB, RETURN_NOTHING])
def test_attack_answer_of_another_size__is_no_answer(bench: OracleBench, behaviour: int) -> None:
    harness, source = bench.evm.deploy("BoundedCallHarness"), bench.first[ETH]
    source.transact("setBehaviour", behaviour)
    question = codec.encode_call(source.abi, "behaviour", ())
    assert harness.call("read", source.address, question) == (True, behaviour), "one word is what it asks for"
    question = codec.encode_call(source.abi, "latestReport", (ETH,))
    assert harness.call("read", source.address, question).answered is False
    assert harness.call("read", bench.evm.address_of("nobody"), question).answered is False


def test_attack_sixty_three_sixty_fourths__starved_callee__is_not_taken_for_broken(bench: OracleBench) -> None:
    harness, attacker = bench.evm.deploy("BoundedCallHarness"), bench.attacker
    burner = bench.first[BTC]
    burner.transact("setBehaviour", BURN_GAS)
    question = codec.encode_call(burner.abi, "latestReport", (BTC,))
    assert harness.call("read", burner.address, question).answered is False
    data = encoded(harness, "read", burner.address, question)
    refusals = []
    for gas in range(5_000, 105_000, 5_000):
        with pytest.raises(Revert) as refusal:
            attacker.transact("runStarved", gas, harness.address, data)
        refusals.append(refusal.value.name)
    assert "InsufficientGas" in refusals


def test_attack_sixty_three_sixty_fourths__any_gas_limit__never_another_quote(bench: OracleBench) -> None:
    bench.publish(ETH, 3100 * WAD)
    honest = encoded(bench.hub, "quotesOf", 1 << ETH)
    expected = bench.evm.execute(bench.evm.deployer, bench.hub.address, honest, static=True)
    answered = 0
    for gas in range(5_000, 250_000, 1_500):
        try:
            output = bench.attacker.transact("runStarved", gas, bench.hub.address, honest).result
        except Revert:
            continue
        answered += 1
        assert output == expected, f"another quote at {gas} gas"
    assert answered > 0


# One transaction ---------------------------------------------------------------------------------------------------


def test_attack_two_prices_in_one_transaction__first_tuple_stands(bench: OracleBench) -> None:
    hub, first, second, now = bench.hub, bench.first[ETH], bench.second[ETH], bench.now
    fixed, _, _, _, again, viewed = bench.in_one_transaction(
        (hub, "refresh", (1 << ETH,)),
        (first, "report", (3200 * WAD, 0, now)),
        (second, "report", (3200 * WAD, 0, now)),
        (hub, "poke", (ETH,)),
        (hub, "refresh", (1 << ETH | 1 << BTC,)),
        (hub, "quotesOf", (1 << ETH,)),
    )
    assert fixed.quotes[0].index == ETH_USD
    assert again.quotes[0] == viewed.quotes[0] == fixed.quotes[0], "I20"
    assert bench.quote().index == 3200 * WAD, "the next transaction sees the new price"


def test_attack_two_prices_in_one_transaction__wide_tuple_keeps_its_second_price(bench: OracleBench) -> None:
    bench.say(bench.second[ETH], 3100 * WAD)
    bench.hub.transact("poke", ETH)
    bench.say(bench.first[ETH], ETH_USD)
    fixed, _, _, again = bench.in_one_transaction(
        (bench.hub, "refresh", (1 << ETH,)),
        (bench.second[ETH], "report", (ETH_USD, 0, bench.now)),
        (bench.first[USDC], "report", (WAD * 98 // 100, 0, bench.now)),
        (bench.hub, "refresh", (1 << ETH,)),
    )
    assert fixed.quotes[0].second == 3100 * WAD
    assert again == fixed, "I20, settlement token included"


# The chain itself --------------------------------------------------------------------------------------------------


def test_attack_sequencer_down__everything_halted_at_last_good_prices() -> None:
    bench = OracleBench(sequencer_grace=HOUR)
    bench.refresh()
    bench.evm.advance(60)
    bench.publish(ETH, 2700 * WAD)
    bench.set_sequencer(is_up=False, since=bench.now)
    assert (bench.refresh().state, bench.refresh().index) == (HALTED, ETH_USD)
    bench.evm.advance(2 * HOUR)
    bench.publish_all()
    bench.publish(ETH, 2700 * WAD)
    assert (bench.refresh().state, bench.refresh().index) == (HALTED, ETH_USD), "being down for long is no grace"


def test_attack_sequencer_restarted__halted_until_users_could_act() -> None:
    bench = OracleBench(sequencer_grace=HOUR)
    bench.set_sequencer(is_up=True, since=bench.now)
    bench.evm.advance(HOUR - 1)
    bench.publish_all()
    assert bench.quote().state == HALTED
    bench.evm.advance(1)
    assert bench.quote().state == OK


@pytest.mark.parametrize("behaviour", [REVERT, BURN_GAS, RETURN_BOMB, RETURN_NOTHING])
def test_attack_uptime_feed_broken__counts_as_down(behaviour: int) -> None:
    bench = OracleBench(sequencer_grace=HOUR)
    bench.sequencer.transact("setBehaviour", behaviour)
    assert bench.quote().state == HALTED


@pytest.mark.parametrize("since", [0, 10**12], ids=["never started", "future-dated"])
def test_attack_uptime_feed_without_a_valid_start__counts_as_down(since: int) -> None:
    bench = OracleBench(sequencer_grace=HOUR)
    bench.set_sequencer(is_up=True, since=since)
    assert bench.quote().state == HALTED


# Governance --------------------------------------------------------------------------------------------------------


def test_attack_source_swapped__wide_with_the_second_source_for_an_hour(bench: OracleBench) -> None:
    swapped = bench.evm.deploy("UnrulySource")
    bench.publish(ETH, ETH_USD)
    bench.say(swapped, ETH_USD * 102 // 100)
    bench.hub.transact("setSources", ETH, swapped.address, bench.second[ETH].address)
    quote = bench.quote()
    assert (quote.state, quote.second) == (WIDE, ETH_USD)
    assert quote.stable == ETH_USD, "a swap does not move the stable price"
