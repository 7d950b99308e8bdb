"""What tests of the clearinghouse share: its module entries, its books, and more tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from eth_abi import encode

from ballast.chain import codec
from tests.support.evm import Contract
from tests.support.system import DAY, WAD, Market, System, Trader, trader

RAY = 10**27
BILLION = 10**9
SETTLEMENT_SCALE = 10**12
NOBODY = "0x" + "00" * 20
LENDER = trader("lender")


@dataclass(frozen=True)
class Fill:
    """The clearinghouse's `Fill`; accounts by place in the settlement's list."""

    instrument: int
    size: int
    price: int
    taker: int = 0
    maker: int = 1
    takerReduceOnly: bool = False
    makerReduceOnly: bool = False
    takerFee: int = 0
    makerFee: int = 0
    takerDelegate: str = NOBODY
    makerDelegate: str = NOBODY


FILL = "(uint16,uint16,uint24,bool,bool,int128,uint128,uint128,uint128,address,address)"
FIELDS = [
    "taker",
    "maker",
    "instrument",
    "takerReduceOnly",
    "makerReduceOnly",
    "size",
    "price",
    "takerFee",
    "makerFee",
    "takerDelegate",
    "makerDelegate",
]


def trade_of(accounts: list[int], fills: Iterable[Fill]) -> bytes:
    """What `settleFills` takes."""
    return encode(["uint256[]", f"{FILL}[]"], [accounts, [[getattr(fill, name) for name in FIELDS] for fill in fills]])


@dataclass(frozen=True)
class Slice:
    """The clearinghouse's `Slice`."""

    fraction: int
    keptCash: int = 0
    payment: int = 0
    fromProceeds: int = 0
    fromInsurance: int = 0
    uncovered: int = 0
    endsAuction: bool = False

    def context(self) -> bytes:
        """What makes the driver decide for this slice."""
        return encode(["uint256"] * 6 + ["bool"], list(asdict(self).values()))


@dataclass(frozen=True)
class Module:
    """One of the clearinghouse's modules, replaced by a driver that calls what the test asks."""

    system: System
    driver: Contract

    def run(self, *calls: tuple[Any, ...], locked: bool = True) -> list[Any]:
        """Several calls in one transaction under one lock; each a function's name and its arguments."""
        clearinghouse = self.system.clearinghouse
        data = [codec.encode_call(clearinghouse.abi, name, arguments) for name, *arguments in calls]
        outputs = self.driver.transact("run", clearinghouse.address, locked, data).result
        return [
            codec.decode_result(clearinghouse.abi, name, len(arguments), bytes(output)) if output else None
            for (name, *arguments), output in zip(calls, outputs, strict=True)
        ]

    def sell(self, account: int, bidder: int, bid: Slice) -> Any:
        """`sellSlice`, as auctions that decide for `bid`."""
        return self.run(("sellSlice", account, bidder, bid.context()))[0]

    def settle(self, accounts: list[int], *fills: Fill) -> Any:
        """`settleFills`, as the exchange."""
        return self.run(("settleFills", trade_of(accounts, fills)))[0]


def drive(system: System, module: Contract) -> Module:
    """Puts the driver in the place of a connected module."""
    system.evm.set_code(module.address, system.evm.code_at(system.evm.deploy("ModuleDriver").address))
    return Module(system, system.evm.contract("ModuleDriver", module.address))


def imbalance(system: System, accounts: Iterable[int]) -> int:
    """By how many ray-wei the books are off, over all `accounts`; 0 always (I3a)."""
    clearinghouse = system.clearinghouse
    instruments = clearinghouse.call_each("instrumentOf", range(1, clearinghouse.call("instrumentCount") + 1))
    return imbalance_of(clearinghouse.call("vaultState"), clearinghouse.call_each("accountOf", accounts), instruments)


def imbalance_of(vault: Any, views: Iterable[Any], instruments: Iterable[Any] = ()) -> int:
    """The same, of what was read already: the vault's state, every account's view, and every instrument's."""
    views, by_index = list(views), {instrument.index: instrument for instrument in instruments}
    quotes = sum(position.quote for view in views for position in view.positions)
    quotes += sum(instrument.clearedQuote for instrument in by_index.values())
    # Stored quote balances hold each position's loss share, rounded up; the books owe its sum exactly.
    shares = [_loss_share(position, by_index) for view in views for position in view.positions]
    quotes += sum(-(-share // WAD) for share in shares)
    claims = vault.supplyShares * vault.supplyIndex - vault.debtShares * vault.borrowIndex + vault.feesRay
    backing = vault.tokens * SETTLEMENT_SCALE + vault.uncoveredLoss - vault.claimPool
    return claims + quotes * RAY - backing * RAY - sum(shares) * BILLION


def _loss_share(position: Any, instruments: dict[int, Any]) -> int:
    """Size times what a unit of its side has paid for losses of the other, 1e-18 wei; options pay nothing."""
    instrument = instruments.get(position.index)
    if instrument is None:
        return 0
    return abs(position.size) * (instrument.longLossShare if position.size > 0 else instrument.shortLossShare)


def list_tokens(market: Market, *tokens: Contract, symbol: str = "ETH", cap: int = 10**24) -> list[int]:
    """Lists further tokens on an underlying and ramps their caps up. Returns their asset ids."""
    system = market.system
    underlying = system.record.underlyings[symbol]
    assets = []
    for token in tokens:
        assets.append(int(system.clearinghouse.call("assetCount")))
        system.act_as("governance", system.clearinghouse, "listAsset", token, underlying)
        system.act_as("risk", system.clearinghouse, "setDepositCap", assets[-1], cap, DAY)
    market.advance(DAY)
    return assets


def borrow(market: Market, borrower: Trader, amount: int, *, lent: int = 1_000_000) -> None:
    """A lender fills the vault; the borrower deposits 10 WETH (25,000) and withdraws whole settlement tokens."""
    market.fund(LENDER, USDC=lent)
    market.fund(borrower, WETH=10)
    units = market.units("USDC", amount)
    arguments = (borrower.account, 0, units, borrower.address)
    market.system.clearinghouse.transact("withdraw", *arguments, sender=borrower.address)


def cash_of(system: System, account: int) -> int:
    """Accrued cash, wad."""
    return int(system.clearinghouse.call("cashOf", account))


def position_of(system: System, account: int, place: int = 0) -> Any:
    """One position as reported."""
    return system.clearinghouse.call("accountOf", account).positions[place]
