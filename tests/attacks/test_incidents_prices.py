"""Public incidents of manipulated, frozen or wrong prices, carried out by their mechanism against the deployed system.

Each docstring tells what happened, what was lost, who says so, and what the same steps would gain here without the rule
that stops them: a number which the test computes. Losses are those of the incident, not of Ballast.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ballast.chain.codec import encode_call
from ballast.chain.quorum import QuorumDomain, ReportBatch, SignedReport, submit_arguments
from ballast.risk.history import load_crisis
from tests.support.evm import reverts
from tests.support.oracle import OK, STALE, WIDE, ZERO_ADDRESS
from tests.support.quorum import ascending, key_of
from tests.support.system import HOUR, WAD, Market, System, Trader, trader, wad

MINUTE = 60
BILLION = 10**9
LINK, LINK_ASSET, USDC_UNIT = 3, 3, 10**6
FIRST, SECOND = 0, 1
ATTACKER, ACCOMPLICE, BYSTANDER = trader("attacker"), trader("accomplice"), trader("bystander")
OPENING = Decimal(25)


@pytest.fixture
def vault(market: Market) -> int:
    """What the honest have in the vault, wad: thirty million."""
    market.fund(BYSTANDER, USDC=30_000_000)
    return 30_000_000 * WAD


def margin_of(market: Market, owner: Trader) -> Any:
    return market.system.clearinghouse.call("marginOf", owner.account)


def quote_of(system: System, underlying: int = LINK) -> Any:
    return system.oracle_hub.call("quotesOf", 1 << underlying).quotes[0]


def takeable(margin: Any) -> int:
    """What its owner may withdraw, wad: by the rule that gains not yet real support nothing."""
    counted = margin.equity - margin.stableGap - margin.untrustedGain - margin.unrealisedGain
    return max(0, counted - margin.initialMargin)


def takeable_at_index(margin: Any) -> int:
    """What he might withdraw if equity at the index alone counted."""
    return max(0, margin.equity - margin.initialMargin)


def tokens_in(market: Market) -> int:
    return int(market.system.tokens["USDC"].call("balanceOf", market.system.clearinghouse))


def withdraw(market: Market, owner: Trader, units: int) -> None:
    market.system.clearinghouse.transact("withdraw", owner.account, 0, units, owner.address, sender=owner.address)


# Mango Markets, October 2022 -----------------------------------------------------------------------------------------


@pytest.fixture
def pumped(market: Market) -> Market:
    """The attacker is long what his accomplice is short, twelve million on five each."""
    for owner in (ATTACKER, ACCOMPLICE):
        market.fund(owner, USDC=5_000_000)
    market.trade(ATTACKER, ACCOMPLICE, "LINK", 480_000)
    return market


def test_mango_2022__price_pushed_tenfold_for_half_an_hour__nothing_can_be_borrowed_against_the_profit(
    pumped: Market, vault: int
) -> None:
    """11 October 2022, over 100 million dollars. One person, long and short against himself in MNGO perpetuals, pushed
    the spot price that the oracle followed, and borrowed everything out against the long side's unrealised profit
    (complaint of the CFTC against Eisenberg, 9 January 2023).

    Without the stable price the profit counts at once: all that the honest have leaves.
    """
    before = tokens_in(pumped)
    pumped.set_price("LINK", OPENING * 10)
    gain_without_rule = min(takeable_at_index(margin_of(pumped, ATTACKER)), vault)
    assert gain_without_rule == vault

    for _ in range(30):
        with reverts("RiskNotReduced", account=ATTACKER.account):
            withdraw(pumped, ATTACKER, 1)
        assert takeable(margin_of(pumped, ATTACKER)) == 0
        pumped.advance(MINUTE)

    assert tokens_in(pumped) == before


def test_mango_2022__profit_sold_to_a_third_account__must_be_held_by_it(pumped: Market, vault: int) -> None:
    """The same, and the long side closes against one more account of its own: its profit is cash then. The third
    account needs what the push may lose, and margin beside it: more than there is to take."""
    third = trader("third account")
    pumped.fund(third, USDC=5_000_000)
    pumped.set_price("LINK", OPENING * 10)
    with reverts("InitialMarginShortfall", account=third.account):
        pumped.trade(third, ATTACKER, "LINK", 480_000)

    profit = 480_000 * (wad(OPENING) * 9)
    pumped.fund(third, USDC=(profit + 46_000_000 * WAD) // WAD)
    with pumped.system.evm.rolled_back():
        pumped.trade(third, ATTACKER, "LINK", 480_000)
        assert margin_of(pumped, third).stableGap >= profit * 99 // 100
    pumped.trade(third, ATTACKER, "LINK", 480_000)
    pumped.set_price("LINK", OPENING)
    assert margin_of(pumped, third).equity >= 45_000_000 * WAD, "the loss is its own, and it has it"


def test_mango_2022__mark_pushed_by_trading_with_oneself__moves_no_more_than_the_clamp(pumped: Market) -> None:
    """The same by wash trades alone: twelve an hour at the band's edge. The mark follows the index and at most half a
    per cent: what moves between the two accounts is a sixtieth of maintenance margin."""
    limits = pumped.system.network.underlyings["LINK"].trading
    equities = {owner: margin_of(pumped, owner).equity for owner in (ATTACKER, ACCOMPLICE)}
    for _ in range(12):
        edge = pumped.mark("LINK") * (BILLION + limits.price_band) // BILLION
        pumped.trade(ATTACKER, ACCOMPLICE, "LINK", 100, min(edge, wad(OPENING) * 101 // 100))
        pumped.advance(5 * MINUTE)

    clamp = 481_200 * wad(OPENING) * limits.basis_limit // BILLION
    fills = 1_200 * wad(OPENING) // 100
    funding = clamp * HOUR // (8 * HOUR)
    most = clamp + fills + funding
    moved = margin_of(pumped, ATTACKER).equity - equities[ATTACKER]
    assert abs(moved) <= most < margin_of(pumped, ACCOMPLICE).maintenanceMargin // 50
    assert margin_of(pumped, ACCOMPLICE).equity >= margin_of(pumped, ACCOMPLICE).maintenanceMargin


# Venus and LUNA, May 2022 --------------------------------------------------------------------------------------------


FLOOR = Decimal("2.675")


@pytest.fixture
def floored(market: Market) -> Iterator[Market]:
    """LINK's only source cannot answer below its floor; the market has followed it down to there."""
    system = market.system
    feed = system.evm.deploy("BoundedAggregator", 8, int(FLOOR * 10**8), 10**14)
    feed.transact("report", int(OPENING * 10**8), system.evm.timestamp)
    source = system.evm.deploy("ChainlinkSource", feed.address, LINK)
    hub, delay = system.oracle_hub, system.network.roles.governance.delay
    system.schedule("governance", hub, "setSources", LINK, source.address, ZERO_ADDRESS)
    market.advance(delay)
    feed.transact("report", int(OPENING * 10**8), system.evm.timestamp)
    system.execute("governance", hub, "setSources", LINK, source.address, ZERO_ADDRESS)
    price = market.prices.pop("LINK")  # from now on this feed alone reports it
    while price > FLOOR:
        for _ in range(2):
            market.advance(5 * MINUTE)
            feed.transact("report", int(max(price, FLOOR) * 10**8), system.evm.timestamp)
            hub.transact("refresh", 1 << LINK)
        price *= Decimal("0.7")
    feed.transact("report", int(FLOOR * 10**8), system.evm.timestamp)
    yield market


def test_venus_2022__feed_frozen_at_its_floor__buys_no_loan(floored: Market, vault: int) -> None:
    """12 May 2022, 11.2 million dollars (13.5 with what Blizz lost elsewhere counted in). LUNA fell through the least
    answer of Chainlink's feed, 0.107 dollars; bought at 0.01 it was taken as collateral at ten times its price (Venus
    Protocol, LUNA incident updates; rekt.news, Blizz Finance and Venus Protocol).

    Without the refusal of an answer at its bound, a million tokens bought for a tenth of the floor borrow what the
    floor makes them worth.
    """
    amount, market_price = 1_000_000, FLOOR / 10
    before = tokens_in(floored)
    floored.fund(ATTACKER, LINK=amount)
    margin = margin_of(floored, ATTACKER)
    gain_without_rule = takeable_at_index(margin) - amount * wad(market_price)
    assert gain_without_rule > 1_000_000 * WAD

    assert quote_of(floored.system).state == STALE
    assert takeable(margin) == 0
    with reverts("RiskNotReduced", account=ATTACKER.account):
        withdraw(floored, ATTACKER, USDC_UNIT)
    with reverts("ReduceOnlyInstrument"):
        floored.trade(BYSTANDER, ATTACKER, "LINK", 100)
    assert tokens_in(floored) == before


# KiloEx, April 2025 --------------------------------------------------------------------------------------------------


def attempts(system: System) -> dict[str, tuple[Any, bytes, str]]:
    """Every way in to a price, taken by a stranger: contract, call data, the error it must end in."""
    hub, feed, expiries, now = system.oracle_hub, system.quorum_feed, system.expiries, system.evm.timestamp
    batch = ReportBatch(feed.call("epoch"), now, (SignedReport(LINK, 100 * WAD),))
    domain = QuorumDomain(system.evm.chain_id, feed.address)
    forged = [
        domain.sign(batch, key) for key in ascending([key_of("forger 1"), key_of("forger 2"), key_of("forger 3")])
    ]
    unsigned, signed = submit_arguments(batch, []), submit_arguments(batch, forged)
    sources = encode_call(hub.abi, "setSources", (LINK, ATTACKER.address, ZERO_ADDRESS))
    as_governance = bytes.fromhex(system.holder("governance")[2:])
    return {
        "report without signatures": (feed, encode_call(feed.abi, "submit", unsigned), "TooFewSignatures"),
        "report with forged signatures": (feed, encode_call(feed.abi, "submit", signed), "NotSigner"),
        "surface with forged signatures": (expiries, encode_call(expiries.abi, "submit", signed), "NotSigner"),
        "sources": (hub, sources, "AccessManagedUnauthorized"),
        "sources, a role's address appended": (hub, sources + as_governance, "AccessManagedUnauthorized"),
        "fallback": (hub, encode_call(hub.abi, "serveFromFallback", (LINK,)), "AccessManagedUnauthorized"),
        "fallback's source": (
            hub,
            encode_call(hub.abi, "setFallbackSource", (ATTACKER.address,)),
            "AccessManagedUnauthorized",
        ),
        "through the access manager": (
            system.authority,
            encode_call(system.authority.abi, "execute", (hub.address, sources)),
            "AccessManagerUnauthorizedCall",
        ),
        "through the clearinghouse": (
            system.clearinghouse,
            encode_call(system.clearinghouse.abi, "setOracleHub", (ATTACKER.address,)),
            "AccessManagedUnauthorized",
        ),
    }


def test_kiloex_2025__every_way_in_to_a_price__asks_who_calls(market: Market, vault: int) -> None:
    """14 April 2025, 7.5 million dollars (8.44 by SlowMist's recap of 21 April). The forwarder that prices came
    through passed on anybody's request as anybody's: ETH was set to 100, bought, set to 10,000 and sold in one
    transaction.

    Without authentication the same two prices around one trade gain what the vault holds.
    """
    deposit, low, high = 1_000_000 * WAD, 100, 10_000
    size = deposit * 1000 // (375 * low)
    assert min(size * (high - low), vault) == vault

    system, before = market.system, quote_of(market.system)
    relay = system.evm.deploy("OneTransaction")
    for name, (target, data, error) in attempts(system).items():
        with reverts(error):
            system.evm.execute(ATTACKER.address, target.address, data)
        with reverts(error):
            relay.transact("run", [target.address], [data], sender=ATTACKER.address)
        assert quote_of(system) == before, name


# Synthetix, June 2019 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [FIRST, SECOND])
def test_synthetix_2019__one_feed_a_thousand_times_off_for_an_hour__moves_nothing(
    market: Market, vault: int, rank: int
) -> None:
    """25 June 2019, 37 million sETH, over a billion dollars at the price then shown. One of two feeds reported the
    Korean won at a thousand times its price; the oracle took the average, and a bot traded on it (Synthetix Response
    to Oracle Incident).

    With the average of the two, the bot's long here gains five hundred times its size: all of the vault.
    """
    for owner in (ATTACKER, ACCOMPLICE):
        market.fund(owner, USDC=1_000_000)
    market.trade(ATTACKER, ACCOMPLICE, "LINK", 50_000)
    average = (1_000 * wad(OPENING) + wad(OPENING)) // 2
    assert min(50_000 * (average - wad(OPENING)), vault) == vault

    before, could_take = margin_of(market, ATTACKER).equity, takeable(margin_of(market, ATTACKER))
    for _ in range(12):
        market.advance(5 * MINUTE)
        market.report("LINK", OPENING * 1_000, rank)
        market.system.oracle_hub.transact("refresh", 1 << LINK)
        assert (quote_of(market.system).index, quote_of(market.system).state) == (wad(OPENING), OK if rank else WIDE)
        assert margin_of(market, ATTACKER).equity == before
        assert takeable(margin_of(market, ATTACKER)) <= could_take
        with reverts("OutsidePriceBand"):
            market.trade(BYSTANDER, ATTACKER, "LINK", 50_000, average)
        with reverts("NotLiquidatable", account=ACCOMPLICE.account):
            market.system.auctions.transact("start", ACCOMPLICE.account, 0)


# Compound, November 2020 ---------------------------------------------------------------------------------------------


def test_compound_2020__one_venue_thirty_per_cent_up__liquidates_nobody(market: Market) -> None:
    """26 November 2020, 89 million dollars of borrowers liquidated. DAI traded at 1.30 on Coinbase Pro alone, the
    venue whose price Compound took (comp.xyz, DAI Liquidation Event).

    At that venue's price a short at initial margin is liquidated, and gives up the discount on all it has; with a
    second source to agree it is not touched.
    """
    market.fund(ATTACKER, USDC=5_000_000)
    market.fund(ACCOMPLICE, USDC=1_000_000)
    market.trade(ATTACKER, ACCOMPLICE, "LINK", 100_000)
    auctions, before = market.system.auctions, margin_of(market, ACCOMPLICE).equity
    with market.system.evm.rolled_back():
        market.set_price("LINK", OPENING * 13 / 10)
        auctions.transact("start", ACCOMPLICE.account, 0)
    market.prices["LINK"] = OPENING

    for _ in range(12):
        market.advance(5 * MINUTE)
        market.report("LINK", OPENING * 13 / 10, FIRST)
        market.system.oracle_hub.transact("refresh", 1 << LINK)
        with reverts("NotLiquidatable", account=ACCOMPLICE.account):
            auctions.transact("start", ACCOMPLICE.account, 0)
    assert margin_of(market, ACCOMPLICE).equity == before


def test_compound_2020__settlement_token_at_130__no_price_moves_by_it(market: Market) -> None:
    """The same of the token that everything is counted in, which here has one feed: a step that no second source
    confirms is refused, prices stay what they were, and only new risk waits. Were it believed, every index would
    fall by 23 %."""
    market.fund(ATTACKER, USDC=1_000_000)
    market.fund(ACCOMPLICE, USDC=1_000_000)
    market.trade(ATTACKER, ACCOMPLICE, "LINK", 100_000)
    equity = margin_of(market, ATTACKER).equity

    market.report("USDC", "1.30")
    market.system.evm.advance(2 * MINUTE)
    market.system.oracle_hub.transact("refresh", 1 << LINK)

    assert (quote_of(market.system).index, quote_of(market.system).state) == (wad(OPENING), STALE)
    assert margin_of(market, ATTACKER).equity == equity
    with reverts("NotLiquidatable", account=ATTACKER.account):
        market.system.auctions.transact("start", ATTACKER.account, 0)


def test_usdc_2023__its_depeg_hour_by_hour__moves_no_index_beyond_its_clamp(market: Market) -> None:
    """11 March 2023: USDC traded at 0.88 while a bank held its reserves. The hours as they were: an index moves
    with the price of what it is counted in, by a ninth at most, and everybody's margin holds the part below 0.98."""
    market.fund(ATTACKER, USDC=1_000_000)
    market.fund(BYSTANDER, USDC=1_000_000)
    market.trade(ATTACKER, BYSTANDER, "LINK", 20_000)
    seen = []
    for price in load_crisis("2023-03-11").bars["USDC"].close[24:48]:
        market.prices["USDC"] = Decimal(str(round(float(price), 4)))
        market.advance(HOUR)
        market.system.oracle_hub.transact("refresh", 1 << LINK)
        seen.append(quote_of(market.system).index)
        for owner in (ATTACKER, BYSTANDER):
            assert margin_of(market, owner).equity > margin_of(market, owner).initialMargin
    assert wad(OPENING) * 109 // 100 < max(seen) <= wad(OPENING) * 10 // 9
    depegged = WAD * 98 // 100 - wad(market.prices["USDC"])
    assert depegged > 0
