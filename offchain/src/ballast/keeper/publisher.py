"""Publishing prices and volatility surfaces as one of the quorum's signers.

The signers share a folder (a synchronised directory, a mounted bucket). In turn, one proposes a batch; the others
compare every value with their own and sign it, or do not; whoever finds the threshold reached submits. A signer
that disagrees or sleeps costs nothing but its signature: the next one's turn comes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from eth_account.signers.local import LocalAccount

from ballast.chain.contracts import System
from ballast.chain.lane import TransactionLane
from ballast.chain.quorum import (
    CompactSignature,
    QuorumDomain,
    QuorumNotReached,
    ReportBatch,
    SignedReport,
    submit_arguments,
)
from ballast.errors import ConfigurationError, TransactionFailed
from ballast.store import BlockRef

log = structlog.get_logger(__name__)
WAD = 10**18


Values = Mapping[int, int]


class Views(Protocol):
    """An operator's own view of what one contract takes from the quorum."""

    @property
    def contract(self) -> str:
        """Its name. Batches for each contract lie in a folder of their own."""
        ...

    @property
    def purpose(self) -> str:
        """Of transactions to it."""
        ...

    def read(self, system: System, block: BlockRef) -> tuple[int, Values]:
        """Unix second at which one's values hold, and the values by subject. Empty where nothing is known."""
        ...

    def agrees(self, report: SignedReport, own: int, published_at: int) -> bool:
        """Whether what another signer proposes is close enough to one's own value to be signed."""
        ...

    def report(self, subject: int, value: int) -> SignedReport: ...

    def published_at(self, system: System, subject: int, block: BlockRef) -> int:
        """Unix second of what the contract holds of a subject."""
        ...


@dataclass(frozen=True)
class FilePrices:
    """Prices from a JSON file that another process keeps: `{"1": "3391.25", …}`, by underlying id.

    Attributes:
        tolerance: Largest relative difference from one's own price that one signs, wad.
    """

    path: Path
    tolerance: int = WAD // 200
    contract: str = "QuorumFeed"
    purpose: str = "publish 0x0"

    def read(self, system: System, block: BlockRef) -> tuple[int, Values]:
        return system.connection.timestamp(block), self._prices()

    def agrees(self, report: SignedReport, own: int, published_at: int) -> bool:
        return abs(report.value - own) * WAD <= self.tolerance * own

    def report(self, subject: int, value: int) -> SignedReport:
        return SignedReport(subject, value)

    def published_at(self, system: System, subject: int, block: BlockRef) -> int:
        stored = system.read(self.contract, "reportOf", 0, subject, block=block)
        return int(stored.publishedAt)

    def _prices(self) -> Values:
        try:
            content = json.loads(self.path.read_text())
            return {int(key): _wad(str(price)) for key, price in content.items()}
        except FileNotFoundError:
            return {}
        except (AttributeError, ValueError) as fault:
            raise ConfigurationError(f"{self.path}: not a file of prices ({fault})") from None


@dataclass(frozen=True)
class QuorumPublisher:
    """One signer's part.

    Attributes:
        folder: Where proposals and signatures lie.
        interval: Seconds of one proposer's turn.
    """

    system: System
    signer: LocalAccount
    views: Views
    folder: Path
    interval: int = 60

    def publish(self, lane: TransactionLane, block: BlockRef) -> None:
        """Proposes where it is one's turn, signs what one agrees with, submits what has enough signatures."""
        epoch, threshold, signers, max_age = self.system.read_all(
            [("QuorumFeed", name, []) for name in ("epoch", "threshold", "signers", "maxAge")], block
        )
        if self.signer.address not in signers:
            raise ConfigurationError(f"{self.signer.address} is no signer of the quorum feed")
        self._drafts.mkdir(parents=True, exist_ok=True)
        now = self.system.connection.timestamp(block)
        held_at, own = self.views.read(self.system, block)
        if own and signers[now // self.interval % len(signers)] == self.signer.address:
            self._propose(epoch, now, held_at, own)
        for batch in self._proposals(epoch, now - max_age):
            if self._agrees(batch, own):
                self._sign(batch)
            self._submit(lane, batch, signers, threshold, block)

    @property
    def _domain(self) -> QuorumDomain:
        return QuorumDomain(self.system.deployment.chain_id, self.system.address("QuorumFeed"))

    @property
    def _drafts(self) -> Path:
        return self.folder / self.views.contract

    def _propose(self, epoch: int, now: int, held_at: int, own: Values) -> None:
        file = self._drafts / f"{now // self.interval * self.interval}.json"
        if not file.exists():
            reports = [[subject, str(value)] for subject, value in sorted(own.items())]
            _write(file, {"epoch": epoch, "published_at": held_at, "reports": reports})

    def _proposals(self, epoch: int, oldest: int) -> list[ReportBatch]:
        found = []
        for file in sorted(self._drafts.glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(file.read_text())
                reports = tuple(self.views.report(int(subject), int(value)) for subject, value in content["reports"])
                found.append(ReportBatch(int(content["epoch"]), int(content["published_at"]), reports))
        return [batch for batch in found if batch.epoch == epoch and batch.published_at >= oldest]

    def _agrees(self, batch: ReportBatch, own: Values) -> bool:
        return all(
            report.subject in own and self.views.agrees(report, own[report.subject], batch.published_at)
            for report in batch.reports
        )

    def _sign(self, batch: ReportBatch) -> None:
        file = self._drafts / f"{self._domain.hash(batch).hex()}.{self.signer.address}.signature"
        if not file.exists():
            _write(file, {"signature": self._domain.sign(batch, self.signer).to_hex()})

    def _submit(
        self, lane: TransactionLane, batch: ReportBatch, signers: list[str], threshold: int, block: BlockRef
    ) -> None:
        if self.views.purpose in lane.pending_purposes() or not self._is_newer(batch, block):
            return
        with suppress(QuorumNotReached):
            chosen = self._domain.aggregate(batch, self._signatures(batch), signers, threshold)
            call = self.system.call(self.views.contract, "submit", *submit_arguments(batch, chosen))
            try:
                lane.submit(self.views.purpose, call, block.number)
            except TransactionFailed as fault:
                log.info("simulation refused", intent="publish", to=self.views.contract, reason=fault.reason)

    def _is_newer(self, batch: ReportBatch, block: BlockRef) -> bool:
        return batch.published_at > self.views.published_at(self.system, batch.reports[0].subject, block)

    def _signatures(self, batch: ReportBatch) -> list[CompactSignature]:
        found = []
        for file in self._drafts.glob(f"{self._domain.hash(batch).hex()}.*.signature"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(CompactSignature.from_hex(json.loads(file.read_text())["signature"]))
        return found


@dataclass(frozen=True)
class Publishers:
    """Several parts of one signer, in turn."""

    parts: tuple[QuorumPublisher, ...]

    def publish(self, lane: TransactionLane, block: BlockRef) -> None:
        for part in self.parts:
            part.publish(lane, block)


def _write(file: Path, content: Any) -> None:
    """Readers see the whole file or none."""
    draft = file.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps(content))
    draft.replace(file)


def _wad(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole or 0) * WAD + int(rest[:18].ljust(18, "0") or 0)
