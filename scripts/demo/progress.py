"""Live progress of a replay in the terminal; a line now and then where there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from eth_utils import keccak
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.demo.replay import Market
from scripts.demo.report import Sample
from scripts.demo.stage import Stage

_STARTED = keccak(text="AuctionStarted(uint256,uint64,int256,uint256,uint256)")


class ReplayProgress:
    """Prices, how many accounts are in danger, and auctions so far."""

    def __init__(self, console: Console, stage: Stage, market: Market, bars: int) -> None:
        self._console, self._stage, self._market = console, stage, market
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("replay", total=bars)
        self._samples = 0
        self._last: Sample | None = None

    def __enter__(self) -> ReplayProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, bar: int, sample: Sample | None) -> None:
        if sample is not None:
            self._last = sample
            self._samples += 1
            text = self._text(sample)
            self._progress.update(self._task, description=text)
            if not self._console.is_terminal and self._samples % 20 == 1:
                self._console.print(text)
        self._progress.advance(self._task)

    def _text(self, sample: Sample) -> str:
        clock = datetime.fromtimestamp(sample.time, UTC).strftime("%H:%M")
        prices = "  ".join(f"{symbol} {price:,.0f}" for symbol, price in sample.prices.items())
        endangered = sum(health < 1.1 for health in sample.health)
        return f"{clock}  {prices}  below 1.1: {endangered:>3}  auctions: {self._auctions():>3}"

    def _auctions(self) -> int:
        query: dict[str, Any] = {
            "fromBlock": hex(self._stage.record.block),
            "address": self._stage.address("Auctions"),
            "topics": ["0x" + _STARTED.hex()],
        }
        return len(self._stage.node.request("eth_getLogs", query))
