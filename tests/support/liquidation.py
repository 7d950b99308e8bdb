"""Accounts in trouble, those who bid on them, and where the money went.

The plain book makes this hand-workable: an account long `size` perps of one underlying at p has maintenance margin
30 % · size · p + 20, liquidation-end margin 33 % · size · p + 20, initial margin 37.5 % · size · p + 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from eth_abi import encode
from eth_utils import keccak

from ballast.risk.auction import AuctionParameters, Outcome, Phase, Sale, outcome
from ballast.risk.insurance import cover_parts
from tests.support.evm import Contract, Receipt
from tests.support.system import WAD, Market, System, Trader, trader

FIXED_CHARGE = 20 * WAD
MINUTE = 60
PARAMETERS = AuctionParameters()
ETH_PRICE = Decimal(2500)


@dataclass
class Room:
    """Where auctions are held: a market, a counterparty deep enough for any book, and shorthands for the acts."""

    market: Market
    dealer: Trader = field(default_factory=lambda: trader("dealer"))

    def __post_init__(self) -> None:
        self.market.fund(self.dealer, USDC=20_000_000)

    @property
    def system(self) -> System:
        return self.market.system

    @property
    def auctions(self) -> Contract:
        return self.system.auctions

    @property
    def house(self) -> Contract:
        return self.system.clearinghouse

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Undoes the block, prices included."""
        prices = dict(self.market.prices)
        with self.system.evm.rolled_back():
            yield
        self.market.prices.clear()
        self.market.prices.update(prices)

    # Accounts --------------------------------------------------------------------------------------------------

    def long(self, role: str, size: Decimal | int | str = 10, cash: int = 10_000, **collateral: int) -> Trader:
        """Somebody long ETH perps. A negative size is short."""
        owner = trader(role)
        self.market.fund(owner, USDC=cash, **collateral)
        if Decimal(size) > 0:
            self.market.trade(owner, self.dealer, "ETH", size)
        else:
            self.market.trade(self.dealer, owner, "ETH", -Decimal(size))
        return owner

    def liquidator(self, role: str = "liquidator", cash: int = 1_000_000) -> Trader:
        bidder = trader(role)
        self.market.fund(bidder, USDC=cash)
        return bidder

    def insure(self, amount: int, role: str = "insurer") -> Trader:
        """Somebody who puts whole tokens into the insurance fund."""
        insurer = trader(role)
        fund = self.system.insurance_fund
        units = self.market.mint(insurer, "USDC", amount)
        self.system.tokens["USDC"].transact("approve", fund, units, sender=insurer.address)
        fund.transact("deposit", units, insurer.address, sender=insurer.address)
        return insurer

    def margin(self, account: int) -> Any:
        return self.house.call("marginOf", account)

    def cash(self, account: int) -> int:
        return int(self.house.call("cashOf", account))

    def health(self, account: int) -> Decimal:
        margin = self.margin(account)
        return Decimal(margin.equity) / Decimal(margin.maintenanceMargin)

    def drop_to(self, owner: Trader, health: Decimal | str) -> Decimal:
        """Moves ETH so that an account of ETH perps and cash has this health, or a hair more. Returns the price."""
        margin = self.margin(owner.account)
        price = self.market.prices["ETH"]
        size = sum(Decimal(p.size) for p in self.house.call("accountOf", owner.account).positions) / WAD
        offset = Decimal(margin.equity) / WAD - size * price
        wanted = (Decimal(health) * 20 - offset) / (size - Decimal(health) * abs(size) * 3 / 10)
        rounded = wanted.quantize(Decimal("1e-8"), rounding=ROUND_CEILING)
        self.market.set_price("ETH", rounded)
        return rounded

    def forget_collateral(self, account: int) -> None:
        """Wipes an account's collateral out of storage: the header word after its cash, whose mapping is the first."""
        slot = int.from_bytes(keccak(encode(["uint256", "uint256"], [account, 0]))) + 1
        self.system.evm.write_storage(self.house.address, slot, 0)

    # Acts ------------------------------------------------------------------------------------------------------

    def start(self, owner: Trader, bounty_to: int = 0) -> Receipt:
        return self.auctions.transact("start", owner.account, bounty_to)

    def poke(self, owner: Trader) -> Receipt:
        return self.auctions.transact("poke", owner.account)

    def wait(self, owner: Trader, seconds: int) -> None:
        """Time passes while somebody keeps the clock running."""
        while seconds > 0:
            step = min(seconds, 5 * MINUTE)
            self.market.advance(step)
            self.poke(owner)
            seconds -= step

    def terms(self, owner: Trader, bidder: Trader, fraction: int = WAD, **changes: Any) -> dict[str, Any]:
        """A bid on what there is now, at any price."""
        return {
            "liquidated": owner.account,
            "bidder": bidder.account,
            "auctionId": self.view(owner).id,
            "positionNonce": self.house.call("accountOf", owner.account).positionNonce,
            "fraction": fraction,
            "minFraction": 0,
            "maxPricePerEquity": WAD,
            **changes,
        }

    def bid(self, owner: Trader, bidder: Trader, fraction: int = WAD, **changes: Any) -> Receipt:
        terms = self.terms(owner, bidder, fraction, **changes)
        return self.auctions.transact("bid", terms, sender=bidder.address)

    def preview(self, owner: Trader, bidder: Trader, fraction: int = WAD, **changes: Any) -> Any:
        return self.auctions.call("previewBid", self.terms(owner, bidder, fraction, **changes))

    # Readings --------------------------------------------------------------------------------------------------

    def view(self, owner: Trader) -> Any:
        return self.auctions.call("auctionOf", owner.account)

    def sale(self, owner: Trader) -> Sale:
        """The twin's picture of an auction, from the chain's readings."""
        view, margin = self.view(owner), self.margin(owner.account)
        return Sale(
            phase=Phase(view.phase),
            rate=view.discount if view.phase == Phase.SOLVENT else view.premiumRate,
            equity=margin.equity,
            proceeds=view.proceeds,
            target=margin.liquidationEndMargin - margin.haltBonus,
            maintenance=margin.maintenanceMargin,
            fixed=margin.fixedCharge,
        )

    def expected(self, owner: Trader, fraction: int = WAD, *, premium_left: int = 0) -> Outcome:
        """What the twin says a bid does now."""
        return outcome(
            self.sale(owner),
            fraction,
            0,
            insured=lambda amount: self.covered(owner, amount),
            premium_left=premium_left,
            parameters=PARAMETERS,
        )

    def covered(self, owner: Trader, amount: int) -> int:
        """What the twin says the fund would pay of an amount that the account lacks."""
        fund = self.system.insurance_fund
        _, parts = self.house.call("marginInPartsOf", owner.account)
        left = [fund.call("outflowOf", part.underlying).left for part in parts]
        most = min(amount, fund.call("available"))
        due = [part.loss + part.charges for part in parts]
        return sum(cover_parts(most, due, left, fund.call("outflowOf", 0).left))

    @property
    def fund_account(self) -> int:
        return int(self.system.insurance_fund.call("account"))

    def unpaid_loss(self) -> int:
        """What neither accounts nor the fund paid: recorded, shared by other sides, or spread over all cash."""
        views = self.house.call_each("instrumentOf", range(1, self.house.call("instrumentCount") + 1))
        shared = sum((view.longLossShare + view.shortLossShare) * view.openInterest // WAD for view in views)
        return int(self.house.call("vaultState").uncoveredLoss + self.house.call("claims").outstanding + shared)

    def worth(self, account: int) -> int:
        """Equity, and what socialised losses took of it."""
        return int(self.margin(account).equity + self.house.call("claimOf", account).outstanding)


@dataclass
class Flows:
    """What every party's equity (its claims included), the fund, the fees and the unpaid loss changed by in an act."""

    equity: dict[str, int] = field(default_factory=dict)
    cash: dict[str, int] = field(default_factory=dict)
    uncovered: int = 0
    tokens: int = 0

    @property
    def created(self) -> int:
        """Value that came from nowhere: what parties gained beyond the unpaid loss. 0 but for roundings of values."""
        return sum(self.equity.values()) - self.uncovered


@contextmanager
def money_flows(room: Room, **parties: int) -> Iterator[Flows]:
    """Captures accounts by name, the fund and the dealer among them, before and after the block."""
    everyone = {**parties, "dealer": room.dealer.account, "fund": room.fund_account}
    token = room.system.tokens["USDC"]

    def reading() -> tuple[dict[str, int], dict[str, int], int, int]:
        equity = {name: room.worth(account) for name, account in everyone.items()}
        cash = {name: room.cash(account) for name, account in everyone.items()}
        return equity, cash, room.unpaid_loss(), token.call("balanceOf", room.house)

    before = reading()
    flows = Flows()
    yield flows
    after = reading()
    flows.equity = {name: after[0][name] - before[0][name] for name in everyone}
    flows.cash = {name: after[1][name] - before[1][name] for name in everyone}
    flows.uncovered, flows.tokens = after[2] - before[2], after[3] - before[3]
