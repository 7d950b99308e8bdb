"""What only modules may do: the lock, liquidation, slices of an auction, debts covered, the fund's own cash."""

import pytest

from tests.support.clearing import RAY, Fill, Module, Slice, borrow, cash_of, drive, imbalance
from tests.support.evm import reverts
from tests.support.system import WAD, Market, System, trader, wad

DEBTOR, BIDDER, MAKER, STRANGER = trader("debtor"), trader("bidder"), trader("maker"), trader("stranger")
EVERYONE = [who.account for who in (DEBTOR, BIDDER, MAKER)]
MODULE_ENTRIES = {
    "settleFills": (b"",),
    "touch": (1,),
    "sellSlice": (1, 2, b""),
    "startLiquidation": (1, 2, 3),
    "endLiquidation": (1,),
    "coverDebt": (1, 2, 3),
    "depositForModule": (STRANGER.address, 1),
    "withdrawForModule": (STRANGER.address, 1),
}
ENTRY_OF = {"settleFills": "exchange", "depositForModule": "insurance_fund", "withdrawForModule": "insurance_fund"}


@pytest.fixture
def auctions(system: System) -> Module:
    return drive(system, system.auctions)


@pytest.fixture
def fund(system: System) -> Module:
    return drive(system, system.insurance_fund)


def fund_account(system: System) -> int:
    return int(system.insurance_fund.address, 16) << 96


# Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", MODULE_ENTRIES)
def test_module_entry__called_by_a_stranger__refused_I32(system: System, entry: str):
    with reverts("NotModule", caller=STRANGER.address):
        system.clearinghouse.transact(entry, *MODULE_ENTRIES[entry], sender=STRANGER.address)


@pytest.mark.parametrize("entry", MODULE_ENTRIES)
def test_module_entry__called_by_another_module__refused(system: System, entry: str):
    others = {"exchange", "auctions", "insurance_fund"} - {ENTRY_OF.get(entry, "auctions")}
    for other in others:
        module = getattr(system, other)
        with reverts("NotModule", caller=module.address):
            drive(system, module).run((entry, *MODULE_ENTRIES[entry]))


@pytest.mark.parametrize("entry", MODULE_ENTRIES)
def test_module_entry__without_the_lock__refused(system: System, entry: str):
    module = getattr(system, ENTRY_OF.get(entry, "auctions"))
    with reverts("NotLocked"):
        drive(system, module).run((entry, *MODULE_ENTRIES[entry]), locked=False)


def test_lock__by_a_stranger__refused(system: System):
    for entry in ("lock", "unlock"):
        with reverts("NotModule", caller=STRANGER.address):
            system.clearinghouse.transact(entry, sender=STRANGER.address)


@pytest.mark.parametrize(
    "act",
    [
        ("lock",),
        ("deposit", 1, 0, 1),
        ("repay", 1, 1),
        ("withdraw", 1, 0, 1, STRANGER.address),
        ("move", 1, 2, 0, 1),
        ("realise", 1),
        ("batch", []),
        ("accrueFunding", 1),
        ("distributeFees",),
        ("requestExit", 1, 0),
    ],
)
def test_lock__held__shuts_every_act(auctions: Module, act: tuple):
    with reverts("Locked"):
        auctions.run(act)


# Slices ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(system: System, market: Market) -> Module:
    """The debtor is long 10 ETH and 1 BTC over 20,000 and 3 WETH, flagged; the bidder has 100,000."""
    market.fund(DEBTOR, USDC=20_000, WETH=3)
    market.fund(MAKER, USDC=200_000)
    market.fund(BIDDER, USDC=100_000)
    eth, btc = market.instrument("ETH"), market.instrument("BTC")
    fills = [Fill(eth, wad(10), wad(2_500)), Fill(btc, wad("0.3"), wad(40_000))]
    drive(system, system.exchange).settle([DEBTOR.account, MAKER.account], *fills)
    auctions = drive(system, system.auctions)
    auctions.run(("startLiquidation", DEBTOR.account, 0, 0))
    return auctions


def slice_of(auctions: Module, fraction: int, kept: int = 0, payment: int = 0, to: int = BIDDER.account) -> None:
    auctions.sell(DEBTOR.account, to, Slice(fraction, kept, payment))


def test_slice__quarter__of_everything_but_what_is_kept(system: System, book: Module):
    slice_of(book, WAD // 4, kept=wad(8_000), payment=wad(500))
    debtor, bidder = (system.clearinghouse.call("accountOf", who.account) for who in (DEBTOR, BIDDER))
    assert debtor.cash == wad(20_000 - 3_000 + 500)
    assert bidder.cash == wad(100_000 + 3_000 - 500)
    assert (debtor.collaterals[0].amount, bidder.collaterals[0].amount) == (wad("2.25"), wad("0.75"))
    assert [held.size for held in debtor.positions] == [wad("7.5"), wad("0.225")]
    assert sorted(held.size for held in bidder.positions) == [wad("0.075"), wad("2.5")]
    assert (debtor.positionNonce, bidder.positionNonce) == (2, 1), "bids do not change what a bidder names"
    assert imbalance(system, EVERYONE) == 0


def test_slice__whole__empties_the_account(system: System, book: Module):
    slice_of(book, WAD, payment=wad(20_000))
    margin = system.clearinghouse.call("marginOf", DEBTOR.account)
    debtor = system.clearinghouse.call("accountOf", DEBTOR.account)
    assert (debtor.collaterals, debtor.positions, debtor.cash) == ([], [], wad(20_000))
    assert (margin.equity, margin.maintenanceMargin) == (wad(20_000), 0)
    assert imbalance(system, EVERYONE) == 0


@pytest.mark.parametrize("fraction", [1, 3, WAD // 3, WAD * 2 // 3 + 1, WAD - 1])
def test_slice__odd_fraction__rounded_for_the_account(system: System, market: Market, book: Module, fraction: int):
    market.set_price("ETH", "2437.123456789")
    system.evm.advance(7)
    equity = {who: system.clearinghouse.call("marginOf", who).equity for who in (DEBTOR.account, BIDDER.account)}
    sizes = open_sizes(system)
    slice_of(book, fraction)
    after = {who: system.clearinghouse.call("marginOf", who).equity for who in equity}
    gained = after[BIDDER.account] - equity[BIDDER.account]
    assert gained * WAD <= equity[DEBTOR.account] * fraction, "the bidder never gets more than the fraction"
    assert abs(sum(after.values()) - sum(equity.values())) <= 4, "two positions each, a wei each for its value"
    assert open_sizes(system) == sizes
    assert imbalance(system, EVERYONE) == 0


def open_sizes(system: System) -> dict[int, int]:
    """Σ size of all accounts, by instrument: zero each (I2)."""
    totals: dict[int, int] = {}
    for account in EVERYONE:
        for held in system.clearinghouse.call("accountOf", account).positions:
            totals[held.index] = totals.get(held.index, 0) + held.size
    assert all(total == 0 for total in totals.values()), totals
    return totals


def test_slice__of_debt__the_bidder_takes_it_rounded_up(system: System, market: Market):
    borrow(market, DEBTOR, 5_000)
    market.fund(BIDDER, USDC=100_000)
    auctions = drive(system, system.auctions)
    auctions.run(("startLiquidation", DEBTOR.account, 0, 0))
    before = cash_of(system, DEBTOR.account), cash_of(system, BIDDER.account)
    slice_of(auctions, WAD // 3)
    taken = before[1] - cash_of(system, BIDDER.account)
    assert taken == -(before[0] * (WAD // 3) // WAD)
    assert cash_of(system, DEBTOR.account) == before[0] + taken


def test_slice__leaves_sizes_off_the_step__they_can_be_closed_exactly(system: System, market: Market, book: Module):
    eth = market.instrument("ETH")
    slice_of(book, WAD // 3)
    left = system.clearinghouse.call("accountOf", BIDDER.account).positions
    size = next(held.size for held in left if held.index == eth)
    step = system.clearinghouse.call("instrumentOf", eth).sizeStep
    assert size % step != 0
    exchange = drive(system, system.exchange)
    with reverts("InvalidSize", instrument=eth, size=-(size - 1)):
        exchange.settle([BIDDER.account, MAKER.account], Fill(eth, -(size - 1), wad(2_500)))
    exchange.settle([BIDDER.account, MAKER.account], Fill(eth, -size, wad(2_500)))
    assert [held.index for held in system.clearinghouse.call("accountOf", BIDDER.account).positions] != [eth]
    assert imbalance(system, EVERYONE) == 0


def test_slice__against_the_bidders_opposite_position__nets(system: System, market: Market, book: Module):
    eth = market.instrument("ETH")
    fill = Fill(eth, -wad(5), wad(2_500))
    drive(system, system.exchange).settle([BIDDER.account, MAKER.account], fill)
    before = system.clearinghouse.call("instrumentOf", eth).openInterest
    slice_of(book, WAD // 2)
    held = system.clearinghouse.call("accountOf", BIDDER.account).positions
    assert [position.size for position in held] == [wad("0.15")]
    assert system.clearinghouse.call("instrumentOf", eth).openInterest == before - wad(5)
    assert imbalance(system, EVERYONE) == 0


def test_slice__bidder_short_of_margin__refused(system: System, market: Market, book: Module):
    market.fund(STRANGER, USDC=10)
    with reverts("InitialMarginShortfall", account=STRANGER.account):
        slice_of(book, WAD, payment=wad(20_000), to=STRANGER.account)


def test_slice__bad_terms__refused(system: System, book: Module):
    with reverts("FractionOutOfRange", fraction=WAD + 1):
        slice_of(book, WAD + 1)
    with reverts("SelfTrade", account=DEBTOR.account):
        slice_of(book, WAD, to=DEBTOR.account)
    with reverts("InvalidOwner"):
        slice_of(book, WAD, to=0)
    book.run(("startLiquidation", BIDDER.account, 0, 0))
    with reverts("AccountInLiquidation", account=BIDDER.account):
        slice_of(book, WAD)


def test_touch__realises_and_returns_the_margin(system: System, market: Market, book: Module):
    market.set_price("ETH", 2_400)
    expected = system.clearinghouse.call("marginOf", DEBTOR.account)
    margin = book.run(("touch", DEBTOR.account))[0]
    assert margin == expected
    assert cash_of(system, DEBTOR.account) == wad(19_000)


def test_slice__of_nothing__ends_the_liquidation_alone(system: System, book: Module):
    before = [system.clearinghouse.call("accountOf", who.account) for who in (DEBTOR, BIDDER)]
    book.sell(DEBTOR.account, BIDDER.account, Slice(0, endsAuction=True))
    debtor, bidder = (system.clearinghouse.call("accountOf", who.account) for who in (DEBTOR, BIDDER))
    assert (before[0].inLiquidation, debtor.inLiquidation) == (True, False)
    assert bidder == before[1]
    assert (debtor.positions, debtor.cash) == (before[0].positions, before[0].cash)


def test_slice__with_rewards__each_paid_by_its_payer(system: System, market: Market, book: Module):
    units, account = market.mint(MAKER, "USDC", 100), fund_account(system)
    drive(system, system.insurance_fund).run(("depositForModule", MAKER.address, units))
    rewards = {"fromProceeds": wad(3), "fromInsurance": wad(40), "uncovered": wad(7)}
    book.sell(DEBTOR.account, BIDDER.account, Slice(WAD // 2, keptCash=wad(20_000 - 3), **rewards))
    # What nobody pays all of them bear, in the same act.
    index = system.clearinghouse.call("vaultState").supplyIndex
    assert cash_of(system, DEBTOR.account) == wad(20_000 - 3) * index // RAY
    assert cash_of(system, account) == wad(100 - 40) * index // RAY
    assert cash_of(system, BIDDER.account) == wad(100_000 + 50) * index // RAY
    views = system.clearinghouse.call_each("instrumentOf", (market.instrument("ETH"), market.instrument("BTC")))
    shared = sum(view.shortLossShare * view.openInterest // WAD for view in views)
    assert system.clearinghouse.call("claims").outstanding == wad(7) - shared
    assert imbalance(system, [*EVERYONE, account]) == 0


# Cash and losses -------------------------------------------------------------------------------------------------


def test_start_liquidation__with_a_bounty__out_of_the_account_even_into_debt(system: System, book: Module):
    book.run(("startLiquidation", DEBTOR.account, BIDDER.account, wad(20_001)))
    assert [cash_of(system, who.account) for who in (DEBTOR, BIDDER)] == [-wad(1), wad(120_001)]
    assert imbalance(system, EVERYONE) == 0


def test_start_liquidation__bounty_to_nobody__refused(system: System, book: Module):
    with reverts("InvalidOwner"):
        book.run(("startLiquidation", DEBTOR.account, 0, 1))


def test_module_cash__in_and_out(system: System, market: Market, fund: Module):
    units = market.mint(MAKER, "USDC", 100)
    account = fund_account(system)
    fund.run(("depositForModule", MAKER.address, units), ("withdrawForModule", STRANGER.address, 70 * 10**6))
    assert cash_of(system, account) == wad(30)
    assert system.tokens["USDC"].call("balanceOf", STRANGER.address) == 70 * 10**6
    with reverts("InsufficientBalance", account=account, balance=wad(30)):
        fund.run(("withdrawForModule", STRANGER.address, 31 * 10**6))
    assert imbalance(system, [account]) == 0


def test_cover_debt__by_the_fund_and_in_the_open(system: System, market: Market, auctions: Module):
    units, account = market.mint(MAKER, "USDC", 100), fund_account(system)
    drive(system, system.insurance_fund).run(("depositForModule", MAKER.address, units))
    auctions.run(("coverDebt", BIDDER.account, wad(60), wad(7)), ("coverDebt", BIDDER.account, 0, wad(5)))
    # Both losses are borne by these two, the first before the second shows.
    assert 0 <= wad(40 + 72 - 12) - sum(cash_of(system, who) for who in (account, BIDDER.account)) <= 4
    assert system.clearinghouse.call("claims").outstanding == wad(12)
    assert imbalance(system, [*EVERYONE, account]) == 0


def test_cover_debt__by_nobody__cannot_leave_as_tokens(system: System, auctions: Module):
    auctions.run(("coverDebt", BIDDER.account, 0, wad(7)))
    arguments = (BIDDER.account, 0, 1, BIDDER.address)
    with reverts("InsufficientLiquidity", available=0, requested=1):
        system.clearinghouse.transact("withdraw", *arguments, sender=BIDDER.address)
