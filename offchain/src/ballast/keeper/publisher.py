"""Publishing prices as one of the quorum's signers.

The signers share a folder (a synchronised directory, a mounted bucket). In turn, one proposes a batch; the others
compare every value with their own prices and sign it, or do not; whoever finds the threshold reached submits. A signer
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
PURPOSE = "publish 0x0"


class Prices(Protocol):
    """An operator's own view of the market."""

    def read(self) -> Mapping[int, int]:
        """USD per whole unit, wad, by underlying id. Empty where nothing is known."""
        ...


@dataclass(frozen=True)
class FilePrices:
    """Prices from a JSON file that another process keeps: `{"1": "3391.25", …}`, by underlying id."""

    path: Path

    def read(self) -> Mapping[int, int]:
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
        tolerance: Largest relative difference from one's own price that one signs, wad.
        interval: Seconds of one proposer's turn.
    """

    system: System
    signer: LocalAccount
    prices: Prices
    folder: Path
    tolerance: int = WAD // 200
    interval: int = 60

    def publish(self, lane: TransactionLane, block: BlockRef) -> None:
        """Proposes where it is one's turn, signs what one agrees with, submits what has enough signatures."""
        epoch, threshold, signers, max_age = self.system.read_all(
            [("QuorumFeed", name, []) for name in ("epoch", "threshold", "signers", "maxAge")], block
        )
        if self.signer.address not in signers:
            raise ConfigurationError(f"{self.signer.address} is no signer of the quorum feed")
        self.folder.mkdir(parents=True, exist_ok=True)
        now = self.system.connection.timestamp(block)
        own = self.prices.read()
        if own and signers[now // self.interval % len(signers)] == self.signer.address:
            self._propose(epoch, now, own)
        for batch in self._proposals(epoch, now - max_age):
            if self._agrees(batch, own):
                self._sign(batch)
            self._submit(lane, batch, signers, threshold, block)

    @property
    def _domain(self) -> QuorumDomain:
        return QuorumDomain(self.system.deployment.chain_id, self.system.address("QuorumFeed"))

    def _propose(self, epoch: int, now: int, own: Mapping[int, int]) -> None:
        file = self.folder / f"{now // self.interval * self.interval}.json"
        if not file.exists():
            reports = [[underlying, str(price)] for underlying, price in sorted(own.items())]
            _write(file, {"epoch": epoch, "published_at": now, "reports": reports})

    def _proposals(self, epoch: int, oldest: int) -> list[ReportBatch]:
        found = []
        for file in sorted(self.folder.glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(file.read_text())
                reports = tuple(SignedReport(int(subject), int(value)) for subject, value in content["reports"])
                found.append(ReportBatch(int(content["epoch"]), int(content["published_at"]), reports))
        return [batch for batch in found if batch.epoch == epoch and batch.published_at >= oldest]

    def _agrees(self, batch: ReportBatch, own: Mapping[int, int]) -> bool:
        return all(
            report.subject in own
            and abs(report.value - own[report.subject]) * WAD <= self.tolerance * own[report.subject]
            for report in batch.reports
        )

    def _sign(self, batch: ReportBatch) -> None:
        file = self.folder / f"{self._domain.hash(batch).hex()}.{self.signer.address}.signature"
        if not file.exists():
            _write(file, {"signature": self._domain.sign(batch, self.signer).to_hex()})

    def _submit(
        self, lane: TransactionLane, batch: ReportBatch, signers: list[str], threshold: int, block: BlockRef
    ) -> None:
        if PURPOSE in lane.pending_purposes() or not self._is_newer(batch, block):
            return
        with suppress(QuorumNotReached):
            chosen = self._domain.aggregate(batch, self._signatures(batch), signers, threshold)
            call = self.system.call("QuorumFeed", "submit", *submit_arguments(batch, chosen))
            try:
                lane.submit(PURPOSE, call, block.number)
            except TransactionFailed as fault:
                log.info("simulation refused", intent="publish", reason=fault.reason)

    def _is_newer(self, batch: ReportBatch, block: BlockRef) -> bool:
        stored = self.system.read("QuorumFeed", "reportOf", 0, batch.reports[0].subject, block=block)
        return bool(batch.published_at > stored.publishedAt)

    def _signatures(self, batch: ReportBatch) -> list[CompactSignature]:
        found = []
        for file in self.folder.glob(f"{self._domain.hash(batch).hex()}.*.signature"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(CompactSignature.from_hex(json.loads(file.read_text())["signature"]))
        return found


def _write(file: Path, content: Any) -> None:
    """Readers see the whole file or none."""
    draft = file.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps(content))
    draft.replace(file)


def _wad(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole or 0) * WAD + int(rest[:18].ljust(18, "0") or 0)
