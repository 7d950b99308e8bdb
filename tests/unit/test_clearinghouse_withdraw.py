"""Withdrawals and moves: the owner's alone, within margin, liquidity and the outflow limit; a flat account leaves."""

import pytest

from tests.support.clearing import NOBODY, borrow, cash_of, drive
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, Market, System, Trader, trader, wad

OWNER, STRANGER, LENDER = trader("owner"), trader("stranger"), trader("lender")
SETTLEMENT, WETH, WBTC = 0, 1, 2
ALL = 2**256 - 1
INVALID_CODE = bytes.fromhex("fe")


def withdraw(system: System, owner: Trader, asset: int, amount: int, to: str | None = None):
    return system.clearinghouse.transact(
        "withdraw", owner.account, asset, amount, to or owner.address, sender=owner.address
    )


def test_withdraw__part__leaves_the_vault_to_the_receiver(system: System, market: Market):
    market.fund(OWNER, USDC=100, WETH=2)
    receipt = withdraw(system, OWNER, SETTLEMENT, 40 * 10**6, STRANGER.address)
    withdraw(system, OWNER, WETH, wad("0.5"), STRANGER.address)
    assert system.tokens["USDC"].call("balanceOf", STRANGER.address) == 40 * 10**6
    assert system.tokens["WETH"].call("balanceOf", STRANGER.address) == wad("0.5")
    assert system.tokens["USDC"].call("balanceOf", OWNER.address) == 0
    account = system.clearinghouse.call("accountOf", OWNER.account)
    assert (account.cash, account.collaterals[0].amount) == (wad(60), wad("1.5"))
    event = receipt.events("Withdrawn")[0]
    assert (event.account, event.asset, event.to, event.amount) == (OWNER.account, 0, STRANGER.address, 40 * 10**6)


def test_withdraw__all__empties_the_account(system: System, market: Market):
    market.fund(OWNER, USDC=100, WBTC="0.25")
    withdraw(system, OWNER, SETTLEMENT, ALL)
    withdraw(system, OWNER, WBTC, ALL)
    account = system.clearinghouse.call("accountOf", OWNER.account)
    assert (account.cash, account.collaterals) == (0, [])
    assert system.tokens["WBTC"].call("balanceOf", OWNER.address) == 25_000_000
    assert system.clearinghouse.call("assetOf", WBTC).total == 0


def test_withdraw__not_the_owner__refused_I23(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    expiry = system.evm.timestamp + DAY
    system.exchange.transact("setDelegate", OWNER.account, STRANGER.address, expiry, 0, sender=OWNER.address)
    arguments = (OWNER.account, SETTLEMENT, 1, STRANGER.address)
    with reverts("NotAuthorised", account=OWNER.account, caller=STRANGER.address):
        system.clearinghouse.transact("withdraw", *arguments, sender=STRANGER.address)


def test_withdraw__more_collateral_than_held__refused(system: System, market: Market):
    market.fund(OWNER, WETH=1)
    with reverts("InsufficientBalance", asset=WETH, balance=wad(1), requested=wad(1) + 1):
        withdraw(system, OWNER, WETH, wad(1) + 1)
    with reverts("InsufficientBalance", asset=WBTC, balance=0, requested=1):
        withdraw(system, OWNER, WBTC, 1)


def test_withdraw__nothing__refused(system: System):
    with reverts("ZeroAmount"):
        withdraw(system, OWNER, SETTLEMENT, ALL)


def test_withdraw__in_liquidation__refused(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    drive(system, system.auctions).run(("startLiquidation", OWNER.account, 0, 0))
    with reverts("AccountInLiquidation", account=OWNER.account):
        withdraw(system, OWNER, SETTLEMENT, 1)


# Margin ----------------------------------------------------------------------------------------------------------


def test_withdraw__beyond_cash__borrows_against_collateral(system: System, market: Market):
    borrow(market, OWNER, 5_000)
    assert cash_of(system, OWNER.account) == -wad(5_000)
    assert system.tokens["USDC"].call("balanceOf", OWNER.address) == 5_000 * 10**6
    assert system.clearinghouse.call("vaultState").totalDebt == wad(5_000)


def test_withdraw__borrow_up_to_initial_margin__and_no_further(system: System, market: Market):
    market.fund(LENDER, USDC=100_000)
    market.fund(OWNER, WETH=10)
    # 25,000 less 1.25 · 30 % and the haircut of 5 %
    most = 25_000 - 9_375 - 1_250
    withdraw(system, OWNER, SETTLEMENT, most * 10**6)
    requirement = wad(25_000 - most)
    with reverts("InitialMarginShortfall", equity=requirement - 10**12, requirement=requirement):
        withdraw(system, OWNER, SETTLEMENT, 1)


def test_withdraw__gain_of_a_perpetual__realised_and_free(system: System, market: Market):
    market.fund(OWNER, USDC=10_000)
    market.fund(STRANGER, USDC=10_000)
    market.trade(OWNER, STRANGER, "ETH", 1)
    cash = cash_of(system, OWNER.account)
    market.set_price("ETH", 2_600)
    market.settle_stable_prices()
    withdraw(system, OWNER, SETTLEMENT, 9_000 * 10**6)
    assert cash_of(system, OWNER.account) == cash + wad(100) - wad(9_000)
    assert system.clearinghouse.call("marginOf", OWNER.account).unrealisedGain == 0


def test_withdraw__more_than_the_vault_holds__refused(system: System, market: Market):
    borrow(market, OWNER, 5_000, lent=5_000)
    with reverts("InsufficientLiquidity", asset=SETTLEMENT, available=0, requested=1):
        withdraw(system, LENDER, SETTLEMENT, 1)


# Leaving ---------------------------------------------------------------------------------------------------------


def test_withdraw__flat_account__needs_neither_prices_nor_margin_I25(system: System, market: Market):
    market.fund(OWNER, USDC=100, WETH=1, WBTC=1)
    for contract in (system.oracle_hub, system.margin_engine, system.exchange):
        system.evm.set_code(contract.address, INVALID_CODE)
    for asset in (SETTLEMENT, WETH, WBTC):
        withdraw(system, OWNER, asset, ALL)
    assert system.tokens["WETH"].call("balanceOf", OWNER.address) == wad(1)
    assert system.clearinghouse.call("cashOf", OWNER.account) == 0


def limit_outflow(system: System, asset: int, capacity: int) -> None:
    system.act_as("risk", system.clearinghouse, "setOutflowLimit", asset, capacity, DAY)


def test_withdraw__beyond_the_outflow_limit__refused_until_it_refills(system: System, market: Market):
    market.fund(OWNER, WETH=48)
    limit_outflow(system, WETH, wad(24))
    withdraw(system, OWNER, WETH, wad(24))
    with reverts("OutflowLimitExceeded", asset=WETH, available=0, requested=wad(1)):
        withdraw(system, OWNER, WETH, wad(1))
    system.evm.advance(HOUR)
    withdraw(system, OWNER, WETH, wad(1))
    assert system.clearinghouse.call("outflowLimitOf", WETH).available == 0


def test_outflow_limit__refills_no_further_than_its_capacity(system: System, market: Market):
    market.fund(OWNER, WETH=48)
    limit_outflow(system, WETH, wad(24))
    withdraw(system, OWNER, WETH, wad(20))
    system.evm.advance(10 * DAY)
    limit = system.clearinghouse.call("outflowLimitOf", WETH)
    assert (limit.capacity, limit.available, limit.refillPeriod) == (wad(24), wad(24), DAY)


def test_withdraw__flat_account_after_request__a_24th_an_hour_beside_the_limit_I25(system: System, market: Market):
    market.fund(OWNER, WETH=48)
    market.fund(STRANGER, WETH=1)
    limit_outflow(system, WETH, wad(1))
    system.clearinghouse.transact("requestExit", OWNER.account, WETH, sender=OWNER.address)
    withdraw(system, STRANGER, WETH, wad(1))
    system.evm.advance(HOUR)
    refilled = wad(1) // 24
    with reverts("OutflowLimitExceeded", asset=WETH, available=refilled, requested=refilled + 1):
        withdraw(system, OWNER, WETH, wad(2) + refilled + 1)
    withdraw(system, OWNER, WETH, wad(2))
    assert system.clearinghouse.call("outflowLimitOf", WETH).available == refilled
    system.evm.advance(23 * HOUR)
    withdraw(system, OWNER, WETH, ALL)
    assert system.tokens["WETH"].call("balanceOf", OWNER.address) == wad(48)


def test_request_exit__then_trading__ends_the_right(system: System, market: Market):
    for who in (OWNER, STRANGER):
        market.fund(who, USDC=24_000)
    limit_outflow(system, SETTLEMENT, 10**6)
    system.clearinghouse.transact("requestExit", OWNER.account, SETTLEMENT, sender=OWNER.address)
    market.trade(OWNER, STRANGER, "ETH", 1)
    market.trade(STRANGER, OWNER, "ETH", 1)
    market.advance(DAY)
    with reverts("OutflowLimitExceeded", asset=SETTLEMENT, available=10**6, requested=10**6 + 1):
        withdraw(system, OWNER, SETTLEMENT, 10**6 + 1)


def test_request_exit__not_flat_not_owner_or_nothing__refused(system: System, market: Market):
    borrow(market, OWNER, 100)
    with reverts("NotFlat", account=OWNER.account):
        system.clearinghouse.transact("requestExit", OWNER.account, WETH, sender=OWNER.address)
    with reverts("NotAuthorised"):
        system.clearinghouse.transact("requestExit", OWNER.account, WETH, sender=STRANGER.address)
    with reverts("ZeroAmount"):
        system.clearinghouse.transact("requestExit", STRANGER.account, WETH, sender=STRANGER.address)


# Moves -----------------------------------------------------------------------------------------------------------


def move(system: System, owner: Trader, to: int, asset: int, amount: int):
    return system.clearinghouse.transact("move", owner.account, to, asset, amount, sender=owner.address)


def test_move__between_own_accounts__no_token_moves(system: System, market: Market):
    market.fund(OWNER, USDC=100, WETH=3)
    sibling = OWNER.sub_account(7)
    move(system, OWNER, sibling, SETTLEMENT, 30 * 10**6)
    receipt = move(system, OWNER, sibling, WETH, wad(1))
    first, second = (system.clearinghouse.call("accountOf", account) for account in (OWNER.account, sibling))
    assert (first.cash, second.cash) == (wad(70), wad(30))
    assert (first.collaterals[0].amount, second.collaterals[0].amount) == (wad(2), wad(1))
    assert system.clearinghouse.call("assetOf", WETH).total == wad(3)
    assert (first.positionNonce, second.positionNonce) == (2, 0)
    assert [event.to for event in receipt.events("Moved")] == [sibling]
    assert receipt.events("Withdrawn") == []


def test_move__to_another_owner_or_itself__refused(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    for to in (STRANGER.account, OWNER.account):
        with reverts("DifferentOwners"):
            move(system, OWNER, to, SETTLEMENT, 1)


def test_move__by_another__refused_I23(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    arguments = (OWNER.account, OWNER.sub_account(1), SETTLEMENT, 1)
    with reverts("NotAuthorised", account=OWNER.account, caller=STRANGER.address):
        system.clearinghouse.transact("move", *arguments, sender=STRANGER.address)


@pytest.mark.parametrize("frozen", ["from", "to"])
def test_move__in_liquidation__refused(system: System, market: Market, frozen: str):
    market.fund(OWNER, USDC=100)
    sibling = OWNER.sub_account(1)
    account = OWNER.account if frozen == "from" else sibling
    drive(system, system.auctions).run(("startLiquidation", account, 0, 0))
    with reverts("AccountInLiquidation", account=account):
        move(system, OWNER, sibling, SETTLEMENT, 1)


def test_move__out_of_needed_margin__refused(system: System, market: Market):
    borrow(market, OWNER, 14_000)
    with reverts("InitialMarginShortfall", account=OWNER.account):
        move(system, OWNER, OWNER.sub_account(1), WETH, wad(1))


def test_withdraw__to_nobody__refused_by_the_token(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    with reverts("ERC20InvalidReceiver"):
        withdraw(system, OWNER, SETTLEMENT, 1, NOBODY)
