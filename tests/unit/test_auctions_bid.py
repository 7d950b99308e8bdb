"""Bids in solvent auctions: what moves, who pays, what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ballast.risk import auction as twin
from tests.support.evm import reverts
from tests.support.liquidation import FIXED_CHARGE, MINUTE, Room, money_flows
from tests.support.system import WAD, Market, Trader, trader, wad

FOREVER = 2**40 - 1
TENTH = WAD // 10
LEG_DUST = 10**4  # one wei of size is worth its price in wei, a few legs' worth


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


@pytest.fixture
def bidder(room: Room) -> Trader:
    return room.liquidator()


def excess(room: Room, account: int) -> int:
    margin = room.margin(account)
    return margin.equity - margin.liquidationEndMargin


def test_bid__fraction_of_a_solvent_account__moves_exactly_what_the_twin_says(
    room: Room, owner: Trader, bidder: Trader
) -> None:
    """I3a, I9, I10, I16: value passes between the two alone; the bidder's gain is the discount."""
    fraction = 12 * WAD // 100
    sale, before = room.sale(owner), excess(room, owner.account)
    expected = room.expected(owner, fraction)

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        [event] = room.bid(owner, bidder, fraction).events("BidTaken")

    assert (event.fraction, event.payment, event.reward) == (fraction, expected.payment, 0)
    assert (event.equityForSale, event.discount) == (sale.for_sale, WAD // 50)
    gain = sale.for_sale * fraction // WAD - expected.payment
    assert gain == pytest.approx(sale.for_sale * fraction // WAD // 50, abs=2)
    assert abs(flows.equity["bidder"] - gain) <= LEG_DUST
    assert abs(flows.equity["owner"] + gain) <= LEG_DUST
    assert (flows.equity["dealer"], flows.equity["fund"], flows.uncovered, flows.tokens) == (0, 0, 0, 0)
    assert abs(flows.created) <= 1
    assert excess(room, owner.account) > before
    assert room.view(owner).proceeds == expected.payment


def test_bid__whatever_is_held__moves_one_fraction_of_every_leg(room: Room, bidder: Trader) -> None:
    """Hedges stay intact: perps of three underlyings, three collaterals and cash move alike."""
    owner = trader("diversified")
    room.market.fund(owner, USDC=5_000, WETH=2, WBTC="0.1", LINK=100)
    room.market.trade(owner, room.dealer, "ETH", 12)
    room.market.trade(room.dealer, owner, "BTC", "0.2")
    room.market.trade(owner, room.dealer, "LINK", 300)
    room.market.set_price("ETH", 1700)
    room.start(owner)
    before = room.house.call("accountOf", owner.account)
    fraction = WAD // 10

    done = room.bid(owner, bidder, fraction, minFraction=fraction)

    after, taken = (room.house.call("accountOf", who.account) for who in (owner, bidder))
    for asset, held in before.collaterals:
        moved = held * fraction // WAD
        assert dict(taken.collaterals)[asset] == moved == held - dict(after.collaterals)[asset] > 0
    sizes = {position.instrument: position.size for position in taken.positions}
    assert sizes == {position.instrument: position.size * fraction // WAD for position in before.positions}
    assert len(sizes) == len(before.positions) == 3
    [slice_] = done.events("SliceTransferred")
    assert slice_.cash == before.cash * fraction // WAD


def test_bid__largest_fraction__reaches_the_end_and_gives_the_account_back(
    room: Room, owner: Trader, bidder: Trader
) -> None:
    most = room.view(owner).maxFraction
    assert WAD // 10 < most < WAD

    receipt = room.bid(owner, bidder)

    [ended] = receipt.events("AuctionEnded")
    assert receipt.result.fraction == most
    assert 0 <= excess(room, owner.account) <= LEG_DUST
    assert ended.proceeds == receipt.result.payment
    assert not room.house.call("accountOf", owner.account).inLiquidation


def test_bid__a_second_one__takes_no_part_of_what_the_first_paid_in(room: Room, owner: Trader, bidder: Trader) -> None:
    room.bid(owner, bidder, WAD // 10)
    view, cash = room.view(owner), room.cash(owner.account)
    expected = room.expected(owner, WAD // 10)

    receipt = room.bid(owner, bidder, WAD // 10)

    [slice_] = receipt.events("SliceTransferred")
    assert slice_.cash == (cash - view.proceeds) // 10
    assert receipt.result.payment == expected.payment
    margin = room.margin(owner.account)
    assert room.view(owner).proceeds == view.proceeds + expected.payment
    assert margin.equity - room.view(owner).proceeds == pytest.approx(
        (view.equity - view.proceeds) * 9 // 10, abs=10**5
    )


@pytest.mark.parametrize("pieces", [2, 5])
def test_bid__in_pieces__leaves_everybody_where_one_bid_would(room: Room, bidder: Trader, pieces: int) -> None:
    """I15, and the attack of splitting a bid."""
    owner = room.long("owner")
    room.drop_to(owner, "0.3")
    room.start(owner)
    whole = 6 * TENTH
    with room.rolled_back():
        room.bid(owner, bidder, whole)
        once = [room.margin(who.account).equity for who in (owner, bidder)]

    left = WAD
    for piece in range(1, pieces + 1):
        remaining = WAD - whole * piece // pieces
        room.bid(owner, bidder, WAD - remaining * WAD // left)
        left = remaining

    often = [room.margin(who.account).equity for who in (owner, bidder)]
    assert max(abs(a - b) for a, b in zip(once, often, strict=True)) <= pieces * LEG_DUST
    assert room.auctions.call("isLive", owner.account)


def test_bid__every_outcome__is_what_the_preview_said(room: Room, owner: Trader, bidder: Trader) -> None:
    room.wait(owner, 7 * MINUTE)
    for fraction in (WAD // 10, 15 * WAD // 100, WAD):
        preview = room.preview(owner, bidder, fraction)
        assert room.bid(owner, bidder, fraction).result == preview
        assert preview.payment > 0


def test_bid__later__costs_less_by_the_discount(room: Room, owner: Trader, bidder: Trader) -> None:
    room.wait(owner, 10 * MINUTE)
    view = room.view(owner)
    assert view.discount > WAD // 10
    done = room.bid(owner, bidder, WAD // 10).result
    for_sale = view.equity - view.proceeds
    assert done.payment == pytest.approx(for_sale * (WAD - view.discount) // WAD // 10, abs=2)


def test_bid__recovered_account__ends_the_auction_and_takes_nothing(room: Room, owner: Trader, bidder: Trader) -> None:
    """The attack of curing the account under a bid: the bid does not revert."""
    terms = room.terms(owner, bidder)
    room.market.fund(owner, USDC=5_000)
    assert room.auctions.call("previewBid", terms) == (0, 0, 0, 0, 0, 0)

    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        receipt = room.auctions.transact("bid", terms, sender=bidder.address)

    assert receipt.result == (0, 0, 0, 0, 0, 0)
    assert receipt.events("AuctionEnded") and not receipt.events("BidTaken")
    assert set(flows.equity.values()) == {0}


def test_bid__equity_below_twice_the_fixed_charge__takes_the_whole_or_nothing(room: Room, bidder: Trader) -> None:
    owner = room.long("owner", size="0.1", cash=120)
    room.drop_to(owner, "0.5")
    room.start(owner)
    view = room.view(owner)
    assert 0 < view.equity < 2 * FIXED_CHARGE
    assert (view.minFraction, view.maxFraction) == (WAD, WAD)

    with reverts("FractionBelowMinimum", fraction=WAD - 1, minimum=WAD):
        room.bid(owner, bidder, WAD - 1)
    room.bid(owner, bidder, WAD)

    after = room.house.call("accountOf", owner.account)
    assert (after.positions, after.collaterals, after.inLiquidation) == ([], [], False)
    assert after.cash == view.price > 0


def test_bid__by_a_delegate_of_the_bidder__is_taken(room: Room, owner: Trader, bidder: Trader) -> None:
    bot = trader("bot").address
    room.system.exchange.transact("setDelegate", bidder.account, bot, FOREVER, 0, sender=bidder.address)
    receipt = room.auctions.transact("bid", room.terms(owner, bidder, WAD // 10), sender=bot)
    assert receipt.events("BidTaken")[0].bidder == bidder.account


def test_bid__by_a_stranger_to_the_bidder__reverts(room: Room, owner: Trader, bidder: Trader) -> None:
    stranger = trader("stranger").address
    with reverts("NotAuthorised", account=bidder.account, caller=stranger):
        room.auctions.transact("bid", room.terms(owner, bidder), sender=stranger)


def test_bid__on_an_account_not_in_auction__reverts(room: Room, bidder: Trader) -> None:
    """I8."""
    calm = room.long("calm")
    with reverts("NoAuction", account=calm.account):
        room.bid(calm, bidder)


def test_bid__naming_another_auction_or_portfolio__reverts(room: Room, owner: Trader, bidder: Trader) -> None:
    auction, nonce = room.view(owner).id, room.house.call("accountOf", owner.account).positionNonce
    with reverts("AuctionChanged", expected=auction + 1, actual=auction):
        room.bid(owner, bidder, auctionId=auction + 1)
    with reverts("PortfolioChanged", expected=nonce + 1, actual=nonce):
        room.bid(owner, bidder, positionNonce=nonce + 1)


def test_bid__above_the_price_it_names__reverts(room: Room, owner: Trader, bidder: Trader) -> None:
    price = twin.price_per_equity(room.sale(owner), takes_whole=False)
    assert price == 98 * WAD // 100
    with reverts("PriceAboveMaximum", price=price, maximum=price - 1):
        room.bid(owner, bidder, maxPricePerEquity=price - 1)
    assert room.bid(owner, bidder, maxPricePerEquity=price).result.payment > 0


def test_bid__less_than_either_side_wants__reverts(room: Room, owner: Trader, bidder: Trader) -> None:
    most = room.view(owner).maxFraction
    with reverts("FractionBelowMinimum", fraction=WAD // 10 - 1, minimum=WAD // 10):
        room.bid(owner, bidder, WAD // 10 - 1)
    with reverts("FractionBelowMinimum", fraction=most, minimum=most + 1):
        room.bid(owner, bidder, minFraction=most + 1)


def test_bid__for_an_account_in_auction_itself__reverts(room: Room) -> None:
    first, other = room.long("first"), room.long("other")
    room.drop_to(first, "0.9")
    room.start(first)
    room.start(other)
    with reverts("AlreadyInAuction", account=other.account):
        room.bid(first, other)


def test_bid__without_the_margin_for_it__reverts(room: Room, owner: Trader) -> None:
    """I6."""
    poor = room.liquidator("poor", cash=300)
    with reverts("InitialMarginShortfall", account=poor.account):
        room.bid(owner, poor)


def test_bid__on_shorts__works_the_same(room: Room, bidder: Trader) -> None:
    owner = room.long("bear", size=-10)
    room.drop_to(owner, "0.7")
    room.start(owner)
    assert room.market.prices["ETH"] > Decimal(2500)
    sale = room.sale(owner)
    with money_flows(room, owner=owner.account, bidder=bidder.account) as flows:
        done = room.bid(owner, bidder, WAD // 5).result
    assert done.payment == room_payment(sale, WAD // 5)
    assert abs(flows.equity["bidder"] - sale.for_sale // 5 // 50) <= LEG_DUST
    assert room.house.call("accountOf", bidder.account).positions[0].size == -wad(2)


def room_payment(sale: twin.Sale, fraction: int) -> int:
    return twin.settlement(sale, fraction)[0]


def test_bid__until_recovery__never_worsens_the_account(room: Room, bidder: Trader) -> None:
    """I9, bid by bid, at every depth."""
    for health in ("0.95", "0.6", "0.3", "0.1"):
        with room.rolled_back():
            owner = room.long("owner")
            room.drop_to(owner, health)
            room.start(owner)
            room.wait(owner, 4 * MINUTE)
            for _ in range(60):
                before = excess(room, owner.account)
                room.bid(owner, bidder, WAD // 10)
                assert excess(room, owner.account) >= before
                if not room.auctions.call("isLive", owner.account):
                    break
            assert not room.auctions.call("isLive", owner.account)
            assert room.margin(owner.account).equity >= 0
