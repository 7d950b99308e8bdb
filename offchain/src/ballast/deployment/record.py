"""`deployments/<network>.json`: what was deployed where, written once a deployment is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ballast.deployment.journal import write_json_atomically
from ballast.errors import ConfigurationError


@dataclass(frozen=True)
class ContractRecord:
    """One contract. `code_hash` is keccak-256 of its runtime code; `transaction` is None where it stood before."""

    address: str
    artifact: str
    arguments: tuple[Any, ...]
    code_hash: str
    transaction: str | None


@dataclass(frozen=True)
class DeploymentRecord:
    """A whole deployment.

    Attributes:
        block: No event of the system is older.
        configuration: Hash of the network's configuration and risk book.
        plan: Hash of every transaction of the plan.
        assets: Asset id by token symbol.
        underlyings: Id by symbol.
        instruments: Registry index by name, such as `ETH-PERP`.
        tokens: Address by token symbol.
        feeds: Addresses of the Chainlink-like feeds by underlying, first source then second.
    """

    network: str
    chain_id: int
    block: int
    deployer: str
    configuration: str
    plan: str
    contracts: Mapping[str, ContractRecord]
    tokens: Mapping[str, str]
    assets: Mapping[str, int]
    underlyings: Mapping[str, int]
    instruments: Mapping[str, int]
    feeds: Mapping[str, list[str]]

    def write(self, path: Path) -> None:
        write_json_atomically(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> DeploymentRecord:
        """Reads what `write` wrote.

        Raises:
            ConfigurationError: There is no such file, or it is no deployment record.
        """
        try:
            content = json.loads(path.read_text())
            content["contracts"] = {name: ContractRecord(**entry) for name, entry in content["contracts"].items()}
            return cls(**content)
        except FileNotFoundError:
            raise ConfigurationError(f"{path}: no such file; `./dev deploy` writes it") from None
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise ConfigurationError(f"{path}: not a deployment record ({fault})") from None
