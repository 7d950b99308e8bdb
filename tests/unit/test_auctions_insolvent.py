"""Insolvent auctions: who pays the bidder, how phases turn, and write-offs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.risk import auction as twin
from ballast.risk.auction import Phase
from tests.support.evm import reverts
from tests.support.liquidation import MINUTE, PARAMETERS, Room, money_flows
from tests.support.system import WAD, Market, Trader, trader

LEG_DUST = 10**4
ETH = 2
TENTH = WAD // 10
PREMIUM = PARAMETERS.premium_seconds
"""Seconds until the premium is whole."""


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


@pytest.fixture
def bidder(room: Room) -> Trader:
    return room.liquidator()


def insolvent(room: Room, health: str = "-0.2") -> Trader:
    owner = room.long("owner")
    room.drop_to(owner, health)
    room.start(owner)
    return owner


def test_bid__fund_rich_enough__pays_what_the_account_lacks(room: Room, bidder: Trader) -> None:
    """I3a, I10, I11: at premium 0 the bidder gains nothing, the fund pays the deficit, the account gets nothing."""
    room.insure(100_000)
    owner = insolvent(room)
    deficit = -room.margin(owner.account).equity * 3 // 10

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        receipt = room.bid(owner, bidder, 3 * TENTH)

    assert receipt.result == (3 * TENTH, 0, deficit, 0, deficit, 0)
    assert flows.equity["fund"] == flows.cash["fund"] == -deficit
    assert abs(flows.equity["bidder"]) <= LEG_DUST
    assert abs(flows.equity["owner"] - deficit) <= LEG_DUST
    assert (flows.uncovered, flows.tokens, flows.equity["dealer"]) == (0, 0, 0)
    assert abs(flows.created) <= 1
    [draw] = receipt.events("Drawn")
    assert (draw.to, draw.requested, draw.paid) == (bidder.account, deficit, deficit)


def test_bid__no_fund__records_the_loss_to_the_wei(room: Room, bidder: Trader) -> None:
    owner = insolvent(room)
    deficit = -room.margin(owner.account).equity

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        receipt = room.bid(owner, bidder, WAD)

    assert receipt.result == (WAD, 0, deficit, 0, 0, deficit)
    assert flows.uncovered == deficit == room.unpaid_loss()
    # The dealer is the other side, which pays first; each but for the wei that a claim is rounded down by.
    shared = sum(share.amount for share in receipt.events("LossShared"))
    assert 0 < shared == deficit - room.house.call("claims").outstanding
    assert flows.equity == {"owner": deficit, "bidder": -1, "dealer": -shared - 1, "fund": 0}
    assert room.margin(owner.account).equity == 0
    [loss] = receipt.events("LossRecorded")
    assert (loss.account, loss.amount, loss.total) == (bidder.account, deficit, deficit)


def test_bid__premium__grows_from_nothing_to_maintenance_margin(room: Room, bidder: Trader) -> None:
    """I10, I16."""
    room.insure(1_000_000)
    owner = insolvent(room)
    gains = []
    for seconds in (0, PREMIUM // 2, PREMIUM // 2, PREMIUM // 2):
        room.wait(owner, seconds)
        sale, expected = room.sale(owner), room.expected(owner, TENTH, premium_left=100_000 * WAD)
        assert room.view(owner).premiumRate == sale.rate
        with money_flows(room, bidder=bidder.account) as flows:
            assert room.bid(owner, bidder, TENTH).result.reward == expected.reward
        gains.append((flows.equity["bidder"], (sale.maintenance - sale.fixed) // 10))
    assert [round(Decimal(gain) / whole, 6) for gain, whole in gains] == [0, Decimal("0.5"), 1, 1]


def test_bid__whole__earns_the_fixed_charge_s_premium_too(room: Room, bidder: Trader) -> None:
    room.insure(1_000_000)
    owner = insolvent(room)
    room.wait(owner, PREMIUM)
    margin = room.margin(owner.account)
    reward = room.bid(owner, bidder, WAD).result.reward
    assert reward == margin.maintenanceMargin - margin.equity


def with_proceeds(room: Room, bidder: Trader) -> Trader:
    """An account that sold a tenth, and then fell below zero with the rest."""
    owner = room.long("owner")
    room.drop_to(owner, "0.5")
    room.start(owner)
    room.bid(owner, bidder, TENTH)
    room.market.set_price("ETH", 1450)
    room.poke(owner)
    assert room.view(owner).insolvent
    return owner


def test_bid__proceeds_left__pay_first_and_the_fund_after(room: Room, bidder: Trader) -> None:
    """I11."""
    room.insure(100_000)
    owner = with_proceeds(room, bidder)
    view = room.view(owner)
    lacking = view.proceeds - view.equity
    assert 0 < view.proceeds < lacking
    half = WAD * view.proceeds // lacking // 2

    first = room.bid(owner, bidder, half).result
    assert (first.fromProceeds, first.fromInsurance, first.payment) == (first.reward, 0, 0)
    second = room.bid(owner, bidder, WAD).result
    assert second.fromProceeds == view.proceeds - first.reward
    assert second.fromInsurance == second.reward - second.fromProceeds > 0
    assert room.cash(owner.account) == 0


def test_bid__outflow_limit_reached__leaves_the_rest_uncovered(room: Room, bidder: Trader) -> None:
    room.insure(1_000)
    owner = insolvent(room)
    deficit = -room.margin(owner.account).equity
    available = room.covered(owner, deficit)
    assert available == 150 * WAD < deficit

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, WAD).result

    assert (done.fromInsurance, done.uncovered) == (available, deficit - available)
    assert abs(flows.equity["fund"] + available) <= 1
    assert flows.uncovered == deficit - available
    assert room.system.insurance_fund.call("outflowOf", ETH).left == 0


def test_bid__premiums__take_at_most_a_tenth_of_the_fund(room: Room, bidder: Trader) -> None:
    room.insure(10_000)
    owner = insolvent(room, "-0.01")
    room.wait(owner, PREMIUM)
    premiums = 0
    for fraction in (5 * TENTH, WAD):
        deficit = -room.margin(owner.account).equity * fraction // WAD
        done = room.bid(owner, bidder, fraction).result
        premiums += done.fromInsurance - deficit
        assert done.reward - deficit > 1_000 * WAD
    assert premiums == 1_000 * WAD


def test_phase__insolvent__turns_solvent_only_at_half_of_maintenance_margin(room: Room) -> None:
    owner = insolvent(room)
    room.wait(owner, 10 * MINUTE)
    room.drop_to(owner, "0.49")
    assert not room.poke(owner).events("AuctionTurnedSolvent")
    assert room.view(owner).phase == Phase.INSOLVENT
    room.drop_to(owner, "0.51")
    assert room.poke(owner).events("AuctionTurnedSolvent")[0].account == owner.account
    view = room.view(owner)
    assert (view.phase, view.elapsed, view.discount) == (Phase.SOLVENT, 0, WAD // 50)


def test_phase__insolvent_with_equity_again__asks_for_it_less_the_premium(room: Room, bidder: Trader) -> None:
    """Hovering around zero: a flicker gives nothing away. Here half a minute of premium, not the equity."""
    owner = insolvent(room, "-0.01")
    room.market.advance(30)
    room.drop_to(owner, "0.4")
    sale = room.sale(owner)
    assert sale.phase == Phase.INSOLVENT
    with money_flows(room, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, TENTH).result
    assert (done.payment, done.reward) == twin.settlement(sale, TENTH)[:2]
    assert flows.equity["bidder"] == pytest.approx((sale.maintenance - sale.fixed) * 30 // PREMIUM // 10, abs=LEG_DUST)


def test_phase__nobody_came__is_exhausted_and_asks_for_nothing(room: Room, bidder: Trader) -> None:
    room.insure(100_000)
    owner = room.long("owner")
    room.drop_to(owner, "0.5")
    room.start(owner)
    room.wait(owner, 65 * MINUTE)
    view = room.view(owner)
    assert (view.phase, view.elapsed) == (Phase.EXHAUSTED, room.system.evm.timestamp - view.startedAt - 65 * MINUTE)
    with money_flows(room, owner=owner.account, bidder=bidder.account, insurer=trader("insurer").account) as flows:
        done = room.bid(owner, bidder, TENTH).result
    assert (done.payment, done.reward) == (0, 0)
    assert flows.equity["bidder"] == pytest.approx(view.equity // 10, abs=LEG_DUST)
    assert flows.equity["fund"] == 0


def test_phase__exhausted__earns_a_premium_once_that_is_worth_more(room: Room, bidder: Trader) -> None:
    """I10: the gain is the larger of what equity there is and the premium, not both."""
    room.insure(100_000)
    owner = room.long("owner")
    room.drop_to(owner, "0.5")
    room.start(owner)
    room.wait(owner, 65 * MINUTE)
    room.wait(owner, PREMIUM)
    sale = room.sale(owner)
    assert (sale.phase, sale.rate) == (Phase.EXHAUSTED, WAD)
    with money_flows(room, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, TENTH).result
    assert done.reward == (sale.maintenance - sale.fixed - sale.for_sale) // 10
    assert flows.equity["bidder"] == pytest.approx((sale.maintenance - sale.fixed) // 10, abs=LEG_DUST)


def test_open_shortfall__follows_what_auctions_were_last_seen_to_lack(room: Room, bidder: Trader) -> None:
    def shortfall() -> int:
        return int(room.auctions.call("openShortfall"))

    first, second = room.long("first"), room.long("second")
    room.drop_to(first, "-0.2")
    room.start(first)
    lacking = -room.margin(first.account).equity
    assert shortfall() == lacking > 0
    room.start(second)
    assert shortfall() == 2 * lacking
    room.bid(first, bidder, TENTH)
    assert shortfall() == lacking - room.margin(first.account).equity
    room.bid(first, bidder, WAD)
    assert shortfall() == lacking
    room.drop_to(second, "1.5")
    room.poke(second)
    assert shortfall() == 0


def test_write_off__account_with_collateral_or_positions__reverts(room: Room) -> None:
    owner = insolvent(room)
    with reverts("NotWorthless", account=owner.account):
        room.auctions.transact("writeOff", owner.account)


def test_write_off__account_in_credit__reverts(room: Room, bidder: Trader) -> None:
    with reverts("NotWorthless", account=bidder.account):
        room.auctions.transact("writeOff", bidder.account)


def only_debt(room: Room) -> Trader:
    """An account whose collateral is gone and whose debt is not. No act of this version makes one; a later one will."""
    owner = trader("debtor")
    room.market.fund(owner, WETH=4)
    room.house.transact("withdraw", owner.account, 0, 2_000 * 10**6, owner.address, sender=owner.address)
    room.forget_collateral(owner.account)
    account = room.house.call("accountOf", owner.account)
    assert (account.cash, account.collaterals, account.positions) == (-2_000 * WAD, [], [])
    return owner


def test_start__account_with_only_debt__reverts(room: Room) -> None:
    owner = only_debt(room)
    with reverts("OnlyDebt", account=owner.account):
        room.start(owner)


@pytest.mark.parametrize(("insured", "from_fund"), [(100_000, 2_000), (4_000, 600), (0, 0)])
def test_write_off__only_debt__is_paid_by_the_fund_and_the_rest_recorded(
    room: Room, insured: int, from_fund: int
) -> None:
    """I3a."""
    if insured:
        room.insure(insured)
    owner = only_debt(room)

    with money_flows(room, owner=owner.account) as flows:
        [event] = room.auctions.transact("writeOff", owner.account).events("WrittenOff")

    rest = (2_000 - from_fund) * WAD
    assert (event.debt, event.fromInsurance, event.uncovered) == (2_000 * WAD, from_fund * WAD, rest)
    changes = {"owner": 2_000 * WAD, "dealer": 0, "fund": -from_fund * WAD}
    assert all(abs(flows.equity[name] - change) <= 1 for name, change in changes.items())
    assert flows.uncovered == rest
    assert room.cash(owner.account) == 0


def test_start__parameters_premium__is_the_twin_s(room: Room) -> None:
    """I16: a whole insolvent bid, preview and twin alike, whatever the clock shows."""
    room.insure(50_000)
    owner = insolvent(room)
    premium_left = room.system.insurance_fund.call("reserves") * PARAMETERS.premium_fund_share // 10**9
    for seconds in (0, 60, 17 * MINUTE):
        room.wait(owner, seconds)
        expected = room.expected(owner, WAD, premium_left=premium_left)
        preview = room.preview(owner, room.liquidator(f"bidder after {seconds}"))
        assert tuple(preview) == tuple(vars(expected).values())[:6]
