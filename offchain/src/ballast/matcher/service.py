"""A matcher at work: orders enter in the order of their arrival, one thread admits them, another settles."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import structlog
from eth_account.signers.local import LocalAccount

from ballast.chain.orders import OrderDomain, SignedOrder
from ballast.errors import ChainError
from ballast.matcher.admission import Admission, Exposure
from ballast.matcher.desk import QuoteDesk
from ballast.matcher.feed import Feed
from ballast.matcher.metrics import Metrics
from ballast.matcher.records import Accept, OrderRecord, OrderState, Withdraw
from ballast.matcher.refusals import Refused
from ballast.matcher.sequencer import JournalFailed, Sequencer
from ballast.matcher.settler import Settler
from ballast.matcher.signatures import MatcherDomain, digest_of, sign
from ballast.matcher.views import Views
from ballast.store import BlockRef

log = structlog.get_logger(__name__)
_T = TypeVar("_T")
# Requests that may wait for their turn.
LONGEST_QUEUE = 1_000


def wall_clock() -> int:
    """Unix time, ms."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class ServicePolicy:
    """What a matcher allows.

    Attributes:
        most_orders: Of an account, alive at once.
        quiet_after: Seconds without a handled block look after which it is not healthy.
    """

    most_orders: int = 200
    quiet_after: float = 60.0


class Matcher:
    """Everything behind the interface. `submit` and `withdraw` are taken in turn: first come, first numbered."""

    def __init__(
        self,
        sequencer: Sequencer,
        admission: Admission,
        views: Views,
        feed: Feed,
        domain: OrderDomain,
        key: LocalAccount,
        metrics: Metrics,
        policy: ServicePolicy = ServicePolicy(),
    ) -> None:
        self.sequencer = sequencer
        self.views = views
        self.feed = feed
        self.domain = domain
        self.metrics = metrics
        self.is_closing = False
        self.head: BlockRef | None = None
        self.sockets = 0
        self._admission = admission
        self.desk = QuoteDesk(sequencer, admission, views, domain, self.receipt, policy.most_orders, wall_clock)
        self._statements = MatcherDomain(domain.chain_id, domain.exchange)
        self._key = key
        self._policy = policy
        # One thread: its queue is the order of arrival.
        self._turns = ThreadPoolExecutor(1, "admission")
        self._waiting = 0
        self._last_look: float | None = None

    # Asked by users --------------------------------------------------------------------------------------------

    async def submit(self, signed: SignedOrder) -> dict[str, Any]:
        """Takes an order: its receipt, what it is now, and what it was matched with.

        Raises:
            Refused: It was not taken.
        """
        with self.metrics.admission.time():
            return await self._written(lambda: self._enter(signed))

    async def withdraw(self, account: int, nonce: int, signer: str, signature: bytes) -> dict[str, Any]:
        """Takes an order back; what is matched already goes on.

        Raises:
            Refused: There is none, or the signature is not its owner's or signer's.
        """
        return await self._written(lambda: self._withdraw(account, nonce, signer, signature))

    async def quote(self, act: Callable[[QuoteDesk], dict[str, Any]]) -> dict[str, Any]:
        """Asks for quotes, answers or takes one.

        Raises:
            Refused: It was not done.
        """
        with self.metrics.admission.time():
            return await self._written(lambda: self._quote(act))

    async def ask(self, question: Callable[[Admission], _T]) -> _T:
        """Reads the chain where admission does."""
        return await self._in_turn(lambda: question(self._admission))

    def receipt(self, record: OrderRecord) -> dict[str, Any]:
        """What the matcher stands for: an order's place, and by the running hash the place of all before it."""
        message = self._statements.receipt(record.hash, record.sequence, record.time, record.receipt)
        return {
            "hash": record.hash,
            "sequence": record.sequence,
            "time": record.time,
            "chain": record.receipt,
            "matcher": self._key.address,
            "signature": sign(message, self._key),
        }

    def count_socket(self, change: int) -> None:
        self.sockets += change
        self.metrics.sockets.set(self.sockets)

    def health(self) -> dict[str, Any]:
        quiet = None if self._last_look is None else time.monotonic() - self._last_look
        is_quiet = quiet is None or quiet > self._policy.quiet_after
        with self.sequencer.state() as engine:
            waiting, under_way, sequence = len(engine.crossed()), len(engine.under_way()), engine.sequence
        return {
            "status": "closing" if self.is_closing else "quiet" if is_quiet else "ok",
            "block": None if self.head is None else self.head.number,
            "sequence": sequence,
            "fillsWaiting": waiting,
            "batchesUnderWay": under_way,
            "queue": self._waiting,
            "session": self.feed.session,
        }

    async def on_disk(self) -> None:
        """Returns when everything that anybody may have seen so far is on disk.

        Raises:
            Refused: The journal cannot be written.
        """
        try:
            await asyncio.wrap_future(self.sequencer.on_disk())
        except JournalFailed as fault:
            raise Refused("not-recorded") from fault

    async def _written(self, act: Callable[[], _T]) -> _T:
        """In turn; the next one's turn comes while this one is written."""
        try:
            answer, written = await self._in_turn(lambda: (act(), self.sequencer.on_disk()))
            await asyncio.wrap_future(written)
        except JournalFailed as fault:
            raise Refused("not-recorded") from fault
        return answer

    async def _in_turn(self, act: Callable[[], _T]) -> _T:
        if self._waiting >= LONGEST_QUEUE:
            raise Refused("too-many-requests", "The matcher is busy.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._turns, act)
        finally:
            self._waiting -= 1

    def _enter(self, signed: SignedOrder) -> dict[str, Any]:
        if self.is_closing:
            raise Refused("closing")
        order_hash = "0x" + self.domain.hash(signed.order).hex()
        account = signed.order.account
        with self.sequencer.state() as engine:
            self._require_place(order_hash, signed)
            alive = sum(one.state is not OrderState.DEAD for one in engine.orders_of(account))
            exposure = Exposure.of(engine, account)
        if alive >= self._policy.most_orders:
            raise Refused("too-many-orders", most=self._policy.most_orders)
        self._admission.admit(signed, exposure)
        with self.sequencer.state() as engine:
            # The settler may have moved the book meanwhile.
            self._require_place(order_hash, signed)
            values = {
                name: value if name == "signer" else str(int(value)) for name, value in asdict(signed.order).items()
            }
            now = wall_clock()
            self.sequencer.enter(Accept(order_hash, values, "0x" + signed.signature.hex(), now))
            record = engine.orders[order_hash]
            answer = {
                "receipt": self.receipt(record),
                "order": self.views.order(record),
                "trades": self.views.trades_of(order_hash),
            }
        self.metrics.accepted.inc()
        return answer

    def _quote(self, act: Callable[[QuoteDesk], dict[str, Any]]) -> dict[str, Any]:
        if self.is_closing:
            raise Refused("closing")
        answer = act(self.desk)
        self.metrics.accepted.inc(len(answer["orders"]))
        return answer

    def _require_place(self, order_hash: str, signed: SignedOrder) -> None:
        with self.sequencer.state() as engine:
            code = engine.refusal(order_hash, signed.order)
        if code is not None:
            raise Refused(code)

    def _withdraw(self, account: int, nonce: int, signer: str, signature: bytes) -> dict[str, Any]:
        with self.sequencer.state() as engine:
            record = engine.find(account, nonce)
        if record is None:
            raise Refused("not-found")
        if int(signer, 16) not in (record.owner, int(record.order.signer, 16)):
            raise Refused("not-authorised")
        digest = digest_of(self._statements.withdrawal(account, nonce))
        if not self._admission.is_signed(signer, digest, signature):
            raise Refused("bad-signature")
        with self.sequencer.state():
            self.sequencer.enter(Withdraw(record.hash))
            return {"order": self.views.order(record), "trades": self.views.trades_of(record.hash)}

    # At work ---------------------------------------------------------------------------------------------------

    def settle_until(self, stop: threading.Event, settler: Settler, poll: float, drain_seconds: float) -> None:
        """Handles blocks until told to stop, then what is matched until nothing is, for so many seconds at most."""
        done: BlockRef | None = None
        while not stop.is_set():
            done = self.look(settler, done)
            stop.wait(poll)
        deadline = time.monotonic() + drain_seconds
        pause = threading.Event()
        while not settler.is_idle() and time.monotonic() < deadline:
            done = self.look(settler, done, drain=True)
            pause.wait(poll)

    def look(self, settler: Settler, done: BlockRef | None, *, drain: bool = False) -> BlockRef | None:
        """Handles the newest block where it is a new one, or where something waits. Returns the last one handled."""
        self.sequencer.require_writable()
        self.desk.close_due()
        try:
            head = settler.head()
            if head != done or not settler.is_idle():
                settler.step(head, drain=drain)
            self.head, self._last_look = head, time.monotonic()
            self.metrics.block.set(head.number)
            return head
        except ChainError as fault:
            log.warning("step failed, trying again", reason=str(fault))
            self.metrics.faults.inc()
            return done

    def close(self) -> None:
        """Lets the request under way end; nothing is taken any more."""
        self.is_closing = True
        self._turns.shutdown(wait=True, cancel_futures=True)
