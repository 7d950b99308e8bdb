"""The deployed contracts, and reads pinned to one block.

A deployment file (`deployments/<network>.json`) names the addresses; ABIs ship with this package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from eth_abi.exceptions import DecodingError

from ballast.chain.codec import Record, decode_arguments, decode_result, encode_call, selector_of
from ballast.chain.connection import Connection
from ballast.errors import ChainError, ConfigurationError
from ballast.store import BlockRef

# Contract, function and arguments of one view.
ViewCall = tuple[str, str, Sequence[Any]]
LARGEST_BATCH = 200
# Its ABI answers for every source: all have the function of `IPriceSource`.
_ANY_SOURCE = "ChainlinkSource"


@cache
def load_abi(name: str) -> list[dict[str, Any]]:
    """The ABI of a Ballast contract.

    Raises:
        ConfigurationError: This package ships no such ABI.
    """
    file = resources.files("ballast.chain") / "abi" / f"{name}.json"
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"no ABI named {name}; run `./dev build` in a checkout to export it") from None


@dataclass(frozen=True)
class Deployment:
    """One deployed system, as its deployment file tells.

    Attributes:
        addresses: By contract name.
        block: The block its first contract was made in: no event is older.
        underlyings: Names by underlying id; assets: symbols by asset id.
        rows: Names of the risk book's scenario rows, in order.
    """

    chain_id: int
    addresses: dict[str, str]
    block: int
    underlyings: dict[int, str]
    assets: dict[int, str]
    rows: tuple[str, ...]

    @classmethod
    def load(cls, path: Path | str) -> Deployment:
        """Reads a deployment file.

        Raises:
            ConfigurationError: The file is missing or is not a deployment.
        """
        try:
            data = json.loads(Path(path).read_text())
            return cls(
                int(data["chain_id"]),
                {name: entry["address"] for name, entry in data["contracts"].items()},
                int(data["block"]),
                {int(key): name for key, name in data["underlyings"].items()},
                {int(key): name for key, name in data["assets"].items()},
                tuple(data["scenario_rows"]),
            )
        except FileNotFoundError:
            raise ConfigurationError(f"{path}: no such file; `./dev deploy` writes one, or set --deployment") from None
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise ConfigurationError(f"{path}: not a deployment file ({fault!r})") from None

    def row_name(self, row: int) -> str:
        return self.rows[row] if row < len(self.rows) else f"row {row}"


@dataclass(frozen=True)
class ContractCall:
    """What a transaction says to whom."""

    to: str
    data: bytes


class System:
    """Every contract of a deployment, bound to a connection.

    Raises:
        ConfigurationError: The node is on another chain than the deployment.
    """

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        if connection.chain_id != deployment.chain_id:
            raise ConfigurationError(
                f"the node is on chain {connection.chain_id}, the deployment on chain {deployment.chain_id}"
            )
        self.connection = connection
        self.deployment = deployment

    def address(self, name: str) -> str:
        """The address of the contract of that name.

        Raises:
            ConfigurationError: The deployment holds none.
        """
        try:
            return self.deployment.addresses[name]
        except KeyError:
            raise ConfigurationError(f"the deployment holds no contract named {name}") from None

    def call(self, contract: str, function: str, *arguments: Any) -> ContractCall:
        """A state-changing call, for the transaction lane."""
        return ContractCall(self.address(contract), encode_call(load_abi(contract), function, arguments))

    def read(self, contract: str, function: str, *arguments: Any, block: BlockRef | None = None) -> Any:
        """One view, pinned to `block` by hash where given; structs come back as records with named fields.

        Raises:
            ChainError: The call reverted or returned nothing usable; the caller learns it, never a default.
        """
        answer = self.read_many([(contract, function, arguments)], block)[0]
        if isinstance(answer, ChainError):
            raise answer
        return answer

    def read_all(self, calls: Sequence[ViewCall], block: BlockRef | None = None) -> list[Any]:
        """As `read_many`, but the first failure is raised."""
        answers = self.read_many(calls, block)
        for answer in answers:
            if isinstance(answer, ChainError):
                raise answer
        return answers

    def read_many(self, calls: Sequence[ViewCall], block: BlockRef | None = None) -> list[Any]:
        """Many views in one round trip, all at the same block.

        Returns:
            One a call, in order: the decoded result, or the `ChainError` of a call that failed.

        Raises:
            ChainUnreachable: The node did not answer.
        """
        return self._read([(self.deployment.addresses[call[0]], call) for call in calls], block)

    def read_sources(self, sources: Sequence[tuple[str, int]], block: BlockRef | None = None) -> list[Any]:
        """The newest report of price sources, wherever they are: (address, underlying) each. As `read_many`."""
        calls = [(source, (_ANY_SOURCE, "latestReport", [underlying])) for source, underlying in sources]
        return self._read(calls, block)

    def _read(self, calls: Sequence[tuple[str, ViewCall]], block: BlockRef | None) -> list[Any]:
        pinned: Any = {"blockHash": block.hash} if block else "latest"
        requests = [
            ("eth_call", [{"to": to, "data": _hex(encode_call(load_abi(name), function, arguments))}, pinned])
            for to, (name, function, arguments) in calls
        ]
        answers: list[Any] = []
        for start in range(0, len(requests), LARGEST_BATCH):
            answers += self.connection.batch(requests[start : start + LARGEST_BATCH])
        return [_decode(call, answer) for (_, call), answer in zip(calls, answers, strict=True)]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _decode(call: ViewCall, answer: Any) -> Any:
    contract, function, arguments = call
    what = f"{contract}.{function}"
    if "error" in answer:
        return ChainError(f"{what} failed: {describe_error(answer['error'])}")
    data = bytes.fromhex(answer["result"].removeprefix("0x"))
    try:
        return decode_result(load_abi(contract), function, len(arguments), data)
    except DecodingError as fault:
        return ChainError(f"{what} answered {len(data)} bytes that do not decode ({fault})")


@cache
def _errors() -> dict[bytes, Any]:
    folder = resources.files("ballast.chain") / "abi"
    entries = [entry for file in folder.iterdir() for entry in json.loads(file.read_text())]
    return {selector_of(entry): entry for entry in entries if entry["type"] == "error"}


def describe_error(error: Any) -> str:
    """The typed error in a JSON-RPC error's data, with its values, or what the node said."""
    data = error.get("data") if isinstance(error, dict) else None
    if isinstance(data, str) and data.startswith("0x"):
        return describe_data(bytes.fromhex(data[2:])) or str(error.get("message", error))
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def describe_data(data: bytes) -> str | None:
    """The typed error that revert data carry, with its values; None where no contract of ours has it."""
    found = decode_error(data)
    if found is None:
        return None
    name, values = found
    return name if values is None else f"{name}{values!r}"


def decode_error(data: bytes) -> tuple[str, Record | None] | None:
    """The name of the typed error that revert data carry, and its values where they decode; None where none of ours."""
    entry = _errors().get(data[:4])
    if entry is None:
        return None
    try:
        return str(entry["name"]), decode_arguments(entry["inputs"], data[4:])
    except DecodingError:
        return str(entry["name"]), None
