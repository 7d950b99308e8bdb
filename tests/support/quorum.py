"""A quorum feed with keys for its signers, and for strangers."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from ballast.chain.quorum import CompactSignature, QuorumDomain, ReportBatch, SignedReport, submit_arguments
from tests.support.evm import Evm, Receipt
from tests.support.oracle import ETH, WAD


def key_of(role: str) -> LocalAccount:
    return Account.from_key(keccak(text=role))


class QuorumBench:
    """A feed whose five signers sign three by three."""

    def __init__(self, evm: Evm | None = None, count: int = 5, threshold: int = 3) -> None:
        self.evm = evm or Evm()
        self.authority = self.evm.deploy("Authority", self.evm.deployer)
        self.feed = self.evm.deploy("QuorumFeed", self.authority.address)
        self.signers = ascending([key_of(f"signer {number}") for number in range(count)])
        self.threshold = threshold
        self.feed.transact("setSigners", [signer.address for signer in self.signers], threshold)

    @property
    def domain(self) -> QuorumDomain:
        return QuorumDomain(self.evm.chain_id, self.feed.address)

    def batch(self, *reports: SignedReport, age: int = 0, epoch: int = 1) -> ReportBatch:
        return ReportBatch(epoch, self.evm.timestamp - age, reports)

    def price(self, usd: int, age: int = 0, subject: int = ETH, confidence: int = 0) -> ReportBatch:
        """A batch of one price, whole USD."""
        return self.batch(SignedReport(subject, usd * WAD, confidence), age=age)

    def sign(self, batch: ReportBatch, signers: Sequence[LocalAccount] | None = None) -> list[CompactSignature]:
        chosen = self.signers[: self.threshold] if signers is None else signers
        return [self.domain.sign(batch, signer) for signer in chosen]

    def submit(self, batch: ReportBatch, signatures: Sequence[CompactSignature] | None = None) -> Receipt:
        signed = self.sign(batch) if signatures is None else signatures
        relayer = self.evm.address_of("relayer")
        return self.feed.transact("submit", *submit_arguments(batch, signed), sender=relayer)

    def stored(self, subject: int = ETH) -> tuple[int, int, int]:
        """Value, confidence and time of publication."""
        return tuple(self.feed.call("reportOf", 0, subject))


def ascending(signers: Sequence[LocalAccount]) -> list[LocalAccount]:
    return sorted(signers, key=lambda signer: int(signer.address, 16))
