"""The builder's backend over JSON-RPC: any node, keys held by the node, by this process, or by a wallet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError, TimeExhausted, TransactionNotFound, Web3RPCError

from ballast.deployment.backend import CallReverted, RawLog, Receipt, TransactionPending
from ballast.errors import ChainError, ChainUnreachable

GAS_MARGIN_PERCENT = 25
MOST_GAS = 16_000_000
"""Of one simulated call: what a transaction may use."""


@dataclass(frozen=True)
class SimulatedCall:
    """A call that is only thought of, at a Unix second."""

    sender: str
    to: str
    data: bytes
    timestamp: int


class Signer(Protocol):
    """Holds one account's key and gives nothing of it away."""

    @property
    def address(self) -> str: ...

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw signed transaction."""
        ...


class KeySigner:
    """Signs with a key in this process."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)


class RpcBackend:
    """A node, and an account that deploys.

    Args:
        web3: The connection.
        signer: Signs for the deployer; without one the node itself must hold the keys (`eth_sendTransaction`).
        deployer: Where there is no signer: the account in whose name to act, by default the node's first.
        timeout: Seconds to wait for one transaction.

    Raises:
        ChainUnreachable: The node does not answer; so does every method.
    """

    def __init__(
        self, web3: Web3, signer: Signer | None = None, deployer: str | None = None, timeout: float = 300.0
    ) -> None:
        self.web3, self._signer, self._timeout = web3, signer, timeout
        with _faults():
            self.chain_id = int(web3.eth.chain_id)
            self.deployer = to_checksum_address(signer.address if signer else deployer or web3.eth.accounts[0])
            self._poll = 0.02 if "anvil" in str(web3.client_version).lower() else 1.0

    @classmethod
    def connect(cls, url: str, signer: Signer | None = None, deployer: str | None = None) -> RpcBackend:
        """A backend on an HTTP endpoint. The URL may hold a key: it is kept out of every message."""
        return cls(Web3(HTTPProvider(url, request_kwargs={"timeout": 60})), signer, deployer)

    def block_number(self) -> int:
        with _faults():
            return int(self.web3.eth.block_number)

    def code_at(self, address: str) -> bytes:
        with _faults():
            return bytes(self.web3.eth.get_code(to_checksum_address(address)))

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        with _faults():
            return bytes(self.web3.eth.call(self._transaction(to, data, sender)))  # type: ignore[arg-type]

    def submit(self, to: str, data: bytes, sender: str | None = None) -> str:
        transaction = self._transaction(to, data, sender)
        with _faults():
            gas = int(self.web3.eth.estimate_gas(transaction))  # type: ignore[arg-type]
            transaction["gas"] = gas + gas * GAS_MARGIN_PERCENT // 100
            if self._signer is None or transaction["from"] != self.deployer:
                return self.web3.eth.send_transaction(transaction).to_0x_hex()  # type: ignore[arg-type]
            signed = self._signer.sign(self._complete(transaction))
            return self.web3.eth.send_raw_transaction(signed).to_0x_hex()

    def knows(self, transaction: str) -> bool:
        try:
            with _faults():
                self.web3.eth.get_transaction(transaction)  # type: ignore[arg-type]
        except TransactionNotFound:
            return False
        return True

    def wait(self, transaction: str) -> Receipt:
        try:
            with _faults():
                mined = self.web3.eth.wait_for_transaction_receipt(transaction, self._timeout, self._poll)  # type: ignore[arg-type]
        except TimeExhausted:
            raise TransactionPending(transaction) from None
        if mined["status"] != 1:
            raise CallReverted(b"", f"transaction {transaction} was mined and failed")
        logs = tuple(_raw_log(log) for log in mined["logs"])
        return Receipt(transaction, int(mined["blockNumber"]), int(mined["gasUsed"]), logs)

    def timestamp(self) -> int:
        """Of the newest block."""
        with _faults():
            return int(self.web3.eth.get_block("latest")["timestamp"])

    def has_pending(self, sender: str) -> bool:
        """Whether a transaction of that account waits to be mined."""
        account = to_checksum_address(sender)
        with _faults():
            mined, sent = (self.web3.eth.get_transaction_count(account, state) for state in ("latest", "pending"))
        return bool(sent > mined)

    def simulate(self, calls: Sequence[SimulatedCall], code: Mapping[str, bytes]) -> list[CallReverted | None]:
        """How calls would end, one after the other, each in a block of its own and on what those before it left.

        Args:
            code: To stand at addresses in place of what is there.

        Raises:
            ChainError: The node cannot simulate.
        """
        number = self.block_number() + 1
        overrides = {address: {"code": "0x" + runtime.hex()} for address, runtime in code.items()}
        blocks = [
            {
                "blockOverrides": {"number": hex(number + place), "time": hex(call.timestamp + place)},
                "stateOverrides": {} if place else overrides,
                "calls": [{"from": call.sender, "to": call.to, "data": "0x" + call.data.hex(), "gas": hex(MOST_GAS)}],
            }
            for place, call in enumerate(calls)
        ]
        with _faults():
            request: Any = "eth_simulateV1"
            answer: Any = self.web3.provider.make_request(
                request, [{"blockStateCalls": blocks, "validation": False}, "latest"]
            )
        if "error" in answer:
            raise ChainError(f"the node cannot simulate: {answer['error'].get('message')}")
        return [_refusal(block["calls"][0]) for block in answer["result"]]

    def logs(self, address: str, topic: bytes, first_block: int) -> list[RawLog]:
        wanted: Any = {
            "address": to_checksum_address(address),
            "topics": ["0x" + topic.hex()],
            "fromBlock": first_block,
        }
        with _faults():
            return [_raw_log(log) for log in self.web3.eth.get_logs(wanted)]

    def _transaction(self, to: str, data: bytes, sender: str | None) -> dict[str, Any]:
        return {"from": to_checksum_address(sender or self.deployer), "to": to_checksum_address(to), "data": data}

    def _complete(self, transaction: dict[str, Any]) -> dict[str, Any]:
        tip = int(self.web3.eth.max_priority_fee)
        base = int(self.web3.eth.get_block("latest")["baseFeePerGas"])
        return {
            **transaction,
            "chainId": self.chain_id,
            "nonce": self.web3.eth.get_transaction_count(transaction["from"], "pending"),
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": 2 * base + tip,
            "type": 2,
            "value": 0,
        }


@contextmanager
def _faults() -> Iterator[None]:
    """Names what a node may answer instead of a result. Transport errors quote the URL: they are not passed on."""
    try:
        yield
    except (ContractLogicError, ContractCustomError) as fault:
        data = fault.data if isinstance(fault.data, str) else "0x"
        raise CallReverted(_hex_bytes(data), str(fault.message)) from None
    except Web3RPCError as fault:
        if "revert" in str(fault).lower():
            raise CallReverted(b"", str(fault)) from None
        raise ChainError(f"the node refuses: {fault}") from None
    except requests.exceptions.RequestException as fault:
        raise ChainUnreachable(f"the node does not answer ({type(fault).__name__})") from None


def _hex_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""


def _refusal(call: Mapping[str, Any]) -> CallReverted | None:
    if int(call["status"], 16) == 1:
        return None
    fault = call.get("error") or {}
    data = fault.get("data") or call.get("returnData") or "0x"
    return CallReverted(_hex_bytes(data), str(fault.get("message", "")))


def _raw_log(log: Any) -> RawLog:
    return RawLog(str(log["address"]), tuple(bytes(topic) for topic in log["topics"]), bytes(log["data"]))
