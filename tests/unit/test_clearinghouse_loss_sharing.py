"""Losses of one side of an instrument that the other side pays for, before all who hold cash do."""

from random import Random

import pytest

from ballast.ledger import Ledger
from tests.support.clearing import Fill, Module, Slice, drive, imbalance, position_of
from tests.support.system import DAY, WAD, Market, System, Trader, trader, wad
from tests.support.witness import listen, module_accounts

DEBTOR, BIDDER, SHORT, OTHER = trader("debtor"), trader("bidder"), trader("short"), trader("other")
EVERYONE = [DEBTOR, BIDDER, SHORT, OTHER]
ETH_PRICE = wad(2_500)


@pytest.fixture
def ledger(system: System, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return listen(system, monkeypatch)


@pytest.fixture
def auctions(system: System, market: Market, ledger: Ledger) -> Module:
    """The debtor is long 10 ETH and short 0.1 BTC, which hedges; the other sides are held by two, 6 : 4."""
    for who in EVERYONE:
        market.fund(who, USDC=100_000)
    open_positions(system, market, DEBTOR, SHORT, "ETH", wad(6))
    open_positions(system, market, DEBTOR, OTHER, "ETH", wad(4))
    open_positions(system, market, SHORT, DEBTOR, "BTC", wad("0.1"))
    driver = drive(system, system.auctions)
    driver.run(("startLiquidation", DEBTOR.account, 0, 0))
    return driver


def open_positions(system: System, market: Market, buyer: Trader, seller: Trader, symbol: str, size: int) -> None:
    fill = Fill(market.instrument(symbol), size, market.mark(symbol))
    drive(system, system.exchange).settle([buyer.account, seller.account], fill)


def equity(system: System, who: Trader) -> int:
    return int(system.clearinghouse.call("marginOf", who.account).equity)


def worth(system: System, who: Trader) -> int:
    return equity(system, who) + int(system.clearinghouse.call("claimOf", who.account).outstanding)


def lose(auctions: Module, loss: int, fraction: int = WAD // 10) -> None:
    """A bidder takes a tenth and is credited with what nobody pays."""
    auctions.sell(DEBTOR.account, BIDDER.account, Slice(fraction, uncovered=loss))


def shared(system: System, market: Market) -> tuple[int, int]:
    """What a unit of the longs and of the shorts of ETH has paid."""
    view = system.clearinghouse.call("instrumentOf", market.instrument("ETH"))
    return view.longLossShare, view.shortLossShare


def everybody(system: System) -> list[int]:
    return [*(who.account for who in EVERYONE), *module_accounts(system)]


def test_loss__of_a_long__is_paid_by_the_shorts_alone(system: System, market: Market, auctions: Module):
    before = {who: worth(system, who) for who in (SHORT, OTHER)}
    lose(auctions, wad(500))
    longs, shorts = shared(system, market)
    # All of it: BTC hedges the debtor, so that its leg has no part in the loss.
    assert (longs, shorts) == (0, wad(500) * WAD // wad(10))
    assert worth(system, SHORT) - before[SHORT] == pytest.approx(-wad(300), abs=4)
    assert worth(system, OTHER) - before[OTHER] == pytest.approx(-wad(200), abs=4)
    btc = system.clearinghouse.call("instrumentOf", market.instrument("BTC"))
    assert (btc.longLossShare, btc.shortLossShare) == (0, 0)
    assert imbalance(system, everybody(system)) == 0


def test_loss__shared__leaves_positions_and_hedges_as_they_are(system: System, market: Market, auctions: Module):
    before = [position_of(system, SHORT.account, place).size for place in range(2)]
    lose(auctions, wad(500))
    assert [position_of(system, SHORT.account, place).size for place in range(2)] == before


def test_loss__beyond_the_limit__is_for_all_who_hold_cash(system: System, market: Market, auctions: Module):
    """5 % of mark a day: 125 a unit, 1,250 in all."""
    lose(auctions, wad(3_000))
    assert shared(system, market) == (0, ETH_PRICE // 20)
    assert system.clearinghouse.call("claims").outstanding == wad(3_000 - 1_250)


def test_loss__in_many_bids__shares_no_more_than_in_one(system: System, market: Market, auctions: Module):
    for _ in range(4):
        lose(auctions, wad(1_000), WAD // 20)
    assert shared(system, market)[1] <= ETH_PRICE // 20
    market.advance(DAY // 2)
    lose(auctions, wad(5_000), WAD // 20)
    assert shared(system, market)[1] == pytest.approx(ETH_PRICE * 3 // 40, rel=1e-3)
    assert imbalance(system, everybody(system)) == 0


def test_loss__of_an_account_without_positions__is_for_all_who_hold_cash(
    system: System, market: Market, auctions: Module
):
    auctions.run(("coverDebt", BIDDER.account, 0, wad(100)))
    assert shared(system, market) == (0, 0)
    assert system.clearinghouse.call("claims").outstanding == wad(100)


def test_share__of_who_comes_after_the_loss__is_nothing(system: System, market: Market, auctions: Module):
    """Nobody is charged for what happened before, and nobody escapes by passing his position on."""
    lose(auctions, wad(500))
    before = worth(system, BIDDER), worth(system, SHORT)
    size = position_of(system, SHORT.account).size
    open_positions(system, market, SHORT, BIDDER, "ETH", -size)
    assert [worth(system, BIDDER), worth(system, SHORT)] == pytest.approx(before, abs=4)
    assert imbalance(system, everybody(system)) == 0


def test_share__of_a_position_in_two_halves__is_that_of_one(system: System, market: Market, auctions: Module):
    """I15: whole or in pieces, opened before the loss or closed after it in steps, to a wei a leg."""
    before = worth(system, SHORT)
    lose(auctions, wad(500))
    paid = before - worth(system, SHORT)
    for _ in range(3):
        open_positions(system, market, SHORT, OTHER, "ETH", wad(2))
    assert before - worth(system, SHORT) == pytest.approx(paid, abs=8)


def test_share__of_a_bidder_who_held_the_other_side__falls_on_what_is_left(
    system: System, market: Market, auctions: Module
):
    """A bid that closes his short frees what it closes: the loss is charged to what is open afterwards."""
    open_positions(system, market, OTHER, BIDDER, "ETH", wad(2))
    before = worth(system, SHORT)
    lose(auctions, wad(500), WAD // 5)
    assert before - worth(system, SHORT) == pytest.approx(wad(500) * 6 // 8, abs=4)


def pictured(system: System, ledger: Ledger) -> None:
    """Storage is what the events say, to the wei."""
    house = system.clearinghouse
    for account in everybody(system):
        view = house.call("accountOf", account)
        held = {leg.index: (leg.size, leg.quote) for leg in view.positions}
        kept = {index: (p.size, p.quote) for index, p in ledger.accounts[account].positions.items()}
        assert held == kept
        assert tuple(house.call("claimOf", account)) == ledger.claim_of(account)
    assert house.call("vaultState").uncoveredLoss == ledger.uncovered_loss


@pytest.mark.parametrize("seed", range(3))
def test_shares__of_random_histories__are_the_ledger_s_I16(
    system: System, market: Market, ledger: Ledger, auctions: Module, seed: int
):
    """I3a and I4: rebuilt from events alone; the books balance to the ray-wei after every act."""
    random = Random(seed)
    for _ in range(40):
        kind = random.choice(["trade", "trade", "lose", "realise", "wait"])
        if kind == "trade":
            buyer, seller = random.sample([BIDDER, SHORT, OTHER], 2)
            size = random.randrange(1, 200) * 10**15
            open_positions(system, market, buyer, seller, random.choice(["ETH", "BTC"]), size)
        elif kind == "lose":
            lose(auctions, random.randrange(1, 3 * 10**20), WAD // 50)
        elif kind == "realise":
            market.set_price("ETH", 2_500 + random.randrange(-20, 20))
            system.clearinghouse.transact("realise", random.choice([BIDDER, SHORT, OTHER]).account)
        else:
            market.advance(random.randrange(60, DAY // 4))
        assert imbalance(system, everybody(system)) == 0
        pictured(system, ledger)
