"""Keeps the oracle hub: reads what it stores and what its sources say, and sends what `upkeep` decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from ballast.chain.contracts import ContractCall, System
from ballast.chain.lane import TransactionLane
from ballast.errors import ChainError, TransactionFailed
from ballast.keeper.upkeep import SETTLEMENT_TOKEN, Chore, ChoreKind, OracleView, UpkeepPolicy, chores
from ballast.store import BlockRef

log = structlog.get_logger(__name__)
NOBODY = 0


@dataclass(frozen=True)
class Caretaker:
    """The keeper's job of keeping the oracle."""

    system: System
    policy: UpkeepPolicy = field(default_factory=UpkeepPolicy)

    def work(self, lane: TransactionLane, block: BlockRef) -> None:
        """Sends the chores that are due at a block; one that is refused is decided anew on the next."""
        now = self.system.connection.timestamp(block)
        for chore in chores(self.views(block), now, self.policy, lane.pending_purposes()):
            log.info("decided", intent=chore.kind.value, subject=hex(chore.subject), reason=chore.reason)
            try:
                lane.submit(chore.purpose, call_of(self.system, chore), block.number)
            except TransactionFailed as fault:
                log.info("simulation refused", intent=chore.kind.value, reason=fault.reason)

    def views(self, block: BlockRef) -> list[OracleView]:
        """Every listed underlying at a block.

        Raises:
            ChainError: The hub cannot be read.
        """
        listed = self.system.read("OracleHub", "listedUnderlyings", block=block)
        ids = [number for number in range(listed.bit_length()) if listed >> number & 1]
        kept = self.system.read_all(
            [("OracleHub", name, [number]) for name in ("recordOf", "limitsOf") for number in ids], block
        )
        records, limits = kept[: len(ids)], kept[len(ids) :]
        asked = [number for number in ids if number != SETTLEMENT_TOKEN]
        quotes, settlement_usd = self.system.read(
            "OracleHub", "quotesOf", sum(1 << number for number in asked), block=block
        )
        told = {quote.underlying: (quote.index, quote.state) for quote in quotes} | {
            SETTLEMENT_TOKEN: (settlement_usd, 0)
        }
        reports = iter(self._reports(ids, records, block))
        return [
            _view(number, record, limit, told[number], (next(reports), next(reports)))
            for number, record, limit in zip(ids, records, limits, strict=True)
        ]

    def _reports(self, ids: list[int], records: list[Any], block: BlockRef) -> Iterator[tuple[int, int] | None]:
        """Price and publication by first and second source of each underlying; None where there is no answer."""
        sources = [
            (source, number) for number, one in zip(ids, records, strict=True) for source in (one.first, one.second)
        ]
        for answer in self.system.read_sources(sources, block):
            silent = isinstance(answer, ChainError) or answer.price == 0
            yield None if silent else (answer.price, answer.publishedAt)


def _view(
    number: int, record: Any, limits: Any, told: tuple[int, int], reports: tuple[tuple[int, int] | None, ...]
) -> OracleView:
    has_second = int(record.second, 16) != NOBODY
    return OracleView(
        underlying=number,
        index=record.index,
        stable=record.stable,
        refreshed_at=record.refreshedAt,
        quoted=told[0],
        state=told[1],
        second_price=record.secondPrice,
        second_published_at=record.secondExpiresAt - limits.secondMaxAge if has_second else None,
        second_report=reports[1],
        newest_report_at=max((report[1] for report in reports if report), default=0),
        pending_level=record.pendingLevel,
        stable_delay=limits.stableDelay,
    )


def call_of(system: System, chore: Chore) -> ContractCall:
    """The transaction that does a chore."""
    function = "poke" if chore.kind is ChoreKind.POKE else "refresh"
    return system.call("OracleHub", function, chore.subject)
