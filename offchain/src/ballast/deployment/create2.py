"""Addresses that follow from what is deployed: CREATE2 through the deterministic deployer that most chains carry.

An address is a hash of the salt, the creation code and its arguments. So a whole deployment is known before anything is
sent, a repeated step finds its contract instead of making a second one, and an address that holds code proves both the
code and the constructor's arguments.
"""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

DETERMINISTIC_DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""Takes `salt ‖ creation code` as call data. One deployer for all chains, made by a transaction that has no key."""

DETERMINISTIC_DEPLOYER_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""Its runtime code, for chains that start empty."""


def create2_address(salt: bytes, creation_code: bytes) -> str:
    """Where the deterministic deployer puts `creation_code` (arguments included)."""
    preimage = b"\xff" + bytes.fromhex(DETERMINISTIC_DEPLOYER[2:]) + salt + keccak(creation_code)
    return to_checksum_address(keccak(preimage)[12:])
