"""A matcher on a real chain, without a network: its own node, its files, and users who speak to its application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient

from ballast.chain.contracts import System
from ballast.chain.ids import account_id, perp_of
from ballast.chain.order_files import order_document
from ballast.chain.orders import OrderDomain, SignedOrder, as_legs, limit_order
from ballast.matcher.process import Assembly, assembled
from ballast.matcher.signatures import MatcherDomain, sign
from ballast.settings import MatcherSettings
from tests.integration.conftest import Stage
from tests.support.node import await_mined

WAD = 10**18


@dataclass
class Exchange:
    """A stage with a matcher on it. Sizes and prices are given whole and become wad."""

    stage: Stage
    folder: Path
    operator: LocalAccount
    settings: MatcherSettings
    assembly: Assembly | None = None
    now: int = 1_000_000
    _nonces: Iterator[int] = field(default_factory=lambda: count(1_000))

    @classmethod
    def on(cls, stage: Stage, folder: Path) -> Exchange:
        """A matcher of a key of its own, which settles each block."""
        settings = MatcherSettings(BALLAST_MATCHER_DATA=folder, BALLAST_MATCHER_BATCH_SECONDS=0)
        return cls(stage, folder, stage.bench.user("operator", {}), settings)

    @contextmanager
    def open(self) -> Iterator[TestClient]:
        """Starts the matcher on its files, and stops it."""
        with assembled(self.stage.system, self.operator, self.settings) as assembly:
            self.assembly = assembly
            assembly.matcher.desk.clock = lambda: self.now
            with TestClient(assembly.app) as client:
                yield client
            assembly.matcher.close()
            self.assembly = None

    # What is there ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> Assembly:
        assert self.assembly is not None
        return self.assembly

    @property
    def system(self) -> System:
        return self.stage.system()

    @property
    def domain(self) -> OrderDomain:
        return OrderDomain(self.stage.bench.record.chain_id, self.stage.bench.record.contracts["Exchange"].address)

    def perp(self, symbol: str = "ETH") -> int:
        return perp_of(self.stage.bench.record.underlyings[symbol])

    def size_of(self, key: LocalAccount, symbol: str = "ETH") -> int:
        """Position on chain, wad."""
        view = self.stage.bench.contracts["Clearinghouse"].call("accountOf", account_id(key.address))
        return sum(one.size for one in view.positions if one.instrument == self.perp(symbol))

    # What users do ---------------------------------------------------------------------------------------------

    def signed(self, key: LocalAccount, size: float, limit: float, symbol: str = "ETH", **changes: Any) -> SignedOrder:
        """An order good for an hour by the chain's clock."""
        nonce, expiry = next(self._nonces), self.stage.bench.now() + 3_600
        terms = {"nonce": nonce, "expiry": expiry} | changes
        order = limit_order(
            key.address, self.perp(symbol), round(size * 10**9) * 10**9, round(limit * 10**9) * 10**9, **terms
        )
        return self.domain.sign(order, key)

    def document(self, key: LocalAccount, size: float, limit: float, symbol: str = "ETH", **changes: Any) -> Any:
        return order_document(self.signed(key, size, limit, symbol, **changes), self.domain)

    def legs(self, key: LocalAccount, *legs: tuple[str, float, float]) -> list[Any]:
        """Signed orders of (symbol, size, limit) that are filled together."""
        orders = [self.signed(key, size, limit, symbol).order for symbol, size, limit in legs]
        package = as_legs(orders, orders[0].nonce)
        return [order_document(self.domain.sign(one, key), self.domain) for one in package]

    def withdrawal(self, key: LocalAccount, account: int, nonce: int) -> dict[str, str]:
        message = MatcherDomain(self.domain.chain_id, self.domain.exchange).withdrawal(account, nonce)
        return {"signer": key.address, "signature": sign(message, key)}

    # What blocks bring -----------------------------------------------------------------------------------------

    def look(self, times: int = 1) -> None:
        """The settler handles the newest block, and what it sent is mined."""
        for _ in range(times):
            self.running.matcher.desk.close_due()
            self.running.settler.step(self.running.settler.head())
            await_mined(self.system.connection, self.running.store, self.operator.address)

    def wait(self, seconds: int) -> None:
        """The matcher's clock, by which requests for quotes end; the chain's stands."""
        self.now += 1_000 * seconds

    def settle(self) -> None:
        """Blocks until nothing waits."""
        for _ in range(10):
            self.look()
            if self.running.settler.is_idle():
                return
        raise AssertionError("something waits for ever")
