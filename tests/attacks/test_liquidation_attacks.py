"""Attacks on liquidation. Each is shut by one rule; without it, its test fails."""

from __future__ import annotations

import pytest

from ballast.chain.codec import encode_call
from ballast.chain.ids import account_id
from tests.support.clearing import list_tokens
from tests.support.evm import reverts
from tests.support.liquidation import FIXED_CHARGE, MINUTE, PARAMETERS, Room, money_flows
from tests.support.system import DAY, HOUR, WAD, Market, Trader, trader

FOREVER = 2**40 - 1
TENTH = WAD // 10
LEG_DUST = 10**4


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


@pytest.fixture
def owner(room: Room) -> Trader:
    """Ten ETH long, at 0.8 of maintenance margin, in auction."""
    owner = room.long("owner")
    room.drop_to(owner, "0.8")
    room.start(owner)
    return owner


def appoint(room: Room, account: int, owner: Trader, delegate: str) -> None:
    room.system.exchange.transact("setDelegate", account, delegate, FOREVER, 0, sender=owner.address)


# Buying one's own account at the discount --------------------------------------------------------------------------


def test_self_liquidation__from_a_sub_account__reverts(room: Room, owner: Trader) -> None:
    other = account_id(owner.address, 1)
    room.market.fund(owner, other, USDC=100_000)
    terms = {**room.terms(owner, owner), "bidder": other}
    with reverts("RelatedBidder", liquidated=owner.account, bidder=other):
        room.auctions.transact("bid", terms, sender=owner.address)
    with reverts("RelatedBidder"):
        room.auctions.call("previewBid", terms)


def test_self_liquidation__through_a_delegate_s_account__reverts(room: Room) -> None:
    owner, friend = room.long("owner"), room.liquidator("friend")
    appoint(room, owner.account, owner, friend.address)
    room.drop_to(owner, "0.8")
    room.start(owner)
    with reverts("RelatedBidder", liquidated=owner.account, bidder=friend.account):
        room.bid(owner, friend, TENTH)


def test_self_liquidation__as_delegate_of_the_bidding_account__reverts(room: Room, owner: Trader) -> None:
    """The friend lends his account: its delegate is the owner."""
    friend = room.liquidator("friend")
    appoint(room, friend.account, friend, owner.address)
    for caller in (owner, friend):
        with reverts("RelatedBidder", liquidated=owner.account, bidder=friend.account):
            room.auctions.transact("bid", room.terms(owner, friend, TENTH), sender=caller.address)


def test_self_liquidation__by_a_common_delegate__reverts(room: Room) -> None:
    """The bot trades for the owner, and bids for a friend."""
    owner, friend, bot = room.long("owner"), room.liquidator("friend"), trader("bot")
    appoint(room, owner.account, owner, bot.address)
    appoint(room, friend.account, friend, bot.address)
    room.drop_to(owner, "0.8")
    room.start(owner)
    with reverts("RelatedBidder", liquidated=owner.account, bidder=friend.account):
        room.auctions.transact("bid", room.terms(owner, friend, TENTH), sender=bot.address)


def test_keeping_bidders_away__by_appointing_them_delegates__fails(room: Room) -> None:
    """Appointed before the auction, a bidder renounces and bids; in it nobody can be appointed."""
    owner, bidder, later = room.long("owner"), room.liquidator(), room.liquidator("later")
    appoint(room, owner.account, owner, bidder.address)
    room.drop_to(owner, "0.8")
    room.start(owner)
    with reverts("DelegationDuringAuction", account=owner.account):
        appoint(room, owner.account, owner, later.address)

    room.system.exchange.transact("renounceDelegation", owner.account, sender=bidder.address)

    assert room.bid(owner, bidder, TENTH).events("BidTaken")
    with reverts("DelegationDuringAuction", account=owner.account):
        appoint(room, owner.account, owner, bidder.address)
    room.system.exchange.transact("setDelegate", owner.account, later.address, 0, 0, sender=owner.address)


# Making bids revert ------------------------------------------------------------------------------------------------


def test_one_wei_cure__under_a_bid__does_not_stop_it(room: Room, owner: Trader) -> None:
    bidder = room.liquidator()
    terms = room.terms(owner, bidder, TENTH, minFraction=TENTH, maxPricePerEquity=98 * WAD // 100)
    units = room.market.mint(owner, "USDC", "0.000001")
    room.house.transact("deposit", owner.account, 0, units, sender=owner.address)
    assert room.auctions.transact("bid", terms, sender=bidder.address).result.fraction == TENTH


def test_full_cure__under_a_bid__ends_the_auction_without_a_revert(room: Room, owner: Trader) -> None:
    bidder = room.liquidator()
    terms = room.terms(owner, bidder, TENTH, minFraction=TENTH)
    room.market.fund(owner, USDC=5_000)
    receipt = room.auctions.transact("bid", terms, sender=bidder.address)
    assert receipt.events("AuctionEnded") and receipt.result.fraction == 0


def test_changing_the_portfolio__under_a_bid__is_either_refused_or_harmless(room: Room, owner: Trader) -> None:
    """Owners and strangers can neither trade nor realise; other bids change amounts, which fractions follow."""
    bidder, rival, stranger = room.liquidator(), room.liquidator("rival"), trader("stranger")
    terms = room.terms(owner, bidder, TENTH, minFraction=TENTH, maxPricePerEquity=98 * WAD // 100)
    room.poke(owner)
    with reverts("AccountInLiquidation", account=owner.account):
        room.house.transact("realise", owner.account, sender=stranger.address)
    room.bid(owner, rival, TENTH)
    with reverts("AccountInLiquidation", account=owner.account):
        room.market.trade(room.dealer, owner, "ETH", 1, int(room.market.prices["ETH"] * WAD))
    assert room.auctions.transact("bid", terms, sender=bidder.address).result.fraction == TENTH


def test_changing_the_portfolio__between_two_auctions__stops_the_old_bid(room: Room, owner: Trader) -> None:
    """Swapped for another book after a recovery, the account is not what the bidder saw."""
    bidder = room.liquidator()
    terms = room.terms(owner, bidder)
    room.drop_to(owner, "1.5")
    room.poke(owner)
    room.market.advance(6 * HOUR)
    room.market.trade(room.dealer, owner, "ETH", 1)
    room.drop_to(owner, "0.8")
    room.start(owner)
    with reverts("AuctionChanged"):
        room.auctions.transact("bid", terms, sender=bidder.address)
    with reverts("PortfolioChanged", account=owner.account):
        room.auctions.transact("bid", {**terms, "auctionId": room.view(owner).id}, sender=bidder.address)


# Playing with fractions ----------------------------------------------------------------------------------------------


def test_dust__slicing_for_ever__ends_in_a_bid_for_the_whole(room: Room) -> None:
    """What is left is either healthy or sold whole: no sliver remains that nobody would liquidate."""
    room.insure(100_000)
    owner, bidder = room.long("owner"), room.liquidator()
    room.drop_to(owner, "-0.1")
    room.start(owner)
    bids = 0
    while room.auctions.call("isLive", owner.account):
        view = room.view(owner)
        margin = room.margin(owner.account)
        assert view.minFraction == (WAD if margin.maintenanceMargin < 2 * FIXED_CHARGE else TENTH)
        room.bid(owner, bidder, view.minFraction)
        bids += 1
    assert bids < 70
    assert room.house.call("accountOf", owner.account).positions == []


def test_bid_splitting__insolvent__does_not_multiply_the_fixed_charge_s_premium(room: Room) -> None:
    """I15: in ten bids or in one, the premium is the same to a few wei."""
    room.insure(1_000_000)
    owner, bidder = room.long("owner"), room.liquidator()
    room.drop_to(owner, "-0.1")
    room.start(owner)
    room.wait(owner, PARAMETERS.premium_seconds // 2)
    with room.rolled_back(), money_flows(room, bidder=bidder.account) as once:
        room.bid(owner, bidder, WAD)
    with money_flows(room, bidder=bidder.account) as often:
        for _ in range(9):
            room.bid(owner, bidder, TENTH)
        room.bid(owner, bidder, WAD)
    assert once.equity["bidder"] > 1_000 * WAD
    assert abs(often.equity["bidder"] - once.equity["bidder"]) <= 10 * LEG_DUST


# Playing with the clock ----------------------------------------------------------------------------------------------


def test_clock_left_running__while_nobody_looks__gives_no_discount(room: Room, owner: Trader) -> None:
    """An hour unseen, in which the account may have been healthy, is not an hour of need."""
    bidder = room.liquidator()
    room.market.advance(HOUR)
    done = room.bid(owner, bidder, TENTH)
    assert done.events("AuctionClockRestarted")
    assert done.events("BidTaken")[0].discount == 2 * WAD // 100


def test_hovering__one_deep_moment__does_not_speed_up_the_minutes_around_it(room: Room, owner: Trader) -> None:
    """A wick to 1 % of maintenance margin, caught by a touch: the clock before and after runs as in the calm."""
    calm = room.market.prices["ETH"]
    room.market.advance(4 * MINUTE)
    before = room.view(owner).elapsed
    room.drop_to(owner, "0.01")
    room.poke(owner)
    room.market.set_price("ETH", calm)
    room.market.advance(4 * MINUTE)
    assert before < room.view(owner).elapsed <= 2 * before * 1_000_001 // 1_000_000


def test_hovering__around_zero__hands_no_equity_over(room: Room) -> None:
    """A flicker to E ≤ 0 and back to 0.4 of maintenance margin: the next bidder pays for that equity."""
    owner, bidder = room.long("owner"), room.liquidator()
    room.drop_to(owner, "-0.001")
    room.start(owner)
    room.drop_to(owner, "0.4")
    equity = room.margin(owner.account).equity
    with money_flows(room, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, TENTH).result
    assert done.payment == -(-equity // 10)
    assert abs(flows.equity["bidder"]) <= LEG_DUST


def test_hovering__through_zero_again_and_again__grants_no_second_share_of_the_fund(room: Room) -> None:
    """An account steered below zero, back and below again pays premiums out of the share measured first alone."""
    room.insure(10_000)
    owner, bidder = room.long("owner"), room.liquidator()
    room.drop_to(owner, "-0.01")
    room.start(owner)
    room.wait(owner, PARAMETERS.premium_seconds)
    deficit = -room.margin(owner.account).equity
    assert room.bid(owner, bidder, WAD // 2).result.fromInsurance == deficit // 2 + 1_000 * WAD

    room.drop_to(owner, "0.6")
    room.poke(owner)
    room.drop_to(owner, "-0.01")
    room.poke(owner)
    room.wait(owner, PARAMETERS.premium_seconds)
    assert room.view(owner).premiumRate == WAD
    deficit = -room.margin(owner.account).equity
    assert room.bid(owner, bidder, WAD).result.fromInsurance == deficit


def test_waiting_for_a_deeper_discount__with_one_honest_rival__finds_nothing_left(room: Room, owner: Trader) -> None:
    """Waiting costs the owner what the first rival needs: at costs below 2 % of equity he bids at once."""
    rival, waiter = room.liquidator("rival"), room.liquidator("waiter")
    equity = room.margin(owner.account).equity
    with money_flows(room, owner=owner.account) as flows:
        done = room.bid(owner, rival).result
    assert -flows.equity["owner"] <= equity * done.fraction // WAD // 50 + LEG_DUST
    with reverts("NoAuction", account=owner.account):
        room.bid(owner, waiter)


# Draining ------------------------------------------------------------------------------------------------------------


def test_forged_slice__decided_for_a_stranger__is_refused(room: Room, owner: Trader) -> None:
    """Else anybody would end auctions, and use up what the fund may pay in an hour, with a margin of his own making."""
    thief = room.liquidator("thief")
    room.insure(1_000_000)
    context = encode_call(room.auctions.abi, "bid", (room.terms(owner, thief),))[4:]
    deep = {**room.margin(owner.account).as_dict(), "equity": -1_000_000 * WAD}
    before = room.view(owner)
    with reverts("NotClearinghouse", caller=thief.address):
        room.auctions.transact(
            "decide", context, deep, [], room.terms(owner, thief)["positionNonce"], sender=thief.address
        )
    assert room.view(owner) == before


def test_insurance_drain__by_accounts_of_one_person__is_bounded(room: Room) -> None:
    """Long, short and bidder are one. Unrivalled for an hour they take what the long lacked, a tenth of the fund in
    premiums, and a loss recorded in the open; a rival who bids at once leaves them the deficit alone."""
    room.insure(100_000)
    long, bidder = room.long("long"), room.liquidator()
    room.drop_to(long, "-0.1")
    deficit = -room.margin(long.account).equity
    room.start(long)
    with room.rolled_back(), money_flows(room, bidder=bidder.account) as rivalled:
        room.bid(long, bidder, WAD)
    assert (rivalled.equity["fund"], rivalled.uncovered) == (-deficit, 0)

    room.wait(long, 60 * MINUTE)
    with money_flows(room, bidder=bidder.account) as unrivalled:
        room.bid(long, bidder, WAD)
    assert -unrivalled.equity["fund"] <= deficit + 10_000 * WAD
    assert -unrivalled.equity["fund"] <= 25_000 * WAD
    assert unrivalled.equity["bidder"] <= room_premium(unrivalled, deficit)


def room_premium(flows: object, deficit: int) -> int:
    """What the fund and nobody paid beyond the deficit."""
    return -flows.equity["fund"] + flows.uncovered - deficit  # type: ignore[attr-defined]


@pytest.mark.parametrize(("fraction", "left"), [(150_000_000, 8_500), (10**9, 7_500)])
def test_insurance_drain__auction_after_auction__stops_at_the_limit_of_the_underlying_and_of_the_hour(
    room: Room, fraction: int, left: int
) -> None:
    """15 % of the fund for one underlying; 25 % whatever governance allows one."""
    room.insure(10_000)
    room.system.act_as("risk", room.system.insurance_fund, "setOutflowLimit", 250_000_000, fraction)
    bidder = room.liquidator()
    owners = [room.long(f"owner {number}") for number in range(5)]
    room.drop_to(owners[0], "-0.3")
    for owner in owners:
        room.start(owner)
        room.bid(owner, bidder, WAD)
    assert 0 <= left * WAD - room.worth(room.fund_account) <= len(owners)
    assert room.unpaid_loss() > (10_000 - left) * WAD


def test_profit__pushed_up_for_a_moment__cannot_be_withdrawn_before_the_loss_shows(room: Room) -> None:
    """The long's gain is real to nobody until the stable price has followed; the short's loss shows first."""
    long = room.long("long")
    room.market.set_price("ETH", 3_200)
    room.house.transact("realise", long.account, sender=long.address)
    profit = 7_000 * 10**6
    with reverts("RiskNotReduced", account=long.account):
        room.house.transact("withdraw", long.account, 0, profit, long.address, sender=long.address)
    room.market.settle_stable_prices()
    room.house.transact("withdraw", long.account, 0, profit // 2, long.address, sender=long.address)


def test_leaving_the_fund__when_a_loss_is_in_sight__is_too_late(room: Room) -> None:
    insurer = room.insure(100_000)
    fund = room.system.insurance_fund
    shares = fund.call("balanceOf", insurer.address)
    owner = room.long("owner")
    room.drop_to(owner, "0.1")
    with reverts("RedemptionCoolingDown"):
        fund.transact("redeem", shares, insurer.address, insurer.address, sender=insurer.address)
    fund.transact("requestRedemption", shares, sender=insurer.address)
    room.drop_to(owner, "-0.2")
    room.start(owner)
    room.market.advance(7 * DAY)
    with reverts("RedemptionWhileShortfallOpen"):
        fund.transact("redeem", shares, insurer.address, insurer.address, sender=insurer.address)


# Cascade -------------------------------------------------------------------------------------------------------------


def test_bidder_without_slots__wins_a_book_it_has_no_room_for__refused_and_others_may(
    room: Room, market: Market
) -> None:
    """Else a bid could be made to fail later, or leave a leg of the slice with nobody."""
    owner, bidder = room.long("owner", WETH=1), room.liquidator()
    tokens = [room.system.evm.deploy("MockToken", f"T{number}", 18) for number in range(8)]
    for token, asset in zip(tokens, list_tokens(market, *tokens), strict=True):
        token.transact("mint", bidder.address, WAD)
        token.transact("approve", room.house, WAD, sender=bidder.address)
        room.house.transact("deposit", bidder.account, asset, WAD, sender=bidder.address)
    market.set_price("ETH", 1_700)
    room.start(owner)
    with reverts("TooManyCollaterals", account=bidder.account):
        room.bid(owner, bidder, TENTH)
    assert room.bid(owner, room.liquidator("with room"), TENTH).events("BidTaken")


def test_cascade__a_large_liquidation__moves_neither_mark_nor_anybody_else(room: Room) -> None:
    """I7: slices move hedged and whole, not through the order book."""
    owner, neighbour, bidder = room.long("whale", size=100, cash=100_000), room.long("neighbour"), room.liquidator()
    room.drop_to(owner, "0.5")
    room.start(owner)
    mark, before = room.market.mark("ETH"), room.margin(neighbour.account)
    room.bid(owner, bidder)
    room.market.advance(10 * MINUTE)
    assert room.market.mark("ETH") == mark
    assert room.margin(neighbour.account) == before
