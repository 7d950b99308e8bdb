"""Listed expiries over an oracle hub and a quorum feed that a test commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import SignedReport, submit_arguments
from ballast.risk.expiry import BUCKET, DAY, TIME_OF_DAY, WINDOW, ExpiryLimits
from ballast.risk.pricing import Surface
from tests.support.evm import Receipt
from tests.support.oracle import ETH, OPENING_USD, OracleBench
from tests.support.quorum import QuorumBench

SMILE = Surface(
    premium=1_000_000, a=200_000_000, b=300_000_000, rho=-200_000_000, m=10_000_000, s=300_000_000, published_at=0
)
"""54 % at the money, skewed to puts; free of arbitrage at any tenor, against itself too."""
NONE, LIVE, AVERAGING, WAITING, SETTLED = range(5)


def as_struct(limits: ExpiryLimits) -> tuple[int, ...]:
    """`limits` in the order of the contract's struct, which is that of the twin's fields."""
    return tuple(vars(limits).values())


class ExpiryBench:
    """ETH has a price; `expiries` is deployed, nothing is listed, and nothing funds the bounties."""

    def __init__(self) -> None:
        self.oracle = OracleBench()
        self.evm = self.oracle.evm
        self.quorum = QuorumBench(self.evm)
        self.token = self.evm.deploy("MockToken", "USDC", 6)
        self.expiries = self.evm.deploy(
            "Expiries",
            self.oracle.authority.address,
            self.oracle.hub.address,
            self.quorum.feed.address,
            self.token.address,
        )
        self.observer = self.evm.address_of("observer")

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def day(self, days: int) -> int:
        """The expiry so many days after the next one that can be listed."""
        first = -(-(self.now + 3600 - TIME_OF_DAY) // DAY)
        return (first + days) * DAY + TIME_OF_DAY

    def list_expiry(self, days: int = 0, surface: Surface = SMILE, underlying: int = ETH) -> int:
        expiry = self.day(days)
        self.expiries.transact("listExpiry", underlying, expiry, surface.pack())
        return expiry

    def listed(self, days: int = 7) -> int:
        """An expiry with a surface of now."""
        return self.list_expiry(days, replace(SMILE, published_at=self.now))

    def publish(self, surfaces: Mapping[int, Surface], age: int = 0, underlying: int = ETH) -> Receipt:
        """The signers' batch of surfaces by expiry, submitted by anyone."""
        reports = [
            SignedReport.of_surface(expiry_key(underlying, expiry), surface.pack())
            for expiry, surface in surfaces.items()
        ]
        return self.submit(*reports, age=age)

    def submit(self, *reports: SignedReport, age: int = 0) -> Receipt:
        batch = self.quorum.batch(*reports, age=age)
        arguments = submit_arguments(batch, self.quorum.sign(batch))
        return self.expiries.transact("submit", *arguments, sender=self.observer)

    def go_to(self, timestamp: int) -> None:
        """The clock goes there, and every price source repeats its opening price."""
        self.evm.advance(timestamp - self.now)
        self.oracle.publish_all()

    def observe(self, expiry: int, bucket: int, usd: int | None = None, late: int = 0) -> Receipt:
        """Somebody observes a bucket, ``late`` seconds into it, with ETH at ``usd`` (wad)."""
        self.go_to(expiry - WINDOW + BUCKET * bucket + late)
        self.oracle.publish(ETH, usd or OPENING_USD[ETH])
        return self.expiries.transact("observe", ETH, expiry, sender=self.observer)

    def observe_all(self, expiry: int, buckets: int = 30) -> None:
        for bucket in range(buckets):
            self.observe(expiry, bucket)

    def quote(self, expiry: int, underlying: int = ETH) -> Any:
        return self.expiries.call("quotesOf", [expiry_key(underlying, expiry)])[0]

    def view(self, expiry: int) -> Any:
        return self.expiries.call("expiryOf", ETH, expiry)

    def phase(self, expiry: int) -> int:
        return self.expiries.call("phaseOf", ETH, expiry)

    def stored(self, expiry: int) -> Surface:
        return Surface.unpack(self.view(expiry).surface)
