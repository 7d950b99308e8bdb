"""Stop-losses and take-profits: arms those whose price is there, and fills them for their bounty.

What to do is a function of what was read at one block (`executions`); `TriggerDuty` reads, and sends it.
Amounts are wad of the value unit, sizes and prices wad, unless said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from ballast.chain.contracts import ContractCall, System
from ballast.chain.instruments import underlying_of
from ballast.chain.lane import TransactionLane
from ballast.chain.order_desk import domain_of
from ballast.chain.order_files import UnreadableOrder, read_orders
from ballast.chain.orders import DeadReason, Match, OrderFlags, SignedOrder, settlement
from ballast.errors import TransactionFailed
from ballast.risk.order_rates import bounty_down, bounty_rate
from ballast.store import BlockRef

log = structlog.get_logger(__name__)
WAD = 10**18
WIDE = 1
"""The worst oracle state that arms."""


class Act(StrEnum):
    ARM = "arm"
    EXECUTE = "execute"


@dataclass(frozen=True)
class OrderView:
    """A signed order at the snapshot's block.

    Attributes:
        remaining: Not filled yet.
        armed_at: Unix second; 0 while it is not.
    """

    signed: SignedOrder
    hash: bytes
    remaining: int
    reason: DeadReason
    armed_at: int = 0


@dataclass(frozen=True)
class Terms:
    """What executing pays, as the exchange has it: fee and highest bounty in 1e9 of notional, `time` in seconds."""

    fee: int
    most: int
    time: int


@dataclass(frozen=True)
class TriggerPolicy:
    """What an operator's transactions cost him. A bounty that covers no more is left to others."""

    arm_cost: int = WAD // 4
    execute_cost: int = WAD // 2


@dataclass(frozen=True)
class Execution:
    """One thing to do; `against` is the order to fill it with."""

    act: Act
    order: OrderView
    against: OrderView | None = None

    @property
    def purpose(self) -> str:
        return f"{self.act} 0x{self.order.hash.hex()}"


def executions(
    views: Iterable[OrderView],
    prices: Mapping[tuple[int, bool], tuple[int, int]],
    terms: Terms,
    now: int,
    policy: TriggerPolicy,
    under_way: Iterable[str] = (),
) -> list[Execution]:
    """Fills first, whose bounties others may take; then orders to arm.

    Args:
        prices: Price and oracle state by instrument and whether it is the mark, else the index.
        under_way: Purposes of transactions not yet mined; none is repeated.
    """
    views, busy = list(views), set(under_way)
    makers = [view for view in views if not view.signed.order.trigger and view.reason == DeadReason.NONE]
    found = []
    for view in views:
        if view.armed_at and view.reason == DeadReason.NONE:
            against = _best(view, makers, terms, now, policy)
            if against is not None:
                found.append(Execution(Act.EXECUTE, view, against))
    found += [
        Execution(Act.ARM, view)
        for view in views
        if view.reason == DeadReason.NOT_ARMED and _is_reached(view, prices) and _is_worth_arming(view, terms, policy)
    ]
    return [execution for execution in found if execution.purpose not in busy]


def _is_reached(view: OrderView, prices: Mapping[tuple[int, bool], tuple[int, int]]) -> bool:
    order = view.signed.order
    told = prices.get((order.instrument, bool(order.flags & OrderFlags.TRIGGER_ON_MARK)))
    if told is None or told[1] > WIDE:
        return False
    return told[0] >= order.trigger if order.flags & OrderFlags.TRIGGER_ABOVE else told[0] <= order.trigger


def _is_worth_arming(view: OrderView, terms: Terms, policy: TriggerPolicy) -> bool:
    """Arming pays nothing itself: what its order will pay at most must cover both transactions."""
    order = view.signed.order
    most = bounty_down(view.remaining, order.limit, terms.most, terms.fee, max(order.maxFee, terms.fee))
    return most >= policy.arm_cost + policy.execute_cost


def _best(
    view: OrderView, makers: Sequence[OrderView], terms: Terms, now: int, policy: TriggerPolicy
) -> OrderView | None:
    """The maker at the best price for the order, if the bounty of filling against it covers the cost."""
    order = view.signed.order
    is_buyer = order.size > 0
    crossing = [
        maker
        for maker in makers
        if (other := maker.signed.order).instrument == order.instrument
        and (other.size > 0) != is_buyer
        and other.account != order.account
        and (other.limit <= order.limit if is_buyer else other.limit >= order.limit)
    ]
    if not crossing or order.flags & (OrderFlags.POST_ONLY | OrderFlags.MULTI_LEG) or order.maxFee < terms.fee:
        return None
    best = min(crossing, key=lambda maker: maker.signed.order.limit * (1 if is_buyer else -1))
    size = min(view.remaining, best.remaining)
    rate = bounty_rate(terms.most, terms.time, now - view.armed_at)
    bounty = bounty_down(size, best.signed.order.limit, rate, terms.fee, order.maxFee)
    return best if bounty >= policy.execute_cost else None


@dataclass(frozen=True)
class TriggerDuty:
    """The keeper's job of executing triggered orders that lie in a folder, against plain ones that lie there too.

    Attributes:
        executor: Account that bounties are credited to.
    """

    system: System
    folder: Path
    executor: int
    policy: TriggerPolicy

    def work(self, lane: TransactionLane, block: BlockRef, now: int, accounts: Mapping[int, Any]) -> None:
        """Sends what is due at a block; one that is refused is decided anew on the next."""
        views = self.views(block)
        fees, bounty = self.system.read_all([("Exchange", "fees", []), ("Exchange", "bounty", [])], block)
        terms = Terms(fees.taker, bounty.most, bounty.time)
        due = executions(views, self.prices(views, block), terms, now, self.policy, lane.pending_purposes())
        for execution in due:
            log.info("decided", intent=execution.act.value, order="0x" + execution.order.hash.hex())
            try:
                lane.submit(execution.purpose, self.call_of(execution), block.number)
            except TransactionFailed as fault:
                log.info("simulation refused", intent=execution.act.value, reason=fault.reason)

    def views(self, block: BlockRef) -> list[OrderView]:
        """Every order of the folder. A file that holds none is told and passed over.

        Raises:
            ChainError: The exchange cannot be read.
        """
        domain = domain_of(self.system)
        orders: dict[bytes, SignedOrder] = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                orders |= {domain.hash(signed.order): signed for signed in read_orders([path], domain)}
            except UnreadableOrder as fault:
                log.warning("no order", file=str(path), reason=str(fault))
        told = self.system.read_all([("Exchange", "orderStatus", [one.order]) for one in orders.values()], block)
        armed = self.system.read_all([("Exchange", "armedAt", [one]) for one in orders], block)
        return [
            OrderView(signed, order_hash, abs(signed.order.size) - filled, DeadReason(reason), armed_at)
            for (order_hash, signed), (filled, reason), armed_at in zip(orders.items(), told, armed, strict=True)
        ]

    def prices(self, views: Iterable[OrderView], block: BlockRef) -> dict[tuple[int, bool], tuple[int, int]]:
        """Index, or mark, and oracle state of what orders wait for.

        Raises:
            ChainError: Hub or clearinghouse cannot be read.
        """
        waiting = [view.signed.order for view in views if view.reason == DeadReason.NOT_ARMED]
        keys = sorted({(one.instrument, bool(one.flags & OrderFlags.TRIGGER_ON_MARK)) for one in waiting})
        if not keys:
            return {}
        bits = sum(1 << number for number in {underlying_of(instrument) for instrument, _ in keys})
        quotes, _ = self.system.read("OracleHub", "quotesOf", bits, block=block)
        quote_of = {quote.underlying: quote for quote in quotes}
        marked = [instrument for instrument, is_mark in keys if is_mark]
        places = self.system.read_all([("Clearinghouse", "instrumentIndexOf", [one]) for one in marked], block)
        marks = self.system.read_all([("Clearinghouse", "markOf", [place]) for place in places], block)
        mark_of = dict(zip(marked, marks, strict=True))
        found = {}
        for instrument, is_mark in keys:
            quote = quote_of[underlying_of(instrument)]
            found[instrument, is_mark] = (mark_of[instrument] if is_mark else quote.index, quote.state)
        return found

    def call_of(self, execution: Execution) -> ContractCall:
        """The transaction that does it."""
        if execution.against is None:
            return self.system.call("Exchange", "arm", execution.order.signed)
        pair = [execution.order, execution.against]
        match = Match(0, 1, min(one.remaining for one in pair))
        orders, matches = settlement([one.signed for one in pair], [match])
        return self.system.call("Exchange", "execute", orders, matches, self.executor)
