"""`OracleHub.refresh` and `quotesOf`: index, state and stable price of honest and of failing sources."""

import pytest

from tests.support.evm import reverts
from tests.support.oracle import BTC, ETH, HALTED, HOUR, LIMITS, OK, STALE, USDC, WAD, WIDE, OracleBench

ETH_USD = 3000 * WAD
SETTLEMENT_MEMORY = 60


@pytest.fixture
def bench() -> OracleBench:
    return OracleBench()


def test_refresh__several_underlyings__quotes_ascend_and_are_ok(bench: OracleBench) -> None:
    quotes, settlement_usd = bench.hub.transact("refresh", 1 << BTC | 1 << ETH).result
    assert [(quote.underlying, quote.state, quote.index) for quote in quotes] == [
        (ETH, OK, ETH_USD),
        (BTC, OK, 60_000 * WAD),
    ]
    assert settlement_usd == WAD


def test_quotes_of__empty_set__only_the_settlement_token(bench: OracleBench) -> None:
    quotes, settlement_usd = bench.hub.call("quotesOf", 0)
    assert quotes == [] and settlement_usd == WAD


def test_refresh__settlement_token_in_the_set__reverts(bench: OracleBench) -> None:
    with reverts("SettlementTokenImplied"):
        bench.hub.transact("refresh", 1 << USDC | 1 << ETH)
    with reverts("SettlementTokenImplied"):
        bench.hub.call("quotesOf", 1 << USDC)


def test_refresh__unknown_underlying__reverts(bench: OracleBench) -> None:
    with reverts("UnderlyingNotConfigured", underlying=9):
        bench.hub.transact("refresh", 1 << 9)


def test_refresh__any_price__emits_the_quote_it_returns(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.publish(ETH, 3100 * WAD)
    receipt = bench.hub.transact("refresh", 1 << ETH)
    (settlement, event), quote = receipt.events("QuoteFixed"), receipt.result.quotes[0]
    assert settlement.underlying == USDC
    assert (event.state, event.index, event.stable, event.second) == (OK, 3100 * WAD, quote.stable, 0)


def test_quotes_of__same_block__what_refresh_then_returns(bench: OracleBench) -> None:
    bench.evm.advance(600)
    bench.publish(ETH, 3300 * WAD)
    assert bench.quote() == bench.refresh()


@pytest.mark.parametrize(
    ("usdc_usd", "divisor"),
    [
        (WAD, WAD),
        (WAD * 995 // 1000, WAD),
        (WAD * 1005 // 1000, WAD),
        (WAD * 995 // 1000 - 1, WAD * 995 // 1000 - 1),
        (WAD * 97 // 100, WAD * 97 // 100),
        (WAD * 87 // 100, WAD * 9 // 10),
        (WAD * 113 // 100, WAD * 11 // 10),
    ],
)
def test_refresh__settlement_token_off_its_peg__index_is_usd_over_the_clamped_price(
    bench: OracleBench, usdc_usd: int, divisor: int
) -> None:
    bench.evm.advance(60)
    bench.publish(USDC, usdc_usd)
    bench.publish(ETH, ETH_USD)
    quotes, settlement_usd = bench.hub.call("quotesOf", 1 << ETH)
    assert settlement_usd == usdc_usd, "the settlement token's own price is not clamped"
    assert quotes[0].index == ETH_USD * WAD // divisor


def test_refresh__sources_differ_by_more_than_the_limit__wide_with_the_second_price(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.say(bench.first[ETH], ETH_USD)
    bench.say(bench.second[ETH], 3070 * WAD)
    bench.hub.transact("poke", ETH)
    quote = bench.refresh()
    assert (quote.state, quote.index, quote.second) == (WIDE, ETH_USD, 3070 * WAD)


def test_refresh__sources_differ_by_just_the_limit__ok(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.say(bench.first[ETH], 3060 * WAD)
    assert bench.refresh().state == OK


def test_refresh__both_moved_since_the_second_was_cached__reads_it_anew(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.publish(ETH, 3200 * WAD)
    quote = bench.refresh()
    assert (quote.state, quote.index) == (OK, 3200 * WAD)
    assert bench.record().secondPrice == 3200 * WAD


def test_refresh__second_source_expired_and_silent__wide_without_a_second_price(bench: OracleBench) -> None:
    bench.second[ETH].transact("setBehaviour", 1)
    bench.evm.advance(LIMITS.second_max_age + 1)
    bench.publish(USDC, WAD)
    bench.say(bench.first[ETH], ETH_USD)
    quote = bench.refresh()
    assert (quote.state, quote.second) == (WIDE, 0)


def test_refresh__no_second_source_configured__ok() -> None:
    bench = OracleBench(with_second=False)
    quote = bench.refresh()
    assert (quote.state, quote.second) == (OK, 0)


def test_refresh__first_source_dead__second_serves_as_wide(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.first[ETH].transact("setBehaviour", 1)
    bench.say(bench.second[ETH], 2900 * WAD)
    quote = bench.refresh()
    assert (quote.state, quote.index, quote.second) == (WIDE, 2900 * WAD, 2900 * WAD)
    assert bench.record().goodAt == bench.now


def test_refresh__both_sources_dead__stale_then_halted_at_the_last_good_price(bench: OracleBench) -> None:
    published_at = bench.now
    for source in (bench.first[ETH], bench.second[ETH]):
        source.transact("setBehaviour", 1)
    bench.evm.advance(LIMITS.second_max_age + 1)
    bench.publish(USDC, WAD)
    assert (bench.refresh().state, bench.refresh().index) == (STALE, ETH_USD)
    bench.evm.advance(published_at + LIMITS.halt_age - bench.now)
    bench.publish(USDC, WAD)
    assert bench.quote().state == STALE
    bench.evm.advance(1)
    assert (bench.refresh().state, bench.refresh().index) == (HALTED, ETH_USD)


def test_refresh__halted_source_reports_again__ok_again(bench: OracleBench) -> None:
    bench.evm.advance(3 * HOUR)
    assert bench.refresh().state == HALTED
    bench.evm.advance(SETTLEMENT_MEMORY + 1)
    bench.publish_all()
    assert bench.refresh().state == OK


def test_refresh__settlement_token_read_within_its_memory__not_read_again(bench: OracleBench) -> None:
    read_at = bench.now
    bench.refresh()
    bench.evm.advance(1)
    bench.publish(USDC, WAD * 98 // 100)
    bench.evm.advance(read_at + SETTLEMENT_MEMORY - bench.now)
    assert bench.hub.call("quotesOf", 0).settlementTokenUsd == WAD
    assert bench.hub.transact("refresh", 0).logs == ()
    bench.evm.advance(1)
    assert bench.hub.call("quotesOf", 0).settlementTokenUsd == WAD * 98 // 100
    assert bench.hub.transact("refresh", 0).result.settlementTokenUsd == WAD * 98 // 100


def test_refresh__settlement_feed_dead__others_stale_at_live_prices_never_halted(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.publish(USDC, 98 * WAD // 100)
    bench.refresh()
    bench.evm.advance(3 * HOUR)
    bench.publish(ETH, 2800 * WAD)
    quotes, settlement_usd = bench.hub.call("quotesOf", 1 << ETH)
    assert settlement_usd == 98 * WAD // 100, "the last good price goes on"
    assert (quotes[0].state, quotes[0].index) == (STALE, 2800 * WAD * 100 // 98)


def test_refresh__settlement_sources_differ__others_wide(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.say(bench.first[USDC], 97 * WAD // 100)
    assert bench.refresh().state == WIDE


def test_poke__newer_second_report__cached_and_announced(bench: OracleBench) -> None:
    bench.evm.advance(60)
    bench.say(bench.second[ETH], 3010 * WAD)
    (event,) = bench.hub.transact("poke", ETH, sender=bench.evm.address_of("keeper")).events("SecondCached")
    assert (event.price, event.expiresAt) == (3010 * WAD, bench.now + LIMITS.second_max_age)
    assert bench.record().secondPrice == 3010 * WAD


def test_poke__second_source_unusable_or_absent__reverts(bench: OracleBench) -> None:
    bench.say(bench.second[ETH], 3010 * WAD, age=60)
    with reverts("SourceNotUsable", underlying=ETH, source=bench.second[ETH].address):
        bench.hub.transact("poke", ETH)
    with reverts("NoSecondSource", underlying=7):
        bench.hub.transact("poke", 7)
