"""Random acts of everybody on the whole protocol, and what must hold after each of them.

Checks are functions of two pictures of the system, so that a tampered picture shows that each can fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.clearing import imbalance_of
from tests.support.evm import Receipt, Revert
from tests.support.liquidation import Room
from tests.support.system import Market, System, Trader, trader

TRADERS = [trader(f"trader {number}") for number in range(6)]
LIQUIDATORS = [trader(f"liquidator {number}") for number in range(2)]
SYMBOLS = ("BTC", "ETH", "LINK")
WEI_A_LEG = 64

# Refusals that an honest contract gives to a random act; anything else, a Panic above all, fails the run.
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
MARKET = {"OracleNotUsable", "ReduceOnlyInstrument", "OpenInterestCapExceeded", "InvalidSize", "OutsidePriceBand"}
VAULT = {"InsufficientBalance", "InsufficientLiquidity", "OutflowLimitExceeded", "ZeroAmount", "DepositsPaused"}
AUCTION = {"NotLiquidatable", "AlreadyInAuction", "NoAuction", "FractionBelowMinimum", "NotWorthless", "NoMarginCall"}
EXPECTED = {
    "deposit": {"DepositCapExceeded", "DepositsPaused"},
    "withdraw": MARGIN | VAULT | {"OracleNotUsable"},
    "move": MARGIN | VAULT | {"OracleNotUsable"},
    "repay": {"ZeroAmount"},
    "realise": {"AccountInLiquidation", "OracleNotUsable"},
    "trade": MARGIN | MARKET,
    "start": AUCTION,
    "bid": AUCTION | MARGIN | {"RelatedBidder", "PriceAboveMaximum"},
    "poke": AUCTION,
    "write_off": AUCTION,
    "call": AUCTION,
    "insure": {"ERC4626ExceededMaxDeposit"},
}


@dataclass(frozen=True)
class Picture:
    """The system at one moment."""

    margins: dict[int, Any]
    views: dict[int, Any]
    vault: Any
    imbalance: int
    timestamp: int
    prices: tuple[tuple[str, Decimal], ...]


@dataclass
class Protocol:
    """The driver: a seeded choice of acts, and pictures before and after."""

    system: System
    market: Market
    random: Random
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.room = Room(self.market)
        self.room.insure(50_000)
        for owner in TRADERS:
            self.market.fund(owner, USDC=20_000, WETH=2)
        for bidder in LIQUIDATORS:
            self.market.fund(bidder, USDC=300_000)

    @property
    def accounts(self) -> list[int]:
        owners = [*TRADERS, *LIQUIDATORS, self.room.dealer]
        treasury = int(self.system.network.treasury, 16) << 96
        return [*(owner.account for owner in owners), TRADERS[0].sub_account(1), self.room.fund_account, treasury]

    def picture(self) -> Picture:
        house, accounts = self.system.clearinghouse, self.accounts
        margins, views = house.call_each("marginOf", accounts), house.call_each("accountOf", accounts)
        vault = house.call("vaultState")
        return Picture(
            dict(zip(accounts, margins, strict=True)),
            dict(zip(accounts, views, strict=True)),
            vault,
            imbalance_of(vault, views),
            self.system.evm.timestamp,
            tuple(sorted(self.market.prices.items())),
        )

    def act(self) -> tuple[str, set[int], Receipt | None]:
        """One random act. Returns its name, the accounts it may change, and its receipt; None where it was refused.

        Raises:
            Revert: It was refused in a way that no honest contract would.
        """
        name = self.random.choices(list(ACTS), [OFTEN.get(name, 1) for name in ACTS])[0]
        mine: set[int] = set()
        try:
            receipt = ACTS[name](self, mine)
        except Revert as revert:
            if revert.name not in EXPECTED.get(name, set()):
                raise
            self.refused[f"{name} {revert.name}"] += 1
            return name, mine, None
        self.done[name] += 1
        return name, mine, receipt

    def owner(self, mine: set[int]) -> Trader:
        owner = self.random.choice(TRADERS)
        mine.add(owner.account)
        return owner

    def weakest(self, mine: set[int]) -> Trader:
        """The trader closest to liquidation."""
        house = self.system.clearinghouse

        def safety(owner: Trader) -> int:
            margin = house.call("marginOf", owner.account)
            return int(margin.equity - margin.maintenanceMargin)

        owner = min(TRADERS, key=safety)
        mine.add(owner.account)
        return owner

    def transact(self, owner: Trader, function: str, *arguments: Any) -> Receipt:
        return self.system.clearinghouse.transact(function, *arguments, sender=owner.address)


# Acts: each notes in `mine` whose accounts it may change ------------------------------------------------------------


def deposit(run: Protocol, mine: set[int]) -> Receipt:
    owner, symbol = run.owner(mine), run.random.choice(["USDC", "WETH", "WBTC", "LINK"])
    amount = {"USDC": 2_000, "WETH": 1, "WBTC": "0.05", "LINK": 80}[symbol]
    units = run.market.mint(owner, symbol, amount)
    return run.transact(owner, "deposit", owner.account, run.system.record.assets[symbol], units)


def withdraw(run: Protocol, mine: set[int]) -> Receipt:
    owner, asset = run.owner(mine), run.random.randrange(4)
    units = run.random.choice([2**256 - 1, run.random.randint(1, 10**10 if asset in (0, 2) else 10**19)])
    return run.transact(owner, "withdraw", owner.account, asset, units, owner.address)


def move(run: Protocol, mine: set[int]) -> Receipt:
    pair = [TRADERS[0].account, TRADERS[0].sub_account(1)]
    mine.update(pair)
    run.random.shuffle(pair)
    return run.transact(TRADERS[0], "move", *pair, run.random.randrange(4), run.random.randint(1, 10**9))


def repay(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    run.market.mint(owner, "USDC", 500)
    return run.transact(owner, "repay", owner.account, 500 * 10**6)


def realise(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    return run.transact(run.random.choice(TRADERS), "realise", owner.account)


def trade(run: Protocol, mine: set[int]) -> Receipt:
    owner, symbol = run.owner(mine), run.random.choice(SYMBOLS)
    mine.add(run.room.dealer.account)
    steps = run.random.randint(1, 400)
    size = Decimal(steps) / {"BTC": 400, "ETH": 20, "LINK": 1}[symbol]
    price = run.market.mark(symbol) * run.random.randint(9_960, 10_040) // 10_000
    pair = (owner, run.room.dealer) if run.random.random() < 0.7 else (run.room.dealer, owner)
    return run.market.trade(
        *pair, symbol, size.quantize(Decimal("0.1") if symbol == "LINK" else Decimal("0.001")), price
    )


def start(run: Protocol, mine: set[int]) -> Receipt:
    owner, to = run.weakest(mine), run.random.choice(LIQUIDATORS)
    mine.add(to.account)
    return run.room.start(owner, to.account)


def bid(run: Protocol, mine: set[int]) -> Receipt:
    owner, bidder = run.weakest(mine), run.random.choice(LIQUIDATORS)
    mine.update({bidder.account, run.room.fund_account})
    return run.room.bid(owner, bidder, run.random.choice([10**18, 3 * 10**17]))


def poke(run: Protocol, mine: set[int]) -> Receipt:
    return run.room.poke(run.owner(mine))


def call(run: Protocol, mine: set[int]) -> Receipt:
    return run.room.auctions.transact("call", run.owner(mine).account)


def write_off(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    mine.add(run.room.fund_account)
    return run.room.auctions.transact("writeOff", owner.account)


def insure(run: Protocol, mine: set[int]) -> None:
    mine.add(run.room.fund_account)
    run.room.insure(run.random.randint(1, 5_000))


def donate(run: Protocol, mine: set[int]) -> Receipt:
    token = run.system.tokens[run.random.choice(["USDC", "WETH"])]
    return token.transact("mint", run.system.clearinghouse.address, run.random.randint(1, 10**9))


def distribute(run: Protocol, mine: set[int]) -> Receipt:
    mine.update({run.room.fund_account, int(run.system.network.treasury, 16) << 96})
    return run.transact(TRADERS[0], "distributeFees")


def move_price(run: Protocol, mine: set[int]) -> None:
    symbol = run.random.choice(SYMBOLS)
    factor = Decimal(run.random.randint(900, 1_100)) / 1000
    run.market.set_price(symbol, (run.market.prices[symbol] * factor).quantize(Decimal("0.01")))


def pass_time(run: Protocol, mine: set[int]) -> None:
    run.market.advance(run.random.choice([12, 60, 240, 3_600]))


def guard(run: Protocol, mine: set[int]) -> None:
    until = run.system.evm.timestamp + run.random.choice([0, 600])
    instrument = run.market.instrument(run.random.choice(SYMBOLS))
    run.system.act_as("guardian", run.system.clearinghouse, "setReduceOnly", instrument, until)


def shift_multiplier(run: Protocol, mine: set[int]) -> None:
    underlying = run.system.record.underlyings[run.random.choice(SYMBOLS)]
    run.system.act_as(
        "multiplier", run.system.margin_engine, "setShockMultiplier", underlying, run.random.randint(8, 13) * 10**8
    )


ACTS: dict[str, Callable[[Protocol, set[int]], Receipt | None]] = {
    act.__name__: act
    for act in (
        deposit,
        withdraw,
        move,
        repay,
        realise,
        trade,
        start,
        bid,
        poke,
        call,
        write_off,
        insure,
        donate,
        distribute,
        move_price,
        pass_time,
        guard,
        shift_multiplier,
    )
}
# The others are one each.
OFTEN = {"trade": 5, "move_price": 3, "start": 2, "bid": 3}


# Checks ------------------------------------------------------------------------------------------------------------


def check_conservation(after: Picture) -> None:
    assert after.imbalance == 0, f"I3a: the books are off by {after.imbalance} ray-wei"
    sizes: Counter[int] = Counter()
    for view in after.views.values():
        for leg in view.positions:
            sizes[leg.index] += leg.size
    assert not any(sizes.values()), f"I2: Σ size is {dict(sizes)}"


def check_indices(before: Picture, after: Picture) -> None:
    assert after.vault.supplyIndex >= before.vault.supplyIndex, "I17: the supply index fell"
    assert after.vault.borrowIndex >= before.vault.borrowIndex, "I17: the borrow index fell"


def check_others_unhurt(name: str, mine: set[int], before: Picture, after: Picture) -> None:
    for account, margin in after.margins.items():
        if account not in mine:
            lost = before.margins[account].equity - margin.equity
            legs = len(after.views[account].positions) + len(after.views[account].collaterals) + 1
            rule = "I5" if name == "donate" else "I7"
            assert lost <= legs, f"{rule}: {name} cost the bystander {account:#x} {lost} wei"


def check_no_liquidation_by_parameter(name: str, before: Picture, after: Picture) -> None:
    if name in ("shift_multiplier", "guard"):
        for account, margin in after.margins.items():
            healthy = before.margins[account].equity >= before.margins[account].maintenanceMargin
            assert not healthy or margin.equity >= margin.maintenanceMargin, f"I31: {name} hit {account:#x}"


def check_risk_rules(name: str, mine: set[int], before: Picture, after: Picture) -> None:
    """I6 and I13: whose act left him short of initial margin must have come closer to safety."""
    if name not in ("trade", "withdraw", "move", "deposit", "repay"):
        return
    for account in mine:
        old, new = before.margins[account], after.margins[account]
        margin_of_safety = new.equity - new.maintenanceMargin - (old.equity - old.maintenanceMargin)
        if name in ("deposit", "repay"):
            assert margin_of_safety >= -WEI_A_LEG, f"I13: {name} cost {-margin_of_safety} wei of safety"
        elif new.equity - new.stableGap - new.untrustedGain < new.initialMargin:
            assert margin_of_safety >= -WEI_A_LEG, f"I6: {name} left {account:#x} below initial margin, worse off"
            # Who receives by a move holds more, as after a deposit.
            assert name == "move" or new.scan <= old.scan + WEI_A_LEG, (
                f"I6: {name} raised the scan of {account:#x} below initial margin"
            )


def check_auction(name: str, receipt: Receipt | None, before: Picture, after: Picture) -> None:
    if receipt is None:
        return
    for started in receipt.events("AuctionStarted"):
        margin = before.margins[started.account]
        assert margin.equity + margin.haltBonus < margin.maintenanceMargin, "I8: started above maintenance margin"
    for taken in receipt.events("BidTaken"):
        old, new = before.margins[taken.account], after.margins[taken.account]
        assert old.equity < old.liquidationEndMargin, "I8: a bid at or above the liquidation-end margin"
        improved = new.equity - new.liquidationEndMargin >= old.equity - old.liquidationEndMargin - WEI_A_LEG
        assert improved or not after.views[taken.account].positions, "I9: a bid left the account worse off"
        assert not (taken.fromInsurance and taken.payment), "I11: the fund paid in a bid that paid the account"
        gain = after.margins[taken.bidder].equity - before.margins[taken.bidder].equity
        most = taken.fraction * max(0, taken.equityForSale) * taken.discount // 10**36 + taken.reward
        assert gain <= most + 10**6, f"I10: the bidder gained {gain}, at most {most} is his"


def check_all(name: str, mine: set[int], receipt: Receipt | None, before: Picture, after: Picture) -> None:
    check_conservation(after)
    check_indices(before, after)
    check_auction(name, receipt, before, after)
    check_no_liquidation_by_parameter(name, before, after)
    if before.timestamp == after.timestamp and before.prices == after.prices:
        check_others_unhurt(name, mine, before, after)
        check_risk_rules(name, mine, before, after)
