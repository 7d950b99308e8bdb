"""Keeper operators: each its own process, key, database and limited capital, as anywhere else."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from ballast.store import Store


@dataclass
class Operator:
    """A running `ballast keeper run`."""

    name: str
    key: LocalAccount
    process: subprocess.Popen[bytes]
    database: Path

    @cached_property
    def _store(self) -> Store:
        return Store(self.database)

    def block(self) -> int:
        """Last block it has handled, as `ballast keeper status` tells; -1 before its first."""
        handled = self._store.handled()
        return -1 if handled is None else handled

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ends it as an operator would, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def start_operator(
    name: str, key: LocalAccount, url: str, deployment: Path, home: Path, options: list[str]
) -> Operator:
    """Writes the operator's keystore and starts its keeper, which logs beside the deployment file.

    The key lies encrypted in the operator's home; neither it nor its password appears on a command line.
    """
    home.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(16)
    for file, text in (
        (home / "keystore.json", json.dumps(Account.encrypt(key.key, password, kdf="pbkdf2", iterations=10_000))),
        (home / "password", password),
    ):
        file.touch(mode=0o600)
        file.write_text(text)
    environment = {
        **os.environ,
        "BALLAST_RPC_URL": url,
        "BALLAST_DEPLOYMENT": str(deployment),
        "BALLAST_DATABASE": str(home / "keeper.sqlite"),
        "BALLAST_KEYSTORE": str(home / "keystore.json"),
        "BALLAST_PASSWORD_FILE": str(home / "password"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "ballast", "keeper", "run", "--json", *options]
    with (deployment.parent / f"keeper-{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    return Operator(name, key, process, home / "keeper.sqlite")
