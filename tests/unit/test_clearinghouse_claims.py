"""Losses that nobody pays: spread over all cash in the act in which they show, and claims on what they took."""

from collections.abc import Iterator
from random import Random

import pytest

from ballast.claims import LEAST_LOSS_DIVISOR, MOST_COUNTED
from ballast.ledger import Ledger
from tests.support.clearing import Fill, Module, cash_of, drive, imbalance
from tests.support.evm import reverts
from tests.support.system import WAD, Market, System, Trader, trader, wad
from tests.support.witness import listen, module_accounts

HOLDERS = [trader(name) for name in ("large", "middle", "small")]
LARGE, MIDDLE, SMALL = HOLDERS
VICTIM, MAKER = trader("victim"), trader("maker")


@pytest.fixture
def ledger(system: System, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return listen(system, monkeypatch)


@pytest.fixture
def auctions(system: System, market: Market, ledger: Ledger) -> Module:
    """Three hold 60,000, 30,000 and 10,000, less whatever the fund and the treasury have: nothing."""
    for holder, amount in zip(HOLDERS, (60_000, 30_000, 10_000), strict=True):
        market.fund(holder, USDC=amount)
    return drive(system, system.auctions)


def lose(auctions: Module, loss: int) -> None:
    """The victim of a debt is made whole by nobody."""
    auctions.run(("coverDebt", VICTIM.account, 0, loss))


def everyone(system: System) -> list[int]:
    return [*(who.account for who in (*HOLDERS, VICTIM, MAKER)), *module_accounts(system)]


def claim_of(system: System, who: Trader) -> tuple[int, int]:
    view = system.clearinghouse.call("claimOf", who.account)
    return view.outstanding, view.collectable


def earn(system: System, market: Market, fee: int) -> int:
    """A trade pays `fee`. Returns what of it goes to insurance and to who comes before it."""
    market.fund(MAKER, USDC=fee // WAD + 1_000)
    exchange = drive(system, system.exchange)
    instrument, price = market.instrument("ETH"), wad(2_500)
    size = wad("0.1")
    exchange.settle([MAKER.account, LARGE.account], Fill(instrument, size, price, takerFee=fee))
    exchange.settle([MAKER.account, LARGE.account], Fill(instrument, -size, price))
    event = system.clearinghouse.transact("distributeFees")
    repaid = sum(repayment.amount for repayment in event.events("ClaimsRepaid"))
    return int(event.events("FeesDistributed")[0].toInsurance) + repaid


# The cut ---------------------------------------------------------------------------------------------------------


def test_loss__that_nobody_pays__is_borne_by_all_cash_alike(system: System, auctions: Module):
    before = [cash_of(system, holder.account) for holder in HOLDERS]
    lose(auctions, wad(1_000))
    for holder, cash in zip(HOLDERS, before, strict=True):
        lost = cash - cash_of(system, holder.account)
        assert lost == pytest.approx(cash * 1_000 / 101_000, rel=1e-12)
        assert 0 <= lost - claim_of(system, holder)[0] <= 1
    state = system.clearinghouse.call("vaultState")
    assert (state.uncoveredLoss, system.clearinghouse.call("claims").outstanding) == (0, wad(1_000))
    assert imbalance(system, everyone(system)) == 0


def test_loss__spread__covers_every_withdrawal(system: System, auctions: Module):
    """Nobody is first: all can leave with what they are told they have."""
    lose(auctions, wad(40_000))
    system.clearinghouse.transact("withdraw", VICTIM.account, 0, 2**256 - 1, VICTIM.address, sender=VICTIM.address)
    for holder in HOLDERS:
        system.clearinghouse.transact("withdraw", holder.account, 0, 2**256 - 1, holder.address, sender=holder.address)
    assert 0 <= system.clearinghouse.call("vaultState").tokens <= len(HOLDERS) + 1


def test_loss__below_a_millionth_of_all_cash__waits_for_more(system: System, auctions: Module):
    small = wad(100_000) // LEAST_LOSS_DIVISOR - 1
    lose(auctions, small)
    assert system.clearinghouse.call("vaultState").uncoveredLoss == small
    lose(auctions, small)
    assert system.clearinghouse.call("vaultState").uncoveredLoss == 0
    assert system.clearinghouse.call("claims").outstanding == 2 * small


def test_loss__beyond_half_of_all_cash__is_cut_in_steps(system: System, auctions: Module):
    lose(auctions, wad(150_000))
    assert system.clearinghouse.call("vaultState").uncoveredLoss == wad(25_000)
    system.clearinghouse.transact("socialiseLoss")
    assert system.clearinghouse.call("vaultState").uncoveredLoss == 0
    assert imbalance(system, everyone(system)) == 0


def test_socialise_loss__without_one__changes_nothing(system: System, auctions: Module):
    before = system.clearinghouse.call("vaultState")
    system.clearinghouse.transact("socialiseLoss")
    assert system.clearinghouse.call("vaultState") == before


# Claims ----------------------------------------------------------------------------------------------------------


def test_claim__income_of_insurance__repays_it_first(system: System, market: Market, auctions: Module):
    lose(auctions, wad(1_000))
    fund = module_accounts(system)[0]
    insured = cash_of(system, fund)
    repaid = earn(system, market, wad(200))
    assert 0 < repaid < wad(1_000)
    assert cash_of(system, fund) == insured
    assert system.clearinghouse.call("claims").outstanding == wad(1_000) - repaid
    cash, share = cash_of(system, MIDDLE.account), repaid * 30_000 // 101_000
    assert abs(claim_of(system, MIDDLE)[1] - share) <= 2
    receipt = system.clearinghouse.transact("collectClaim", MIDDLE.account)
    assert receipt.events("ClaimCollected")[0].amount == cash_of(system, MIDDLE.account) - cash
    assert abs(cash_of(system, MIDDLE.account) - cash - share) <= 2
    assert claim_of(system, MIDDLE)[1] == 0
    assert imbalance(system, everyone(system)) == 0


def test_claim__of_an_emptied_account__is_paid_all_the_same(system: System, market: Market, auctions: Module):
    lose(auctions, wad(1_000))
    before = claim_of(system, SMALL)
    system.clearinghouse.transact("withdraw", SMALL.account, 0, 2**256 - 1, SMALL.address, sender=SMALL.address)
    assert claim_of(system, SMALL) == before
    earn(system, market, wad(5_000))
    outstanding, collectable = claim_of(system, SMALL)
    assert outstanding == 0
    assert 0 <= before[0] + 1 - collectable <= 2
    dust = cash_of(system, SMALL.account)
    system.clearinghouse.transact("collectClaim", SMALL.account)
    assert cash_of(system, SMALL.account) == dust + collectable


def test_claim__cash_that_came_after_the_loss__has_none(system: System, market: Market, auctions: Module):
    """Nobody buys into a claim, and splitting an account does not make it larger."""
    lose(auctions, wad(1_000))
    outstanding = claim_of(system, SMALL)[0]
    market.fund(SMALL, USDC=1_000_000)
    assert claim_of(system, SMALL)[0] == outstanding
    sibling = SMALL.account + 1
    system.clearinghouse.transact("move", SMALL.account, sibling, 0, 500_000 * 10**6, sender=SMALL.address)
    assert claim_of(system, SMALL)[0] == outstanding
    assert system.clearinghouse.call("claimOf", sibling).outstanding == 0


def test_claim__repaid_in_full__the_fund_earns_again(system: System, market: Market, auctions: Module):
    lose(auctions, wad(10))
    fund = module_accounts(system)[0]
    insured = cash_of(system, fund)
    income = earn(system, market, wad(500))
    assert cash_of(system, fund) == insured + income - wad(10)
    assert system.clearinghouse.call("claims").outstanding == 0
    lose(auctions, wad(20))
    assert 0 <= wad(20) - sum(claim_of(system, who)[0] for who in (*HOLDERS, VICTIM, MAKER)) <= wad("0.2")


def test_claim__of_a_long_history__is_collected_in_steps(
    system: System, market: Market, ledger: Ledger, auctions: Module
):
    """A balance written between any two of many losses is counted 128 cuts at a time, and comes to the same."""
    house = system.clearinghouse
    for _ in range(MOST_COUNTED + 3):
        lose(auctions, wad(1))
        market.fund(SMALL, USDC=1)
    earn(system, market, wad(20))
    collectable, cash = claim_of(system, SMALL)[1], cash_of(system, SMALL.account)
    first = house.transact("collectClaim", SMALL.account).events("ClaimCollected")[0].amount
    assert 0 < first < collectable
    assert tuple(house.call("claimOf", SMALL.account)) == ledger.claim_of(SMALL.account)
    second = house.transact("collectClaim", SMALL.account).events("ClaimCollected")[0].amount
    assert 0 <= collectable - first - second <= 2
    assert cash_of(system, SMALL.account) == cash + first + second
    assert tuple(house.call("claimOf", SMALL.account)) == ledger.claim_of(SMALL.account)
    assert claim_of(system, SMALL)[1] <= 2
    assert imbalance(system, everyone(system)) == 0


def test_collect_claim__of_who_has_none__pays_nothing(system: System, auctions: Module):
    receipt = system.clearinghouse.transact("collectClaim", VICTIM.account)
    assert receipt.events("ClaimCollected")[0].amount == 0


def test_collect_claim__under_the_lock__refused(auctions: Module):
    for act in (("collectClaim", 1), ("socialiseLoss",), ("convert", 1, 1, 1, 1)):
        with reverts("Locked"):
            auctions.run(act)


# The twin --------------------------------------------------------------------------------------------------------


def acts(seed: int) -> Iterator[tuple[str, Trader, int]]:
    random = Random(seed)
    for _ in range(60):
        kind = random.choice(["fund", "withdraw", "lose", "lose", "earn", "collect"])
        yield kind, random.choice(HOLDERS), random.randrange(1, 20_000)


@pytest.mark.parametrize("seed", range(3))
def test_claims__of_random_histories__are_the_ledger_s_I16(
    system: System, market: Market, ledger: Ledger, auctions: Module, seed: int
):
    """Rebuilt from events alone: every claim, what can be collected of it, and the sums of all."""
    house = system.clearinghouse
    for kind, holder, amount in acts(seed):
        if kind == "fund":
            market.fund(holder, USDC=amount)
        elif kind == "withdraw":
            half = cash_of(system, holder.account) // 2 // 10**12
            house.transact("withdraw", holder.account, 0, half, holder.address, sender=holder.address)
        elif kind == "collect":
            house.transact("collectClaim", holder.account)
        elif kind == "earn":
            earn(system, market, wad(amount) // 10)
        else:
            lose(auctions, wad(amount) // 10)
        for account in everyone(system):
            assert tuple(house.call("claimOf", account)) == ledger.claim_of(account)
        state, claims = house.call("claims"), ledger.claims
        assert (state.outstanding, state.pool, state.epoch) == (claims.outstanding, claims.pool, claims.epoch)
        assert house.call("vaultState").supplyIndex == ledger.supply_index
        assert imbalance(system, everyone(system)) == 0
