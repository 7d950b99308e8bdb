"""A matcher's application without a chain: every well-signed order is admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from fastapi import FastAPI

from ballast.chain.ids import perp_of
from ballast.chain.order_files import order_document
from ballast.chain.orders import OrderDomain, SignedOrder, as_legs, limit_order
from ballast.matcher.admission import Exposure
from ballast.matcher.api import create_app
from ballast.matcher.feed import Feed
from ballast.matcher.journal import Journal
from ballast.matcher.limits import RateLimit
from ballast.matcher.metrics import Metrics
from ballast.matcher.refusals import Refused
from ballast.matcher.sequencer import Sequencer
from ballast.matcher.service import Matcher, ServicePolicy
from ballast.matcher.signatures import MatcherDomain, is_recovered, sign
from ballast.matcher.views import Names, Views

DOMAIN = OrderDomain(31_337, "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0")
NAMES = {0: "USDC", 1: "ETH", 2: "BTC"}
FAR = 2_000_000_000


def key_of(role: str) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"counter {role}"))
    return made


class OpenDoor:
    """Stands for the chain: it has no objection, unless told to."""

    def __init__(self) -> None:
        self.objection: Refused | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def admit(self, signed: SignedOrder, exposure: Exposure) -> None:
        self.meanwhile()
        if self.objection is not None:
            raise self.objection

    def admit_legs(self, package: Sequence[SignedOrder], exposure: Exposure) -> None:
        self.admit(package[0], exposure)

    def is_signed(self, signer: str, digest: bytes, signature: bytes) -> bool:
        return is_recovered(signer, digest, signature)


@dataclass
class Counter:
    """An application on a journal, and documents for it. Sizes and limits are the engine's integers."""

    path: Path
    limit: RateLimit = field(default_factory=lambda: RateLimit(1_000, 1_000))
    policy: ServicePolicy = field(default_factory=ServicePolicy)
    journal: type[Journal] = Journal
    segment_entries: int = 100_000

    def __post_init__(self) -> None:
        self.door, self.operator = OpenDoor(), key_of("operator")
        self._nonces: Iterator[int] = count(1)
        self.opened = self.journal(self.path)
        self.sequencer = Sequencer(self.opened, segment_entries=self.segment_entries)
        views = Views(self.sequencer, Names(NAMES))
        self.feed = Feed(self.sequencer, views)
        self.matcher = Matcher(
            self.sequencer,
            self.door,  # type: ignore[arg-type]
            views,
            self.feed,
            DOMAIN,
            self.operator,
            Metrics(),
            self.policy,
        )
        self.now = 1_000_000
        self.matcher.desk.clock = lambda: self.now
        self.app: FastAPI = create_app(self.matcher, self.limit)

    def document(self, role: str, size: int, limit: int, symbol: int = 1, **changes: Any) -> dict[str, Any]:
        key, terms = key_of(role), {"nonce": next(self._nonces), "expiry": FAR} | changes
        order = limit_order(key.address, perp_of(symbol), size, limit, **terms)
        return order_document(DOMAIN.sign(order, key), DOMAIN)

    def legs(self, role: str, *legs: tuple[int, int, int], **changes: Any) -> list[dict[str, Any]]:
        """Signed orders of (underlying, size, limit) that are filled together."""
        key = key_of(role)
        orders = [
            limit_order(key.address, perp_of(one), size, limit, nonce=next(self._nonces), expiry=FAR)
            for one, size, limit in legs
        ]
        package = [replace(one, **changes) for one in as_legs(orders, orders[0].nonce)]
        return [order_document(DOMAIN.sign(one, key), DOMAIN) for one in package]

    def wait(self, seconds: int) -> None:
        """Time passes, and requests whose time is over end."""
        self.now += 1_000 * seconds
        self.matcher.desk.close_due()

    def withdrawal(self, role: str, account: int, nonce: int) -> dict[str, str]:
        message = MatcherDomain(DOMAIN.chain_id, DOMAIN.exchange).withdrawal(account, nonce)
        return {"signer": key_of(role).address, "signature": sign(message, key_of(role))}

    def close(self) -> None:
        self.matcher.close()
        self.sequencer.close()
