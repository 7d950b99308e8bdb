"""Collateral of debtors sold for settlement tokens while the vault is short of them."""

import pytest

from tests.support.clearing import LENDER, borrow, cash_of, imbalance
from tests.support.evm import reverts
from tests.support.system import DAY, WAD, Market, System, trader, wad

BORROWER, BUYER, MAKER = trader("borrower"), trader("buyer"), trader("maker")
WETH = 2
DEBT = 10_000


@pytest.fixture
def short(system: System, market: Market) -> Market:
    """The borrower owes 10,000 against 10 WETH (25,000); of 10,000 lent nothing is left in the vault."""
    borrow(market, BORROWER, DEBT, lent=DEBT)
    units = market.mint(BUYER, "USDC", 100_000)
    system.tokens["USDC"].transact("approve", system.clearinghouse, units, sender=BUYER.address)
    return market


def weth(system: System) -> int:
    return int(system.record.assets["WETH"])


def convert(system: System, amount: int, most: int = 10**12) -> int:
    arguments = (BORROWER.account, weth(system), amount, most)
    return int(system.clearinghouse.transact("convert", *arguments, sender=BUYER.address).result)


def test_convert__vault_empty__at_the_whole_discount(system: System, short: Market):
    held, threshold, discount = system.clearinghouse.call("conversionTerms")
    assert (held, threshold, discount) == (0, wad(DEBT) // 20, wad("0.02"))
    paid = convert(system, wad(2))
    assert paid == 2 * 2_500 * 98 // 100 * 10**6
    assert system.tokens["WETH"].call("balanceOf", BUYER.address) == wad(2)
    assert cash_of(system, BORROWER.account) == -wad(DEBT) + paid * 10**12
    everyone = [who.account for who in (LENDER, BORROWER)]
    assert imbalance(system, everyone) == 0


def test_convert__price__rises_with_what_the_vault_holds(system: System, short: Market):
    """The discount falls along a line to 0 at the threshold: half way up it is half."""
    convert(system, wad("0.1"))
    held, threshold, discount = system.clearinghouse.call("conversionTerms")
    assert discount == wad("0.02") * (threshold - held) // threshold
    paid = convert(system, wad("0.1"))
    assert paid == -(-250 * WAD * (WAD - discount) // WAD // 10**12)


def test_convert__vault_full_enough__refused(system: System, short: Market):
    short.fund(LENDER, USDC=DEBT)
    held, threshold, discount = system.clearinghouse.call("conversionTerms")
    assert discount == 0
    with reverts("LiquiditySufficient", held=held, threshold=threshold):
        convert(system, wad(1))


def test_convert__beyond_the_debt__refused(system: System, short: Market):
    with reverts("PaymentAboveDebt", debt=DEBT * 10**6):
        convert(system, wad(5))


def test_convert__account_without_debt__refused(system: System, short: Market):
    arguments = (LENDER.account, weth(system), wad(1), 10**12)
    with reverts("NoDebt", account=LENDER.account):
        system.clearinghouse.transact("convert", *arguments, sender=BUYER.address)


def test_convert__dearer_than_the_buyer_allows__refused(system: System, short: Market):
    with reverts("PaymentAboveMaximum", maximum=2_449 * 10**6):
        convert(system, wad(1), 2_449 * 10**6)


def test_convert__of_nothing__refused(system: System, short: Market):
    with reverts("ZeroAmount"):
        convert(system, 0)


def test_convert__more_than_the_account_holds__refused(system: System, short: Market):
    with reverts("InsufficientBalance"):
        convert(system, wad(11))


def test_convert__collateral_without_a_trusted_price__refused(system: System, short: Market):
    system.evm.advance(3 * DAY)
    with reverts("OracleNotUsable"):
        convert(system, wad(1))


def test_convert__collateral_that_hedges__refused_where_risk_would_rise(system: System, short: Market):
    """Short ETH against its WETH, the account is safe; without the WETH it would not be."""
    short.fund(MAKER, WETH=100)
    short.trade(MAKER, BORROWER, "ETH", 24)
    with reverts("InitialMarginShortfall", account=BORROWER.account):
        convert(system, wad(4))
