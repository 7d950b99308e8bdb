"""The clearinghouse's books under thousands of random acts: exact to the ray-wei, and no profit from rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from tests.support.clearing import RAY, Fill, Module, Slice, cash_of, drive, imbalance
from tests.support.evm import Revert
from tests.support.system import DAY, Market, System, Trader, trader, wad

TRADERS = [trader(f"trader {number}") for number in range(5)]
ACCOUNTS = [owner.account for owner in TRADERS] + [TRADERS[0].sub_account(1)]
SYMBOLS = ("BTC", "ETH", "LINK")
LONGEST_PAUSE = 3 * 3_600
ACTS = (
    "deposit",
    "withdraw",
    "withdraw",
    "move",
    "repay",
    "realise",
    "trade",
    "trade",
    "trade",
    "slice",
    "distribute",
    "wait",
)
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin"}
# Refusals that a random act of the kind may meet; any other fails the run.
EXPECTED = {
    "withdraw": MARGIN | {"InsufficientBalance", "InsufficientLiquidity", "OutflowLimitExceeded", "ZeroAmount"},
    "move": MARGIN | {"InsufficientBalance"},
    "repay": {"ZeroAmount", "ERC20InsufficientBalance"},
    "trade": MARGIN,
    "slice": {"InitialMarginShortfall"},
}


@dataclass
class RandomActs:
    """Random acts of random traders; those that the contracts refuse as expected are counted, not skipped."""

    system: System
    market: Market
    random: Random
    exchange: Module
    auctions: Module
    refused: int = 0
    done: dict[str, int] = field(default_factory=dict)

    def act(self) -> None:
        """One random act.

        Raises:
            Revert: It was refused in a way that its kind cannot meet.
        """
        kind = self.random.choice(ACTS)
        try:
            getattr(self, kind)()
        except Revert as revert:
            if revert.name not in EXPECTED.get(kind, set()):
                raise
            self.refused += 1
        else:
            self.done[kind] = self.done.get(kind, 0) + 1

    def _transact(self, owner: Trader, function: str, *arguments: Any) -> None:
        self.system.clearinghouse.transact(function, *arguments, sender=owner.address)

    def _owner(self) -> Trader:
        return self.random.choice(TRADERS)

    def deposit(self) -> None:
        owner, asset = self._owner(), self.random.randrange(4)
        units = self.random.randint(1, 10**9 if asset in (0, 2) else 10**19)
        self._transact(owner, "deposit", owner.account, asset, units)

    def withdraw(self) -> None:
        owner, asset = self._owner(), self.random.randrange(4)
        part = self.random.randint(1, 7 * 10**10 if asset == 0 else 10**19)
        units = self.random.choice([2**256 - 1, part, part])
        self._transact(owner, "withdraw", owner.account, asset, units, owner.address)

    def move(self) -> None:
        accounts = [TRADERS[0].account, TRADERS[0].sub_account(1)]
        self.random.shuffle(accounts)
        self._transact(TRADERS[0], "move", *accounts, self.random.randrange(4), self.random.randint(1, 10**9))

    def repay(self) -> None:
        poorest = min(ACCOUNTS, key=lambda account: cash_of(self.system, account))
        self._transact(self._owner(), "repay", poorest, self.random.randint(1, 10**10))

    def realise(self) -> None:
        self._transact(self._owner(), "realise", self.random.choice(ACCOUNTS))

    def trade(self) -> None:
        symbol = self.random.choice(SYMBOLS)
        instrument, mark = self.market.instrument(symbol), self.market.mark(symbol)
        step = self.system.clearinghouse.call("instrumentOf", instrument).sizeStep
        size = step * self.random.randint(1, max(1, 10**22 // (mark * step // 10**18))) * self.random.choice([1, -1])
        price = mark + mark * self.random.randint(-9, 9) // 1_000 + self.random.randint(-99, 99)
        fees = {"takerFee": self.random.randint(0, 10**18), "makerFee": self.random.randint(0, 10**17)}
        self.exchange.settle(self.random.sample(ACCOUNTS, 2), Fill(instrument, size, price, **fees))

    def slice(self) -> None:
        source, target = self.random.sample(ACCOUNTS, 2)
        fraction = self.random.choice([1, 10**18, self.random.randint(1, 10**18)])
        cash = (self.random.randint(0, 10**20), self.random.randint(0, 10**20))
        sold = ("sellSlice", source, target, Slice(fraction, *cash, endsAuction=True).context())
        self.auctions.run(("startLiquidation", source, 0, 0), sold)

    def distribute(self) -> None:
        self.system.clearinghouse.transact("distributeFees")

    def wait(self) -> None:
        symbol = self.random.choice(SYMBOLS)
        self.market.prices[symbol] *= 1 + self.random.randint(-20, 20) * type(self.market.prices[symbol])("0.001")
        self.market.advance(self.random.randint(1, LONGEST_PAUSE))


@pytest.fixture
def acts(system: System, market: Market) -> RandomActs:
    for owner in TRADERS:
        market.fund(owner, USDC=50_000, WETH=10)
        for symbol in ("USDC", "WETH", "WBTC", "LINK"):
            market.mint(owner, symbol, 10_000)
    exchange, auctions = drive(system, system.exchange), drive(system, system.auctions)
    return RandomActs(system, market, Random(0), exchange, auctions)


def all_accounts(system: System) -> list[int]:
    return [*ACCOUNTS, int(system.insurance_fund.address, 16) << 96, int(system.network.treasury, 16) << 96]


def assert_books(system: System) -> None:
    """I1, I2, I3a, I3b at this moment."""
    house, vault = system.clearinghouse, system.clearinghouse.call("vaultState")
    reports = [house.call("accountOf", account) for account in all_accounts(system)]
    assert imbalance(system, all_accounts(system)) == 0, "I3a"
    cash = sum(report.cash for report in reports) * RAY
    claims = vault.supplyShares * vault.supplyIndex - vault.debtShares * vault.borrowIndex
    assert 0 <= claims - cash <= 2 * len(reports) * max(vault.supplyIndex, vault.borrowIndex), "I3b"
    assert system.tokens["USDC"].call("balanceOf", house) == vault.tokens, "I1"
    for asset, symbol in ((1, "WETH"), (2, "WBTC"), (3, "LINK")):
        held = sum(item.amount for report in reports for item in report.collaterals if item.asset == asset)
        assert held == house.call("assetOf", asset).total == system.tokens[symbol].call("balanceOf", house), "I1"
    for instrument in range(1, house.call("instrumentCount") + 1):
        sizes = [held.size for report in reports for held in report.positions if held.index == instrument]
        assert sum(sizes) == 0, "I2"
        assert house.call("instrumentOf", instrument).openInterest == sum(size for size in sizes if size > 0)


@pytest.mark.parametrize("seed", range(3))
def test_books__after_every_random_act__balance_I1_I2_I3(system: System, acts: RandomActs, seed: int):
    acts.random.seed(seed)
    indices = [(RAY, RAY)]
    for _ in range(400):
        acts.act()
        assert_books(system)
        vault = system.clearinghouse.call("vaultState")
        indices.append((vault.supplyIndex, vault.borrowIndex))
    assert all(later[0] >= before[0] and later[1] >= before[1] for before, later in pairwise(indices)), "I17"
    assert set(acts.done) == set(ACTS), f"every kind of act must have happened: {acts.done}"
    assert acts.refused < 350


def test_act__refused_in_an_unexpected_way__fails_the_run(acts: RandomActs, monkeypatch: pytest.MonkeyPatch):
    def panics(_: RandomActs) -> None:
        raise Revert("Panic")

    for kind in set(ACTS):
        monkeypatch.setattr(RandomActs, kind, panics)
    with pytest.raises(Revert, match="Panic"):
        acts.act()


@pytest.mark.parametrize("seed", range(3))
def test_round_trip__deposit_and_withdraw__changes_nothing_I14(system: System, acts: RandomActs, seed: int):
    """Exact: units are whole multiples of a wei of cash, and nothing accrues while the clock stands."""
    acts.random.seed(seed)
    for _ in range(60):
        acts.act()
    owner = TRADERS[0]
    acts._transact(owner, "realise", owner.account)
    before = system.clearinghouse.call("accountOf", owner.account)
    for _ in range(40):
        asset = acts.random.randrange(4)
        units = acts.random.randint(1, 10**9)
        acts._transact(owner, "deposit", owner.account, asset, units)
        acts._transact(owner, "withdraw", owner.account, asset, units, owner.address)
        after = system.clearinghouse.call("accountOf", owner.account)
        assert (after.cash, after.collaterals) == (before.cash, before.collaterals), "I14"


@pytest.mark.parametrize("parts", [2, 7, 50])
def test_trade__split_into_many__never_profits_I15(system: System, market: Market, acts: RandomActs, parts: int):
    instrument, mark = market.instrument("ETH"), market.mark("ETH") + 1
    pair, size = [TRADERS[1].account, TRADERS[2].account], wad("3.5")
    market.advance(DAY)
    equities = []
    for count in (1, parts):
        with system.evm.rolled_back():
            fills = [Fill(instrument, size // parts * (parts if count == 1 else 1), mark)] * count
            rest = Fill(instrument, size - size // parts * parts, mark)
            acts.exchange.settle(pair, *fills, *([rest] if rest.size else []))
            equities.append([system.clearinghouse.call("marginOf", account).equity for account in pair])
    (taker_whole, maker_whole), (taker_split, maker_split) = equities
    assert taker_whole - parts <= taker_split <= taker_whole
    assert maker_split - maker_whole <= taker_whole - taker_split, "what the maker is rounded up, the taker pays"
