"""Settlement: what was matched becomes transactions, and what the chain made of them becomes the books' truth.

One batch is under way at a time, so that each is simulated on the state that the one before left. A batch that failed,
was replaced or was never sent gives its orders back; nothing is taken for settled but what an event says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ballast.chain.contracts import System, decode_error
from ballast.chain.lane import Outcome, TransactionLane
from ballast.chain.logs import Event, EventReader, LogCursor
from ballast.chain.orders import DeadReason, Match, SignedOrder, settlement
from ballast.errors import ReorganisedBelow, RequestRefused, TransactionFailed
from ballast.matcher.batches import Fault, Sorted, Unit, blame, first_units, sort_out, units_of
from ballast.matcher.engine import Engine
from ballast.matcher.metrics import Metrics
from ballast.matcher.records import (
    BatchRecord,
    Clock,
    Command,
    Conclude,
    Cut,
    Drop,
    Filled,
    FillRecord,
    FillState,
    Killed,
    OrderRecord,
    OrderState,
    Rewind,
)
from ballast.matcher.sequencer import Sequencer
from ballast.store import BlockRef, Store

log = structlog.get_logger(__name__)
# No transaction may use more (EIP-7825).
MOST_GAS = 1 << 24


@dataclass(frozen=True)
class SettlerPolicy:
    """How batches are made.

    Attributes:
        batch_seconds: Matches wait at most so long for others, by the chain's clock; 0: each block.
        most_fills: Of a batch.
        patience: Blocks after which a batch that a re-organisation undid is given up.
        attempts: Simulations after which a fill that fails without a typed error is given up.
        swept: Resting orders asked about at each block, in turn: time alone kills some, and no event tells.
    """

    batch_seconds: int = 0
    most_fills: int = 16
    patience: int = 12
    attempts: int = 5
    swept: int = 50


class Settler:
    """Follows one deployment with one key. Not to be shared between threads."""

    def __init__(
        self,
        system: System,
        sequencer: Sequencer,
        store: Store,
        lane: TransactionLane,
        policy: SettlerPolicy,
        metrics: Metrics,
    ) -> None:
        self._system = system
        self._sequencer = sequencer
        self._store = store
        self._lane = lane
        self._policy = policy
        self._metrics = metrics
        self._cursor = LogCursor(EventReader(system, ["Exchange"]), system, store)
        self._last_cut = 0
        self._given_until: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._swept_to = 0
        self._swept_at = ""

    def step(self, head: BlockRef, *, drain: bool = False) -> None:
        """Handles a block: what happened, what came of batches, and the next batch.

        Args:
            drain: Send what is matched at once.

        Raises:
            ChainError: The chain could not be read; the next step starts where this one did.
        """
        self._follow(head)
        now = self._system.connection.timestamp(head)
        with self._sequencer.state() as engine:
            is_due = engine.is_due(now)
        if is_due:
            self._sequencer.commit(Clock(now))
        self._conclude(self._lane.collect(head), head)
        if head.hash != self._swept_at:
            self._sweep(head)
            self._swept_at = head.hash
        waited = now - self._last_cut >= self._policy.batch_seconds
        if (waited or drain) and self._send(head):
            self._last_cut = now
        self._store.record_handled(head.number)

    def head(self) -> BlockRef:
        """The newest block.

        Raises:
            ChainError: The node did not answer.
        """
        return self._system.connection.head()

    def is_idle(self) -> bool:
        """Whether nothing is matched or under way."""
        with self._sequencer.state() as engine:
            return not engine.crossed() and not engine.under_way()

    # What happened ---------------------------------------------------------------------------------------------

    def _follow(self, head: BlockRef) -> None:
        with self._sequencer.state() as engine:
            is_new = engine.sequence == 0
        if is_new and self._store.head() is None:
            # Nothing that happened before concerns an order that is not here yet.
            self._store.advance(head, ())
            return
        try:
            for _ in self._cursor.follow(self._note, head):
                pass
        except ReorganisedBelow:
            kept = self._store.head()
            block = 0 if kept is None else kept.number
            log.warning("chain reorganised", kept=block)
            self._metrics.reorganisations.inc()
            self._sequencer.commit(Rewind(block))
            raise

    def _note(self, events: list[Event]) -> list[str]:
        sent = self._batches_by_hash()
        with self._sequencer.state() as engine:
            self._sequencer.commit(*(one for event in events for one in _commands_of(event, engine, sent)))
        return []

    def _batches_by_hash(self) -> dict[str, int]:
        with self._sequencer.state() as engine:
            numbers = [batch.id for batch in engine.under_way()]
        return {one: number for number in numbers for one in self._store.transaction_hashes(purpose_of(number))}

    # What came of batches --------------------------------------------------------------------------------------

    def _conclude(self, outcomes: Sequence[Outcome], head: BlockRef) -> None:
        for outcome in outcomes:
            state = "mined" if outcome.succeeded else "failed"
            log.info("transaction " + state, purpose=outcome.purpose, hash=outcome.transaction_hash)
            self._metrics.transactions.labels(outcome=state).inc()
            self._store.record_action(outcome.block, "settle", hex(0), state, outcome.transaction_hash)
        pending = self._lane.pending_purposes()
        with self._sequencer.state() as engine:
            over = [batch for batch in engine.under_way() if self._is_over(batch, pending, head)]
            for batch in over:
                hashes = self._store.transaction_hashes(purpose_of(batch.id))
                mined = [one.transaction_hash for one in outcomes if one.purpose == purpose_of(batch.id)]
                transaction = (mined or list(hashes) or [""])[-1]
                self._sequencer.commit(Conclude(batch.id, head.number, transaction))
                self._given_until.pop(batch.id, None)
                self._metrics.settled.inc(sum(engine.fills[one].settled > 0 for one in batch.fills))

    def _is_over(self, batch: BatchRecord, pending: set[str], head: BlockRef) -> bool:
        if purpose_of(batch.id) in pending:
            return False
        if not batch.reopened or any(batch.done.values()):
            return True
        # Its transaction may be mined again on the other fork.
        return head.number >= self._given_until.setdefault(batch.id, head.number + self._policy.patience)

    def _sweep(self, head: BlockRef) -> None:
        with self._sequencer.state() as engine:
            resting = [one for one in engine.orders.values() if one.state is OrderState.LIVE and one.open]
        last = self._swept_to
        turn = sorted(resting, key=lambda one: (one.sequence <= last, one.sequence))[: self._policy.swept]
        self._swept_to = turn[-1].sequence if turn else 0
        self._drop_dead({one.hash: one for one in turn}, head)

    # The next batch --------------------------------------------------------------------------------------------

    def _send(self, head: BlockRef) -> bool:
        with self._sequencer.state() as engine:
            if engine.under_way() or not engine.crossed():
                return False
            units = first_units(units_of(engine.crossed()), self._policy.most_fills)
            orders = _orders_of(engine, units)
        if self._drop_dead(orders, head):
            return False
        found = sort_out(units, lambda fills: self._simulate(fills, orders))
        self._drop_offenders(found, orders)
        self._metrics.batch_simulations.inc()
        with self._sequencer.state() as engine:
            fills = [one for unit in found.settling for one in unit if engine.fills[one.id].state is FillState.CROSSED]
            if not fills:
                return False
            self._sequencer.commit(Cut(tuple(fill.id for fill in fills)))
            batch = engine.under_way()[-1]
        self._submit(batch, fills, orders, head)
        return True

    def _submit(
        self, batch: BatchRecord, fills: Sequence[FillRecord], orders: dict[str, OrderRecord], head: BlockRef
    ) -> None:
        call = self._system.call("Exchange", "settle", *_settlement(fills, orders))
        try:
            sent = self._lane.submit(purpose_of(batch.id), call, head.number)
        except TransactionFailed as fault:
            # Somebody was first: concluded and matched anew with the next block.
            log.info("settlement refused", batch=batch.id, reason=fault.reason)
            self._metrics.transactions.labels(outcome="refused").inc()
            return
        log.info("settlement sent", batch=batch.id, fills=len(fills), hash=sent)

    def _drop_dead(self, orders: dict[str, OrderRecord], head: BlockRef) -> bool:
        """Takes orders out that the chain would skip; True where there were some."""
        calls = [("Exchange", "orderStatus", [record.order]) for record in orders.values()]
        statuses = self._system.read_all(calls, head) if calls else []
        dead = [
            Killed(key, _slug(reason), head.number)
            for key, (_, reason) in zip(orders, statuses, strict=True)
            if reason != DeadReason.NONE
        ]
        self._sequencer.commit(*dead)
        return bool(dead)

    def _simulate(self, fills: Sequence[FillRecord], orders: dict[str, OrderRecord]) -> Fault | None:
        call = self._system.call("Exchange", "settle", *_settlement(fills, orders))
        request = {"from": self._lane.address, "to": call.to, "data": "0x" + call.data.hex(), "gas": hex(MOST_GAS)}
        try:
            self._system.connection.request("eth_call", request, "latest")
        except RequestRefused as refusal:
            return _fault_of(refusal)
        return None

    def _drop_offenders(self, found: Sorted, orders: dict[str, OrderRecord]) -> None:
        terms = {key: record.order for key, record in orders.items()}
        for unit, fault in found.failing:
            guilty = blame(unit, fault, terms)
            if guilty is None and not fault.is_typed:
                tries = self._failures[unit[0].id] = self._failures.get(unit[0].id, 0) + 1
                keys = {key for fill in unit for key in (fill.taker, fill.maker)}
                guilty = keys if tries >= self._policy.attempts else None
            if guilty is None:
                log.info("fills wait", fills=[fill.id for fill in unit], reason=str(fault))
                continue
            for key in sorted(guilty):
                log.info("order dropped", order=key, reason=str(fault))
                self._metrics.dropped.labels(reason=fault.name).inc()
            self._sequencer.commit(*(Drop(key, f"settlement reverts: {fault}") for key in sorted(guilty)))


def purpose_of(batch: int) -> str:
    """The transaction lane's name of a batch."""
    return f"settle {batch}"


def _slug(reason: int) -> str:
    return DeadReason(reason).name.lower().replace("_", " ")


def _orders_of(engine: Engine, units: Iterable[Unit]) -> dict[str, OrderRecord]:
    keys = dict.fromkeys(key for unit in units for fill in unit for key in (fill.taker, fill.maker))
    return {key: engine.orders[key] for key in keys}


def _settlement(fills: Sequence[FillRecord], orders: dict[str, OrderRecord]) -> tuple[list[SignedOrder], list[Match]]:
    keys = list(dict.fromkeys(key for fill in fills for key in (fill.taker, fill.maker)))
    place = {key: number for number, key in enumerate(keys)}
    matches = [Match(place[fill.taker], place[fill.maker], fill.size) for fill in fills]
    return settlement([orders[key].signed for key in keys], matches)


def _fault_of(refusal: RequestRefused) -> Fault:
    data = refusal.error.get("data") if isinstance(refusal.error, dict) else None
    found = decode_error(bytes.fromhex(data[2:])) if isinstance(data, str) and data.startswith("0x") else None
    if found is None:
        return Fault(str(refusal), is_typed=False)
    name, values = found
    return Fault(name, {} if values is None else values.as_dict())


def _commands_of(event: Event, engine: Engine, sent: dict[str, int]) -> Iterator[Command]:
    """What an event of the exchange means to orders that are known."""
    told: dict[str, Any] = event.arguments
    if event.name in ("OrderFilled", "OrderSkipped"):
        key = "0x" + told["orderHash"].hex()
        batch = sent.get(event.transaction)
        if key not in engine.orders:
            return
        if event.name == "OrderFilled":
            yield Filled(key, told["filled"], event.block, batch)
        elif batch is not None and told["reason"] != DeadReason.LEGS_NOT_WHOLE:
            # In a settlement of somebody else's it may have been listed so that it had to be skipped. Legs that met
            # dead ones may meet others.
            yield Killed(key, _slug(told["reason"]), event.block)
        return
    for record in engine.orders_of(told.get("account", 0)):
        if record.state is not OrderState.DEAD or record.pending:
            reason = _death_of(event.name, told, record)
            if reason is not None:
                yield Killed(record.hash, _slug(reason), event.block)


def _death_of(name: str, told: dict[str, Any], record: OrderRecord) -> DeadReason | None:
    """Why an event of its account kills an order; None where it does not."""
    order = record.order
    if name == "OrderCancelled" and told["nonce"] == order.nonce:
        return DeadReason.CANCELLED
    if name == "NoncesCancelledBelow" and order.nonce < told["minNonce"]:
        return DeadReason.CANCELLED
    if name == "EpochAdvanced" and order.epoch != told["epoch"]:
        return DeadReason.OTHER_EPOCH
    is_revoked = name == "DelegateSet" and told["expiry"] == 0 and told["delegate"].lower() == order.signer.lower()
    return DeadReason.SIGNER_NOT_AUTHORISED if is_revoked else None
