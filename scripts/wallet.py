"""Ape's part in deploying: the network it is connected to and the account it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from ape import accounts, networks
from ape.api import AccountAPI
from ape.logging import LogLevel, logger
from ape_accounts import KeyfileAccount

from ballast.chain.artifacts import checkout_root
from ballast.deployment.rpc import RpcBackend
from ballast.errors import BallastError, ConfigurationError

logger.set_level(LogLevel.ERROR)  # ape greets and warns on stdout, where `--json` promises JSON alone


class ApeSigner:
    """Signs with one of ape's accounts; its key never leaves the wallet."""

    def __init__(self, account: AccountAPI) -> None:
        self._account = account

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        prepared = networks.provider.network.ecosystem.create_transaction(**transaction)
        signed = self._account.sign_transaction(prepared)
        if signed is None:
            raise ConfigurationError(f"account {self._account.alias} did not sign")
        return bytes(signed.serialize_transaction())


def account_named(alias: str | None) -> AccountAPI:
    """The account that deploys: by alias, or on a development chain its first.

    Raises:
        ConfigurationError: There is none of that name, or a live network was given none.
    """
    if alias is not None:
        if alias not in accounts.aliases:
            raise ConfigurationError(f"ape holds no account {alias}; `ape accounts import {alias}` makes it")
        return accounts.load(alias)
    if not networks.provider.network.is_dev:
        raise ConfigurationError("name the account that deploys: --account ALIAS")
    return accounts.test_accounts[0]


def signing_backend(account: AccountAPI) -> RpcBackend:
    """A backend that signs without asking.

    Raises:
        ConfigurationError: The passphrase of a keyfile is not in the environment.
    """
    if isinstance(account, KeyfileAccount):
        variable = f"APE_ACCOUNTS_{account.alias}_PASSPHRASE"
        if variable not in os.environ:
            raise ConfigurationError(f"put the passphrase of {account.alias} into the environment as {variable}")
        account.set_autosign(True)
    return RpcBackend(networks.provider.web3, signer=ApeSigner(account))


def reading_backend(address: str) -> RpcBackend:
    """A backend that only reads, in the name of whoever deployed."""
    return RpcBackend(networks.provider.web3, deployer=address)


def network_name() -> str:
    """What the connected network's configuration is called: `local`, `sepolia`, `base-sepolia`."""
    network = networks.provider.network
    ecosystem = network.ecosystem.name
    return network.name if ecosystem == "ethereum" else f"{ecosystem}-{network.name}"


def configuration_path(given: Path | None) -> Path:
    return given or checkout_root() / "config" / "networks" / f"{network_name()}.yaml"


def record_path(given: Path | None) -> Path:
    return given or checkout_root() / "deployments" / f"{network_name()}.json"


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Shows what a user can mend without a traceback, and exits with status 1."""
    try:
        yield
    except BallastError as fault:
        raise click.ClickException(str(fault)) from fault
