"""What the oracle needs done: functions of what was read at one block, without I/O.

The hub reads by itself in every act. Between acts three things stand still that should not: the cached price of a
second source, the stable price, and the clock of a step that waits to be believed (docs/oracle.md). And expiries settle
by what somebody observes minute by minute, accounts when somebody touches them. Prices are wad, times Unix seconds,
ratios basis points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

BPS = 10_000
# Each costs about what a margin check costs.
ACCOUNTS_A_SETTLEMENT = 16
SETTLEMENT_TOKEN = 0
STALE = 2


class ChoreKind(StrEnum):
    POKE = "oracle-poke"
    REFRESH = "oracle-refresh"
    OBSERVE = "expiry-observe"
    FINALISE = "expiry-finalise"
    SETTLE = "settle"


@dataclass(frozen=True)
class OracleView:
    """One underlying at the snapshot's block.

    Attributes:
        index: Last good price as stored; stable: stable price as stored, both at `refreshed_at`.
        quoted: Index that an act would get now, and `state` how far it would be trusted.
        second_published_at: Of the cached price; None where there is no second source.
        second_report: Price and publication that the second source tells now; None where it tells none.
        second_price: The cached one, USD.
        newest_report_at: Publication of the newest report that any of its sources tells now; 0 where all are silent.
        pending_level: Level that a refused step waits at; 0 where none does.
        stable_delay: Longest time that one move of the stable price counts.
    """

    underlying: int
    index: int
    stable: int
    refreshed_at: int
    quoted: int
    state: int
    second_price: int
    second_published_at: int | None
    second_report: tuple[int, int] | None
    newest_report_at: int
    pending_level: int
    stable_delay: int


@dataclass(frozen=True)
class UpkeepPolicy:
    """How closely the hub is kept.

    Attributes:
        poke_every: Seconds after which a second source's newer report is cached, however little it moved.
        refresh_every: Least seconds between two refreshes of an underlying.
        drift_bps: Move of the price, or of the second source's, that is not left waiting.
    """

    poke_every: int = 60
    refresh_every: int = 60
    drift_bps: int = 50


@dataclass(frozen=True)
class Chore:
    """One transaction of upkeep.

    Attributes:
        subject: An underlying to poke, the bitmap of those to refresh, an expiry's key, or the first account to settle.
        accounts: All that are settled at once.
    """

    kind: ChoreKind
    subject: int
    reason: str
    accounts: tuple[int, ...] = ()

    @property
    def purpose(self) -> str:
        return f"{self.kind} {self.subject:#x}"


def chores(views: Iterable[OracleView], now: int, policy: UpkeepPolicy, under_way: Iterable[str] = ()) -> list[Chore]:
    """What to do now: pokes first, as a refresh judges by what they cache, then one refresh of all that need it.

    Args:
        under_way: Purposes of transactions not yet mined; no poke is repeated, and no refresh sent beside another.
    """
    busy = set(under_way)
    views = list(views)
    pokes = [
        Chore(ChoreKind.POKE, view.underlying, reason)
        for view in views
        if (reason := _poke_reason(view, now, policy)) is not None
    ]
    found = [chore for chore in pokes if chore.purpose not in busy]
    due = {view.underlying: reason for view in views if (reason := _refresh_reason(view, now, policy)) is not None}
    refreshing = any(purpose.startswith(f"{ChoreKind.REFRESH} ") for purpose in busy)
    if due and not refreshing:
        # Every refresh reads the settlement token where its memory has ended; it cannot be asked for.
        bits = sum(1 << underlying for underlying in due if underlying != SETTLEMENT_TOKEN)
        found.append(Chore(ChoreKind.REFRESH, bits, ", ".join(sorted(set(due.values())))))
    return found


@dataclass(frozen=True)
class ExpiryView:
    """One listed expiry that is not finalised, at the snapshot's block.

    Attributes:
        due_bucket: Minute of its averaging window that nobody has observed yet; None outside the window, and where the
            present one is observed.
        has_price: Whether its observations determine the settlement price.
    """

    key: int
    due_bucket: int | None
    has_price: bool


def expiry_chores(views: Iterable[ExpiryView], under_way: Iterable[str] = ()) -> list[Chore]:
    """Observations first, which a minute later are too late; then prices to record.

    Args:
        under_way: Purposes of transactions not yet mined; none is repeated.
    """
    busy, views = set(under_way), list(views)
    found = [
        Chore(ChoreKind.OBSERVE, view.key, f"minute {view.due_bucket} of its window")
        for view in views
        if view.due_bucket is not None
    ]
    found += [Chore(ChoreKind.FINALISE, view.key, "its price is known") for view in views if view.has_price]
    return [chore for chore in found if chore.purpose not in busy]


def settlement_chores(
    held: Mapping[int, Iterable[int]], settled: Iterable[int], under_way: Iterable[str] = ()
) -> list[Chore]:
    """Accounts that still hold what has its final price, some a transaction. It is their owners' money, one way or the
    other, and no account is too small.

    Args:
        held: Keys of the expiries that each account holds something of; settled: of those that have a price.
        under_way: Purposes of transactions not yet mined; none is repeated.
    """
    priced, busy = set(settled), set(under_way)
    due = sorted(account for account, keys in held.items() if not priced.isdisjoint(keys))
    parts = [tuple(due[start : start + ACCOUNTS_A_SETTLEMENT]) for start in range(0, len(due), ACCOUNTS_A_SETTLEMENT)]
    found = [Chore(ChoreKind.SETTLE, part[0], f"{len(part)} accounts hold what has expired", part) for part in parts]
    return [chore for chore in found if chore.purpose not in busy]


def _poke_reason(view: OracleView, now: int, policy: UpkeepPolicy) -> str | None:
    """Only for a report newer than the cached one: caching the same again costs gas for nothing."""
    if view.second_published_at is None or view.second_report is None:
        return None
    price, published_at = view.second_report
    if not view.second_published_at < published_at <= now:
        return None
    if _differs(price, view.second_price, policy.drift_bps):
        return "the second source moved"
    return "the second source reported" if now - view.second_published_at >= policy.poke_every else None


def _refresh_reason(view: OracleView, now: int, policy: UpkeepPolicy) -> str | None:
    elapsed = now - view.refreshed_at
    if elapsed < policy.refresh_every:
        return None
    # Only a state-changing read starts the clock of a refused step, and starts it again when the price moves on.
    if view.pending_level or (view.state >= STALE and view.newest_report_at > view.refreshed_at):
        return "a step waits to be believed"
    if _differs(view.quoted, view.index, policy.drift_bps):
        return "the price moved"
    # A move of the stable price counts `stable_delay` at most, towards the index that was stored.
    if elapsed * 2 >= view.stable_delay and (view.stable != view.index or view.quoted != view.index):
        return "the stable price lags"
    return None


def _differs(price: int, reference: int, bps: int) -> bool:
    return abs(price - reference) * BPS > reference * bps
