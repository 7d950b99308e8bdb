"""What the builder needs of a chain, and no more: raw calls, transactions in two halves, code and logs.

Calls are encoded and decoded in one place (`ballast.deployment.contract`), so that a backend is a page: web3 JSON-RPC
(`ballast.deployment.rpc`), ape (`scripts/`) and an in-process EVM (`tests/`) differ only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ballast.errors import ChainError


@dataclass(frozen=True)
class RawLog:
    """One log as the chain keeps it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    """A mined transaction that succeeded. `logs` are in order of emission."""

    transaction: str
    block: int
    gas_used: int
    logs: tuple[RawLog, ...]


class CallReverted(ChainError):
    """A call or transaction reverted with `data`; contracts turn it into `Reverted`, which names the error."""

    def __init__(self, data: bytes, reason: str = "") -> None:
        self.data = data
        self.reason = reason
        super().__init__(reason or f"reverted with 0x{data.hex()}")


class TransactionPending(ChainError):
    """A transaction was not mined in time. It may still be: running again waits for it."""

    def __init__(self, transaction: str) -> None:
        self.transaction = transaction
        super().__init__(f"transaction {transaction} is not mined yet; run again to wait for it")


class Backend(Protocol):
    """One chain, and one account that deploys."""

    @property
    def chain_id(self) -> int: ...

    @property
    def deployer(self) -> str:
        """Sender of every transaction that names no other."""
        ...

    def block_number(self) -> int: ...

    def code_at(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""
        ...

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Runs a call against the newest block.

        Raises:
            CallReverted: It reverted.
        """
        ...

    def submit(self, to: str, data: bytes, sender: str | None = None) -> str:
        """Signs and sends a transaction, and returns its hash without waiting.

        Raises:
            CallReverted: The node foresees that it reverts; nothing was sent.
        """
        ...

    def knows(self, transaction: str) -> bool:
        """Whether the chain holds the transaction, mined or waiting."""
        ...

    def wait(self, transaction: str) -> Receipt:
        """The receipt once mined.

        Raises:
            CallReverted: It was mined and failed.
            TransactionPending: It was not mined in time, and may still be.
        """
        ...

    def logs(self, address: str, topic: bytes, first_block: int) -> list[RawLog]:
        """Logs of one contract and event from a block on."""
        ...
