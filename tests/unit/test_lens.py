"""The lens: many reads in one call, each equal to what the contracts say themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ballast.risk.book import Book
from tests.support.evm import decode_revert, reverts
from tests.support.system import Market, Trader, trader

WAD = 10**18
HIGHEST_INT = 2**255 - 1
UNKNOWN_UNDERLYING = 9


@pytest.fixture
def accounts(market: Market) -> list[int]:
    """An empty account, one with cash, one with collateral and a long, its short counterpart."""
    idle, saver, buyer, seller = (trader(role) for role in ("idle", "saver", "buyer", "seller"))
    market.fund(saver, USDC=1_000)
    market.fund(buyer, USDC=20_000, WETH=2)
    market.fund(seller, USDC=50_000)
    market.trade(buyer, seller, "ETH", 3)
    return [owner.account for owner in (idle, saver, buyer, seller)]


def sinking(market: Market) -> Trader:
    owner, counterpart = trader("sinking"), trader("counterpart")
    market.fund(owner, USDC=5_000)
    market.fund(counterpart, USDC=50_000)
    market.trade(owner, counterpart, "ETH", 5)
    market.set_price("ETH", 2_000)
    return owner


def with_unpriced(book: Book) -> Book:
    """The book with an underlying more, whose scenarios are those of the last."""
    last = book.underlyings[-1]
    return replace(
        book,
        underlyings=(*book.underlyings, replace(last, id=UNKNOWN_UNDERLYING, symbol="NEW")),
        historical=tuple(replace(row, nodes=(*row.nodes, row.nodes[-1])) for row in book.historical),
        stress=tuple(replace(row, nodes=(*row.nodes, row.nodes[-1])) for row in book.stress),
    )


@pytest.fixture
def unreadable(market: Market) -> int:
    """An account that holds a token whose underlying has no prices yet."""
    system, owner = market.system, trader("unreadable")
    token = system.evm.deploy("MockToken", "NEW", 18)
    system.act_as("risk", system.margin_engine, "setRiskBook", with_unpriced(system.book).encode())
    system.act_as("governance", system.clearinghouse, "listAsset", token.address, UNKNOWN_UNDERLYING)
    asset = system.clearinghouse.call("assetCount") - 1
    system.act_as("risk", system.clearinghouse, "setDepositCap", asset, WAD, 86_400)
    market.advance(2 * 86_400)
    token.transact("mint", owner.address, WAD)
    token.transact("approve", system.clearinghouse, WAD, sender=owner.address)
    system.clearinghouse.transact("deposit", owner.account, asset, WAD, sender=owner.address)
    return owner.account


def test_health_of__many_accounts__equals_each_margin(market: Market, accounts: list[int]) -> None:
    healths = market.system.lens.call("healthOf", accounts)

    assert [health.account for health in healths] == accounts
    assert all(health.known and health.failure == b"" for health in healths)
    for health in healths:
        assert health.margin == market.system.clearinghouse.call("marginOf", health.account)


def test_health_of__a_position__gives_equity_over_maintenance_margin_rounded_down(
    market: Market, accounts: list[int]
) -> None:
    [health] = market.system.lens.call("healthOf", accounts[2:3])
    assert health.margin.maintenanceMargin > 0
    assert health.healthFactor == health.margin.equity * WAD // health.margin.maintenanceMargin
    assert not health.liquidatable


def test_health_of__no_requirement__is_the_largest_factor(market: Market, accounts: list[int]) -> None:
    for health in market.system.lens.call("healthOf", accounts[:2]):
        assert health.healthFactor == HIGHEST_INT


def test_health_of__below_maintenance_margin__is_liquidatable(market: Market) -> None:
    [health] = market.system.lens.call("healthOf", [sinking(market).account])
    assert health.liquidatable
    assert health.healthFactor < WAD


def test_health_of__one_account_unreadable__still_reads_the_others(
    market: Market, accounts: list[int], unreadable: int
) -> None:
    asked = [accounts[2], unreadable, accounts[3]]

    healths = market.system.lens.call("healthOf", asked)

    assert [health.known for health in healths] == [True, False, True]
    assert decode_revert(healths[1].failure).name == "UnderlyingNotConfigured"
    assert (healths[1].account, healths[1].healthFactor, healths[1].margin.equity) == (unreadable, 0, 0)
    for health in (healths[0], healths[2]):
        assert health.margin == market.system.clearinghouse.call("marginOf", health.account)


def test_reports_of__many_accounts__agree_with_every_view(market: Market, accounts: list[int]) -> None:
    house = market.system.clearinghouse
    results = market.system.lens.call("reportsOf", accounts)

    assert [result.account for result in results] == accounts
    for result in results:
        assert result.known and result.failure == b""
        assert result.report.account == house.call("accountOf", result.account)
        assert result.report.portfolio == house.call("portfolioOf", result.account)
        assert result.report.explanation.margin == house.call("marginOf", result.account)


def test_reports_of__a_position__explains_its_requirement_to_the_wei(market: Market, accounts: list[int]) -> None:
    report = market.system.lens.call("reportOf", accounts[2])
    explanation = report.explanation

    parts = [*explanation.collateralContributions, *explanation.positionContributions, explanation.accountContribution]
    assert len(parts) == len(report.portfolio.collaterals) + len(report.portfolio.positions) + 1
    assert sum(parts) == explanation.margin.maintenanceMargin
    assert report.healthFactor == market.system.lens.call("healthOf", [accounts[2]])[0].healthFactor


def test_reports_of__one_account_unreadable__still_reports_the_others(
    market: Market, accounts: list[int], unreadable: int
) -> None:
    results = market.system.lens.call("reportsOf", [unreadable, accounts[2]])

    assert [result.known for result in results] == [False, True]
    assert decode_revert(results[0].failure).name == "UnderlyingNotConfigured"
    assert results[1].report.explanation.margin == market.system.clearinghouse.call("marginOf", accounts[2])


def test_report_of__an_unreadable_account__reverts_with_its_reason(market: Market, unreadable: int) -> None:
    with reverts("UnderlyingNotConfigured", underlying=UNKNOWN_UNDERLYING):
        market.system.lens.call("reportOf", unreadable)


def test_lists__empty__are_answered_empty(market: Market) -> None:
    assert market.system.lens.call("healthOf", []) == []
    assert market.system.lens.call("reportsOf", []) == []


def test_markets__every_instrument__with_mark_and_quote(market: Market, accounts: list[int]) -> None:
    house, hub = market.system.clearinghouse, market.system.oracle_hub
    found = market.system.lens.call("markets")

    assert [view.instrument.index for view in found] == list(range(1, house.call("instrumentCount") + 1))
    for view in found:
        underlying = (view.instrument.id >> 240) & 0xFF
        assert view.instrument == house.call("instrumentOf", view.instrument.index)
        assert view.mark == house.call("markOf", view.instrument.index)
        assert view.quote == hub.call("quotesOf", 1 << underlying).quotes[0]
    [traded] = [view for view in found if view.instrument.index == market.instrument("ETH")]
    assert traded.instrument.openInterest == 3 * WAD


def test_vault__books_and_assets__equal_the_clearinghouse(market: Market, accounts: list[int]) -> None:
    house = market.system.clearinghouse
    state, assets = market.system.lens.call("vault")

    assert state == house.call("vaultState")
    assert [view.token for view in assets] == [market.system.tokens[s].address for s in market.system.record.assets]
    assert list(assets) == [house.call("assetOf", asset) for asset in range(len(assets))]
