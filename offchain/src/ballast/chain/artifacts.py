"""Compiled contracts of a checkout: ABI and bytecode by name, without importing ape.

Only deploying needs them; everything else works with the ABIs that ship with the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ballast.errors import ConfigurationError

MANIFEST = Path(".build") / "__local__.json"
JOINED = {
    "Clearinghouse": (
        "ClearinghouseTrading",
        "ClearinghouseLiquidation",
        "ClearinghouseReports",
        "ClearinghouseUpkeep",
        "ClearinghouseAdmin",
    )
}
"""Contracts that pass calls they do not know on to another's code: one address answers to all these ABIs."""


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. `runtime_size` is its deployed size in bytes (EIP-170 allows 24,576)."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime_size: int


@cache
def load_artifacts(root: Path) -> dict[str, Artifact]:
    """Every deployable contract compiled in the checkout at `root`.

    Raises:
        ConfigurationError: Nothing is compiled there.
    """
    file = root / MANIFEST
    if not file.is_file():
        raise ConfigurationError(f"{file} is missing: run `./dev build` first")
    types = json.loads(file.read_text())["contractTypes"]
    return {name: _artifact(name, types) for name, entry in types.items() if _hex(entry, "deploymentBytecode")}


def _artifact(name: str, types: dict[str, Any]) -> Artifact:
    entry = types[name]
    abi = list(entry["abi"])
    for other in JOINED.get(name, ()):
        abi += [item for item in types[other]["abi"] if item["type"] != "constructor" and item not in abi]
    return Artifact(name, abi, _hex(entry, "deploymentBytecode"), len(_hex(entry, "runtimeBytecode")))


def _hex(entry: dict[str, Any], key: str) -> bytes:
    return bytes.fromhex((entry.get(key) or {}).get("bytecode", "0x").removeprefix("0x"))


def checkout_root(start: Path | None = None) -> Path:
    """The checkout that holds `start` (or the working directory).

    Raises:
        ConfigurationError: There is none above it.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "ape-config.yaml").is_file():
            return folder
    raise ConfigurationError("not inside a checkout of Ballast")
