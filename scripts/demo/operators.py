"""Keeper operators: each its own process, key, database and limited capital, as anywhere else."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount

from scripts.anvil import free_port


@dataclass
class Operator:
    """A running `ballast keeper run`."""

    name: str
    key: LocalAccount
    process: subprocess.Popen[bytes]
    metrics_url: str
    database: Path

    def block(self) -> int:
        """Last block it has handled; -1 before its first."""
        try:
            text = requests.get(self.metrics_url, timeout=2).text
        except requests.exceptions.ConnectionError:
            return -1
        for line in text.splitlines():
            if line.startswith("ballast_keeper_block "):
                return int(float(line.split()[1])) or -1
        return -1

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
    port = free_port()
    environment = {
        **os.environ,
        "BALLAST_RPC_URL": url,
        "BALLAST_DEPLOYMENT": str(deployment),
        "BALLAST_DATABASE": str(home / "keeper.sqlite"),
        "BALLAST_KEYSTORE": str(home / "keystore.json"),
        "BALLAST_PASSWORD_FILE": str(home / "password"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "ballast", "keeper", "run", "--json", "--metrics-port", str(port), *options]
    with (deployment.parent / f"keeper-{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    return Operator(name, key, process, f"http://127.0.0.1:{port}/metrics", home / "keeper.sqlite")
