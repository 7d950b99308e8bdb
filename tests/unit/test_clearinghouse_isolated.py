"""Isolated accounts: cash and one underlying, until they are empty of both balances and positions."""

from ballast.chain.orders import Match, settlement
from tests.support.evm import Receipt, reverts
from tests.support.system import Market, System, trader, wad

OWNER, MAKER = trader("owner"), trader("maker")
ISOLATED = OWNER.sub_account(1, isolated=True)
WETH, WBTC = 1, 2
BTC, ETH = 1, 2


def bound(system: System) -> int:
    return int(system.clearinghouse.call("accountOf", ISOLATED).boundUnderlying)


def trade(system: System, market: Market, symbol: str, size: int) -> Receipt:
    price = market.mark(symbol)
    taker = market.order(OWNER, symbol, size, price, account=ISOLATED)
    maker = market.order(MAKER, symbol, -size, price)
    orders, matches = settlement([taker, maker], [Match(taker=0, maker=1, size=wad(abs(size)))])
    return system.exchange.transact("settle", orders, matches)


def test_isolated__first_balance__binds_and_leaving_frees(system: System, market: Market):
    market.fund(OWNER, ISOLATED, USDC=100)
    assert bound(system) == 0, "cash binds to nothing"
    market.fund(OWNER, ISOLATED, WETH=1)
    assert bound(system) == ETH
    market.mint(OWNER, "WBTC", 1)
    with reverts("IsolatedAccountBound", account=ISOLATED, bound=ETH, underlying=BTC):
        system.clearinghouse.transact("deposit", ISOLATED, WBTC, 1, sender=OWNER.address)
    arguments = (ISOLATED, WETH, wad(1), OWNER.address)
    system.clearinghouse.transact("withdraw", *arguments, sender=OWNER.address)
    assert bound(system) == 0
    system.clearinghouse.transact("deposit", ISOLATED, WBTC, 1, sender=OWNER.address)
    assert bound(system) == BTC


def test_isolated__position_of_another_underlying__refused(system: System, market: Market):
    market.fund(OWNER, ISOLATED, USDC=20_000)
    market.fund(MAKER, USDC=100_000)
    trade(system, market, "ETH", 1)
    assert bound(system) == ETH
    with reverts("IsolatedAccountBound", account=ISOLATED, bound=ETH, underlying=BTC):
        trade(system, market, "BTC", 1)
    trade(system, market, "ETH", -1)
    assert bound(system) == 0
    trade(system, market, "BTC", -1)
    assert bound(system) == BTC


def test_isolated__needs_its_own_margin__no_recourse_to_siblings(system: System, market: Market):
    market.fund(OWNER, USDC=100_000)
    market.fund(OWNER, ISOLATED, USDC=900)
    market.fund(MAKER, USDC=100_000)
    with reverts("InitialMarginShortfall", account=ISOLATED):
        trade(system, market, "ETH", 1)
