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
    return {name: _artifact(name, entry) for name, entry in types.items() if _hex(entry, "deploymentBytecode")}


def _artifact(name: str, entry: dict[str, Any]) -> Artifact:
    return Artifact(name, entry["abi"], _hex(entry, "deploymentBytecode"), len(_hex(entry, "runtimeBytecode")))


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
