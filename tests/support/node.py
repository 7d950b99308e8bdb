"""A real Anvil behind the in-process EVM's interface, so that what drives the one drives the other.

The clock stands still between acts, as it does in process: blocks share a time until it is advanced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from eth_utils import to_checksum_address

from ballast.chain.connection import Connection
from ballast.deployment.rpc import RpcBackend
from ballast.store import Store
from scripts.anvil import Anvil, AnvilError, anvil
from tests.support.evm import (
    BLOCK_GAS_LIMIT,
    BLOCK_TIME,
    GENESIS_TIME,
    Contract,
    Log,
    decode_log,
    decode_revert,
)

# One transaction may use no more (EIP-7825).
TRANSACTION_GAS = 1 << 24
OPTIONS = ("--timestamp", GENESIS_TIME, "--gas-limit", BLOCK_GAS_LIMIT, "--gas-price", 0, "--block-base-fee-per-gas", 0)


class NodeEvm:
    """Every transaction is a block of its own, sent in anybody's name and gone without gas money."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.chain_id = int(node.request("eth_chainId"), 16)
        self.deployer = to_checksum_address(node.request("eth_accounts")[0])
        self._receipt: Any = None
        node.request("anvil_setBlockTimestampInterval", 0)
        node.request("anvil_autoImpersonateAccount", True)
        self.timestamp = GENESIS_TIME

    def backend(self) -> RpcBackend:
        """For the builder."""
        return RpcBackend.connect(self.node.url, deployer=self.deployer)

    def contract(self, name: str, address: str) -> Contract:
        return Contract(self, name, address)

    def execute(self, sender: str, to: str, data: bytes, value: int = 0, static: bool = False) -> bytes:
        """A view at the newest block; or a transaction, which returns nothing: the chain keeps no results.

        Raises:
            Revert: It reverted. A transaction's failure is on the chain all the same.
        """
        request = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        request |= {"gas": hex(TRANSACTION_GAS), "gasPrice": hex(0)}
        if static:
            return self._call(request)
        self._receipt = self.node.request("eth_sendTransactionSync", request)
        if int(self._receipt["status"], 16) != 1:
            self._call(request)
            raise AssertionError(f"{self._receipt['transactionHash']} failed, and would not fail again")
        return b""

    def views(self, to: str, calls: Sequence[bytes]) -> list[bytes]:
        requests = [("eth_call", [{"to": to, "data": "0x" + data.hex()}, "latest"]) for data in calls]
        return [_bytes(output) for output in self.node.batch(requests)]

    @property
    def last_gas(self) -> int:
        return int(self._receipt["gasUsed"], 16)

    def last_logs(self) -> tuple[Log, ...]:
        found = [
            decode_log(log["address"], [bytes.fromhex(topic[2:]) for topic in log["topics"]], _bytes(log["data"]))
            for log in self._receipt["logs"]
        ]
        return tuple(log for log in found if log is not None)

    def advance(self, seconds: int = BLOCK_TIME) -> None:
        """Mines a block that much later."""
        self.timestamp += seconds
        self.node.request("evm_setNextBlockTimestamp", hex(self.timestamp))
        self.node.request("evm_mine")

    def _call(self, request: dict[str, str]) -> bytes:
        try:
            return _bytes(self.node.request("eth_call", request, "latest"))
        except AnvilError as fault:
            if fault.data is None:
                raise
            raise decode_revert(_bytes(fault.data)) from None


@contextmanager
def node_evm() -> Iterator[NodeEvm]:
    """Starts an Anvil of one's own and stops it at the end."""
    with anvil(*(str(option) for option in OPTIONS)) as node:
        yield NodeEvm(node)


def await_mined(connection: Connection, store: Store, sender: str) -> None:
    """Everything that was sent is in a block: the node mines by itself, but in its own time."""
    for pending in store.pending_transactions(sender):
        while connection.request("eth_getTransactionReceipt", pending.hashes[-1]) is None:
            connection.request("evm_mine")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
