"""Interest: a kinked curve over utilisation, two indices that never fall, and books that are exact between integers."""

from itertools import pairwise

import pytest

from tests.support.clearing import BILLION, LENDER, RAY, Fill, borrow, cash_of, drive, imbalance
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, Market, System, trader, wad

BORROWER = trader("borrower")
BOTH = [LENDER.account, BORROWER.account]
YEAR = 365 * DAY
CURVE = {
    "baseRate": BILLION // 100,
    "kinkRate": BILLION * 8 // 100,
    "fullRate": BILLION * 60 // 100,
    "kink": BILLION * 8 // 10,
    "reserveFactor": BILLION // 10,
}


def rate_at(utilisation: int) -> int:
    """Borrow rate a year, 1e9 is one."""
    if utilisation <= CURVE["kink"]:
        return CURVE["baseRate"] + (CURVE["kinkRate"] - CURVE["baseRate"]) * utilisation // CURVE["kink"]
    above = (CURVE["fullRate"] - CURVE["kinkRate"]) * (utilisation - CURVE["kink"]) // (BILLION - CURVE["kink"])
    return CURVE["kinkRate"] + above


def test_curve__as_configured(system: System):
    assert system.clearinghouse.call("interestCurve").as_dict() == CURVE


@pytest.mark.parametrize(("lent", "owed"), [(20_000, 5_000), (10_000, 8_000), (10_000, 9_500), (10_000, 10_000)])
def test_interest__by_utilisation(system: System, market: Market, lent: int, owed: int):
    borrow(market, BORROWER, owed, lent=lent)
    rate = rate_at(owed * BILLION // lent)
    system.evm.advance(30 * DAY)
    growth = RAY * rate * 30 * DAY // (BILLION * YEAR)
    vault = system.clearinghouse.call("vaultState")
    assert vault.borrowIndex == RAY + growth
    assert -cash_of(system, BORROWER.account) == -(-wad(owed) * vault.borrowIndex // RAY)
    shared = wad(owed) * growth * 9 // 10 // wad(lent)
    assert vault.supplyIndex == RAY + shared
    assert cash_of(system, LENDER.account) == wad(lent) * vault.supplyIndex // RAY
    assert imbalance(system, BOTH) == 0


def test_interest__nobody_owes__none(system: System, market: Market):
    market.fund(LENDER, USDC=1_000)
    system.evm.advance(YEAR)
    vault = system.clearinghouse.call("vaultState")
    assert (vault.supplyIndex, vault.borrowIndex, cash_of(system, LENDER.account)) == (RAY, RAY, wad(1_000))


def test_accrual__twice_in_a_block__as_once_I18(system: System, market: Market):
    borrow(market, BORROWER, 5_000, lent=10_000)
    system.evm.advance(DAY)
    market.fund(BORROWER, USDC=1)
    state = system.clearinghouse.call("vaultState")
    market.fund(BORROWER, WETH=1)
    assert system.clearinghouse.call("vaultState") == state
    assert state.accruedAt == system.evm.timestamp


def test_accrual__over_years_in_any_steps__indices_never_fall_I17(system: System, market: Market):
    borrow(market, BORROWER, 9_000, lent=10_000)
    seen = [(RAY, RAY)]
    for seconds in (1, HOUR, DAY, 30 * DAY, YEAR, 10 * YEAR):
        system.evm.advance(seconds)
        market.fund(LENDER, USDC="0.000001")
        vault = system.clearinghouse.call("vaultState")
        seen.append((vault.supplyIndex, vault.borrowIndex))
        assert imbalance(system, BOTH) == 0
    assert all(later[0] > before[0] and later[1] > before[1] for before, later in pairwise(seen))


def test_accrual__decades_idle__neither_overflows_nor_breaks_the_books(system: System, market: Market):
    borrow(market, BORROWER, 9_000, lent=10_000)
    system.evm.advance(80 * YEAR)
    assert imbalance(system, BOTH) == 0
    units = market.mint(LENDER, "USDC", 10**6)
    system.clearinghouse.transact("repay", BORROWER.account, units, sender=LENDER.address)
    assert 0 <= cash_of(system, BORROWER.account) < 10**12
    assert imbalance(system, BOTH) == 0


def test_supply_rate__one_wei_of_cash__never_above_the_borrow_rate(system: System, market: Market):
    borrow(market, BORROWER, 5_000, lent=5_000)
    arguments = (LENDER.account, 0, 5_000 * 10**6, LENDER.address)
    system.tokens["USDC"].transact("approve", system.clearinghouse, 2**256 - 1, sender=BORROWER.address)
    system.clearinghouse.transact("repay", BORROWER.account, 4_999_999_999, sender=BORROWER.address)
    with reverts("InsufficientLiquidity"):
        system.clearinghouse.transact("withdraw", *arguments, sender=LENDER.address)
    system.evm.advance(YEAR)
    vault = system.clearinghouse.call("vaultState")
    assert vault.supplyIndex <= vault.borrowIndex


def test_supply_rate__less_cash_than_debt__never_above_the_borrow_rate(system: System, market: Market):
    """What went to fees earns nothing: all interest would go to what little cash is left."""
    borrow(market, BORROWER, 5_000, lent=5_000)
    accounts, fee = [LENDER.account, BORROWER.account], wad(4_000)
    fill = Fill(market.instrument("ETH"), wad("0.001"), market.mark("ETH"), takerFee=fee)
    drive(system, system.exchange).settle(accounts, fill)
    system.evm.advance(YEAR)
    vault = system.clearinghouse.call("vaultState")
    assert RAY < vault.supplyIndex <= vault.borrowIndex


def test_set_curve__interest_so_far_by_the_old_one(system: System, market: Market):
    borrow(market, BORROWER, 5_000, lent=10_000)
    curve = CURVE | {"baseRate": 0, "kinkRate": 0, "fullRate": 0}
    system.act_as("risk", system.clearinghouse, "setInterestCurve", curve)
    index = system.clearinghouse.call("vaultState").borrowIndex
    assert index > RAY
    system.evm.advance(YEAR)
    assert system.clearinghouse.call("vaultState").borrowIndex == index


def test_fees__distributed__to_insurance_and_treasury(system: System, market: Market):
    borrow(market, BORROWER, 9_000, lent=10_000)
    system.evm.advance(YEAR)
    accounts = [*BOTH, int(system.insurance_fund.address, 16) << 96, int(system.network.treasury, 16) << 96]
    fees = system.clearinghouse.call("vaultState").fees
    receipt = system.clearinghouse.transact("distributeFees")
    event = receipt.events("FeesDistributed")[0]
    assert event.toInsurance + event.toTreasury == fees > 0
    assert [cash_of(system, account) for account in accounts[2:]] == [event.toInsurance, event.toTreasury]
    assert event.toInsurance == fees // 2
    rounding = 2 * system.clearinghouse.call("vaultState").supplyIndex
    assert -rounding < system.clearinghouse.call("vaultState").feesRay < RAY
    assert imbalance(system, accounts) == 0
    assert system.clearinghouse.transact("distributeFees").events("FeesDistributed") == []
