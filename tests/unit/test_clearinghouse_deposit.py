"""Deposits and repayments: what arrives, who may, what is refused."""

from tests.support.clearing import borrow, cash_of, drive, list_tokens
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, Market, System, trader, wad

DEPOSITOR, STRANGER, DELEGATE = trader("depositor"), trader("stranger"), trader("delegate")
SETTLEMENT, WETH, WBTC = 0, 1, 2
INVALID_CODE = bytes.fromhex("fe")


def test_deposit__settlement_token__becomes_cash(system: System, market: Market):
    units = market.mint(DEPOSITOR, "USDC", 1_000)
    arguments = (DEPOSITOR.account, SETTLEMENT, units)
    receipt = system.clearinghouse.transact("deposit", *arguments, sender=DEPOSITOR.address)
    usdc = system.tokens["USDC"]
    assert usdc.call("balanceOf", DEPOSITOR.address) == 0
    assert usdc.call("balanceOf", system.clearinghouse) == units
    assert cash_of(system, DEPOSITOR.account) == wad(1_000)
    assert cash_of(system, STRANGER.account) == 0
    event = receipt.events("Deposited")[0]
    assert (event.account, event.asset, event.amount) == (DEPOSITOR.account, SETTLEMENT, units)


def test_deposit__collateral__kept_in_its_own_units(system: System, market: Market):
    market.fund(DEPOSITOR, WBTC="0.5")
    account = system.clearinghouse.call("accountOf", DEPOSITOR.account)
    assert [(held.asset, held.amount) for held in account.collaterals] == [(WBTC, 50_000_000)]
    assert account.cash == 0
    assert system.clearinghouse.call("assetOf", WBTC).total == 50_000_000
    assert system.clearinghouse.call("portfolioOf", DEPOSITOR.account).collaterals[0].amount == wad("0.5")


def test_deposit__twice__adds_up(system: System, market: Market):
    market.fund(DEPOSITOR, USDC=100, WETH=1)
    market.fund(DEPOSITOR, USDC=50, WETH=2)
    account = system.clearinghouse.call("accountOf", DEPOSITOR.account)
    assert account.cash == wad(150)
    assert account.collaterals[0].amount == wad(3)
    assert account.positionNonce == 0


def test_deposit__by_a_stranger__refused(system: System, market: Market):
    units = market.mint(STRANGER, "USDC", 1)
    with reverts("NotAuthorised", account=DEPOSITOR.account, caller=STRANGER.address):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, SETTLEMENT, units, sender=STRANGER.address)


def test_deposit__by_a_delegate__pulled_from_the_delegate(system: System, market: Market):
    expiry = system.evm.timestamp + DAY
    arguments = (DEPOSITOR.account, DELEGATE.address, expiry, 0)
    system.exchange.transact("setDelegate", *arguments, sender=DEPOSITOR.address)
    units = market.mint(DELEGATE, "USDC", 7)
    system.clearinghouse.transact("deposit", DEPOSITOR.account, SETTLEMENT, units, sender=DELEGATE.address)
    assert cash_of(system, DEPOSITOR.account) == wad(7)
    assert system.tokens["USDC"].call("balanceOf", DELEGATE.address) == 0


def test_deposit__nothing_or_unknown__refused(system: System, market: Market):
    with reverts("ZeroAmount"):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, SETTLEMENT, 0, sender=DEPOSITOR.address)
    with reverts("UnknownAsset", asset=200):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, 200, 1, sender=DEPOSITOR.address)


def test_deposit__above_the_cap__refused(system: System, market: Market):
    cap = system.clearinghouse.call("assetOf", WETH).cap
    market.mint(DEPOSITOR, "WETH", 50_001)
    system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, cap, sender=DEPOSITOR.address)
    with reverts("DepositCapExceeded", asset=WETH, total=cap + 1, cap=cap):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 1, sender=DEPOSITOR.address)


def test_deposit_cap__raised__ramps_linearly(system: System):
    cap = system.clearinghouse.call("assetOf", WETH).cap
    system.act_as("risk", system.clearinghouse, "setDepositCap", WETH, 3 * cap, 2 * DAY)
    assert system.clearinghouse.call("assetOf", WETH).cap == cap
    system.evm.advance(DAY)
    assert system.clearinghouse.call("assetOf", WETH).cap == 2 * cap
    system.evm.advance(DAY)
    assert system.clearinghouse.call("assetOf", WETH).cap == 3 * cap


def test_deposit__while_the_cap_ramps_up__no_more_than_is_in_force_I30(system: System, market: Market):
    """A key that raises a cap by mistake, or is stolen, is seen before much has come in."""
    cap = system.clearinghouse.call("assetOf", WETH).cap
    system.act_as("risk", system.clearinghouse, "setDepositCap", WETH, 3 * cap, 2 * DAY)
    system.evm.advance(DAY)
    market.mint(DEPOSITOR, "WETH", 3 * cap // wad(1))
    with reverts("DepositCapExceeded", asset=WETH, total=2 * cap + 1, cap=2 * cap):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 2 * cap + 1, sender=DEPOSITOR.address)
    system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 2 * cap, sender=DEPOSITOR.address)


def test_deposit__ninth_collateral__refused(system: System, market: Market):
    tokens = [system.evm.deploy("MockToken", f"T{k}", 18) for k in range(6)]
    assets = list_tokens(market, *tokens)
    market.fund(DEPOSITOR, WETH=1, WBTC=1, LINK=1)
    for token, asset in zip(tokens, assets, strict=True):
        token.transact("mint", DEPOSITOR.address, 1)
        token.transact("approve", system.clearinghouse, 1, sender=DEPOSITOR.address)
        arguments = (DEPOSITOR.account, asset, 1)
        if asset != assets[-1]:
            system.clearinghouse.transact("deposit", *arguments, sender=DEPOSITOR.address)
    with reverts("TooManyCollaterals", account=DEPOSITOR.account):
        system.clearinghouse.transact("deposit", *arguments, sender=DEPOSITOR.address)


# Pauses ----------------------------------------------------------------------------------------------------------


def pause(system: System) -> None:
    system.act_as("guardian", system.clearinghouse, "pauseDeposits", WETH, system.evm.timestamp + DAY)


def test_deposit__paused_token_not_held__refused_until_it_expires(system: System, market: Market):
    pause(system)
    market.mint(DEPOSITOR, "WETH", 1)
    with reverts("DepositsPaused", asset=WETH):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 1, sender=DEPOSITOR.address)
    system.evm.advance(DAY)
    system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 1, sender=DEPOSITOR.address)
    assert system.clearinghouse.call("assetOf", WETH).total == 1


def test_deposit__paused_token_held_above_initial_margin__refused(system: System, market: Market):
    borrow(market, DEPOSITOR, 1_000)
    market.mint(DEPOSITOR, "WETH", 1)
    pause(system)
    with reverts("DepositsPaused", asset=WETH):
        system.clearinghouse.transact("deposit", DEPOSITOR.account, WETH, 1, sender=DEPOSITOR.address)


def test_deposit__paused_token_held_below_initial_margin__allowed_I26(system: System, market: Market):
    borrow(market, DEPOSITOR, 14_000)
    market.set_price("ETH", 2_300)
    pause(system)
    market.fund(DEPOSITOR, WETH=1)
    assert system.clearinghouse.call("accountOf", DEPOSITOR.account).collaterals[0].amount == wad(11)


def test_deposit__settlement_token__cannot_be_paused_I29(system: System):
    with reverts("ParameterOutOfBounds"):
        system.act_as("guardian", system.clearinghouse, "pauseDeposits", SETTLEMENT, system.evm.timestamp + HOUR)


# Repayments ------------------------------------------------------------------------------------------------------


def test_repay__by_anyone__no_more_than_the_debt_rounded_up(system: System, market: Market):
    borrow(market, DEPOSITOR, 5_000)
    system.evm.advance(DAY)
    debt = -cash_of(system, DEPOSITOR.account)
    units = market.mint(STRANGER, "USDC", 6_000)
    paid = system.clearinghouse.transact("repay", DEPOSITOR.account, units, sender=STRANGER.address).result
    assert paid == -(-debt // 10**12)
    assert system.tokens["USDC"].call("balanceOf", STRANGER.address) == units - paid
    assert cash_of(system, DEPOSITOR.account) == paid * 10**12 - debt


def test_repay__part__lowers_the_debt_by_as_much(system: System, market: Market):
    borrow(market, DEPOSITOR, 5_000)
    units = market.mint(STRANGER, "USDC", 1_000)
    assert system.clearinghouse.transact("repay", DEPOSITOR.account, units, sender=STRANGER.address).result == units
    assert cash_of(system, DEPOSITOR.account) == -wad(4_000)


def test_repay__without_debt__refused(system: System, market: Market):
    market.mint(STRANGER, "USDC", 1)
    with reverts("ZeroAmount"):
        system.clearinghouse.transact("repay", DEPOSITOR.account, 1, sender=STRANGER.address)


def test_deposit_and_repay__in_liquidation_without_prices_or_margin__allowed_I26(system: System, market: Market):
    borrow(market, DEPOSITOR, 5_000)
    drive(system, system.auctions).run(("startLiquidation", DEPOSITOR.account, 0, 0))
    for contract in (system.oracle_hub, system.margin_engine):
        system.evm.set_code(contract.address, INVALID_CODE)
    market.mint(STRANGER, "USDC", 1)
    system.clearinghouse.transact("repay", DEPOSITOR.account, 10**6, sender=STRANGER.address)
    market.fund(DEPOSITOR, USDC=1, WETH=1)
    account = system.clearinghouse.call("cashOf", DEPOSITOR.account)
    assert account == -wad(4_998)


def test_donation__to_the_vault__changes_nobody_I5(system: System, market: Market):
    borrow(market, DEPOSITOR, 5_000)
    before = system.clearinghouse.call("vaultState"), system.clearinghouse.call("marginOf", DEPOSITOR.account)
    for symbol in ("USDC", "WETH"):
        system.tokens[symbol].transact("mint", system.clearinghouse, wad(1_000))
    after = system.clearinghouse.call("vaultState"), system.clearinghouse.call("marginOf", DEPOSITOR.account)
    assert after == before
    assert system.clearinghouse.call("assetOf", WETH).total == wad(10)
