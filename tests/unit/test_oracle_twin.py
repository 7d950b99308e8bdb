"""The hub and its twin agree to the wei over any history of reports (I16)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ballast.risk.oracle import (
    NEVER_READ,
    NO_REPORT,
    OracleRecord,
    ReadContext,
    Report,
    SourceNotUsable,
    connect,
    context_from,
    divisor_of,
    poke,
    read,
    read_settlement,
)
from tests.support.evm import Contract, Revert
from tests.support.oracle import ETH, HOUR, LIMITS, OPENING_USD, USDC, WAD, ZERO_ADDRESS, OracleBench

MOVES = st.one_of(st.integers(9_000, 11_000), st.integers(100, 40_000), st.sampled_from([0, 10_000, 10**7, 10**20]))
AGES = st.one_of(st.integers(0, 90), st.integers(-5, 3 * HOUR))
PAUSES = st.one_of(st.just(0), st.integers(1, 300), st.integers(1, 3 * HOUR))
CONFIDENCES = st.sampled_from([0, 1, WAD, 30 * WAD, 10**40])
UNDERLYINGS = st.sampled_from([USDC, ETH])


class HubAndTwin(RuleBasedStateMachine):
    """Whatever the sources report, chain and twin give the same quotes and store the same records."""

    @initialize(with_second=st.booleans(), with_sequencer=st.booleans())
    def deploy(self, with_second: bool, with_sequencer: bool) -> None:
        self.has_second, self.has_sequencer = with_second, with_sequencer
        self.bench = OracleBench(with_second=with_second, sequencer_grace=HOUR if with_sequencer else None)
        now = self.bench.now
        self.first = {u: Report(OPENING_USD[u], 0, now) for u in (USDC, ETH)}
        self.second = dict(self.first)
        self.records: dict[int, OracleRecord] = {}
        for underlying in (USDC, ETH):
            self.records[underlying] = self.connected(underlying, None)
        self.settlement = NEVER_READ
        self.up_since: int | None = now - 10 * HOUR

    def connected(self, underlying: int, before: OracleRecord | None) -> OracleRecord:
        divisor = WAD if underlying == USDC else divisor_of(self.records[USDC].index)
        second = self.second[underlying] if self.has_second else None
        return connect(LIMITS, before, self.first[underlying], second, ReadContext(self.bench.now, divisor))

    def source(self, is_first: bool) -> tuple[dict[int, Contract], dict[int, Report]]:
        return (self.bench.first, self.first) if is_first else (self.bench.second, self.second)

    @rule(underlying=UNDERLYINGS, move=MOVES, age=AGES, confidence=CONFIDENCES, is_first=st.booleans())
    def report(self, underlying: int, move: int, age: int, confidence: int, is_first: bool) -> None:
        usd = OPENING_USD[underlying] * move // 10_000
        contracts, reports = self.source(is_first)
        reports[underlying] = self.bench.say(contracts[underlying], usd, age, confidence)
        contracts[underlying].transact("setBehaviour", 0)

    @rule(underlying=UNDERLYINGS, move=st.integers(5_000, 20_000))
    def agree(self, underlying: int, move: int) -> None:
        usd = OPENING_USD[underlying] * move // 10_000
        for contracts, reports in (self.source(True), self.source(False)):
            reports[underlying] = self.bench.say(contracts[underlying], usd)
            contracts[underlying].transact("setBehaviour", 0)

    @rule(underlying=UNDERLYINGS, behaviour=st.integers(1, 5), is_first=st.booleans())
    def breaks(self, underlying: int, behaviour: int, is_first: bool) -> None:
        contracts, reports = self.source(is_first)
        contracts[underlying].transact("setBehaviour", behaviour)
        reports[underlying] = NO_REPORT

    @rule(seconds=PAUSES)
    def wait(self, seconds: int) -> None:
        self.bench.evm.advance(seconds)

    @precondition(lambda self: self.has_sequencer)
    @rule(is_up=st.booleans(), age=st.integers(0, 2 * HOUR))
    def sequencer(self, is_up: bool, age: int) -> None:
        self.bench.set_sequencer(is_up, self.bench.now - age)
        self.up_since = self.bench.now - age if is_up else None

    def is_sequencer_up(self) -> bool:
        return not self.has_sequencer or (self.up_since is not None and self.bench.now - self.up_since >= HOUR)

    @rule(is_view=st.booleans())
    def read_both(self, is_view: bool) -> None:
        now = self.bench.now
        first, second, records = self.first, self.second, self.records
        settlement, stored = read_settlement(self.settlement, LIMITS, records[USDC], first[USDC], second[USDC], now)
        context = context_from(settlement, now, self.is_sequencer_up())
        quote, after = read(ETH, LIMITS, records[ETH], first[ETH], second[ETH], context)
        if is_view:
            quotes, settlement_usd = self.bench.hub.call("quotesOf", 1 << ETH)
        else:
            quotes, settlement_usd = self.bench.hub.transact("refresh", 1 << ETH).result
            self.records, self.settlement = {USDC: stored, ETH: after}, settlement
        assert settlement_usd == settlement.usd, "I16: settlement token"
        assert tuple(quotes[0]) == (ETH, quote.state, quote.index, quote.stable, quote.second), "I16: quote"
        assert quote.index > 0, "I21: price > 0"

    @rule(underlying=UNDERLYINGS)
    def poke(self, underlying: int) -> None:
        expected = None
        if self.has_second:
            expected = poke(LIMITS, self.records[underlying], self.second[underlying], self.bench.now)
        try:
            self.bench.hub.transact("poke", underlying)
        except Revert as revert:
            assert expected is None and revert.name in ("SourceNotUsable", "NoSecondSource")
        else:
            assert expected is not None
            self.records[underlying] = expected

    @rule(underlying=UNDERLYINGS)
    def reconnect(self, underlying: int) -> None:
        second = self.bench.second[underlying].address if self.has_second else ZERO_ADDRESS
        try:
            expected = self.connected(underlying, self.records[underlying])
        except SourceNotUsable:
            expected = None
        try:
            self.bench.hub.transact("setSources", underlying, self.bench.first[underlying].address, second)
        except Revert as revert:
            assert expected is None and revert.name in ("SourceNotUsable", "SourcesDisagree", "SourceTooFar")
        else:
            assert expected is not None
            self.records[underlying] = expected
            if underlying == USDC:
                self.settlement = replace(self.settlement, read_at=0)

    @rule(underlying=UNDERLYINGS)
    def compare_records(self, underlying: int) -> None:
        mine, chain = self.records[underlying], self.bench.record(underlying)
        assert chain.index == mine.index and chain.stable == mine.stable, "I16: stored prices"
        assert (chain.publishedAt, chain.goodAt, chain.refreshedAt) == (
            mine.published_at,
            mine.good_at,
            mine.refreshed_at,
        ), "I16: stored times"
        assert chain.wideUntil == mine.wide_until
        assert chain.pendingLevel == mine.pending_level, "I16: refused level"
        assert not mine.pending_level or chain.pendingSince == mine.pending_since
        if self.has_second:
            assert (chain.secondPrice, chain.secondExpiresAt) == (mine.second_usd, mine.second_expires_at)


TestHubAndTwin = HubAndTwin.TestCase
TestHubAndTwin.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
