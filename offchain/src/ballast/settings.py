"""Settings from the environment (`BALLAST_…`) and from files; secrets come from files only, never from arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ballast.errors import ConfigurationError


class Settings(BaseSettings):
    """What every command needs. Each field is also read from `BALLAST_<FIELD>`.

    Attributes:
        rpc_url: JSON-RPC endpoint. May hold a key: never printed.
        deployment: File written by the deploy script.
        database: The keeper's SQLite file.
        keystore: Encrypted key file (geth's format, or Foundry's or ape's: they are the same).
        password_file: File with the keystore's password; keep it readable to its owner only.
    """

    model_config = SettingsConfigDict(env_prefix="BALLAST_", extra="ignore")

    rpc_url: str = Field(default="http://127.0.0.1:8545", repr=False)
    deployment: Path = Path("deployments/local.json")
    database: Path = Path(".ballast/keeper.sqlite")
    keystore: Path | None = None
    password_file: Path | None = None

    def account(self) -> LocalAccount:
        """The signing account.

        Raises:
            ConfigurationError: A file is missing, readable to others, or the password does not open the keystore.
        """
        if self.keystore is None or self.password_file is None:
            raise ConfigurationError("this needs a key: set BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE")
        for secret in (self.keystore, self.password_file):
            _require_private(secret)
        try:
            key = Account.decrypt(json.loads(self.keystore.read_text()), self.password_file.read_text().strip())
        except ValueError as fault:
            raise ConfigurationError(f"{self.keystore}: cannot be opened with the password given") from fault
        return Account.from_key(key)


class MatcherSettings(Settings):
    """What `ballast matcher` needs besides. Each field is also read from `BALLAST_MATCHER_<FIELD>`.

    Attributes:
        data: Folder of the journal and of what the matcher knows of the chain.
        batch_seconds: Matches wait at most so long for others; 0: each block settles what is matched.
        most_fills: Of one settlement.
        self_trade: Which of two crossing orders of one owner goes.
        requests_per_second: Of one client; `burst` at once.
        most_orders: Of an account, alive at once.
        segment_entries: Entries after which the journal goes on in a new file: a start replays no more.
        drain_seconds: Given to what is matched when the matcher is stopped.
        url: Where the clients' commands find a matcher.
    """

    host: str = Field(default="127.0.0.1", validation_alias="BALLAST_MATCHER_HOST")
    port: int = Field(default=8650, validation_alias="BALLAST_MATCHER_PORT")
    data: Path = Field(default=Path(".ballast/matcher"), validation_alias="BALLAST_MATCHER_DATA")
    batch_seconds: int = Field(default=2, validation_alias="BALLAST_MATCHER_BATCH_SECONDS")
    most_fills: int = Field(default=16, validation_alias="BALLAST_MATCHER_MOST_FILLS")
    self_trade: Literal["newest", "oldest", "both"] = Field(
        default="newest", validation_alias="BALLAST_MATCHER_SELF_TRADE"
    )
    requests_per_second: float = Field(default=20, validation_alias="BALLAST_MATCHER_REQUESTS_PER_SECOND")
    burst: int = Field(default=100, validation_alias="BALLAST_MATCHER_BURST")
    most_orders: int = Field(default=200, validation_alias="BALLAST_MATCHER_MOST_ORDERS")
    segment_entries: int = Field(default=100_000, validation_alias="BALLAST_MATCHER_SEGMENT_ENTRIES")
    drain_seconds: float = Field(default=30, validation_alias="BALLAST_MATCHER_DRAIN_SECONDS")
    url: str = Field(default="http://127.0.0.1:8650", validation_alias="BALLAST_MATCHER_URL")


def _require_private(path: Path) -> None:
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file")
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path}: readable to others; run `chmod 600 {path}`")
