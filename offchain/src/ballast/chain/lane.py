"""One sender, one sequence of nonces, every transaction known until it is final.

A transaction is simulated before it costs anything, written to the store before it is sent, and believed only by the
status of its receipt. One that does not get mined is replaced at the same nonce with a higher fee, so that it can never
happen twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount
from web3.exceptions import ContractCustomError, ContractLogicError, TransactionNotFound, Web3RPCError

from ballast.chain.connection import Connection
from ballast.chain.contracts import ContractCall, describe_revert
from ballast.errors import TransactionFailed
from ballast.store import BlockRef, PendingTransaction, Store

log = structlog.get_logger(__name__)

# Nodes ask for at least 10 % more on both fees before they take a replacement.
_BUMP_NUMERATOR, _BUMP_DENOMINATOR = 1125, 1000


@dataclass(frozen=True)
class LaneSettings:
    """How a lane prices and times its transactions.

    Attributes:
        priority_fee: Wei a gas to the block's producer.
        highest_fee: Wei a gas never exceeded, replacements included.
        gas_margin: Factor on the estimated gas, in percent.
        replace_after: Blocks after which an unmined transaction is replaced.
    """

    priority_fee: int = 1_000_000_000
    highest_fee: int = 500_000_000_000
    gas_margin: int = 120
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
        gas = self._simulate(purpose, call)
        body = {
            "to": call.to,
            "data": call.data,
            "value": 0,
            "nonce": self._next_nonce(),
            "gas": gas * self._settings.gas_margin // 100,
            "chainId": self._connection.chain_id,
            **self._fees(),
        }
        return self._sign_and_send(body, purpose, (), block)

    def collect(self, head: BlockRef) -> list[Outcome]:
        """Outcomes of transactions mined since, replacements sent where one is stuck."""
        outcomes = []
        mined_nonce = self._connection.ask(
            lambda: self._connection.web3.eth.get_transaction_count(self._account.address, "latest")
        )
        for pending in self._store.pending_transactions(self.address):
            outcome = self._outcome(pending, mined_nonce)
            if outcome is not None:
                self._store.settle_transaction(pending.nonce, "mined" if outcome.succeeded else "failed")
                self._bodies.pop(pending.nonce, None)
                outcomes.append(outcome)
            elif head.number - pending.first_block >= self._settings.replace_after:
                self._replace(pending, head)
        return outcomes

    def _simulate(self, purpose: str, call: ContractCall) -> int:
        try:
            request: Any = {"from": self.address, "to": call.to, "data": call.data}
            return self._connection.ask(lambda: self._connection.web3.eth.estimate_gas(request))
        except (ContractLogicError, ContractCustomError) as fault:
            raise TransactionFailed(purpose, describe_revert(fault)) from fault
        except Web3RPCError as fault:
            raise TransactionFailed(purpose, str(fault)) from fault

    def _next_nonce(self) -> int:
        pending = self._store.pending_transactions(self.address)
        mined = self._connection.ask(
            lambda: self._connection.web3.eth.get_transaction_count(self._account.address, "latest")
        )
        return max([mined] + [transaction.nonce + 1 for transaction in pending])

    def _fees(self) -> dict[str, int]:
        base = self._connection.ask(lambda: self._connection.web3.eth.get_block("latest")).get("baseFeePerGas", 0)
        tip = min(self._settings.priority_fee, self._settings.highest_fee)
        return {
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": max(tip, min(2 * int(base) + tip, self._settings.highest_fee)),
        }

    def _sign_and_send(self, body: dict[str, Any], purpose: str, earlier: tuple[str, ...], block: int) -> str:
        signed = self._account.sign_transaction(body)
        transaction_hash = signed.hash.to_0x_hex()
        self._store.record_transaction(
            PendingTransaction(body["nonce"], purpose, self.address, (*earlier, transaction_hash), block)
        )
        self._bodies[body["nonce"]] = body
        try:
            self._connection.ask(lambda: self._connection.web3.eth.send_raw_transaction(signed.raw_transaction))
        except Web3RPCError as fault:
            if "already known" not in str(fault):
                log.warning("transaction refused", purpose=purpose, nonce=body["nonce"], reason=str(fault))
        return transaction_hash

    def _outcome(self, pending: PendingTransaction, mined_nonce: int) -> Outcome | None:
        for transaction_hash in reversed(pending.hashes):
            receipt = self._receipt(transaction_hash)
            if receipt is not None:
                return Outcome(
                    pending.nonce,
                    pending.purpose,
                    receipt["status"] == 1,
                    int(receipt["blockNumber"]),
                    transaction_hash,
                    int(receipt["gasUsed"]),
                )
        if mined_nonce > pending.nonce:
            return Outcome(pending.nonce, pending.purpose, False, 0, pending.hashes[-1], 0)
        return None

    def _receipt(self, transaction_hash: str) -> Any | None:
        try:
            return self._connection.ask(
                lambda: self._connection.web3.eth.get_transaction_receipt(transaction_hash)  # type: ignore[arg-type]
            )
        except TransactionNotFound:
            return None

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
                **self._fees(),
            }
        bumped = {
            key: body[key] * _BUMP_NUMERATOR // _BUMP_DENOMINATOR + 1
            for key in ("maxFeePerGas", "maxPriorityFeePerGas")
        }
        if bumped["maxFeePerGas"] > self._settings.highest_fee:
            log.warning("highest fee reached", purpose=pending.purpose, nonce=pending.nonce)
            return
        self._sign_and_send({**body, **bumped}, pending.purpose, pending.hashes, head.number)
