"""What the quorum's signers sign (EIP-712), and batches as anyone submits them: prices to `QuorumFeed`, surfaces and
settlement prices to `Expiries`, with the same arguments.

Every signer signs the same bytes. One proposes a batch, the others check each value against their own sources and sign
it or not; whoever holds ``threshold`` signatures submits. All amounts are the contracts' integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature, ValidationError
from eth_utils import keccak

from ballast.errors import BallastError

_DOMAIN_NAME, _DOMAIN_VERSION = "Ballast QuorumFeed", "1"
_REPORT_FIELDS = (("kind", "uint8"), ("subject", "uint256"), ("value", "uint256"), ("confidence", "uint256"))
_TYPES = {
    "ReportBatch": [
        {"name": "epoch", "type": "uint32"},
        {"name": "publishedAt", "type": "uint40"},
        {"name": "reports", "type": "SignedReport[]"},
    ],
    "SignedReport": [{"name": name, "type": kind} for name, kind in _REPORT_FIELDS],
}
_SUBMIT_ABI = ("(uint32,uint40,(uint8,uint256,uint256,uint256)[])", "(bytes32,bytes32)[]")
_SUBMIT_SELECTOR = keccak(text=f"submit({','.join(_SUBMIT_ABI)})")[:4]
_PARITY_BIT = 1 << 255
_V_OFFSET = 27
_TIME_BITS = 32


class QuorumNotReached(BallastError):
    """Fewer distinct signers of the present set than the threshold have signed the batch."""

    def __init__(self, valid: int, threshold: int) -> None:
        self.valid, self.threshold = valid, threshold
        super().__init__(f"{valid} valid signatures, {threshold} are needed")


class ReportKind(IntEnum):
    """What a signed report is about. `PERP_MARK` is accepted nowhere yet."""

    PRICE = 0
    PERP_MARK = 1
    SURFACE = 2
    SETTLEMENT_PRICE = 3


@dataclass(frozen=True)
class SignedReport:
    """One value of a batch; a price, unless made by `of_surface` or `of_settlement`.

    Attributes:
        subject: The underlying's id, for a price; else the expiry's key.
        value: Of a price, USD per whole unit, wad.
        confidence: Half-width of a price's confidence interval, wad of USD.
    """

    subject: int
    value: int
    confidence: int = 0
    kind: ReportKind = ReportKind.PRICE

    @staticmethod
    def of_surface(key: int, word: int) -> SignedReport:
        """An expiry's forward and surface, of the batch's time: the word's own is left out."""
        return SignedReport(key, word >> _TIME_BITS << _TIME_BITS, kind=ReportKind.SURFACE)

    @staticmethod
    def of_settlement(key: int, price: int) -> SignedReport:
        """An expiry's settlement price in the value unit, wad, where observations did not suffice."""
        return SignedReport(key, price, kind=ReportKind.SETTLEMENT_PRICE)

    def as_tuple(self) -> tuple[int, int, int, int]:
        return (int(self.kind), self.subject, self.value, self.confidence)


@dataclass(frozen=True)
class ReportBatch:
    """What the signers sign: values of one second, under one signer set.

    Attributes:
        epoch: The feed's `epoch()` now.
        published_at: Unix second at which the values held; never ahead of the chain's clock.
    """

    epoch: int
    published_at: int
    reports: tuple[SignedReport, ...]

    def as_tuple(self) -> tuple[int, int, list[tuple[int, int, int, int]]]:
        return (self.epoch, self.published_at, [report.as_tuple() for report in self.reports])


@dataclass(frozen=True)
class CompactSignature:
    """A 65-byte ECDSA signature in 64 (ERC-2098)."""

    r: bytes
    vs: bytes

    def to_hex(self) -> str:
        return "0x" + (self.r + self.vs).hex()

    @staticmethod
    def from_hex(text: str) -> CompactSignature:
        """The inverse of `to_hex`.

        Raises:
            ValueError: Not 64 bytes of hex.
        """
        data = bytes.fromhex(text.removeprefix("0x"))
        if len(data) != 64:
            raise ValueError(f"a compact signature has 64 bytes, not {len(data)}")
        return CompactSignature(data[:32], data[32:])


@dataclass(frozen=True)
class QuorumDomain:
    """What a signature is bound to: one quorum feed on one chain."""

    chain_id: int
    feed: str

    def message(self, batch: ReportBatch) -> SignableMessage:
        """What each signer signs."""
        domain = {
            "name": _DOMAIN_NAME,
            "version": _DOMAIN_VERSION,
            "chainId": self.chain_id,
            "verifyingContract": self.feed,
        }
        names = [name for name, _ in _REPORT_FIELDS]
        reports = [dict(zip(names, report.as_tuple(), strict=True)) for report in batch.reports]
        content: dict[str, Any] = {"epoch": batch.epoch, "publishedAt": batch.published_at, "reports": reports}
        return encode_typed_data(domain_data=domain, message_types=_TYPES, message_data=content)

    def hash(self, batch: ReportBatch) -> bytes:
        """The digest the signatures are over; equals `QuorumFeed.hashBatch`."""
        message = self.message(batch)
        return bytes(keccak(b"\x19" + message.version + message.header + message.body))

    def sign(self, batch: ReportBatch, signer: LocalAccount) -> CompactSignature:
        signed = signer.sign_message(self.message(batch))
        parity = (signed.v - _V_OFFSET) * _PARITY_BIT
        return CompactSignature(signed.r.to_bytes(32, "big"), (signed.s | parity).to_bytes(32, "big"))

    def signer_of(self, batch: ReportBatch, signature: CompactSignature) -> str | None:
        """Who signed the batch; None where the bytes are no signature at all."""
        vs = int.from_bytes(signature.vs, "big")
        parts = (_V_OFFSET + (vs >= _PARITY_BIT), int.from_bytes(signature.r, "big"), vs % _PARITY_BIT)
        try:
            return str(Account.recover_message(self.message(batch), vrs=parts))
        except (BadSignature, ValidationError, ValueError):
            return None

    def aggregate(
        self,
        batch: ReportBatch,
        signatures: Iterable[CompactSignature],
        signers: Sequence[str],
        threshold: int,
    ) -> list[CompactSignature]:
        """Exactly ``threshold`` signatures by distinct signers of the set, in the ascending order the feed asks for.

        Raises:
            QuorumNotReached: Too few are by distinct signers of the set; strangers and duplicates count nothing.
        """
        allowed = {signer.lower() for signer in signers}
        valid: dict[str, CompactSignature] = {}
        for signature in signatures:
            signer = (self.signer_of(batch, signature) or "").lower()
            if signer in allowed:
                valid[signer] = signature
        if len(valid) < threshold:
            raise QuorumNotReached(len(valid), threshold)
        return [valid[signer] for signer in sorted(valid)[:threshold]]


def submit_arguments(batch: ReportBatch, signatures: Sequence[CompactSignature]) -> tuple[Any, Any]:
    """Arguments of `submit`, of the feed and of the expiries."""
    return batch.as_tuple(), [(signature.r, signature.vs) for signature in signatures]


def submit_calldata(batch: ReportBatch, signatures: Sequence[CompactSignature]) -> bytes:
    """Calldata of `submit`, of the feed and of the expiries."""
    return bytes(_SUBMIT_SELECTOR) + encode(_SUBMIT_ABI, submit_arguments(batch, signatures))
