"""Public incidents of accounts that gave their equity away, were liquidated on purpose, or found no bidder.

Carried out by their mechanism against the deployed system. Each docstring tells what happened, what was lost, who says
so, and what bounds it here. Losses are those of the incident, not of Ballast.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ballast.risk.book import first_book
from ballast.risk.history import load_crisis
from tests.support.evm import reverts
from tests.support.liquidation import MINUTE, Room, money_flows
from tests.support.system import HOUR, WAD, Market, System, Trader, deploy_system, trader, wad

BILLION = 10**9
LEG_DUST = 10**4
DEPOSIT, WITHDRAW, MOVE = 0, 1, 2
WETH = 1
USDC_UNIT = 10**6


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


@pytest.fixture(scope="module")
def real_system() -> System:
    """With the risk book that ships, concentration charge and all."""
    return deploy_system(book=first_book())


@pytest.fixture
def real_room(real_system: System) -> Iterator[Room]:
    with real_system.evm.rolled_back():
        yield Room(Market(real_system))


def withdraw_all_that_may_leave(room: Room, owner: Trader) -> int:
    """Takes cash out to the last unit that the margin check allows. Returns wad."""
    room.house.transact("realise", owner.account, sender=owner.address)
    margin = room.margin(owner.account)
    free = margin.equity - margin.stableGap - margin.untrustedGain - margin.unrealisedGain - margin.initialMargin
    units = max(0, free) // 10**12
    if units:
        room.house.transact("withdraw", owner.account, 0, units, owner.address, sender=owner.address)
    with reverts("InitialMarginShortfall"):
        room.house.transact("withdraw", owner.account, 0, 2, owner.address, sender=owner.address)
    return units * 10**12


def set_price(room: Room, symbol: str, price: Decimal | float) -> None:
    room.market.set_price(symbol, Decimal(str(price)).quantize(Decimal("1e-8")))


# Euler, March 2023 ---------------------------------------------------------------------------------------------------


def act(
    kind: int, account: int, amount: int, *, counterpart: int = 0, receiver: str, asset: int = 0
) -> tuple[Any, ...]:
    return kind, account, counterpart, receiver, asset, amount, b""


def test_euler_2023__giving_equity_away_to_be_liquidated_by_oneself__no_act_allows_it(room: Room) -> None:
    """13 March 2023, 197 million dollars. `donateToReserves` took a balance without a health check: a leveraged
    account gave its margin away, and the attacker's second contract liquidated it at a discount, all in one
    transaction (Euler, and the audits of EIP-14 published after it).

    Here every act that lowers equity ends at the one margin check, alone or in a batch. Without it, the account takes
    out more than it has, and leaves others a debt.
    """
    owner, accomplice = room.long("owner", WETH=10), room.liquidator("accomplice")
    sibling, me = owner.sub_account(1), owner.address
    withdraw_all_that_may_leave(room, owner)
    cash, collateral = 40_000 * USDC_UNIT, 10 * WAD
    assert cash * 10**12 > room.margin(owner.account).equity
    gifts = {
        "cash to himself": act(WITHDRAW, owner.account, cash, receiver=me),
        "cash to the accomplice": act(WITHDRAW, owner.account, cash, receiver=accomplice.address),
        "cash to his sibling": act(MOVE, owner.account, cash, counterpart=sibling, receiver=me),
        "collateral": act(WITHDRAW, owner.account, collateral, receiver=me, asset=WETH),
        "collateral to his sibling": act(MOVE, owner.account, collateral, counterpart=sibling, receiver=me, asset=WETH),
    }
    units = room.market.mint(owner, "USDC", 30_000)
    borrowed = act(DEPOSIT, owner.account, units, receiver=me)
    returned = act(WITHDRAW, owner.account, units + cash, receiver=me)
    before = room.margin(owner.account)
    for name, gift in gifts.items():
        for batch in ([gift], [borrowed, gift, returned], [gift, borrowed, returned]):
            with reverts("InitialMarginShortfall", account=owner.account):
                room.house.transact("batch", batch, sender=me)
        assert room.margin(owner.account) == before, name


def test_euler_2023__the_position_sold_too_cheaply__gives_away_the_band_and_no_debt(room: Room) -> None:
    """What can be given away by trading: the band on what is traded, a thirtieth of the margin it needs."""
    owner, accomplice = room.long("owner", size=10), room.liquidator("accomplice")
    withdraw_all_that_may_leave(room, owner)
    before, mark = room.margin(owner.account), room.market.mark("ETH")
    worst = mark - mark * room.system.network.underlyings["ETH"].trading.price_band // BILLION
    with money_flows(room, owner=owner.account, accomplice=accomplice.account) as flows:
        receipt = room.market.trade(accomplice, owner, "ETH", 10, worst)
    fees = sum(fill.takerFee + fill.makerFee for fill in receipt.events("Filled"))
    given = -flows.equity["owner"]
    assert given <= 10 * (mark - worst) + fees < before.maintenanceMargin // 25
    assert flows.equity["owner"] + flows.equity["accomplice"] == -fees
    assert room.margin(owner.account).equity > 0


def test_euler_2023__liquidated_by_his_second_contract__the_two_gain_nothing(room: Room) -> None:
    """Brought down by the market instead, the owner's own accounts may not bid; an address that nobody can tell from a
    stranger's gains what the owner gives up, and the fund pays nothing."""
    owner = room.long("owner")
    room.insure(1_000_000)
    room.drop_to(owner, "0.8")
    room.start(owner)
    own = owner.sub_account(1)
    room.market.fund(owner, own, USDC=100_000)
    with reverts("RelatedBidder"):
        room.auctions.transact("bid", {**room.terms(owner, owner), "bidder": own}, sender=owner.address)
    second = room.liquidator("second contract")
    with money_flows(room, owner=owner.account, second=second.account) as flows:
        room.bid(owner, second)
    assert flows.equity["second"] > 0
    assert abs(flows.equity["owner"] + flows.equity["second"]) <= LEG_DUST
    assert (flows.equity["fund"], flows.uncovered, flows.tokens) == (0, 0, 0)


# Hyperliquid, March 2025 ---------------------------------------------------------------------------------------------


def test_hyperliquid_eth_2025__margin_withdrawn_until_liquidated__what_is_left_pays_for_the_fall(
    real_room: Room,
) -> None:
    """12 March 2025, 4 million dollars of the HLP vault. With 50 times leverage a trader ran a long of some 200
    million dollars into profit, withdrew margin until the price of liquidation was the market's, and left the position
    to the vault (reports of 12 to 13 March 2025; Hyperliquid raised margins after it).

    A fiftieth of 50 million left in the account, the fall below costs others nine millions. Here what must stay
    carries a fall of 20 % below the point of liquidation, with nobody bidding on the way.
    """
    room, size = real_room, 20_000
    room.market.fund(room.dealer, USDC=60_000_000)
    whale = room.long("whale", size=size, cash=20_000_000)
    room.insure(1_000_000)
    set_price(room, "ETH", 2600)
    room.market.settle_stable_prices()
    assert withdraw_all_that_may_leave(room, whale) > 0

    price = breach = Decimal(2600)
    while not is_liquidatable(room, whale):
        price -= 10
        breach = price
        set_price(room, "ETH", price)
    room.start(whale)
    at_breach = room.margin(whale.account)
    assert at_breach.concentration >= wad(breach) * (size - 4_000) // 10, (
        "what the market cannot take at once costs more"
    )

    after_gap = breach * Decimal("0.8")
    fiftieth = wad(breach) * size // 50
    assert wad(breach - after_gap) * size - fiftieth > 8_000_000 * WAD
    set_price(room, "ETH", after_gap)
    assert room.margin(whale.account).equity > 0
    bidder = room.liquidator("bidder", cash=60_000_000)
    with money_flows(room, whale=whale.account, bidder=bidder.account) as flows:
        room.bid(whale, bidder)
    assert (flows.equity["fund"], flows.uncovered) == (0, 0)
    assert abs(flows.equity["whale"] + flows.equity["bidder"]) <= LEG_DUST * size


def is_liquidatable(room: Room, owner: Trader) -> bool:
    margin = room.margin(owner.account)
    return bool(margin.equity + margin.haltBonus < margin.maintenanceMargin)


def test_hyperliquid_jelly_2025__a_squeeze_of_ones_own_short__is_handed_to_nobody(real_room: Room) -> None:
    """26 March 2025, 13.5 million dollars of the HLP vault unrealised, until validators settled the market at a price
    of their own. A short of 4 million and longs against it, one person's; margin withdrawn from the short, the token
    bought up by 400 %: the vault inherited the short at market, the longs withdrew their profit (Arkham's account of
    26 March 2025).

    The longs' profit at the index is what they would take. Here it supports no withdrawal before the stable price has
    followed, and the fund holds no positions: a bidder takes the short if he wants it, or nobody does.
    """
    room = real_room
    room.insure(2_000_000)
    shorter, longer = trader("short"), trader("long")
    for owner in (shorter, longer):
        room.market.fund(owner, USDC=6_000_000)
    room.market.trade(longer, shorter, "LINK", 164_000)
    taken = sum(withdraw_all_that_may_leave(room, owner) for owner in (shorter, longer))
    reserves = room.system.insurance_fund.call("reserves")

    for minute in range(0, 60, 5):
        room.market.advance(5 * MINUTE)
        set_price(room, "LINK", 25 * (1 + minute / 55 * 4))
        with reverts("RiskNotReduced" if minute else "InitialMarginShortfall", account=longer.account):
            room.house.transact("withdraw", longer.account, 0, USDC_UNIT, longer.address, sender=longer.address)
    profit = room.margin(longer.account).equity
    assert profit > 16_000_000 * WAD

    room.start(shorter)
    fund = room.house.call("accountOf", room.fund_account)
    assert fund.positions == []
    squeezer = room.liquidator("squeezer", cash=20_000_000)
    room.bid(shorter, squeezer)
    assert reserves - room.worth(room.fund_account) <= reserves * 15 // 100 + 1
    assert room.house.call("accountOf", room.fund_account).positions == []
    assert taken < 12_000_000 * WAD


# Black Thursday, March 2020 ------------------------------------------------------------------------------------------

# Share of its equity that an account at 0.8 of maintenance margin keeps when the only bidder comes so late, at least.
KEPT = {0: 98, 15: 80, 60: 50, 120: 20}


@pytest.mark.parametrize("minutes", KEPT)
def test_black_thursday_2020__one_bidder_minutes_late__the_owner_keeps_what_the_path_says(
    room: Room, minutes: int
) -> None:
    """12 March 2020, 8.3 million dollars of vault owners, 5.7 million of the protocol. Gas cost hundreds of times the
    usual, one keeper was left, and his bids of zero won: owners kept nothing (Maker's account and that of Dragonfly
    Research, 24 March 2020).

    There the price did not depend on the time; here it starts at 2 % below value and falls along a path that the owner
    knows.
    """
    owner, late = room.long("owner"), room.liquidator("late")
    room.drop_to(owner, "0.8")
    room.start(owner)
    room.wait(owner, minutes * MINUTE)
    equity, expected = room.margin(owner.account).equity, room.expected(owner)
    with money_flows(room, owner=owner.account, late=late.account) as flows:
        done = room.bid(owner, late).result
    assert done.payment == expected.payment > 0
    kept = equity + flows.equity["owner"]
    assert kept * 100 >= KEPT[minutes] * equity
    assert (flows.equity["fund"], flows.uncovered) == (0, 0)


def test_black_thursday_2020__nobody_can_send_anything_for_hours__the_clock_has_not_run(room: Room) -> None:
    """Gas above what any act is worth: neither bid nor poke for three hours. The bidder who is first again pays 98
    %."""
    owner, late = room.long("owner"), room.liquidator("late")
    room.drop_to(owner, "0.8")
    room.start(owner)
    room.market.advance(3 * HOUR)
    [taken] = room.bid(owner, late).events("BidTaken")
    assert taken.discount == WAD // 50


@pytest.mark.parametrize(("hours", "keeps"), [(0, True), (1, True), (3, True), (16, False)])
def test_black_thursday_2020__its_prices_hour_by_hour__a_late_bid_takes_no_more_than_its_discount(
    room: Room, hours: int, keeps: bool
) -> None:
    """ETH as it traded on 12 March 2020, a long at initial margin, one bidder hours after the breach. For three
    hours the account still has equity, and keeps 98 % of it; after the second fall, sixteen hours on, it has none,
    and the fund pays exactly what it lacks."""
    closes = [Decimal(str(close)) for close in load_crisis("2020-03-12").bars["ETH"].close]
    set_price(room, "ETH", closes[0])
    room.market.settle_stable_prices()
    owner, late = room.long("owner", size=1_000, cash=100_000), room.liquidator("late")
    room.insure(1_000_000)
    withdraw_all_that_may_leave(room, owner)
    path = iter(closes[1:])
    while not is_liquidatable(room, owner):
        room.market.advance(HOUR)
        set_price(room, "ETH", next(path))
    room.start(owner)
    for _ in range(hours):
        room.market.advance(HOUR)
        set_price(room, "ETH", next(path))

    equity = room.margin(owner.account).equity
    with money_flows(room, owner=owner.account, late=late.account) as flows:
        room.bid(owner, late)
    assert flows.uncovered == 0
    if keeps:
        assert equity > 0 and flows.equity["fund"] == 0
        assert equity + flows.equity["owner"] >= equity * 98 // 100 - LEG_DUST
    else:
        assert equity < 0 and flows.equity["fund"] == equity
        assert abs(flows.equity["late"]) <= LEG_DUST * 1_000
