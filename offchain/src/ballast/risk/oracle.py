"""The oracle hub in Python integers: index, stable price and state, equal to the chain to the wei.

`read` is the contract's `_resolve`: from what is stored and what the sources report now to a quote and what would be
stored with it. Prices are wad, in the value unit unless named ``usd``; ages and times are seconds; ratios are basis
points (10_000 is one).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ballast.errors import BallastError
from ballast.risk.margin_terms import OracleState, Quote

WAD = 10**18
BPS = 10_000
HOUR = 3600
PEG_BAND = 5 * WAD // 1000
DIVISOR_FLOOR = 9 * WAD // 10
DIVISOR_CEILING = 11 * WAD // 10
HIGHEST_PRICE = 2**96 - 1
WIDE_AFTER_CHANGE = HOUR
SETTLEMENT_TOKEN = 0


class SourceNotUsable(BallastError):
    """A source that is to be connected has no fresh report, or contradicts the other or the last good price."""


@dataclass(frozen=True)
class Report:
    """A source's newest report. A broken source's is all zeros: `NO_REPORT`."""

    usd: int
    confidence: int
    published_at: int


NO_REPORT = Report(0, 0, 0)


@dataclass(frozen=True)
class OracleLimits:
    """Limits of one underlying, as `IOracleHubAdmin.OracleLimits` documents them."""

    max_age: int
    second_max_age: int
    halt_age: int
    fallback_delay: int
    step_bps: int
    agreement_bps: int
    stand_time: int
    stand_bps: int
    wide_bps: int
    confidence_bps: int
    stable_delay: int
    stable_rate_bps: int


@dataclass(frozen=True)
class OracleRecord:
    """What the hub stores of one underlying. ``second_expires_at`` is 0 until the second source was read;
    ``pending_level`` is 0 where no step waits.
    """

    index: int
    stable: int
    published_at: int
    refreshed_at: int
    has_second: bool = False
    second_usd: int = 0
    second_expires_at: int = 0
    second_served_at: int = 0
    wide_until: int = 0
    pending_level: int = 0
    pending_since: int = 0

    @property
    def good_at(self) -> int:
        """When the report behind ``index`` was published."""
        return max(self.published_at, self.second_served_at)


@dataclass(frozen=True)
class ReadContext:
    """What every underlying's read shares. No quote is better than ``best_state``."""

    now: int
    divisor: int = WAD
    best_state: OracleState = OracleState.OK
    is_sequencer_up: bool = True


def differs(price: int, origin: int, bps: int) -> bool:
    """Whether ``price`` is more than ``bps`` of ``origin`` away from it."""
    return abs(price - origin) * BPS > origin * bps


def divisor_of(settlement_token_usd: int) -> int:
    """What USD prices are divided by: 1 near the peg, else the settlement token's price within [0.9, 1.1]."""
    if abs(settlement_token_usd - WAD) <= PEG_BAND:
        return WAD
    return min(max(settlement_token_usd, DIVISOR_FLOOR), DIVISOR_CEILING)


def to_value_unit_down(usd: int, divisor: int) -> int:
    return usd * WAD // divisor


def advance_stable_price(stable: int, index: int, elapsed: int, delay: int, rate_bps: int) -> int:
    """The stable price ``elapsed`` seconds after it and ``index`` were stored.

    With dt = min(elapsed, delay) it moves towards the index by
    min(⌊|index − stable| · dt / delay⌋, ⌊stable · rate · dt / (1e4 · 1 h)⌋).
    """
    time = min(elapsed, delay)
    pull = abs(index - stable) * time // delay
    limit = stable * rate_bps * time // (BPS * HOUR)
    move = min(pull, limit)
    return stable + move if index > stable else stable - move


@dataclass(frozen=True)
class SettlementPrice:
    """The settlement token's price as last read; it serves for ``memory_time`` seconds, its block always."""

    usd: int
    state: OracleState
    read_at: int
    memory_time: int

    def is_remembered(self, now: int) -> bool:
        return now <= self.read_at + self.memory_time


NEVER_READ = SettlementPrice(0, OracleState.OK, 0, memory_time=60)


def read_settlement(
    remembered: SettlementPrice, limits: OracleLimits, record: OracleRecord, first: Report, second: Report, now: int
) -> tuple[SettlementPrice, OracleRecord]:
    """The settlement token's price, and its record after a state-changing read."""
    if remembered.is_remembered(now):
        return remembered, record
    quote, after = read(SETTLEMENT_TOKEN, limits, record, first, second, ReadContext(now))
    return replace(remembered, usd=quote.index, state=OracleState(quote.state), read_at=now), after


def context_from(settlement: SettlementPrice, now: int, is_sequencer_up: bool = True) -> ReadContext:
    """What the settlement token's price means for the others: it divides them, and none is trusted further than it; but
    halted alone it halts nothing.
    """
    best = OracleState(min(settlement.state, OracleState.STALE))
    return ReadContext(now, divisor_of(settlement.usd), best, is_sequencer_up)


def read(
    underlying: int,
    limits: OracleLimits,
    record: OracleRecord,
    first: Report,
    second: Report,
    context: ReadContext,
) -> tuple[Quote, OracleRecord]:
    """One read: the quote, and the record that a state-changing read would store."""
    elapsed = context.now - record.refreshed_at
    stable = advance_stable_price(record.stable, record.index, elapsed, limits.stable_delay, limits.stable_rate_bps)
    if context.is_sequencer_up:
        state, after, second_index = _read_price(limits, record, first, second, context)
    else:
        state, after, second_index = OracleState.HALTED, replace(record, pending_level=0), 0
    state = max(state, context.best_state)
    after = replace(after, stable=stable, refreshed_at=context.now)
    shown_second = second_index if state is OracleState.WIDE else 0
    return Quote(underlying, state, after.index, stable, shown_second), after


def _read_price(
    limits: OracleLimits, record: OracleRecord, first: Report, second: Report, context: ReadContext
) -> tuple[OracleState, OracleRecord, int]:
    """State, record with price and pending level, and the second source's index (0 where unknown)."""
    first_index = _fresh_index(first, record.published_at, limits.max_age, context)
    is_quiet = first_index != 0 and not differs(first_index, record.index, limits.step_bps)
    record, second_index = _read_second(limits, record, second, first_index, is_quiet, context)

    if is_quiet or (first_index and _is_step_accepted(limits, record, first_index, second_index, context.now)):
        after = replace(record, index=first_index, published_at=first.published_at, pending_level=0)
        is_wide = _is_wide(limits, record, first, first_index, second_index, context.now)
        return (OracleState.WIDE if is_wide else OracleState.OK), after, second_index
    if second_index and _is_second_accepted(limits, record, second_index, context.now):
        served_at = record.second_expires_at - limits.second_max_age
        after = replace(record, index=second_index, second_served_at=served_at)
        return OracleState.WIDE, _track(limits, after, first_index, context.now), second_index
    after = _track(limits, record, first_index or second_index, context.now)
    is_halted = context.now - record.good_at > limits.halt_age
    return (OracleState.HALTED if is_halted else OracleState.STALE), after, second_index


def _read_second(
    limits: OracleLimits, record: OracleRecord, second: Report, first_index: int, is_quiet: bool, context: ReadContext
) -> tuple[OracleRecord, int]:
    """The cached price where it will do, else the source's own."""
    if not record.has_second:
        return record, 0
    cached = _index(record.second_usd, context.divisor) if context.now <= record.second_expires_at else 0
    if is_quiet and cached and not differs(first_index, cached, limits.wide_bps):
        return record, cached
    poked = poke(limits, record, second, context.now)
    if poked is None:
        return record, cached
    return poked, _index(poked.second_usd, context.divisor)


def poke(limits: OracleLimits, record: OracleRecord, second: Report, now: int) -> OracleRecord | None:
    """The record with the second source's report cached; None where it has none that is fresh and not rolled back."""
    not_before = max(record.second_expires_at - limits.second_max_age, 0)
    if not _fresh_index(second, not_before, limits.second_max_age, ReadContext(now)):
        return None
    return replace(record, second_usd=second.usd, second_expires_at=second.published_at + limits.second_max_age)


def _is_step_accepted(
    limits: OracleLimits, record: OracleRecord, first_index: int, second_index: int, now: int
) -> bool:
    agrees = second_index != 0 and not differs(first_index, second_index, limits.agreement_bps)
    return agrees or _stands(limits, record, first_index, now)


def _is_second_accepted(limits: OracleLimits, record: OracleRecord, second_index: int, now: int) -> bool:
    return not differs(second_index, record.index, limits.step_bps) or _stands(limits, record, second_index, now)


def _stands(limits: OracleLimits, record: OracleRecord, price: int, now: int) -> bool:
    if not record.pending_level:
        return False
    is_same_level = not differs(price, record.pending_level, limits.step_bps)
    is_believable = not differs(price, record.index, limits.stand_bps)
    return is_same_level and is_believable and now - record.pending_since >= limits.stand_time


def _track(limits: OracleLimits, record: OracleRecord, refused: int, now: int) -> OracleRecord:
    """The record with the clock of a refused level started, going on, or (0) dropped."""
    is_same = record.pending_level and refused and not differs(refused, record.pending_level, limits.step_bps)
    return record if is_same else replace(record, pending_level=refused, pending_since=now)


def _is_wide(
    limits: OracleLimits, record: OracleRecord, first: Report, first_index: int, second_index: int, now: int
) -> bool:
    if now < record.wide_until or first.confidence > first.usd * limits.confidence_bps // BPS:
        return True
    if not record.has_second:
        return False
    return second_index == 0 or differs(first_index, second_index, limits.wide_bps)


def _fresh_index(report: Report, not_before: int, max_age: int, context: ReadContext) -> int:
    if not not_before <= report.published_at <= context.now or context.now - report.published_at > max_age:
        return 0
    return _index(report.usd, context.divisor)


def _index(usd: int, divisor: int) -> int:
    if usd > HIGHEST_PRICE:
        return 0
    index = to_value_unit_down(usd, divisor)
    return index if index <= HIGHEST_PRICE else 0


def connect(
    limits: OracleLimits,
    before: OracleRecord | None,
    first: Report,
    second: Report | None,
    context: ReadContext,
) -> OracleRecord:
    """The record after sources are set. ``before`` is None at listing; ``second`` is None where there is none.

    Raises:
        SourceNotUsable: A source has no fresh report, they disagree, or a lone one is too far from the last good price.
    """
    index = _fresh_index(first, 0, limits.max_age, context)
    if not index:
        raise SourceNotUsable("the first source has no fresh report")
    stable, wide_until = index, 0
    if before is not None:
        elapsed = context.now - before.refreshed_at
        stable = advance_stable_price(before.stable, before.index, elapsed, limits.stable_delay, limits.stable_rate_bps)
        wide_until = context.now + WIDE_AFTER_CHANGE
    record = OracleRecord(index, stable, first.published_at, context.now, second is not None, wide_until=wide_until)
    if second is None:
        if before is not None and differs(index, before.index, limits.stand_bps):
            raise SourceNotUsable("a lone source is too far from the last good price")
        return record
    poked = poke(limits, record, second, context.now)
    if poked is None or differs(first.usd, second.usd, limits.agreement_bps):
        raise SourceNotUsable("the second source has no fresh report, or disagrees with the first")
    return poked
