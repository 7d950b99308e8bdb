"""The one way a Ballast system comes into being: for scripts, tests, the demo and benchmarks alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from ballast.chain.artifacts import Artifact, checkout_root, load_artifacts
from ballast.deployment.backend import Backend
from ballast.deployment.blueprint import Blueprint
from ballast.deployment.config import Network, configuration_hash
from ballast.deployment.contract import Contract
from ballast.deployment.journal import Journal
from ballast.deployment.plan import Step, execute, is_done, plan_hash
from ballast.deployment.record import ContractRecord, DeploymentRecord
from ballast.deployment.roles import RoleId
from ballast.errors import ConfigurationError
from ballast.risk.book import Book


class WrongChain(ConfigurationError):
    """The node is on another chain than the configuration."""

    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the configuration is for chain {expected}, the node is on chain {actual}")


class DeploymentSealed(ConfigurationError):
    """The deployer has handed over, and the chain is not as the configuration says: only governance can change that."""

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        super().__init__(
            "governance has taken over; the chain differs from the configuration in: " + ", ".join(differences)
        )


class Builder:
    """Deploys a network's configuration over a backend.

    The whole plan, addresses included, is known before anything is sent. `deploy` sends what is not yet on the chain,
    in order: called again after a failure it goes on where it stopped, and on a whole deployment it sends nothing.

    Args:
        artifacts: Compiled contracts by name; by default those of the checkout around the working directory.
        record: Of the deployment that stands, where there is one: what its constructors were given and governance may
            have changed since is taken from there, not from the configuration.

    Raises:
        WrongChain: The backend is on another chain than the configuration.
        ConfigurationError: A contract is not compiled.
    """

    def __init__(
        self,
        network: Network,
        book: Book,
        backend: Backend,
        artifacts: Mapping[str, Artifact] | None = None,
        record: DeploymentRecord | None = None,
    ) -> None:
        if backend.chain_id != network.chain_id:
            raise WrongChain(network.chain_id, backend.chain_id)
        self.network, self.book, self.backend = network.as_deployed_by(backend.deployer), book, backend
        compiled = artifacts if artifacts is not None else load_artifacts(checkout_root())
        self.blueprint = Blueprint(self.network, book, backend, compiled, record)
        self._standing = record

    @property
    def steps(self) -> list[Step]:
        return self.blueprint.steps

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """Every contract of the plan by name, whether it exists yet or not."""
        return self.blueprint.contracts

    @cached_property
    def plan(self) -> str:
        """Hash of everything the plan would send."""
        return plan_hash(self.steps)

    def deploy(
        self,
        journal_path: Path | None = None,
        tell: Callable[[str, Step], None] | None = None,
        fulfil: Callable[[Step], None] | None = None,
    ) -> DeploymentRecord:
        """Brings the chain to what the configuration says and describes the result.

        Args:
            journal_path: Where progress is kept over a crash. Remove it once the record is written.
            tell: Told of each step: `done` (found so), `sent`, `mined`.
            fulfil: Called with each requirement that is not met, to meet it where the caller can: whoever holds the
                quorum signers' keys publishes the first prices here.

        Raises:
            PlanChanged: The journal belongs to another plan.
            DeploymentSealed: Something differs and only governance could change it.
            RequirementUnmet: Something outside the deployment is not as configured.
            Reverted: A contract refused a step.
            StepWithoutEffect: A step was mined in vain.
        """
        journal = Journal(self.plan, journal_path, tell)
        self._refuse_if_sealed()
        first_block = self.backend.block_number()
        execute(self.backend, self.steps, journal, fulfil)
        return self._record(journal, first_block)

    def describe(self) -> DeploymentRecord:
        """What stands on the chain now, every contract of the plan being there."""
        return self._record(Journal(self.plan), self.backend.block_number())

    def is_sealed(self) -> bool:
        """Whether the deployer has handed the system over."""
        authority = self.contracts["Authority"]
        if not self.backend.code_at(authority.address):
            return False
        access = authority.call("hasRole", int(RoleId.GOVERNANCE), self.backend.deployer)
        return not (access.isMember and access.executionDelay == 0)

    def _refuse_if_sealed(self) -> None:
        if self.is_sealed():
            differences = [step.name for step in self.steps if not is_done(step)]
            if differences:
                raise DeploymentSealed(differences)

    def _record(self, journal: Journal, first_block: int) -> DeploymentRecord:
        network = self.network
        blocks = [entry.block for entry in journal.entries.values() if entry.block is not None]
        if self._standing is not None:
            blocks.append(self._standing.block)
        symbols = [network.settlement_symbol, *network.collaterals]
        return DeploymentRecord(
            network=network.network,
            chain_id=network.chain_id,
            block=min([first_block, *blocks]),
            deployer=self.backend.deployer,
            configuration=configuration_hash(network, self.book),
            plan=self.plan,
            contracts={name: self._contract_record(name, journal) for name in self.blueprint.creations},
            tokens={symbol: self.blueprint.token(symbol).address for symbol in symbols},
            assets=network.asset_ids,
            underlyings={symbol: underlying.id for symbol, underlying in network.underlyings.items()},
            instruments={label: self._index_of(one.id) for label, one in network.instruments.items()},
            feeds=self._feeds(),
            scenario_rows=[row.name for row in self.book.rows],
        )

    def _index_of(self, instrument: int) -> int:
        return int(self.contracts["Clearinghouse"].call("instrumentIndexOf", instrument))

    def _contract_record(self, name: str, journal: Journal) -> ContractRecord:
        creation = self.blueprint.creations[name]
        address = creation.contract.address
        entry = journal.entries.get(creation.name)
        before = self._standing.contracts.get(name) if self._standing else None
        return ContractRecord(
            address=address,
            artifact=creation.artifact,
            arguments=tuple(_plain(argument) for argument in creation.arguments),
            code_hash="0x" + keccak(self.backend.code_at(address)).hex(),
            transaction=entry.transaction if entry else before.transaction if before else None,
        )

    def _feeds(self) -> dict[str, list[str]]:
        ranks = ("first", "second")
        return {
            symbol: [
                self.contracts[name].address for rank in ranks if (name := f"{rank} feed {symbol}") in self.contracts
            ]
            for symbol in self.network.underlyings
        }


def _plain(argument: Any) -> Any:
    return argument.address if isinstance(argument, Contract) else argument
