"""Keys as files, as operators keep them."""

from __future__ import annotations

import json
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

PASSWORD = "correct horse"


def keystore_of(key: LocalAccount, folder: Path) -> dict[str, str]:
    """The environment in which commands use a key."""
    keystore, password = folder / f"{key.address}.json", folder / "password"
    if not keystore.exists():
        keystore.write_text(json.dumps(Account.encrypt(key.key, PASSWORD, kdf="pbkdf2", iterations=2)))
        password.write_text(PASSWORD)
        for secret in (keystore, password):
            secret.chmod(0o600)
    return {"BALLAST_KEYSTORE": str(keystore), "BALLAST_PASSWORD_FILE": str(password)}
