"""Operations of governance on a real node: rehearsed, run, waited for and run again, as operators do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from ballast.deployment.builder import Builder
from ballast.deployment.config import Network
from ballast.deployment.operation import Governor, Operation, Phase, Progress
from ballast.deployment.roles import RoleId
from ballast.deployment.rpc import RpcBackend
from ballast.risk.book import Book
from scripts.operations.common import Context, rehearse
from tests.support.node import NodeEvm
from tests.support.system import Market, System

Plan = Callable[..., Operation]


class Killed(BaseException):
    """The process ends here."""


class MortalSender(RpcBackend):
    """Dies as soon as a transaction is sent, without having seen what becomes of it."""

    def submit(self, to: str, data: bytes, sender: str | None = None) -> str:
        super().submit(to, data, sender)
        raise Killed


@dataclass(frozen=True)
class Office:
    """Who runs operations on a deployed system, by the file as it is now."""

    evm: NodeEvm
    system: System
    network: Network
    book: Book
    silent: frozenset[str] = frozenset()
    """Underlyings whose feeds do not report."""

    def by(self, network: Network | None = None, book: Book | None = None) -> Office:
        """The same with a changed file."""
        return replace(self, network=network or self.network, book=book or self.book)

    @property
    def context(self) -> Context:
        record = self.system.record
        return Context(Builder(self.network, self.book, self.evm.backend(), record=record), record)

    def governor(
        self, context: Context, sender: RpcBackend | None = None, accounts: Collection[str] | None = None
    ) -> Governor:
        addresses = {name: entry.address for name, entry in context.record.contracts.items()}
        return Governor(context.builder, addresses, context.record.block, sender or self.evm.backend(), accounts)

    def rehearse(self, plan: Plan, *arguments: Any) -> Progress:
        context = self.context
        return rehearse(self.governor(context), plan(context, *arguments))

    def run(self, plan: Plan, *arguments: Any, accounts: Collection[str] | None = None) -> Progress:
        context = self.context
        return self.governor(context, accounts=accounts).run(plan(context, *arguments))

    def run_and_die(self, plan: Plan, *arguments: Any) -> Progress:
        """One run whose process ends with the first transaction; `Killed`, unless nothing is to be sent.

        Raises:
            Killed: It did.
        """
        context = self.context
        sender = MortalSender.connect(self.evm.node.url, deployer=self.evm.deployer)
        return self.governor(context, sender).run(plan(context, *arguments))

    def wait(self, until: int) -> None:
        """Time passes, while every feed of the system reports its price."""
        market = Market(self.system)
        for symbol in self.silent:
            del market.prices[symbol]
        market.advance(max(0, until - self.evm.timestamp))
        self.refresh_new_feeds()

    def refresh_new_feeds(self) -> None:
        """Feeds of the file that the system did not have at first report what they opened with."""
        contracts = self.context.builder.contracts
        known = {feed.address for feeds in self.system.feeds.values() for feed in feeds}
        for symbol, underlying in self.network.underlyings.items():
            for rank, source in (("first", underlying.first), ("second", underlying.second)):
                feed = contracts.get(f"{rank} feed {symbol}")
                if feed is None or feed.address in known or not self.evm.backend().code_at(feed.address):
                    continue
                assert source is not None and source.chainlink is not None, "a feed has a source"
                self.evm.contract("MockAggregator", feed.address).transact(
                    "report", source.chainlink.opening_answer, self.evm.timestamp
                )

    def see_through(self, plan: Plan, *arguments: Any) -> Progress:
        """Runs it again whenever a delay has ended, until it is done."""
        for _ in range(6):
            progress = self.run(plan, *arguments)
            if progress.is_done:
                return progress
            assert progress.next_at, [one for one in progress.standings if one.phase is not Phase.DONE]
            self.wait(progress.next_at)
        raise AssertionError("the operation does not end")

    @property
    def block(self) -> int:
        return int(self.evm.node.request("eth_blockNumber"), 16)

    def acts(self) -> int:
        """How many transactions the first holders of all roles have sent."""
        senders = {self.system.holder(role.name.lower()) for role in RoleId}
        counts = (self.evm.node.request("eth_getTransactionCount", sender, "latest") for sender in senders)
        return sum(int(count, 16) for count in counts)
