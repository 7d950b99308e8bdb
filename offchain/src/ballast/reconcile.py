"""Reconciliation: the ledger rebuilt from events against storage, token balances and the invariants.

Every check is exact: a difference of one wei fails it. All reads are pinned to one block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ballast.chain.contracts import System
from ballast.chain.logs import EventReader
from ballast.ledger import CASH, Ledger, Position
from ballast.store import BlockRef

WAD = 10**18
PAGE = 5_000
_ERC20_BALANCE = "balanceOf"


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        invariant: Its id, or `storage` where storage is compared with events.
        difference: Left minus right; what is wrong by, in `unit`.
        holds: Whether the difference is as the check allows.
    """

    invariant: str
    subject: str
    left: int
    right: int
    holds: bool
    unit: str = "wei"

    @property
    def difference(self) -> int:
        return self.left - self.right


@dataclass(frozen=True)
class Reconciliation:
    """All checks at one block."""

    block: BlockRef
    events: int
    accounts: int
    checks: list[Check]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if not check.holds]


def rebuild(system: System, block: BlockRef, progress: Callable[[int], None] | None = None) -> tuple[Ledger, int]:
    """Replays every event up to `block`. Returns the ledger and the number of events."""
    reader = EventReader(system, ["Clearinghouse"])
    ledger, count, first = Ledger(), 0, system.deployment.block
    while first <= block.number:
        last = min(first + PAGE - 1, block.number)
        events = reader.read(first, last)
        ledger.apply(events)
        count += len(events)
        if progress is not None:
            progress(last)
        first = last + 1
    return ledger, count


def reconcile(
    system: System, block: BlockRef | None = None, progress: Callable[[int], None] | None = None
) -> Reconciliation:
    """Rebuilds all balances from events and compares them with the chain at `block` (default: the newest).

    Raises:
        ChainError: A read failed: nothing is concluded from half a comparison.
    """
    block = block or system.connection.head()
    ledger, count = rebuild(system, block, progress)
    vault = system.read("Clearinghouse", "vaultState", block=block)
    accounts = sorted(ledger.accounts)
    views = system.read_all([("Clearinghouse", "accountOf", [account]) for account in accounts], block)
    on_chain = dict(zip(accounts, views, strict=True))
    listed = sorted(ledger.instruments)
    reports = system.read_all([("Clearinghouse", "instrumentOf", [index]) for index in listed], block)
    instruments = dict(zip(listed, reports, strict=True))
    checks = [
        *_compare_accounts(ledger, on_chain, vault),
        *_compare_tokens(system, ledger, on_chain, vault, block),
        *_compare_clearing(ledger, instruments),
        *_compare_claims(system, ledger, accounts, block),
        *_sizes_sum_to_zero(on_chain, instruments),
        *_value_is_conserved(system, ledger, on_chain, instruments, vault, block),
    ]
    return Reconciliation(block, count, len(accounts), checks)


def _equal(invariant: str, subject: str, left: int, right: int) -> Check:
    return Check(invariant, subject, left, right, left == right)


def _compare_accounts(ledger: Ledger, on_chain: dict[int, Any], vault: Any) -> Iterator[Check]:
    for account, view in on_chain.items():
        entry, label = ledger.accounts[account], f"{account:#x}"
        cash = ledger.cash_now(account, vault.supplyIndex, vault.borrowIndex)
        yield _equal("storage", f"cash of {label}", cash, view.cash)
        stored = {leg.asset: leg.amount for leg in view.collaterals}
        for asset in sorted(stored.keys() | entry.collaterals.keys()):
            left, right = entry.collaterals.get(asset, 0), stored.get(asset, 0)
            yield _equal("storage", f"asset {asset} of {label}", left, right)
        positions = {leg.index: leg for leg in view.positions}
        for index in sorted(positions.keys() | entry.positions.keys()):
            kept, leg = entry.positions.get(index), positions.get(index)
            sizes = (kept.size if kept else 0, leg.size if leg else 0)
            quotes = (kept.quote if kept else 0, leg.quote if leg else 0)
            yield _equal("storage", f"size in {index} of {label}", *sizes)
            yield _equal("storage", f"quote in {index} of {label}", *quotes)


def _compare_tokens(
    system: System, ledger: Ledger, on_chain: dict[int, Any], vault: Any, block: BlockRef
) -> Iterator[Check]:
    held: dict[int, int] = defaultdict(int)
    for view in on_chain.values():
        for leg in view.collaterals:
            held[leg.asset] += leg.amount
    for asset, info in sorted(ledger.assets.items()):
        if asset == CASH:
            continue
        total = system.read("Clearinghouse", "assetOf", asset, block=block).total
        balance = token_balance(system, info.token, block)
        yield _equal("I1", f"asset {asset}: Σ balances, total", held[asset], total)
        yield _equal("I3", f"asset {asset}: Σ balances, net deposits", held[asset], ledger.net_deposits[asset])
        yield Check("I1", f"asset {asset}: tokens held, Σ balances", balance, held[asset], balance >= held[asset])


def _compare_clearing(ledger: Ledger, instruments: dict[int, Any]) -> Iterator[Check]:
    for index, report in instruments.items():
        kept = ledger.cleared.get(index, Position())
        if kept != Position() or (report.clearedSize, report.clearedQuote) != (0, 0):
            yield _equal("storage", f"instrument {index}: cleared size", kept.size, report.clearedSize)
            yield _equal("storage", f"instrument {index}: cleared quote", kept.quote, report.clearedQuote)


def _compare_claims(system: System, ledger: Ledger, accounts: list[int], block: BlockRef) -> Iterator[Check]:
    if ledger.claims.epoch == 0:
        return
    views = system.read_all([("Clearinghouse", "claimOf", [account]) for account in accounts], block)
    for account, view in zip(accounts, views, strict=True):
        outstanding, collectable = ledger.claim_of(account)
        yield _equal("storage", f"claim of {account:#x}", outstanding, view.outstanding)
        yield _equal("storage", f"collectable claim of {account:#x}", collectable, view.collectable)


def _sizes_sum_to_zero(on_chain: dict[int, Any], instruments: dict[int, Any]) -> Iterator[Check]:
    sums = {index: report.clearedSize for index, report in instruments.items()}
    longs: dict[int, int] = defaultdict(int)
    for view in on_chain.values():
        for leg in view.positions:
            sums[leg.index] += leg.size
            longs[leg.index] += max(0, leg.size)
    for index, total in sorted(sums.items()):
        yield _equal("I2", f"instrument {index}: Σ size", total, 0)
        yield _equal("I2", f"instrument {index}: Σ long, open interest", longs[index], instruments[index].openInterest)


def _value_is_conserved(
    system: System,
    ledger: Ledger,
    on_chain: dict[int, Any],
    instruments: dict[int, Any],
    vault: Any,
    block: BlockRef,
) -> Iterator[Check]:
    cash = sum(view.cash for view in on_chain.values())
    # Quote balances change by exact opposites, so that funding and settlement sum to zero over an instrument.
    quotes = {index: report.clearedQuote for index, report in instruments.items()}
    for view in on_chain.values():
        for leg in view.positions:
            quotes[leg.index] += leg.quote
    positions = sum(len(view.positions) for view in on_chain.values())
    scale = 10 ** (18 - ledger.assets[CASH].decimals)
    deposited = ledger.net_deposits[CASH] * scale
    owed = cash + sum(quotes.values()) + vault.fees + vault.claimPool - vault.uncoveredLoss
    slack = 2 * (len(on_chain) + positions)
    balance = token_balance(system, ledger.assets[CASH].token, block) * scale
    yield Check("I1", "settlement tokens held, all claims", balance, owed, balance >= owed)
    yield Check("I3", "net deposits, all claims", deposited, owed, 0 <= deposited - owed <= slack)
    yield _equal(
        "I3", "uncovered loss, Σ losses recorded and not socialised", vault.uncoveredLoss, ledger.uncovered_loss
    )
    yield _equal("storage", "repaid to claims and not collected", ledger.claims.pool, vault.claimPool)
    for index, total in sorted(quotes.items()):
        left = -ledger.moved_to_cash[index] - ledger.losses_shared[index]
        yield _equal("I4", f"instrument {index}: Σ quote, −Σ moved to cash and paid for losses", total, left)


def token_balance(system: System, token: str, block: BlockRef) -> int:
    """Tokens the clearinghouse holds, in the token's own units."""
    from eth_utils import keccak

    owner = system.address("Clearinghouse")
    data = keccak(text=f"{_ERC20_BALANCE}(address)")[:4] + bytes.fromhex(owner[2:]).rjust(32, b"\0")
    request = {"to": token, "data": "0x" + data.hex()}
    return int(system.connection.request("eth_call", request, {"blockHash": block.hash}), 16)
