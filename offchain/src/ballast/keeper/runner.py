"""The keeper's loop: follow the chain, find who is near liquidation, confirm on chain, act.

One step handles one block. Whatever fails in a step is reported and tried again on the next block: nothing is marked as
done before it is done.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from ballast.chain.contracts import ContractCall, System
from ballast.chain.lane import TransactionLane
from ballast.chain.logs import Event, EventReader, LogCursor
from ballast.errors import ChainError, ReorganisedBelow, TransactionFailed
from ballast.keeper.decide import Intent, IntentKind, Policy, Snapshot, intents
from ballast.keeper.metrics import Metrics
from ballast.keeper.mirror import Mirror, accounts_of
from ballast.keeper.snapshot import take_snapshot
from ballast.store import BlockRef, Store

log = structlog.get_logger(__name__)
FOLLOWED = ("Clearinghouse", "Auctions")


class Scanner(Protocol):
    """Finds, off chain and fast, the accounts that deserve a look on chain."""

    def suspects(self, mirror: Mirror, block: BlockRef) -> set[int]: ...


class Publisher(Protocol):
    """Publishes prices where this operator is a signer."""

    def publish(self, lane: TransactionLane, block: BlockRef) -> None: ...


class Upkeep(Protocol):
    """Keeps what nobody else's act keeps."""

    def work(self, lane: TransactionLane, block: BlockRef, now: int, accounts: Mapping[int, Any]) -> None:
        """Sends what is due at a block, whose time is `now`, of these `AccountView`s."""
        ...


class Watch(Protocol):
    """Tells people about accounts that they chose."""

    accounts: frozenset[int]

    def look(self, snapshot: Snapshot, block: BlockRef) -> None: ...


class Stop(Protocol):
    """Tells a keeper to end; a `threading.Event` does."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


@dataclass(frozen=True)
class Duties:
    """Several jobs of upkeep, in order."""

    jobs: Sequence[Upkeep]

    def work(self, lane: TransactionLane, block: BlockRef, now: int, accounts: Mapping[int, Any]) -> None:
        for job in self.jobs:
            job.work(lane, block, now, accounts)


@dataclass
class Keeper:
    """One operator's keeper.

    Attributes:
        lane: Sends transactions; None watches only.
    """

    system: System
    store: Store
    scanner: Scanner
    policy: Policy
    lane: TransactionLane | None = None
    publisher: Publisher | None = None
    metrics: Metrics | None = None
    upkeep: Upkeep | None = None
    watch: Watch | None = None

    def __post_init__(self) -> None:
        self.mirror = Mirror()
        self.mirror.touch(self.store.accounts())
        if self.policy.bidder is not None:
            self.mirror.touch([self.policy.bidder])
        self._chosen = self.watch.accounts if self.watch is not None else frozenset()
        self._cursor = LogCursor(EventReader(self.system, FOLLOWED), self.system, self.store)

    def step(self, head: BlockRef) -> Snapshot:
        """Handles one block: everything it reads is pinned to `head`.

        Raises:
            ChainError: The chain could not be read; the next step starts where this one did.
        """
        self._catch_up(head)
        if self.lane is not None:
            self._collect(self.lane, head)
            if self.publisher is not None:
                self.publisher.publish(self.lane, head)
        self.mirror.refresh(self.system, head)
        suspects = self.scanner.suspects(self.mirror, head) | self.mirror.unknown | self._chosen
        snapshot = take_snapshot(self.system, head, suspects, self.mirror, self.policy)
        for intent in self.plan(snapshot):
            self._act(intent, head)
        if self.lane is not None and self.upkeep is not None:
            self.upkeep.work(self.lane, head, snapshot.timestamp, self.mirror.accounts)
        if self.watch is not None:
            self.watch.look(snapshot, head)
        if self.metrics is not None:
            self.metrics.observe(snapshot, len(self.mirror.accounts), self.policy)
        self.store.record_handled(head.number)
        return snapshot

    def plan(self, snapshot: Snapshot) -> list[Intent]:
        under_way = self.lane.pending_purposes() if self.lane is not None else set()
        return intents(snapshot, self.policy, under_way)

    def run(self, stop: Stop, poll_seconds: float = 0.25, each: Callable[[Snapshot], None] | None = None) -> None:
        """Steps on every new block until `stop` is set."""
        done: BlockRef | None = None
        while not stop.is_set():
            try:
                head = self.system.connection.head()
                if head != done:
                    snapshot = self.step(head)
                    done = head
                    if each is not None:
                        each(snapshot)
                    continue
            except ChainError as fault:
                log.warning("step failed, trying again", reason=str(fault))
                if self.metrics is not None:
                    self.metrics.faults.inc()
            stop.wait(poll_seconds)

    def _catch_up(self, head: BlockRef) -> None:
        def note(events: list[Event]) -> list[str]:
            touched = accounts_of(events)
            self.mirror.touch(touched)
            return [hex(account) for account in touched]

        try:
            for _ in self._cursor.follow(note, head):
                pass
        except ReorganisedBelow as fault:
            log.warning("chain reorganised, reading everything again", below=fault.number)
            self.mirror.forget()
            raise

    def _collect(self, lane: TransactionLane, head: BlockRef) -> None:
        for outcome in lane.collect(head):
            state = "mined" if outcome.succeeded else "failed"
            kind, _, account = outcome.purpose.partition(" ")
            self.store.record_action(outcome.block, kind, account, state, outcome.transaction_hash)
            log.info(
                "transaction " + state, purpose=outcome.purpose, hash=outcome.transaction_hash, gas=outcome.gas_used
            )
            if self.metrics is not None:
                self.metrics.transactions.labels(kind=kind, outcome=state).inc()

    def _act(self, intent: Intent, head: BlockRef) -> None:
        log.info("decided", intent=intent.kind.value, account=hex(intent.account), reason=intent.reason)
        if self.lane is None:
            return
        try:
            self.lane.submit(intent.purpose, call_of(self.system, intent, self.policy), head.number)
        except TransactionFailed as fault:
            # Another keeper may have been first, or the account recovered: decided anew on the next block.
            self.store.record_action(head.number, intent.kind.value, hex(intent.account), "refused", fault.reason)
            log.info("simulation refused", intent=intent.kind.value, account=hex(intent.account), reason=fault.reason)
            if self.metrics is not None:
                self.metrics.transactions.labels(kind=intent.kind.value, outcome="refused").inc()


def call_of(system: System, intent: Intent, policy: Policy) -> ContractCall:
    """The transaction that carries an intent out."""
    match intent.kind:
        case IntentKind.START:
            return system.call("Auctions", "start", intent.account, policy.bidder or 0)
        case IntentKind.POKE:
            return system.call("Auctions", "poke", intent.account)
        case IntentKind.WRITE_OFF:
            return system.call("Auctions", "writeOff", intent.account)
        case IntentKind.BID:
            terms: dict[str, Any] = {
                "liquidated": intent.account,
                "bidder": policy.bidder,
                "auctionId": intent.auction_id,
                "positionNonce": intent.position_nonce,
                "fraction": intent.fraction,
                "minFraction": intent.least_fraction,
                "maxPricePerEquity": intent.highest_price,
            }
            return system.call("Auctions", "bid", terms)


class _StopSignals:
    """A flag and no lock: a handler runs within whatever it interrupts, and `threading.Event` would wait for itself."""

    def __init__(self) -> None:
        self._is_set = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, *_: object) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float) -> bool:
        time.sleep(timeout)
        return self._is_set


def stop_on_signals() -> Stop:
    """Set by SIGTERM and SIGINT: the step under way ends, the store is whole."""
    return _StopSignals()
