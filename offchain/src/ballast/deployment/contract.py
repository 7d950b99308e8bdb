"""One contract on any backend: functions by name, typed errors with their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from ballast.chain import codec
from ballast.deployment.backend import Backend, CallReverted, RawLog, Receipt
from ballast.errors import ChainError

_STANDARD_ERRORS: codec.Abi = (
    {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


class Reverted(ChainError):
    """A contract refused. `error` names its typed error (empty where it gave none), `arguments` holds its values."""

    def __init__(self, what: str, error: str, arguments: Any = ()) -> None:
        self.what, self.error, self.arguments = what, error, arguments
        super().__init__(f"{what}: {error or 'reverted without a reason'}{arguments!r}")


class ErrorCatalogue:
    """Typed errors by selector. A revert may carry an error of a contract further down the call: give every ABI."""

    def __init__(self, abis: Iterable[codec.Abi]) -> None:
        entries = [*_STANDARD_ERRORS, *(entry for abi in abis for entry in abi if entry["type"] == "error")]
        self._entries = {codec.selector_of(entry): entry for entry in entries}

    def explain(self, what: str, reverted: CallReverted) -> Reverted:
        entry = self._entries.get(reverted.data[:4])
        if entry is None:
            return Reverted(what, reverted.reason or reverted.data.hex())
        try:
            return Reverted(what, entry["name"], codec.decode_arguments(entry["inputs"], reverted.data[4:]))
        except DecodingError:
            return Reverted(what, entry["name"])


class Contract:
    """A contract at an address, called by its ABI. Other contracts may be given where an address is wanted."""

    def __init__(self, backend: Backend, name: str, address: str, abi: codec.Abi, errors: ErrorCatalogue) -> None:
        self.backend, self.name, self.abi, self.errors = backend, name, abi, errors
        self.address = to_checksum_address(address)

    def __repr__(self) -> str:
        return f"{self.name}@{self.address}"

    def call(self, function: str, *arguments: Any, sender: str | None = None) -> Any:
        """Runs a function without a transaction; returns its one value, or a record of several.

        Raises:
            Reverted: The contract refused.
            ChainError: Nothing there answers.
        """
        try:
            output = self.backend.call(self.address, self.encode(function, *arguments), sender)
        except CallReverted as reverted:
            raise self.errors.explain(f"{self.name}.{function}", reverted) from None
        try:
            return codec.decode_result(self.abi, function, len(arguments), output)
        except DecodingError:
            raise ChainError(f"{self.name}.{function}: {self.address} does not answer as {self.name} would") from None

    def transact(self, function: str, *arguments: Any, sender: str | None = None) -> Receipt:
        """Sends a transaction and waits until it is mined.

        Raises:
            Reverted: The contract refused.
        """
        try:
            return self.backend.wait(self.backend.submit(self.address, self.encode(function, *arguments), sender))
        except CallReverted as reverted:
            raise self.errors.explain(f"{self.name}.{function}", reverted) from None

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Call data."""
        return codec.encode_call(self.abi, function, arguments)

    def selector(self, function: str) -> bytes:
        """The first four bytes of its call data."""
        return codec.selector_of(codec.find(self.abi, "function", function))

    def events(self, event: str, logs: Iterable[RawLog]) -> list[codec.Record]:
        """This contract's events of one name among `logs`, in order."""
        entry = codec.find(self.abi, "event", event)
        topic = self.topic(event)
        mine = [log for log in logs if log.address.lower() == self.address.lower() and log.topics[:1] == (topic,)]
        return [codec.decode_log(entry, log.topics, log.data) for log in mine]

    def topic(self, event: str) -> bytes:
        return bytes(keccak(text=codec.signature_of(codec.find(self.abi, "event", event))))
