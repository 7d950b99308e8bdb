"""Keeps the oracle: reads what the hub and the expiries store and what sources say, and sends what `upkeep` decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from ballast.chain.contracts import ContractCall, System
from ballast.chain.ids import KIND_PERP, expiry_key, kind_of
from ballast.chain.instruments import expiry_of
from ballast.chain.lane import TransactionLane
from ballast.errors import ChainError, TransactionFailed
from ballast.keeper.upkeep import (
    SETTLEMENT_TOKEN,
    Chore,
    ChoreKind,
    ExpiryView,
    OracleView,
    UpkeepPolicy,
    chores,
    expiry_chores,
    settlement_chores,
)
from ballast.risk.dated import key_of
from ballast.risk.expiry import WINDOW
from ballast.store import BlockRef

log = structlog.get_logger(__name__)
NOBODY = 0
SETTLED = 4
"""`ExpiryPhase.Settled`."""
_EXPIRY_BITS = 40


@dataclass(frozen=True)
class Caretaker:
    """The keeper's job of keeping the oracle."""

    system: System
    policy: UpkeepPolicy = field(default_factory=UpkeepPolicy)

    def work(self, lane: TransactionLane, block: BlockRef, now: int, accounts: Mapping[int, Any]) -> None:
        """Sends the chores that are due at a block; one that is refused is decided anew on the next.

        Args:
            accounts: Everybody's `AccountView` at the block.
        """
        under_way = lane.pending_purposes()
        listed = self._listed(block)
        due = expiry_chores(self.expiry_views(listed, now, block), under_way)
        held = _expired(accounts, now)
        due += settlement_chores(held, self._settled(held, block), under_way)
        due += chores(self.views(listed, block), now, self.policy, under_way)
        for chore in due:
            log.info("decided", intent=chore.kind.value, subject=hex(chore.subject), reason=chore.reason)
            try:
                lane.submit(chore.purpose, call_of(self.system, chore), block.number)
            except TransactionFailed as fault:
                log.info("simulation refused", intent=chore.kind.value, reason=fault.reason)

    def _listed(self, block: BlockRef) -> list[int]:
        listed = self.system.read("OracleHub", "listedUnderlyings", block=block)
        return [number for number in range(listed.bit_length()) if listed >> number & 1]

    def _settled(self, held: Mapping[int, set[int]], block: BlockRef) -> list[int]:
        """Of the expiries held, those that have a price."""
        keys = sorted(set().union(*held.values()))
        prices = self.system.read_all(
            [("Expiries", "settlementPriceOf", [*divmod(key, 1 << _EXPIRY_BITS)]) for key in keys], block
        )
        return [key for key, price in zip(keys, prices, strict=True) if price]

    def expiry_views(self, underlyings: list[int], now: int, block: BlockRef) -> list[ExpiryView]:
        """Every expiry that is not finalised, and has at least entered its averaging window.

        Raises:
            ChainError: The expiries cannot be read.
        """
        lists = self.system.read_all([("Expiries", "expiriesOf", [number]) for number in underlyings], block)
        pairs = [
            (number, expiry)
            for number, expiries in zip(underlyings, lists, strict=True)
            for expiry in expiries
            if expiry - now <= WINDOW
        ]
        told = self.system.read_all(
            [("Expiries", name, list(pair)) for name in ("dueBucket", "phaseOf") for pair in pairs], block
        )
        return [
            ExpiryView(expiry_key(*pair), due.bucket if due.isDue else None, phase == SETTLED)
            for pair, due, phase in zip(pairs, told[: len(pairs)], told[len(pairs) :], strict=True)
        ]

    def views(self, ids: list[int], block: BlockRef) -> list[OracleView]:
        """The listed underlyings at a block.

        Raises:
            ChainError: The hub cannot be read.
        """
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


def _expired(accounts: Mapping[int, Any], now: int) -> dict[int, set[int]]:
    """Keys of the expiries that are over, by the accounts that hold something of them."""
    found = {}
    for account, view in accounts.items():
        dated = (leg.instrument for leg in view.positions if kind_of(leg.instrument) != KIND_PERP)
        if keys := {key_of(instrument) for instrument in dated if expiry_of(instrument) <= now}:
            found[account] = keys
    return found


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
    underlying, expiry = chore.subject >> _EXPIRY_BITS, chore.subject % (1 << _EXPIRY_BITS)
    match chore.kind:
        case ChoreKind.POKE:
            return system.call("OracleHub", "poke", chore.subject)
        case ChoreKind.REFRESH:
            return system.call("OracleHub", "refresh", chore.subject)
        case ChoreKind.OBSERVE:
            return system.call("Expiries", "observe", underlying, expiry)
        case ChoreKind.FINALISE:
            return system.call("Expiries", "finalise", underlying, expiry)
        case ChoreKind.SETTLE:
            return system.call("Clearinghouse", "settle", list(chore.accounts))
