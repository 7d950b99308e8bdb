"""One sender, one sequence of nonces, every transaction known until it is final.

A transaction is simulated before it costs anything, written to the store before it is sent, and believed only by the
status of its receipt. One that does not get mined is replaced at the same nonce with a higher fee, so that it can never
happen twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount

from ballast.chain.connection import Connection
from ballast.chain.contracts import ContractCall, describe_error
from ballast.errors import RequestRefused, TransactionFailed
from ballast.store import BlockRef, PendingTransaction, Store

log = structlog.get_logger(__name__)

# Nodes ask for at least 10 % more on both fees before they take a replacement.
_BUMP_NUMERATOR, _BUMP_DENOMINATOR = 1125, 1000
# No transaction may use more (EIP-7825).
_MOST_GAS = 1 << 24
# What an act must have and may not use: a price source is given 100,000, whatever it takes.
_SPARE_GAS = 150_000
_METHOD_NOT_FOUND = -32601


@dataclass(frozen=True)
class LaneSettings:
    """How a lane prices and times its transactions.

    Attributes:
        priority_fee: Wei a gas to the block's producer.
        highest_fee: Wei a gas never exceeded, replacements included.
        gas_margin: Factor on the gas of the simulation, in percent: when it is mined, an act may find more to do.
        replace_after: Blocks after which an unmined transaction is replaced.
    """

    priority_fee: int = 1_000_000_000
    highest_fee: int = 500_000_000_000
    gas_margin: int = 200
    replace_after: int = 3


@dataclass(frozen=True)
class Outcome:
    """A transaction that reached its end.

    Attributes:
        succeeded: Whether its receipt has status 1. False also where the nonce was used by something else.
    """

    nonce: int
    purpose: str
    succeeded: bool
    block: int
    transaction_hash: str
    gas_used: int


class TransactionLane:
    """Sends one account's transactions. Not to be shared between processes: the store's file is its lock."""

    def __init__(self, connection: Connection, account: LocalAccount, store: Store, settings: LaneSettings) -> None:
        self._connection = connection
        self._account = account
        self._store = store
        self._settings = settings
        self._bodies: dict[int, dict[str, Any]] = {}
        self._base_fee: tuple[int, int] | None = None
        self._mined_nonce: int | None = None
        self._can_simulate = True

    @property
    def address(self) -> str:
        return self._account.address

    def pending_purposes(self) -> set[str]:
        """What is under way: a purpose in this set must not be submitted again."""
        return {pending.purpose for pending in self._store.pending_transactions(self.address)}

    def submit(self, purpose: str, call: ContractCall, block: int) -> str:
        """Simulates, records and sends. Returns the transaction's hash.

        Args:
            purpose: Names the intent, such as `bid 0x…`; one of a name is under way at a time.
            block: The block the decision was made on.

        Raises:
            TransactionFailed: The simulation reverted; nothing was sent and no nonce used.
            ChainUnreachable: The node did not answer. Was that after signing, `collect` finds out what became
                of the transaction.
        """
        used = self._simulate(purpose, call)
        body = {
            "to": call.to,
            "data": call.data,
            "value": 0,
            "nonce": self._next_nonce(),
            "gas": max(used, min(used * self._settings.gas_margin // 100 + _SPARE_GAS, _MOST_GAS)),
            "chainId": self._connection.chain_id,
            **self._fees(block),
        }
        return self._sign_and_send(body, purpose, (), block)

    def collect(self, head: BlockRef) -> list[Outcome]:
        """Outcomes of transactions mined up to `head`, replacements sent where one is stuck.

        One mined since is still under way: who decides on `head` does not see yet what it did.
        """
        outcomes = []
        self._mined_nonce = mined_nonce = self._connection.transaction_count(self.address, head.number)
        all_pending = self._store.pending_transactions(self.address)
        receipts = self._receipts(all_pending)
        for pending in all_pending:
            is_used = mined_nonce > pending.nonce
            outcome = self._outcome(pending, receipts, head, is_used=is_used)
            if outcome is not None:
                self._store.settle_transaction(pending.nonce, "mined" if outcome.succeeded else "failed")
                self._bodies.pop(pending.nonce, None)
                outcomes.append(outcome)
            elif not is_used and head.number - pending.first_block >= self._settings.replace_after:
                self._replace(pending, head)
        return outcomes

    def _simulate(self, purpose: str, call: ContractCall) -> int:
        """Gas it takes now. Estimates are found by running it a dozen times over; nodes that can, run it once."""
        request = {"from": self.address, "to": call.to, "data": "0x" + call.data.hex()}
        try:
            if self._can_simulate:
                return self._simulate_once(purpose, request)
            return int(self._connection.request("eth_estimateGas", request), 16)
        except RequestRefused as fault:
            if not self._can_simulate or fault.code != _METHOD_NOT_FOUND:
                raise TransactionFailed(purpose, describe_error(fault.error)) from fault
        self._can_simulate = False
        return self._simulate(purpose, call)

    def _simulate_once(self, purpose: str, request: dict[str, str]) -> int:
        blocks = self._connection.request("eth_simulateV1", {"blockStateCalls": [{"calls": [request]}]}, "latest")
        (outcome,) = blocks[0]["calls"]
        if int(outcome["status"], 16) != 1:
            reason = {"message": "reverted", **outcome.get("error", {}), "data": outcome["returnData"]}
            raise TransactionFailed(purpose, describe_error(reason))
        return int(outcome["gasUsed"], 16)

    def _next_nonce(self) -> int:
        """After everything under way. What was mined is counted at each `collect`: nobody else sends with this key."""
        if self._mined_nonce is None:
            self._mined_nonce = self._connection.transaction_count(self.address)
        pending = self._store.pending_transactions(self.address)
        return max([self._mined_nonce] + [transaction.nonce + 1 for transaction in pending])

    def _fees(self, block: int) -> dict[str, int]:
        """The base fee is read once a block that transactions are decided on."""
        if self._base_fee is None or self._base_fee[0] != block:
            self._base_fee = block, self._connection.base_fee()
        base = self._base_fee[1]
        tip = min(self._settings.priority_fee, self._settings.highest_fee)
        return {
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": max(tip, min(2 * base + tip, self._settings.highest_fee)),
        }

    def _sign_and_send(self, body: dict[str, Any], purpose: str, earlier: tuple[str, ...], block: int) -> str:
        signed = self._account.sign_transaction(body)
        transaction_hash = signed.hash.to_0x_hex()
        self._store.record_transaction(
            PendingTransaction(body["nonce"], purpose, self.address, (*earlier, transaction_hash), block)
        )
        self._bodies[body["nonce"]] = body
        try:
            self._connection.request("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())
        except RequestRefused as fault:
            if "already known" not in str(fault):
                log.warning("transaction refused", purpose=purpose, nonce=body["nonce"], reason=str(fault))
        return transaction_hash

    def _receipts(self, all_pending: Sequence[PendingTransaction]) -> dict[str, Any]:
        """Receipts of what is mined by now, by hash."""
        hashes = [transaction_hash for pending in all_pending for transaction_hash in pending.hashes]
        answers = self._connection.batch([("eth_getTransactionReceipt", [one]) for one in hashes])
        for answer in answers:
            if "error" in answer:
                raise RequestRefused("eth_getTransactionReceipt", answer["error"])
        found = zip(hashes, (answer["result"] for answer in answers), strict=True)
        return {one: receipt for one, receipt in found if receipt}

    def _outcome(
        self, pending: PendingTransaction, receipts: Mapping[str, Any], head: BlockRef, *, is_used: bool
    ) -> Outcome | None:
        for transaction_hash in reversed(pending.hashes):
            if transaction_hash in receipts:
                receipt = receipts[transaction_hash]
                # A node may count the nonce of a block that it has only just made.
                if int(receipt["blockNumber"], 16) > head.number:
                    return None
                return Outcome(
                    pending.nonce,
                    pending.purpose,
                    int(receipt["status"], 16) == 1,
                    int(receipt["blockNumber"], 16),
                    transaction_hash,
                    int(receipt["gasUsed"], 16),
                )
        if is_used and self._was_used_before(pending.nonce, head):
            return Outcome(pending.nonce, pending.purpose, False, 0, pending.hashes[-1], 0)
        return None

    def _was_used_before(self, nonce: int, head: BlockRef) -> bool:
        """Whether a nonce without a receipt was used below the head, and so by something else.

        Of the newest block a node may already count the nonces of the next, whose receipts it does not have yet.
        """
        return self._connection.transaction_count(self.address, max(0, head.number - 1)) > nonce

    def _replace(self, pending: PendingTransaction, head: BlockRef) -> None:
        body = self._bodies.get(pending.nonce)
        if body is None:
            # After a restart the intent is unknown and may be stale: an empty transfer frees the nonce instead.
            body = {
                "to": self.address,
                "value": 0,
                "gas": 21_000,
                "nonce": pending.nonce,
                "chainId": self._connection.chain_id,
                **self._fees(head.number),
            }
        bumped = {
            key: body[key] * _BUMP_NUMERATOR // _BUMP_DENOMINATOR + 1
            for key in ("maxFeePerGas", "maxPriorityFeePerGas")
        }
        if bumped["maxFeePerGas"] > self._settings.highest_fee:
            log.warning("highest fee reached", purpose=pending.purpose, nonce=pending.nonce)
            return
        self._sign_and_send({**body, **bumped}, pending.purpose, pending.hashes, head.number)
