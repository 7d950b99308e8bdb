"""`deployments/<network>.json`: what was deployed where, written once a deployment is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ballast.deployment.journal import write_json_atomically
from ballast.errors import ConfigurationError

_KEPT_BY_NUMBER = ("assets", "underlyings", "instruments")


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
        tokens: Address by token symbol.
        assets: Asset id by token symbol (in the file the other way round, like the next two).
        underlyings: Id by symbol.
        instruments: Registry index by name, such as `PERP:ETH`.
        feeds: Addresses of the Chainlink-like feeds by underlying, first source then second.
        scenario_rows: Names of the risk book's rows, in order.
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
    scenario_rows: list[str]

    def write(self, path: Path) -> None:
        content = asdict(self)
        for key in _KEPT_BY_NUMBER:
            content[key] = {str(number): name for name, number in content[key].items()}
        write_json_atomically(path, content)

    @classmethod
    def load(cls, path: Path) -> DeploymentRecord:
        """Reads what `write` wrote.

        Raises:
            ConfigurationError: There is no such file, or it is no deployment record.
        """
        try:
            content = json.loads(path.read_text())
            content["contracts"] = {name: ContractRecord(**entry) for name, entry in content["contracts"].items()}
            for key in _KEPT_BY_NUMBER:
                content[key] = {name: int(number) for number, name in content[key].items()}
            return cls(**content)
        except FileNotFoundError:
            raise ConfigurationError(f"{path}: no such file; `./dev deploy` writes it") from None
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise ConfigurationError(f"{path}: not a deployment record ({fault})") from None
