"""Batches: acts in order, one margin check an account, all or nothing."""

from dataclasses import dataclass

from ballast.chain.codec import encode_call
from ballast.chain.orders import Match, settlement
from tests.support.clearing import NOBODY, cash_of, drive, imbalance, position_of
from tests.support.evm import reverts
from tests.support.system import Market, System, trader, wad

OWNER, MAKER, STRANGER = trader("owner"), trader("maker"), trader("stranger")
DEPOSIT, WITHDRAW, MOVE, REALISE, TRADE = range(5)
ALL = 2**256 - 1
WETH = 1


@dataclass(frozen=True)
class Act:
    """The clearinghouse's `Act`."""

    kind: int
    account: int = 0
    counterpart: int = 0
    receiver: str = NOBODY
    asset: int = 0
    amount: int = 0
    data: bytes = b""


def batch(system: System, *acts: Act, sender: str = OWNER.address):
    return system.clearinghouse.transact("batch", list(acts), sender=sender)


def trade_act(system: System, market: Market, symbol: str, size: int) -> Act:
    """The owner takes the maker's order, at mark."""
    price = market.mark(symbol)
    taker, maker = market.order(OWNER, symbol, size, price), market.order(MAKER, symbol, -size, price)
    arguments = settlement([taker, maker], [Match(taker=0, maker=1, size=wad(abs(size)))])
    return Act(TRADE, data=encode_call(system.exchange.abi, "settle", arguments)[4:])


def test_batch__deposit_and_withdraw__net_of_both(system: System, market: Market):
    market.mint(OWNER, "WETH", 3)
    batch(
        system,
        Act(DEPOSIT, OWNER.account, asset=WETH, amount=wad(3)),
        Act(WITHDRAW, OWNER.account, receiver=STRANGER.address, asset=WETH, amount=wad(1)),
    )
    assert system.clearinghouse.call("accountOf", OWNER.account).collaterals[0].amount == wad(2)
    assert system.tokens["WETH"].call("balanceOf", STRANGER.address) == wad(1)


def test_batch__trade_before_its_margin__checked_once_at_the_end(system: System, market: Market):
    market.fund(MAKER, USDC=10_000)
    units = market.mint(OWNER, "USDC", 5_000)
    trade = trade_act(system, market, "ETH", 2)
    with reverts("InitialMarginShortfall", account=OWNER.account), system.evm.rolled_back():
        batch(system, trade)
    receipt = batch(system, trade, Act(DEPOSIT, OWNER.account, amount=units))
    assert position_of(system, OWNER.account).size == wad(2)
    assert len(receipt.events("OrderFilled")) == 2
    assert imbalance(system, [OWNER.account, MAKER.account, int(system.network.treasury, 16) << 96]) == 0


def test_batch__trade_twice_over__the_orders_are_spent_I22(system: System, market: Market):
    market.fund(MAKER, USDC=10_000)
    market.fund(OWNER, USDC=10_000)
    trade = trade_act(system, market, "ETH", 1)
    receipt = batch(system, trade, trade)
    assert position_of(system, OWNER.account).size == wad(1)
    assert len(receipt.events("OrderSkipped")) == 1


def test_batch__move_and_withdraw_all__whatever_has_arrived(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    sibling = OWNER.sub_account(1)
    batch(
        system,
        Act(MOVE, OWNER.account, sibling, amount=60 * 10**6),
        Act(WITHDRAW, sibling, receiver=OWNER.address, amount=ALL),
        Act(WITHDRAW, OWNER.account, receiver=OWNER.address, amount=ALL),
    )
    assert system.tokens["USDC"].call("balanceOf", OWNER.address) == 100 * 10**6
    assert [cash_of(system, account) for account in (OWNER.account, sibling)] == [0, 0]


def test_batch__realise__moves_value_into_cash(system: System, market: Market):
    market.fund(OWNER, USDC=10_000)
    market.fund(MAKER, USDC=10_000)
    market.trade(OWNER, MAKER, "ETH", 1)
    before = cash_of(system, OWNER.account)
    market.set_price("ETH", 2_550)
    batch(system, Act(REALISE, OWNER.account), sender=STRANGER.address)
    assert cash_of(system, OWNER.account) == before + wad(50)


def test_batch__one_act_fails__none_holds(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    acts = [
        Act(WITHDRAW, OWNER.account, receiver=OWNER.address, amount=10**6),
        Act(WITHDRAW, MAKER.account, receiver=OWNER.address, amount=10**6),
    ]
    with reverts("NotAuthorised", account=MAKER.account):
        batch(system, *acts)
    assert cash_of(system, OWNER.account) == wad(100)


def test_batch__cure_and_withdraw_in_between_margins__deposit_counts_as_found(system: System, market: Market):
    market.fund(MAKER, USDC=100_000)
    market.fund(OWNER, USDC=10_000)
    market.trade(OWNER, MAKER, "ETH", 10)
    market.set_price("ETH", 2_375)
    market.mint(OWNER, "USDC", 1_000)
    withdrawal = Act(WITHDRAW, OWNER.account, receiver=OWNER.address, amount=10**6)
    with reverts("RiskNotReduced", account=OWNER.account):
        batch(system, Act(DEPOSIT, OWNER.account, amount=2 * 10**6), withdrawal)
    batch(system, Act(DEPOSIT, OWNER.account, amount=1_000 * 10**6), withdrawal)


def test_batch__account_in_liquidation__may_only_be_given_to(system: System, market: Market):
    market.fund(OWNER, USDC=100)
    market.mint(OWNER, "USDC", 1)
    drive(system, system.auctions).run(("startLiquidation", OWNER.account, 0, 0))
    batch(system, Act(DEPOSIT, OWNER.account, amount=10**6))
    assert cash_of(system, OWNER.account) == wad(101)
    for act in (
        Act(WITHDRAW, OWNER.account, receiver=OWNER.address, amount=1),
        Act(MOVE, OWNER.account, OWNER.sub_account(1), amount=1),
        Act(REALISE, OWNER.account),
    ):
        with reverts("AccountInLiquidation", account=OWNER.account):
            batch(system, act)
