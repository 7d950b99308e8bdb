"""Whose signature it is: recovered here, or asked of the signing contract; and what is signed besides orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils import keccak

from ballast.chain.contracts import System
from ballast.errors import RequestRefused
from ballast.store import BlockRef

# Of a signing contract, as the exchange allows it, and what any call costs besides.
CONTRACT_GAS = 300_000 + 100_000
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_MAGIC = keccak(text="isValidSignature(bytes32,bytes)")[:4]

_TYPES: dict[str, list[dict[str, str]]] = {
    "Withdrawal": [{"name": "account", "type": "uint256"}, {"name": "nonce", "type": "uint64"}],
    "Receipt": [
        {"name": "order", "type": "bytes32"},
        {"name": "sequence", "type": "uint64"},
        {"name": "time", "type": "uint64"},
        {"name": "chain", "type": "bytes32"},
    ],
}


@dataclass(frozen=True)
class MatcherDomain:
    """What withdrawals and receipts are bound to: orders of one exchange on one chain."""

    chain_id: int
    exchange: str

    def withdrawal(self, account: int, nonce: int) -> SignableMessage:
        """What an owner or signer signs to take an order back from the matcher."""
        return self._message("Withdrawal", {"account": account, "nonce": nonce})

    def receipt(self, order_hash: str, sequence: int, time: int, chain: str) -> SignableMessage:
        """What a matcher signs when it takes an order. Time in ms; `chain` is the running hash with it."""
        values = {"order": bytes.fromhex(order_hash[2:]), "sequence": sequence, "time": time}
        return self._message("Receipt", {**values, "chain": bytes.fromhex(chain[2:])})

    def _message(self, kind: str, values: dict[str, Any]) -> SignableMessage:
        domain = {
            "name": "Ballast Matcher",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.exchange,
        }
        return encode_typed_data(domain_data=domain, message_types={kind: _TYPES[kind]}, message_data=values)


def digest_of(message: SignableMessage) -> bytes:
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


def sign(message: SignableMessage, key: LocalAccount) -> str:
    return str(key.sign_message(message).signature.to_0x_hex())


def is_recovered(signer: str, digest: bytes, signature: bytes) -> bool:
    """Whether it is the signer's own ECDSA signature, 65 bytes, the malleable half refused, as the exchange does."""
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return False
    try:
        return bool(Account._recover_hash(digest, signature=signature).lower() == signer.lower())
    except (BadSignature, ValueError):
        return False


def is_accepted(system: System, signer: str, digest: bytes, signature: bytes, block: BlockRef) -> bool:
    """Whether the contract `signer` stands behind it (ERC-1271), asked at a block with bounded gas.

    Raises:
        ChainUnreachable: The node did not answer.
    """
    pinned = {"blockHash": block.hash}
    if system.connection.request("eth_getCode", signer, pinned) in ("0x", None):
        return False
    data = "0x" + (_MAGIC + encode(["bytes32", "bytes"], [digest, signature])).hex()
    try:
        answer = system.connection.request("eth_call", {"to": signer, "data": data, "gas": hex(CONTRACT_GAS)}, pinned)
    except RequestRefused:
        return False
    return len(answer) >= 66 and bytes.fromhex(answer[2:66]) == _MAGIC.ljust(32, b"\x00")
