"""Lists the board's instruments as governance does, and publishes surfaces as the quorum's signers do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from eth_account import Account
from eth_account.signers.local import LocalAccount

from ballast.chain import codec
from ballast.chain.artifacts import checkout_root, load_artifacts
from ballast.chain.quorum import QuorumDomain, ReportBatch, SignedReport, submit_calldata
from ballast.deployment.config import ListedExpiry, Network
from ballast.risk.pricing import Surface
from scripts.demo.board import OPTIONS_ON, Board
from scripts.demo.stage import Stage, Transaction, set_clock

MNEMONIC = "test test test test test test test test test test test junk"
SIGNERS = (5, 6, 7)
STEP_EXPONENT = 15
CAP = 10**24
HOUR = 3_600
RISK_DELAY = 6 * HOUR
PUBLISH_EVERY = 300


def with_expiries(network: Network, board: Board) -> Network:
    """The configuration with the board's expiries, to be deployed."""
    entries = tuple(
        ListedExpiry(date=datetime.fromtimestamp(expiry, UTC).date(), volatility="80%") for expiry in board.expiries
    )
    expiries = network.expiries.model_copy(update={"listed": dict.fromkeys(OPTIONS_ON, entries)})
    return network.model_copy(update={"expiries": expiries})


def list_instruments(stage: Stage, board: Board, now: int, holder: str) -> None:
    """The risk role announces the futures and options, and lists them when its delay is over."""
    house, authority = stage.address("Clearinghouse"), stage.address("Authority")
    calls = []
    for (symbol, expiry), strikes in board.strikes.items():
        number = board.underlyings[symbol]
        wads = [round(strike * 10**6) * 10**12 for strike in strikes]
        calls.append(stage.encode("Clearinghouse", "listFuture", number, expiry, STEP_EXPONENT, CAP))
        calls.append(stage.encode("Clearinghouse", "listOptions", number, expiry, wads, STEP_EXPONENT, CAP))
    abi = load_artifacts(checkout_root())["Authority"].abi
    stage.send([(holder, (authority, codec.encode_call(abi, "schedule", [house, data, 0]))) for _, data in calls])
    set_clock(stage.node, now + RISK_DELAY + HOUR)
    stage.send([(holder, (authority, codec.encode_call(abi, "execute", [house, data]))) for _, data in calls])
    for label, instrument in board.instruments().items():
        stage.instruments[label] = stage.view("Clearinghouse", "instrumentIndexOf", instrument)


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
