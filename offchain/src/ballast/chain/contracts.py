"""The deployed contracts, and reads pinned to one block.

A deployment file (`deployments/<network>.json`) names the addresses; ABIs ship with this package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from eth_abi.exceptions import DecodingError
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractCustomError, ContractLogicError

from ballast.chain.connection import Connection
from ballast.errors import ChainError, ConfigurationError
from ballast.store import BlockRef


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
    """Addresses of one deployed system, by contract name, and the block its first contract was made in."""

    chain_id: int
    addresses: dict[str, str]
    block: int

    @classmethod
    def load(cls, path: Path | str) -> Deployment:
        """Reads a deployment file.

        Raises:
            ConfigurationError: The file is missing or is not a deployment.
        """
        try:
            data = json.loads(Path(path).read_text())
            addresses = {name: entry["address"] for name, entry in data["contracts"].items()}
            return cls(int(data["chain_id"]), addresses, int(data["block"]))
        except FileNotFoundError:
            raise ConfigurationError(f"{path}: no such file; `./dev deploy` writes one, or set --deployment") from None
        except (KeyError, TypeError, ValueError) as fault:
            raise ConfigurationError(f"{path}: not a deployment file ({fault!r})") from None


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

    def contract(self, name: str) -> Contract:
        """The contract of that name in the deployment."""
        try:
            address = self.deployment.addresses[name]
        except KeyError:
            raise ConfigurationError(f"the deployment holds no contract named {name}") from None
        return self.connection.web3.eth.contract(address=address, abi=load_abi(name))  # type: ignore[arg-type]

    def read(self, contract: str, function: str, *arguments: Any, block: BlockRef | None = None) -> Any:
        """One view, pinned to `block` by hash where given.

        Raises:
            ChainError: The call reverted or returned nothing usable; the caller learns it, never a default.
        """
        call = getattr(self.contract(contract).functions, function)(*arguments)
        identifier: Any = block.hash if block else "latest"
        try:
            return self.connection.ask(lambda: call.call(block_identifier=identifier))
        except (ContractLogicError, ContractCustomError, BadFunctionCallOutput, DecodingError) as fault:
            raise ChainError(f"{contract}.{function} failed: {describe_revert(fault)}") from fault


@cache
def _error_signatures() -> dict[str, str]:
    from eth_utils import keccak

    found: dict[str, str] = {}
    folder = resources.files("ballast.chain") / "abi"
    for file in folder.iterdir():
        for entry in json.loads(file.read_text()):
            if entry["type"] == "error":
                signature = f"{entry['name']}({','.join(_canonical(item) for item in entry['inputs'])})"
                found["0x" + keccak(text=signature)[:4].hex()] = signature
    return found


def _canonical(item: dict[str, Any]) -> str:
    if item["type"].startswith("tuple"):
        return "(" + ",".join(_canonical(part) for part in item["components"]) + ")" + item["type"][5:]
    return item["type"]


def describe_revert(fault: Exception) -> str:
    """The typed error a revert carries, with its values, or what the node said of it."""
    from eth_abi import decode

    data = getattr(fault, "data", None)
    if isinstance(data, str) and data.startswith("0x") and len(data) >= 10:
        signature = _error_signatures().get(data[:10])
        if signature is not None:
            name, _, kinds = signature.partition("(")
            try:
                values = decode(_split_types(kinds[:-1]), bytes.fromhex(data[10:]))
            except DecodingError:
                values = ()
            return f"{name}({', '.join(str(value) for value in values)})"
    return str(fault)


def _split_types(kinds: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(kinds):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(kinds[start:position])
            start = position + 1
    return parts + [kinds[start:]] if kinds else []
