"""Every balance of the protocol, rebuilt from events alone.

The ledger is the shared root of the keeper's mirror and of reconciliation. It knows nothing but events: comparing it
with storage, token balances and the invariants is `ballast.reconcile`'s work.
All amounts are exact integers in the contracts' units: cash, quote and value in wad, collateral in token units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ballast.chain.ids import KIND_OPTION, account_id, kind_of
from ballast.chain.logs import Event
from ballast.claims import Claims, supply_shares
from ballast.errors import BallastError

WAD = 10**18
RAY = 10**27
CASH = 0


class UnexplainedEvent(BallastError):
    """An event contradicts what came before it: the history is incomplete or the contracts are wrong."""


@dataclass
class Position:
    """Stored size and quote balance of one instrument, wad."""

    size: int = 0
    quote: int = 0


@dataclass
class LedgerAccount:
    """One account as its events tell it.

    Attributes:
        cash: As last written, wad; interest since then is not in it.
        interest_index: Index at which `cash` was written: the supply index if it is ≥ 0, else the borrow index.
        shares: Supply shares of the cash as last written.
        epoch: The epoch of the claims in which that was.
    """

    cash: int = 0
    interest_index: int = RAY
    shares: int = 0
    epoch: int = 0
    collaterals: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[int, Position] = field(default_factory=lambda: defaultdict(Position))
    in_liquidation: bool = False


@dataclass(frozen=True)
class AssetInfo:
    token: str
    underlying: int
    decimals: int


class Ledger:
    """Replays the clearinghouse's events in chain order."""

    def __init__(self) -> None:
        self.accounts: dict[int, LedgerAccount] = defaultdict(LedgerAccount)
        self.assets: dict[int, AssetInfo] = {}
        self.instruments: dict[int, int] = {}
        self.supply_index = RAY
        self.borrow_index = RAY
        self.uncovered_loss = 0
        self.losses_recorded = 0
        self.claims = Claims()
        self.fees_charged = 0
        self.fees_distributed = 0
        self.insurance_account = 0
        self.treasury_account = 0
        self.net_deposits: dict[int, int] = defaultdict(int)
        self.moved_to_cash: dict[int, int] = defaultdict(int)
        self.cumulative_funding: dict[int, int] = defaultdict(int)
        self.loss_shares: dict[tuple[int, bool], int] = defaultdict(int)
        """What a unit of one side of an instrument (True: the longs) has paid for losses of the other, wad."""
        self.losses_shared: dict[int, int] = defaultdict(int)
        """What both sides have paid out of their quote balances, by instrument."""
        self.cleared: dict[int, Position] = defaultdict(Position)
        """The clearing accounts, which take the other side of every settlement, by instrument."""
        self._rewritten: set[int] = set()
        self._handlers: dict[str, Callable[[dict[str, Any]], Iterable[int]]] = {
            name.removeprefix("_on_"): getattr(self, name) for name in dir(self) if name.startswith("_on_")
        }

    def apply(self, events: Iterable[Event]) -> set[int]:
        """Replays events, whole transactions at a time. Returns the accounts they touched."""
        touched: set[int] = set()
        for _, transaction in groupby(events, key=lambda event: event.transaction):
            for event in transaction:
                handler = self._handlers.get(event.name)
                if event.contract == "Clearinghouse" and handler is not None:
                    touched.update(handler(event.arguments))
            self._stamp_rewritten()
        return touched

    def cash_now(self, account: int, supply_index: int, borrow_index: int) -> int:
        """Cash of an account accrued to the given indices, wad, rounded down."""
        entry = self.accounts[account]
        index = supply_index if entry.cash >= 0 else borrow_index
        return entry.cash * index // entry.interest_index

    def _change_cash(self, account: int, change: int) -> None:
        # The contracts rewrite cash, and the index beside it, only where it changes.
        if change:
            self.accounts[account].cash += change
            self._rewritten.add(account)

    def _stamp_rewritten(self) -> None:
        """Interest accrues once a block, and its event follows those of the accounts rewritten with it."""
        for account in self._rewritten:
            entry = self.accounts[account]
            entry.interest_index = self.supply_index if entry.cash >= 0 else self.borrow_index
            self.claims.keep_shares(account, entry.shares, entry.epoch)
            entry.shares, entry.epoch = supply_shares(entry.cash, entry.interest_index), self.claims.epoch
        self._rewritten.clear()

    def claim_of(self, account: int) -> tuple[int, int]:
        """What an account lost to socialised losses and was not repaid, and what it can collect; wad."""
        entry = self.accounts[account]
        _, outstanding, collectable = self.claims.of(account, entry.shares, entry.epoch)
        return outstanding, collectable

    def _change_asset(self, account: int, asset: int, change: int) -> None:
        if asset == CASH:
            self._change_cash(account, change * 10 ** (18 - self.assets[CASH].decimals))
            return
        balances = self.accounts[account].collaterals
        balances[asset] += change
        if balances[asset] < 0:
            raise UnexplainedEvent(f"account {account:#x} would hold {balances[asset]} of asset {asset}")
        if balances[asset] == 0:
            del balances[asset]

    def _change_position(self, account: int, instrument: int, size: int, quote: int) -> None:
        positions = self.accounts[account].positions
        position = positions[instrument]
        position.size += size
        position.quote += quote
        if position.size == 0 and position.quote == 0:
            del positions[instrument]

    # Handlers: one an event, named after it; each returns the accounts it touched --------------------------------

    def _on_AssetListed(self, a: dict[str, Any]) -> Iterable[int]:
        self.assets[a["asset"]] = AssetInfo(a["token"], a["underlying"], a["decimals"])
        return ()

    def _on_InstrumentListed(self, a: dict[str, Any]) -> Iterable[int]:
        self.instruments[a["index"]] = a["instrument"]
        return ()

    def _on_InterestAccrued(self, a: dict[str, Any]) -> Iterable[int]:
        self.supply_index, self.borrow_index = a["supplyIndex"], a["borrowIndex"]
        return ()

    def _on_CashAccrued(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(a["account"], a["interest"])
        return (a["account"],)

    def _on_FundingAccrued(self, a: dict[str, Any]) -> Iterable[int]:
        self.cumulative_funding[a["instrument"]] = a["cumulativeFunding"]
        return ()

    def _on_Deposited(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_asset(a["account"], a["asset"], a["amount"])
        self.net_deposits[a["asset"]] += a["amount"]
        return (a["account"],)

    def _on_Withdrawn(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_asset(a["account"], a["asset"], -a["amount"])
        self.net_deposits[a["asset"]] -= a["amount"]
        return (a["account"],)

    def _on_Moved(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_asset(a["from"], a["asset"], -a["amount"])
        self._change_asset(a["to"], a["asset"], a["amount"])
        return (a["from"], a["to"])

    def _on_Realised(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_position(a["account"], a["instrument"], 0, -a["value"])
        self.moved_to_cash[a["instrument"]] += a["value"]
        self._change_cash(a["account"], a["value"])
        return (a["account"],)

    def _on_Filled(self, a: dict[str, Any]) -> Iterable[int]:
        # An option's premium is paid at once.
        premium = a["quote"] if kind_of(self.instruments[a["instrument"]]) == KIND_OPTION else 0
        quote = a["quote"] - premium
        self._change_position(a["taker"], a["instrument"], a["size"], quote)
        self._change_position(a["maker"], a["instrument"], -a["size"], -quote)
        self._change_cash(a["taker"], premium - a["takerFee"])
        self._change_cash(a["maker"], -premium - a["makerFee"])
        self.fees_charged += a["takerFee"] + a["makerFee"]
        return (a["taker"], a["maker"])

    def _on_PositionClosed(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_position(a["account"], a["instrument"], 0, -a["quoteToCash"])
        self.moved_to_cash[a["instrument"]] += a["quoteToCash"]
        self._change_cash(a["account"], a["quoteToCash"])
        return (a["account"],)

    def _on_PositionSettled(self, a: dict[str, Any]) -> Iterable[int]:
        instrument, value = a["instrument"], a["value"]
        held = self.accounts[a["account"]].positions[instrument]
        if held.size != a["size"]:
            raise UnexplainedEvent(f"account {a['account']:#x} settles {a['size']} of {held.size} in {instrument}")
        self.cleared[instrument].size += held.size
        self.cleared[instrument].quote += held.quote - value
        self.moved_to_cash[instrument] += value
        del self.accounts[a["account"]].positions[instrument]
        self._change_cash(a["account"], value)
        return (a["account"],)

    def _on_InstrumentCleared(self, a: dict[str, Any]) -> Iterable[int]:
        self.cleared[a["instrument"]].quote -= a["remainder"]
        self.moved_to_cash[a["instrument"]] += a["remainder"]
        self.fees_charged += a["remainder"]
        return ()

    def _on_CashTransferred(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(a["from"], -a["amount"])
        self._change_cash(a["to"], a["amount"])
        return (a["from"], a["to"])

    def _on_SliceTransferred(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(a["from"], -a["cash"])
        self._change_cash(a["to"], a["cash"])
        for part in a["collaterals"]:
            self._change_asset(a["from"], part.asset, -part.amount)
            self._change_asset(a["to"], part.asset, part.amount)
        for part in a["positions"]:
            self._change_position(a["from"], part.instrument, -part.size, -part.quote)
            self._change_position(a["to"], part.instrument, part.size, part.quote)
        return (a["from"], a["to"])

    def _on_ModulesConnected(self, a: dict[str, Any]) -> Iterable[int]:
        self.insurance_account = account_id(a["insuranceFund"])
        return ()

    def _on_TreasurySet(self, a: dict[str, Any]) -> Iterable[int]:
        self.treasury_account = account_id(a["treasury"])
        return ()

    def _on_BountyPaid(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(a["account"], a["amount"])
        self.fees_charged -= a["amount"]
        return (a["account"],)

    def _on_FeesDistributed(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(self.insurance_account, a["toInsurance"])
        self._change_cash(self.treasury_account, a["toTreasury"])
        self.fees_distributed += a["toInsurance"] + a["toTreasury"]
        return (self.insurance_account, self.treasury_account)

    def _on_LossRecorded(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_cash(a["account"], a["amount"])
        self.uncovered_loss += a["amount"]
        self.losses_recorded += a["amount"]
        return (a["account"],)

    def _on_LossShared(self, a: dict[str, Any]) -> Iterable[int]:
        # What the act wrote, it wrote before the charge. Every position pays what its own share, rounded up, grew by.
        instrument, longs = a["instrument"], a["longs"]
        before = self.loss_shares[instrument, longs]
        self.loss_shares[instrument, longs] += a["perUnit"]
        self.uncovered_loss -= a["amount"]
        charged = []
        for account, entry in self.accounts.items():
            position = entry.positions.get(instrument)
            if position is None or position.size == 0 or (position.size > 0) != longs:
                continue
            paid = -(-abs(position.size) * (before + a["perUnit"]) // WAD) + (-abs(position.size) * before // WAD)
            position.quote -= paid
            self.losses_shared[instrument] += paid
            charged.append(account)
        return charged

    def _on_LossSocialised(self, a: dict[str, Any]) -> Iterable[int]:
        # What the act wrote, it wrote before the cut.
        self._stamp_rewritten()
        self.claims.cut(self.supply_index - a["supplyIndex"], a["amount"])
        self.supply_index = a["supplyIndex"]
        self.uncovered_loss -= a["amount"]
        if (self.claims.epoch, self.uncovered_loss) != (a["epoch"], a["uncoveredLoss"]):
            raise UnexplainedEvent(f"a loss of {a['amount']} is socialised in epoch {a['epoch']}")
        return [account for account, entry in self.accounts.items() if entry.cash > 0]

    def _on_ClaimsRepaid(self, a: dict[str, Any]) -> Iterable[int]:
        self.claims.repay(a["amount"])
        self.fees_distributed += a["amount"]
        return ()

    def _on_ClaimCollected(self, a: dict[str, Any]) -> Iterable[int]:
        entry = self.accounts[a["account"]]
        amount, is_whole = self.claims.collect(a["account"], entry.shares, entry.epoch)
        if amount != a["amount"]:
            raise UnexplainedEvent(f"account {a['account']:#x} collects {a['amount']} of a claim of {amount}")
        if is_whole:
            entry.epoch = self.claims.epoch
        self._change_cash(a["account"], amount)
        return (a["account"],)

    def _on_Converted(self, a: dict[str, Any]) -> Iterable[int]:
        self._change_asset(a["account"], a["asset"], -a["amount"])
        self._change_asset(a["account"], CASH, a["payment"])
        self.net_deposits[a["asset"]] -= a["amount"]
        self.net_deposits[CASH] += a["payment"]
        return (a["account"],)

    def _on_LiquidationFlagSet(self, a: dict[str, Any]) -> Iterable[int]:
        self.accounts[a["account"]].in_liquidation = a["inLiquidation"]
        return (a["account"],)
