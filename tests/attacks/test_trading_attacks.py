"""Attacks by trading with oneself or at prices of one's choice. Each would succeed without the rule it names."""

from __future__ import annotations

import pytest

from tests.support.dated import DatedMarket
from tests.support.evm import reverts
from tests.support.system import Market, trader
from tests.support.trading import BILLION, WAD, Desk, Seat

FUNDING_PERIOD = 8 * 3600


@pytest.fixture
def attacker(desk: Desk) -> Seat:
    return desk.seat("attacker")


def empty_account_of(trader: Seat) -> Seat:
    return Seat(trader.key, sub_account=1)


def test_self_trade_moving_a_loss_to_an_empty_account__is_refused(desk: Desk, attacker: Seat) -> None:
    empty = empty_account_of(attacker)
    with reverts("InitialMarginShortfall", account=empty.account):
        desk.trade(empty, attacker, 1, desk.away(100))


def test_self_trade_at_the_bands_edge__leaves_the_loser_solvent(desk: Desk, attacker: Seat) -> None:
    """The band is below the margin a position needs: what one fill can move is covered."""
    loser = desk.fund(empty_account_of(attacker), 100_000)
    mark = desk.mark()
    total_before = desk.margin_of(attacker).equity + desk.margin_of(loser).equity

    receipt = desk.trade(loser, attacker, 1, desk.away(100))

    [filled] = receipt.events("Filled")
    margin = desk.margin_of(loser)
    moved = desk.edge() - mark
    assert 0 < moved < margin.maintenanceMargin / 2
    assert margin.equity >= margin.initialMargin
    total = desk.margin_of(attacker).equity + margin.equity
    assert total_before - total - filled.takerFee - filled.makerFee in (0, 1, 2)


def test_self_trade_below_maintenance_margin__is_refused(desk: Desk, attacker: Seat) -> None:
    """A sinking account may not hand its position, or its loss, to a sibling."""
    sinking = desk.sinking_seat("sinking")
    rescuer = desk.fund(empty_account_of(sinking), 100_000)

    with reverts("BelowMaintenanceMargin", account=sinking.account):
        desk.trade(rescuer, sinking, 1, desk.price)


@pytest.mark.parametrize("side", [1, -1])
def test_fill_outside_the_band__is_refused(desk: Desk, attacker: Seat, side: int) -> None:
    victim = desk.seat("victim")
    edge = desk.edge(side)
    with reverts("OutsidePriceBand"):
        desk.trade_exactly(victim, attacker, WAD, edge + side)
    desk.trade_exactly(victim, attacker, WAD, edge)
    assert desk.size_of(victim) == WAD


def test_wash_trade__moves_no_mark_in_its_own_block__I19(desk: Desk, attacker: Seat) -> None:
    sibling = desk.fund(empty_account_of(attacker), 100_000)
    before = desk.mark()
    desk.trade(attacker, sibling, 5, desk.away(100))
    assert desk.mark() == before


def test_wash_trades__push_mark_and_funding_no_further_than_the_clamp__I19(desk: Desk, attacker: Seat) -> None:
    sibling = desk.fund(empty_account_of(attacker), 100_000)
    index, funding_before, begun = desk.mark(), desk.terms().cumulativeFunding, desk.evm.timestamp
    for step in range(12):
        side = 1 if step % 2 else -1  # hand the same position to and fro, always at the upper edge
        edge = desk.edge()
        buyer, seller = (attacker, sibling) if side > 0 else (sibling, attacker)
        desk.trade_exactly(buyer, seller, 5 * WAD, edge)
        desk.market.advance(300)

    elapsed = desk.evm.timestamp - begun
    limit = desk.limits.basis_limit
    assert index * BILLION < desk.mark() * BILLION <= index * (BILLION + limit)
    pushed = desk.terms().cumulativeFunding - funding_before
    assert 0 < pushed <= index * limit * elapsed // (BILLION * FUNDING_PERIOD)


def test_wash_trades__to_liquidate_a_neighbour__move_him_by_the_clamp_at_most(desk: Desk, attacker: Seat) -> None:
    """An hour at the lower edge costs a position half a per cent of its value: who has so much above maintenance margin
    is not liquidated by it, and who is has lost no more than that."""
    victim, sibling = desk.seat("victim", funds=12_000), desk.fund(empty_account_of(attacker), 100_000)
    desk.trade(victim, desk.seat("maker", funds=1_000_000), 10, desk.price)
    desk.market.set_price("ETH", 1_880)
    clamp = 10 * desk.mark() * desk.limits.basis_limit // BILLION
    before = desk.margin_of(victim)
    assert 0 < before.equity - before.maintenanceMargin < 2 * clamp
    for step in range(12):
        buyer, seller = (attacker, sibling) if step % 2 else (sibling, attacker)
        desk.trade_exactly(buyer, seller, 5 * WAD, desk.edge(-1))
        desk.market.advance(300)

    pushed = desk.margin_of(victim)
    assert 0 < before.equity - pushed.equity <= clamp
    with reverts("NotLiquidatable", account=victim.account):
        desk.system.auctions.transact("start", victim.account, 0)


def test_dust_wash_trade__makes_no_sample__I19(desk: Desk, attacker: Seat) -> None:
    sibling = desk.fund(empty_account_of(attacker), 100_000)
    index = desk.mark()
    receipt = desk.trade_exactly(attacker, sibling, desk.terms().sizeStep, desk.edge())
    assert receipt.events("BasisSampled") == []
    desk.market.advance(3_600)
    assert desk.mark() == index


def test_stranger_trading_for_an_account__is_refused__I23(desk: Desk, attacker: Seat) -> None:
    victim = desk.seat("victim")
    equity = desk.margin_of(victim).equity
    forged = desk.domain.sign(desk.order(victim, 1, desk.away(100)), attacker.key)
    named = desk.domain.sign(desk.order(victim, 1, desk.away(100), signer=attacker.address), attacker.key)

    with reverts("InvalidSignature", account=victim.account):
        desk.cross(forged, desk.signed(attacker, -1, desk.away(100)))
    desk.cross(named, desk.signed(attacker, -1, desk.away(100)))

    assert desk.margin_of(victim).equity == equity
    assert desk.size_of(victim) == 0


def test_matcher_filling_worse_than_a_limit__is_refused(desk: Desk, attacker: Seat) -> None:
    victim = desk.seat("victim")
    bid = desk.signed(victim, 1, desk.price)
    with reverts("OrdersDoNotCross"):
        desk.cross(bid, desk.signed(attacker, -1, desk.away(50)))


def test_spoofed_open_interest__opened_and_closed_at_once__leaves_none(desk: Desk, attacker: Seat) -> None:
    accomplice = desk.seat("accomplice")
    before = desk.terms().openInterest
    desk.trade(attacker, accomplice, 2, desk.price)
    desk.trade(accomplice, attacker, 2, desk.price)
    assert desk.terms().openInterest == before


def test_spoofed_open_interest__cap_filled_by_one__others_still_close_and_it_needs_his_margin(
    desk: Desk, attacker: Seat
) -> None:
    victim, maker, accomplice = desk.seat("victim"), desk.seat("maker"), desk.seat("accomplice")
    desk.trade(victim, maker, 1, desk.price)
    cap = desk.terms().openInterest + 2 * WAD
    desk.system.act_as("risk", desk.clearinghouse, "setOpenInterestCap", desk.terms().index, cap)
    desk.trade(attacker, accomplice, 2, desk.price)
    with reverts("OpenInterestCapExceeded", openInterest=cap + WAD, cap=cap):
        desk.trade(victim, maker, 1, desk.price)
    desk.trade(maker, victim, 1, desk.price)
    assert desk.terms().openInterest == cap - WAD
    for spoofer in (attacker, accomplice):
        assert desk.margin_of(spoofer).initialMargin > 2 * int(desk.price) * WAD // 10


def test_unrealised_gain_of_an_option__supports_no_withdrawal(market: Market) -> None:
    """What an option is worth is a model's figure until somebody pays it: it may carry risk, not leave as tokens."""
    holder, writer = trader("holder"), trader("writer")
    for owner in (holder, writer):
        market.fund(owner, USDC=100_000)
    dated, house = DatedMarket(market), market.system.clearinghouse
    dated.trade(holder, writer, dated.call(2_500), 100)

    margin = house.call("marginOf", holder.account)
    at_equity = (margin.equity - margin.stableGap - margin.initialMargin) // 10**12
    free = at_equity - margin.unrealisedGain // 10**12
    assert 0 < free < at_equity
    with reverts("InitialMarginShortfall", account=holder.account):
        house.transact("withdraw", holder.account, 0, free + 2, holder.address, sender=holder.address)
    house.transact("withdraw", holder.account, 0, free - 2, holder.address, sender=holder.address)
