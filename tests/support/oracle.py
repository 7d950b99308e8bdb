"""An oracle hub with sources that do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ballast.chain import codec
from ballast.risk.oracle import OracleLimits, Report
from tests.support.evm import Contract, Evm

WAD = 10**18
HOUR = 3600
ZERO_ADDRESS = "0x" + "00" * 20
USDC, ETH, BTC = 0, 1, 2
OPENING_USD = {USDC: WAD, ETH: 3000 * WAD, BTC: 60_000 * WAD}
OK, WIDE, STALE, HALTED = range(4)

LIMITS = OracleLimits(
    max_age=3900,
    second_max_age=3900,
    halt_age=2 * HOUR,
    fallback_delay=HOUR,
    step_bps=1500,
    agreement_bps=200,
    stand_time=180,
    stand_bps=6000,
    wide_bps=200,
    confidence_bps=100,
    stable_delay=HOUR,
    stable_rate_bps=1000,
)


def as_struct(limits: OracleLimits) -> tuple[int, ...]:
    """`limits` in the order of the contract's struct, which is that of the twin's fields."""
    return tuple(vars(limits).values())


class OracleBench:
    """A hub with a first and a second `UnrulySource` for each of USDC, ETH and BTC, all fresh and in agreement."""

    def __init__(self, limits: OracleLimits = LIMITS, with_second: bool = True, sequencer_grace: int | None = None):
        self.evm = Evm()
        self.authority = self.evm.deploy("Authority", self.evm.deployer)
        self.sequencer = self.evm.deploy("UnrulyAggregator", 0)
        watched = ZERO_ADDRESS if sequencer_grace is None else self.sequencer.address
        self.hub = self.evm.deploy("OracleHub", self.authority.address, watched, sequencer_grace or 0)
        self.attacker = self.evm.deploy("OneTransaction")
        self.first = {u: self.evm.deploy("UnrulySource") for u in OPENING_USD}
        self.second = {u: self.evm.deploy("UnrulySource") for u in OPENING_USD}
        self.set_sequencer(is_up=True, since=self.now - 10 * HOUR)
        for underlying, usd in OPENING_USD.items():
            self.publish(underlying, usd)
            self.hub.transact("setLimits", underlying, as_struct(limits))
            second = self.second[underlying].address if with_second else ZERO_ADDRESS
            self.hub.transact("setSources", underlying, self.first[underlying].address, second)

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def say(self, source: Contract, usd: int, age: int = 0, confidence: int = 0) -> Report:
        """Has an `UnrulySource` report `usd` (wad), published `age` seconds ago."""
        report = Report(usd, confidence, self.now - age)
        source.transact("report", report.usd, report.confidence, report.published_at)
        return report

    def publish(self, underlying: int, usd: int) -> None:
        """Both sources agree on `usd` now."""
        self.say(self.first[underlying], usd)
        self.say(self.second[underlying], usd)

    def publish_all(self) -> None:
        """All sources repeat the opening prices now."""
        for underlying, usd in OPENING_USD.items():
            self.publish(underlying, usd)

    def set_sequencer(self, is_up: bool, since: int) -> None:
        self.sequencer.transact("setRound", 1, 0 if is_up else 1, since, since, 1)

    def quote(self, underlying: int = ETH) -> Any:
        """What a view says now; the settlement token's own quote cannot be asked for."""
        return self.hub.call("quotesOf", 1 << underlying).quotes[0]

    def refresh(self, underlying: int = ETH) -> Any:
        return self.hub.transact("refresh", 1 << underlying).result.quotes[0]

    def record(self, underlying: int = ETH) -> Any:
        return self.hub.call("recordOf", underlying)

    def in_one_transaction(self, *steps: tuple[Contract, str, tuple[Any, ...]]) -> list[Any]:
        """Several calls by one contract in one transaction; what each returned."""
        calls = [codec.encode_call(target.abi, function, arguments) for target, function, arguments in steps]
        outputs = self.attacker.transact("run", [target.address for target, _, _ in steps], calls).result
        return [
            codec.decode_result(target.abi, function, len(arguments), output) if output else None
            for (target, function, arguments), output in zip(steps, outputs, strict=True)
        ]

    def hold(self, seconds: int, step: int, each: Callable[[], None]) -> None:
        """Lets `seconds` pass in steps; `each` acts after every one."""
        for _ in range(seconds // step):
            self.evm.advance(step)
            each()
