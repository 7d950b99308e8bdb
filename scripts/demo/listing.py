"""The board's instruments as a network's file lists them, and surfaces as the quorum's signers publish them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from eth_account import Account
from eth_account.signers.local import LocalAccount

from ballast.chain.quorum import QuorumDomain, ReportBatch, SignedReport, submit_calldata
from ballast.deployment.config import Network
from ballast.deployment.listing import ListedExpiry
from ballast.risk.pricing import Surface
from scripts.demo.board import Board
from scripts.demo.stage import Stage, Transaction

MNEMONIC = "test test test test test test test test test test test junk"
SIGNERS = (5, 6, 7)
SIZE_STEP = "0.001"
OPEN_INTEREST_CAP = "1000000"
FIRST_VOLATILITY = "80%"
PUBLISH_EVERY = 300


def with_expiries(network: Network, board: Board) -> Network:
    """The configuration with the board's expiries, futures and options, to be deployed."""
    terms = {"size_step": SIZE_STEP, "open_interest_cap": OPEN_INTEREST_CAP}
    listed: dict[str, list[ListedExpiry]] = {}
    for (symbol, expiry), strikes in board.strikes.items():
        entry = {
            "date": datetime.fromtimestamp(expiry, UTC).date(),
            "volatility": FIRST_VOLATILITY,
            "future": terms,
            "options": terms | {"strikes": [f"{strike:.6f}" for strike in strikes]},
        }
        listed.setdefault(symbol, []).append(ListedExpiry.model_validate(entry))
    expiries = network.expiries.model_copy(update={"listed": listed})
    return network.model_copy(update={"expiries": expiries})


@dataclass
class Signers:
    """The quorum's operators, who sign what they see: enough of them, the same."""

    stage: Stage
    keys: list[LocalAccount] = field(init=False)

    def __post_init__(self) -> None:
        Account.enable_unaudited_hdwallet_features()
        keys = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}") for number in SIGNERS]
        threshold = self.stage.view("QuorumFeed", "threshold")
        self.keys = sorted(keys, key=lambda key: int(key.address, 16))[:threshold]
        self._domain = QuorumDomain(self.stage.record.chain_id, self.stage.address("QuorumFeed"))
        self._epoch = self.stage.view("QuorumFeed", "epoch")
        self._published_at = 0

    def publication(self, surfaces: Mapping[int, Surface], timestamp: int) -> Transaction:
        """The transaction that stores surfaces of that time, by expiry key."""
        reports = tuple(SignedReport.of_surface(key, surface.pack()) for key, surface in sorted(surfaces.items()))
        batch = ReportBatch(self._epoch, timestamp, reports)
        signatures = [self._domain.sign(batch, key) for key in self.keys]
        self._published_at = timestamp
        return self.keys[0].address, (self.stage.address("Expiries"), submit_calldata(batch, signatures))

    def is_due(self, timestamp: int) -> bool:
        return timestamp - self._published_at >= PUBLISH_EVERY
